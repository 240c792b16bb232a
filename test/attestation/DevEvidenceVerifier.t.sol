// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {DevEvidenceVerifier} from "src/attestation/DevEvidenceVerifier.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";

/// @notice Evidence of any bytes: the claims, or a typed error.
contract DevEvidenceVerifierTest is Test {
    uint256 private constant BYTES = 320;
    uint256 private constant NOT_AFTER = 3;
    uint256 private constant OFFSET = 5;
    uint256 private constant LENGTH = 6;
    uint256 private constant PADDING = 9;

    DevEvidenceVerifier private _verifier;
    uint256 private _root;
    address private _rootAddress;

    function setUp() public {
        (_rootAddress, _root) = makeAddrAndKey("root");
        _verifier = new DevEvidenceVerifier(_rootAddress, false);
    }

    function testFuzz_verify_signed_succeeds(
        bytes32 measurement,
        bytes32 rd0,
        bytes32 rd1,
        uint64 notAfter,
        bytes32 deviceId,
        bytes calldata aux
    ) public view {
        bytes memory evidence = _evidence(measurement, rd0, rd1, notAfter, deviceId);
        assertEq(evidence.length, BYTES);
        Claims memory claims = _verifier.verify(evidence, aux);
        Claims memory expected = Claims({
            kind: "DEV",
            deviceId: deviceId,
            measurement: measurement,
            rd0: rd0,
            rd1: rd1,
            tcbStatus: 0,
            tcbEval: 0,
            notAfter: notAfter,
            evidenceHash: keccak256(evidence),
            certificate: 0
        });
        assertEq(abi.encode(claims), abi.encode(expected));
    }

    function testFuzz_verify_anyBytes_reverts(bytes calldata evidence) public {
        vm.assume(evidence.length != BYTES);
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify(evidence, "");
    }

    function testFuzz_verify_anyWords_reverts(bytes32[10] calldata words) public {
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify(abi.encode(words), "");
    }

    function test_verify_empty_reverts() public {
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify("", "");
    }

    function testFuzz_verify_truncated_reverts(uint256 length) public {
        bytes memory evidence = _evidence(0, 0, 0, 1, 0);
        length = bound(length, 0, BYTES - 1);
        assembly {
            mstore(evidence, length)
        }
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify(evidence, "");
    }

    function test_verify_surplus_reverts() public {
        bytes memory evidence = bytes.concat(_evidence(0, 0, 0, 1, 0), bytes32(0));
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify(evidence, "");
    }

    function test_verify_wordsOfTheEncoding_reverts() public {
        _refuse(NOT_AFTER, 1 << 64);
        _refuse(OFFSET, 191);
        _refuse(OFFSET, 193);
        _refuse(OFFSET, 224);
        _refuse(OFFSET, type(uint256).max);
        _refuse(LENGTH, 64);
        _refuse(LENGTH, 66);
        _refuse(LENGTH, type(uint256).max);
        // The last byte of the signature is the word's first one; the others are padding.
        _refuse(PADDING, uint256(27) << 248 | 1);
        _refuse(PADDING, uint256(27) << 248 | 1 << 240);
    }

    function testFuzz_verify_changedField_reverts(uint256 field, bytes32 value) public {
        bytes memory evidence = _evidence("m", "a", "b", 7, "d");
        field = bound(field, 0, 4);
        if (field == NOT_AFTER) value = bytes32(uint256(uint64(uint256(value))));
        assembly {
            let at := add(add(evidence, 32), mul(32, field))
            if eq(mload(at), value) { value := xor(value, 1) }
            mstore(at, value)
        }
        vm.expectPartialRevert(DevEvidenceVerifier.EvidenceSignature.selector);
        _verifier.verify(evidence, "");
    }

    function test_verify_notASignature_reverts() public {
        bytes memory evidence = _evidence(0, 0, 0, 1, 0);
        evidence[BYTES - 32] = 0x05;
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        _verifier.verify(evidence, "");
    }

    function test_verify_anotherSigner_reverts() public {
        (address other, uint256 key) = makeAddrAndKey("other");
        _root = key;
        bytes memory evidence = _evidence(0, 0, 0, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(DevEvidenceVerifier.EvidenceSignature.selector, _rootAddress, other));
        _verifier.verify(evidence, "");
    }

    function _refuse(uint256 word, uint256 value) private {
        bytes memory evidence = _evidence(0, 0, 0, 1, 0);
        assembly {
            mstore(add(add(evidence, 32), mul(32, word)), value)
        }
        vm.expectRevert(DevEvidenceVerifier.EvidenceEncoding.selector);
        _verifier.verify(evidence, "");
    }

    function _evidence(bytes32 measurement, bytes32 rd0, bytes32 rd1, uint64 notAfter, bytes32 deviceId)
        private
        view
        returns (bytes memory)
    {
        bytes32 tag = keccak256("OTR/dev-evidence/1");
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(_root, keccak256(abi.encode(tag, measurement, rd0, rd1, notAfter, deviceId)));
        return abi.encode(measurement, rd0, rd1, notAfter, deviceId, abi.encodePacked(r, s, v));
    }
}
