// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DrawnPair, DrawnStep, IElementVerifier} from "src/interfaces/IElementVerifier.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";

/// @title Believes whoever knows exactly what is asked
/// @notice A proof is the hash of all steps with their pairs, and of the openings. Tests choose which pairs are long folds.
contract ElementVerifierDouble is IElementVerifier {
    error NotProven();
    error StatesMissing(uint256 pair);

    uint256 public constant BLOCKS = 2;
    IModelRegistry public MODELS;
    uint32 public MACHINE_VERSION;
    bool public development;
    mapping(uint256 pair => bool) public isLong;

    /// @dev The deployment that it is given to makes the registry.
    function belongTo(IModelRegistry models, uint32 machineVersion) external {
        (MODELS, MACHINE_VERSION) = (models, machineVersion);
    }

    function setDevelopment(bool value) external {
        development = value;
    }

    function setLong(uint256 pair, bool value) external {
        isLong[pair] = value;
    }

    function proofOf(DrawnStep[] memory steps, bytes[] memory openings) public pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(steps, openings)));
    }

    function requireProven(DrawnStep[] calldata steps, bytes[] calldata openings, bytes calldata proofs) external view {
        for (uint256 k; k < steps.length; ++k) {
            DrawnPair[] calldata pairs = steps[k].pairs;
            for (uint256 i; i < pairs.length; ++i) {
                bool missing = pairs[i].statesRoot == 0 || pairs[i].blockValue == 0;
                if (isLong[pairs[i].pair] && missing) revert StatesMissing(pairs[i].pair);
            }
        }
        if (keccak256(proofs) != keccak256(proofOf(steps, openings))) revert NotProven();
    }
}
