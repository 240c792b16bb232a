// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TeeResolver} from "src/TeeResolver.sol";
import {Attestation} from "src/interfaces/IEas.sol";
import {SessionsTest} from "./harness/AttestationDoubles.sol";

/// @notice With the real EAS: `ts/attestation/receipts.chain.test.ts`.
contract TeeResolverTest is SessionsTest {
    TeeResolver private _resolver;

    function setUp() public override {
        super.setUp();
        _resolver = new TeeResolver(address(eas), registry);
        _register(2);
    }

    function _receipt() private view returns (Attestation memory a) {
        a.attester = address(registry);
        a.recipient = enclave;
        a.expirationTime = uint64(NOW + LIFETIME);
        a.revocable = true;
    }

    function _attest(Attestation memory a) private returns (bool) {
        vm.prank(address(eas));
        return _resolver.attest(a);
    }

    function test_attest_registryOnly_succeeds() public {
        assertTrue(_attest(_receipt()));
        Attestation memory a = _receipt();
        a.attester = stranger;
        assertFalse(_attest(a), "another attester");
        a = _receipt();
        a.recipient = stranger;
        assertFalse(_attest(a), "no key");
        a = _receipt();
        a.expirationTime += 1;
        assertFalse(_attest(a), "longer than the key");
        a.recipient = stranger;
        a.expirationTime = 0;
        assertFalse(_attest(a), "for ever");
    }

    function test_attest_endedKey_fails() public {
        vm.warp(NOW + LIFETIME);
        assertFalse(_attest(_receipt()), "expired");
        vm.warp(NOW + 1);
        vm.prank(executor);
        registry.revoke(enclave);
        assertFalse(_attest(_receipt()), "revoked");
    }

    function test_multiAttest_each_succeeds() public {
        Attestation[] memory list = new Attestation[](2);
        list[0] = list[1] = _receipt();
        vm.startPrank(address(eas));
        assertTrue(_resolver.multiAttest(list, new uint256[](2)));
        list[1].attester = stranger;
        assertFalse(_resolver.multiAttest(list, new uint256[](2)));
        assertTrue(_resolver.revoke(list[0]));
        assertTrue(_resolver.multiRevoke(list, new uint256[](2)));
        assertFalse(_resolver.isPayable());
        assertEq(_resolver.version(), "1.0.0");
    }

    function test_notEas_reverts() public {
        Attestation[] memory list = new Attestation[](1);
        bytes memory refusal = abi.encodeWithSelector(TeeResolver.NotEas.selector, address(this));
        vm.expectRevert(refusal);
        _resolver.attest(list[0]);
        vm.expectRevert(refusal);
        _resolver.multiAttest(list, new uint256[](1));
        vm.expectRevert(refusal);
        _resolver.revoke(list[0]);
        vm.expectRevert(refusal);
        _resolver.multiRevoke(list, new uint256[](1));
    }
}
