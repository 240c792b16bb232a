// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomness} from "../interfaces/IRandomness.sol";
import {Duration, Timestamp} from "../libraries/Clock.sol";
import {Rounds} from "./Rounds.sol";

/// @title Values that anybody may choose, for development chains
/// @notice Runs the path of real rounds on chains without a beacon. The proof is the value, 32 bytes. Trusted is everybody: only development
///         deployments accept its kind.
contract DevRandomness is Rounds {
    /// @notice This chain is no local development chain, and the deployer did not insist.
    error NotADevelopmentChain(uint256 chainId);

    uint256 private constant LOCAL_CHAIN = 31_337;

    /// @inheritdoc IRandomness
    bytes32 public constant kind = "DEV";

    constructor(Timestamp genesis, Duration period, bool allowAnyChain) Rounds(genesis, period) {
        if (block.chainid != LOCAL_CHAIN && !allowAnyChain) revert NotADevelopmentChain(block.chainid);
    }

    /// @inheritdoc Rounds
    function _prove(uint64 round, bytes calldata proof) internal pure override returns (bytes32 value) {
        if (proof.length != 32) revert ProofRejected(round);
        value = bytes32(proof);
    }
}
