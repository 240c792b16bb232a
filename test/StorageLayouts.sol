// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {RollupState} from "../src/rollup/RollupState.sol";

// The upgradeable contracts keep their state in ERC-7201 namespaces, which the compiler's layout output does not show. Here each
// namespace is an ordinary variable, so that tools/golden.ts can write its layout down and CI can see it move.

contract StakeVaultLayout {
    StakeVault.Layout internal layout;
}

contract ModelRegistryLayout {
    ModelRegistry.Layout internal layout;
}

contract EnclaveRegistryLayout {
    EnclaveRegistry.Layout internal layout;
}

contract OtrRollupLayout {
    RollupState.Layout internal layout;
}
