// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Der} from "src/attestation/Der.sol";
import {IntelPck} from "src/attestation/IntelPck.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {X509} from "src/attestation/X509.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {TdxHarness} from "../harness/TdxHarness.sol";

/// @notice Chains in the form of Intel's, signed by keys of our own. Real chains: `ts/attestation/intel.test.ts`.
contract IntelPckTest is Test {
    uint256 private constant NOW = 1_790_000_000;
    TdxHarness private _harness;
    bytes[] private _chain;
    bytes32 private _root;

    function setUp() public {
        _harness = new TdxHarness();
        _chain.push(Dev.pck());
        _chain.push(Dev.platformCa());
        _chain.push(Dev.root());
        _root = keccak256(_chain[2]);
    }

    function test_verifyChain_valid_succeeds() public view {
        IntelPck.Pck memory pck = _harness.verifyChain(_chain, _root, NOW);
        assertEq(pck.key, Dev.key(Dev.PCK));
        assertEq(pck.fmspc, bytes6(0xb0c06f000000));
        assertEq(pck.pceId, bytes2(0x0001));
        assertEq(pck.components, bytes16(0x0102030405060708090a0b0c0d0e0f10));
        assertEq(pck.pceSvn, 13);
        assertEq(pck.ppidHash, keccak256(hex"811dca2a26b952e85bb6448b097ba4fd"));
        assertEq(pck.serial, 0x1234);
        assertEq(pck.issuer, keccak256(Dev.name(Dev.PLATFORM_CA)));
        assertEq(abi.encode(pck), abi.encode(_harness.leaf(_chain[0])));
    }

    function test_snapshot_pckChain() public {
        _harness.verifyChain(_chain, _root, NOW);
        vm.snapshotGasLastCall("attestation", "pckChain");
    }

    function test_verifyChain_reverts() public {
        bytes[] memory chain = _chain;
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckRoot.selector, bytes32("other"), _root));
        _harness.verifyChain(chain, "other", NOW);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _harness.verifyChain(chain, _root, 1);
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckChain.selector, 0));
        _harness.verifyChain(new bytes[](0), _root, NOW);
        chain = new bytes[](1);
        chain[0] = _chain[2];
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckChain.selector, 1));
        _harness.verifyChain(chain, _root, NOW);
        // The leaf under the root: its issuer is another.
        chain = new bytes[](2);
        (chain[0], chain[1]) = (_chain[0], _chain[2]);
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _harness.verifyChain(chain, _root, NOW);
    }

    /// @dev A leaf that names an authority which is none, and one that another key signed.
    function test_verifyChain_forged_reverts() public {
        bytes[] memory chain = _chain;
        chain[1] = Dev.certificate(Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, Dev.leafExtensions(Dev.platform(99, 99))));
        vm.expectPartialRevert(X509.X509Authority.selector);
        _harness.verifyChain(chain, _root, NOW);
        chain = _chain;
        Dev.Fields memory fields = Dev.fields(Dev.PCK, Dev.PLATFORM_CA, Dev.leafExtensions(Dev.platform(99, 99)));
        fields.signer = "Somebody";
        chain[0] = Dev.certificate(fields);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _harness.verifyChain(chain, _root, NOW);
    }

    function test_verifyChain_otherCurve_reverts() public {
        string memory json = vm.readFile("test/vectors/attestation/h100.json");
        bytes[] memory chain = new bytes[](2);
        chain[0] = vm.parseJsonBytes(json, ".chain[3]");
        chain[1] = vm.parseJsonBytes(json, ".chain[4]");
        vm.expectRevert(IntelPck.PckCurve.selector);
        _harness.verifyChain(chain, keccak256(chain[1]), NOW);
    }

    function test_readLeaf_reverts() public {
        bytes memory der = _chain[1];
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckLeaf.selector, 0x0600));
        _harness.leaf(der);
        der = _leaf(bytes.concat(Dev.AUTHORITY, Dev.SIGNS));
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckLeaf.selector, 0xc000));
        _harness.leaf(der);
        der = _leaf(Dev.SIGNS);
        vm.expectPartialRevert(X509.X509ExtensionMissing.selector);
        _harness.leaf(der);
    }

    function test_readLeaf_parts_reverts() public {
        // Each part is missing once, and has another size once.
        for (uint256 missing; missing < 6; ++missing) {
            bytes memory der = _leaf(Dev.leafExtensions(Dev.platform(missing == 0 ? 99 : missing - 1, 99)));
            if (missing == 0) {
                _harness.leaf(der);
            } else {
                vm.expectPartialRevert(IntelPck.PckExtension.selector);
                _harness.leaf(der);
            }
        }
        for (uint256 short; short < 3; ++short) {
            bytes memory der = _leaf(Dev.leafExtensions(Dev.platform(99, short)));
            vm.expectPartialRevert(IntelPck.PckExtension.selector);
            _harness.leaf(der);
        }
        bytes memory wide = _leaf(Dev.leafExtensions(Dev.platform(99, 3)));
        vm.expectPartialRevert(Der.DerInteger.selector);
        _harness.leaf(wide);
        wide = _leaf(Dev.leafExtensions(Dev.platform(99, 4)));
        vm.expectPartialRevert(Der.DerInteger.selector);
        _harness.leaf(wide);
    }

    function testFuzz_readLeaf_changedByte_succeedsOrReverts(uint256 place, uint8 value) public view {
        bytes memory der = _chain[0];
        der[place % der.length] = bytes1(value);
        (bool success, bytes memory reason) = address(_harness).staticcall(abi.encodeCall(TdxHarness.leaf, (der)));
        if (success) return;
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    /// @dev Any change within what is signed is found, at the latest by the signature.
    function testFuzz_verifyChain_flippedBit_reverts(uint256 bit) public view {
        bytes[] memory chain = _chain;
        bytes memory der = chain[0];
        bit = bit % (8 * (der.length - 70));
        der[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success,) = address(_harness).staticcall(abi.encodeCall(TdxHarness.verifyChain, (chain, _root, NOW)));
        assertFalse(success);
    }

    function _leaf(bytes memory extensions) private pure returns (bytes memory) {
        return Dev.certificate(Dev.fields(Dev.PCK, Dev.PLATFORM_CA, extensions));
    }
}
