// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Script} from "forge-std/Script.sol";

/// @title Gas of a transaction on a chain without the precompile for P-256
/// @notice `forge script test/harness/WithoutP256.sol --sig "run(address,bytes)" TO DATA --rpc-url URL`: on a copy of a chain's state.
contract WithoutP256 is Script {
    address private constant PRECOMPILE = address(0x100);

    /// @return gas The whole transaction's, calldata included.
    function run(address to, bytes calldata data) external returns (uint256 gas) {
        // A call to an account without code succeeds and returns nothing.
        vm.mockCall(PRECOMPILE, bytes(""), bytes(""));
        (bool success,) = to.call(data);
        require(success, "reverted");
        return vm.lastCallGas().gasTotalUsed;
    }
}
