// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EnclaveVerifier} from "src/attestation/EnclaveVerifier.sol";
import {GovernanceVerifier} from "src/attestation/GovernanceVerifier.sol";
import {StatementVerifier} from "src/attestation/StatementVerifier.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {SessionsTest} from "../harness/AttestationDoubles.sol";

/// @notice A wallet that signs what it is told to, by EIP-1271.
contract Wallet {
    mapping(bytes32 digest => bool) public signed;

    function sign(bytes32 digest) external {
        signed[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return signed[digest] ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Statements of verifier enclaves and of governance.
contract StatementVerifierTest is SessionsTest {
    EnclaveVerifier private _enclaves;
    GovernanceVerifier private _governance;
    address private _voucher;
    uint256 private _voucherKey;

    function setUp() public override {
        super.setUp();
        (_voucher, _voucherKey) = makeAddrAndKey("voucher");
        _enclaves = new EnclaveVerifier(registry);
        _governance = new GovernanceVerifier(_voucher);
        registry.setVerifier(_enclaves);
        registry.setVerifier(_governance);
        registry.setPolicy(_enclaves.MODEL(), MEASUREMENT, Timestamp.wrap(uint40(NOW + 365 days)));
    }

    function _claims(bytes32 kind) private view returns (Claims memory claims) {
        claims = _cpu(new Claims[](0));
        claims.kind = kind;
    }

    function _statement(StatementVerifier verifier, Claims memory claims, uint256 key)
        private
        view
        returns (bytes memory)
    {
        return bytes.concat(abi.encode(claims), _sign(key, verifier.digestOf(claims)));
    }

    /// @dev Registers the voucher as a verifier enclave, with evidence of that many GPUs.
    function _registerVoucher() private {
        (address key, uint256 key_) = (enclave, secret);
        (enclave, secret) = (_voucher, _voucherKey);
        registration.modelId = _enclaves.MODEL();
        registration.enclaveKey = enclave;
        _register(0);
        (enclave, secret) = (key, key_);
        registration.modelId = MODEL;
        registration.enclaveKey = enclave;
    }

    function test_verify_byVerifierEnclave_succeeds() public {
        _registerVoucher();
        _setTerms(2, 1, 0);
        _open();
        Claims[] memory gpus = _gpus(2);
        gpus[0].kind = gpus[1].kind = "VERIFIER_ENCLAVE";
        Claims memory cpu = _cpu(gpus);
        cpu.kind = "VERIFIER_ENCLAVE";
        bytes32 kind = "VERIFIER_ENCLAVE";
        sessions.prove(IEnclaveRegistry.Evidence(kind, _statement(_enclaves, gpus[0], _voucherKey), ""));
        sessions.prove(IEnclaveRegistry.Evidence(kind, _statement(_enclaves, gpus[1], _voucherKey), ""));
        sessions.prove(IEnclaveRegistry.Evidence(kind, _statement(_enclaves, cpu, _voucherKey), ""));
        _finalize(cpu, gpus);
        assertEq(registry.standingOf(enclave).assurance, 1);
        assertEq(registry.enclaveOf(enclave).kind, kind);
    }

    function test_verify_notAVerifierEnclave_reverts() public {
        Claims memory claims = _claims("VERIFIER_ENCLAVE");
        bytes memory statement = _statement(_enclaves, claims, _voucherKey);
        bytes memory refusal = abi.encodeWithSelector(StatementVerifier.NotAVoucher.selector, _voucher);
        vm.expectRevert(refusal);
        _enclaves.verify(statement, "");
        // An enclave of a model is none either.
        (address served, uint256 servedKey) = (enclave, secret);
        _register(2);
        bytes memory other = _statement(_enclaves, claims, servedKey);
        vm.expectRevert(abi.encodeWithSelector(StatementVerifier.NotAVoucher.selector, served));
        _enclaves.verify(other, "");
        _registerVoucher();
        _enclaves.verify(statement, "");
        vm.prank(executor);
        registry.revoke(_voucher);
        vm.expectRevert(refusal);
        _enclaves.verify(statement, "");
    }

    /// @dev What a verifier enclave vouched for vouches for nobody.
    function test_verify_vouchedVerifierEnclave_reverts() public {
        _registerVoucher();
        (address next, uint256 nextKey) = makeAddrAndKey("next");
        registration.modelId = _enclaves.MODEL();
        registration.enclaveKey = next;
        (bytes32 challenge, bytes32 rd0) = registry.challengeOf(registration);
        Claims memory claims = _claims("VERIFIER_ENCLAVE");
        claims.rd0 = rd0;
        bytes memory statement = _statement(_enclaves, claims, _voucherKey);
        bytes memory signature = _sign(nextKey, challenge);
        vm.prank(executor);
        registry.register(registration, IEnclaveRegistry.Evidence("VERIFIER_ENCLAVE", statement, ""), signature);
        assertEq(registry.standingOf(next).assurance, 1);
        statement = _statement(_enclaves, claims, nextKey);
        vm.expectRevert(abi.encodeWithSelector(StatementVerifier.NotAVoucher.selector, next));
        _enclaves.verify(statement, "");
    }

    function test_verify_byGovernance_succeeds() public {
        Claims memory claims = _claims("GOVERNANCE");
        bytes memory statement = _statement(_governance, claims, _voucherKey);
        assertEq(abi.encode(_governance.verify(statement, "")), abi.encode(claims));
        Wallet wallet = new Wallet();
        GovernanceVerifier byWallet = new GovernanceVerifier(address(wallet));
        statement = bytes.concat(abi.encode(claims), hex"00");
        vm.expectRevert(abi.encodeWithSelector(StatementVerifier.NotAVoucher.selector, address(wallet)));
        byWallet.verify(statement, "");
        wallet.sign(byWallet.digestOf(claims));
        byWallet.verify(statement, "");
    }

    function test_verify_elsewhere_reverts() public {
        Claims memory claims = _claims("GOVERNANCE");
        bytes memory statement = _statement(_governance, claims, _voucherKey);
        GovernanceVerifier other = new GovernanceVerifier(_voucher);
        vm.expectPartialRevert(StatementVerifier.NotAVoucher.selector);
        other.verify(statement, "");
        vm.chainId(1);
        vm.expectPartialRevert(StatementVerifier.NotAVoucher.selector);
        _governance.verify(statement, "");
    }

    function test_verify_encodings_reverts() public {
        bytes4 refusal = StatementVerifier.EvidenceEncoding.selector;
        bytes memory statement = _statement(_governance, _claims("GOVERNANCE"), _voucherKey);
        vm.expectRevert(refusal);
        _governance.verify(statement, "0");
        bytes memory unsigned = abi.encode(_claims("GOVERNANCE"));
        vm.expectRevert(refusal);
        _governance.verify(unsigned, "");
        bytes memory other = _statement(_governance, _claims("VERIFIER_ENCLAVE"), _voucherKey);
        vm.expectRevert(refusal);
        _governance.verify(other, "");
        // The byte before each of the small numbers.
        uint256[3] memory places = [uint256(190), 219, 247];
        for (uint256 k; k < 3; ++k) {
            bytes memory changed = bytes.concat(statement);
            changed[places[k]] = 0x01;
            vm.expectRevert(refusal);
            _governance.verify(changed, "");
        }
    }

    function testFuzz_verify_anyBytes_reverts(bytes memory evidence) public view {
        (bool success, bytes memory reason) =
            address(_governance).staticcall(abi.encodeCall(_governance.verify, (evidence, "")));
        assertFalse(success);
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function testFuzz_verify_flippedByte_reverts(uint256 place, uint8 bit) public view {
        bytes memory evidence = _statement(_governance, _claims("GOVERNANCE"), _voucherKey);
        evidence[place % evidence.length] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success, bytes memory reason) =
            address(_governance).staticcall(abi.encodeCall(_governance.verify, (evidence, "")));
        assertFalse(success);
        assertTrue(reason.length >= 4 && bytes4(reason) != 0x4e487b71, "typed");
    }
}
