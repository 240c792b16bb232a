// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IAvailability} from "../interfaces/IAvailability.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IElementVerifier} from "../interfaces/IElementVerifier.sol";
import {IFraudProofs} from "../interfaces/IFraudProofs.sol";
import {IOtrRollup, Rules} from "../interfaces/IOtrRollup.sol";
import {ISpotChecks} from "../interfaces/ISpotChecks.sol";
import {Duration} from "../libraries/Clock.sol";
import {Ratio} from "../libraries/Ratio.sol";
import {RollupState} from "./RollupState.sol";

/// @title What rules must keep, whoever governs
library RulesLib {
    /// @notice Reverts, naming the rule, unless the courts belong together and the amounts and times protect everyone.
    function requireValid(Rules calldata rules, RollupState.Neighbours memory neighbours) external view {
        IDisputeGame game = IDisputeGame(rules.game);
        IAvailability availability = IAvailability(rules.availability);
        IFraudProofs frauds = IFraudProofs(rules.frauds);
        // INVARIANT: courts judge by the models, and know the delegates, that executors serve by: else nobody could answer them.
        _require(
            address(game.ROLLUP()) == address(this) && game.VAULT() == neighbours.vault
                && game.MODELS() == neighbours.models,
            "game"
        );
        _require(address(frauds.ROLLUP()) == address(this) && frauds.MODELS() == neighbours.models, "frauds");
        _require(
            address(availability.ROLLUP()) == address(this) && availability.VAULT() == neighbours.vault, "availability"
        );
        _require(address(game.JUDGE()) == rules.judge, "judge");
        _require(game.JUDGE().machineVersion() == rules.machineVersion, "machineVersion");
        // One clock for all courts.
        bool oneClock = address(game.UPTIME()) == rules.uptime && address(availability.UPTIME()) == rules.uptime;
        _require(oneClock && rules.uptime.code.length != 0, "uptime");
        _require(rules.challengeWindow.inSeconds() != 0, "challengeWindow");
        uint256 turn = rules.turnDuration.inSeconds();
        bool oneTurn = turn == game.TURN_DURATION().inSeconds() && turn == availability.TURN_DURATION().inSeconds();
        _require(turn != 0 && oneTurn, "turnDuration");
        _require(rules.lockPerReceipt != 0, "lockPerReceipt");
        // INVARIANT: at least half of what a conviction takes is burnt, so accusing oneself loses money.
        _require(uint256(rules.challengerBps) + rules.requesterBps <= Ratio.ONE / 2, "shares");
        // INVARIANT: the executor's half of a lost bond covers what its answers cost, and a demand's bond the posted data.
        _require(rules.bond != 0 && rules.bond / 2 >= game.EXECUTOR_GAS() * rules.gasPrice, "bond");
        uint256 answerCost = availability.ANSWER_GAS() * rules.gasPrice;
        _require(rules.demandBond != 0 && rules.demandBond / 2 >= answerCost, "demandBond");
        // INVARIANT: the gas of a longest game can be repaid from what commits must leave free.
        _require(rules.reserve >= game.gasOf(game.MAX_TURNS()) * rules.gasPrice, "reserve");
        uint256 longest = longestGame(rules.game, rules.turnDuration).inSeconds();
        // INVARIANT: locks wait for the air gap, and for every case opened before the winning one.
        uint256 claimPeriod = rules.claimPeriod.inSeconds();
        _require(claimPeriod >= longest && claimPeriod >= rules.airGap.inSeconds(), "claimPeriod");
        // INVARIANT: stake outlives every receipt signed before an exit, its window, made a turn longer by a demand, and its longest
        // game; and its longest draws.
        uint256 window = rules.challengeWindow.inSeconds();
        uint256 liability = Math.max(window + turn + longest, _longestDraws(rules, neighbours));
        liability += rules.expiryCap.inSeconds();
        _require(neighbours.vault.exitDelay().inSeconds() >= liability, "exitDelay");
    }

    /// @dev Seconds from a commit until its draws are answered or missed; checks the court of draws, if there is one.
    function _longestDraws(Rules calldata rules, RollupState.Neighbours memory neighbours)
        private
        view
        returns (uint256)
    {
        if (rules.spotChecks == address(0)) return 0;
        ISpotChecks spotChecks = ISpotChecks(rules.spotChecks);
        _require(
            address(spotChecks.ROLLUP()) == address(this) && spotChecks.VAULT() == neighbours.vault
                && address(spotChecks.UPTIME()) == rules.uptime
                && spotChecks.TURN_DURATION().inSeconds() == rules.turnDuration.inSeconds(),
            "spotChecks"
        );
        // INVARIANT: what is drawn can be proven: a verifier of another registry or machine refuses every proof.
        IElementVerifier verifier = spotChecks.VERIFIER();
        _require(
            verifier.MODELS() == neighbours.models && verifier.MACHINE_VERSION() == rules.machineVersion, "verifier"
        );
        // INVARIANT: a production deployment draws by no source, and believes no proof, that anyone can forge.
        _require(neighbours.enclaves.development() || !spotChecks.development(), "development");
        return spotChecks.longestDraws().inSeconds();
    }

    /// @notice Longest time that a game takes if everybody uses up every turn.
    function longestGame(address game, Duration turnDuration) internal view returns (Duration) {
        return Duration.wrap(uint32(IDisputeGame(game).MAX_TURNS() * turnDuration.inSeconds()));
    }

    function _require(bool kept, bytes32 rule) private pure {
        if (!kept) revert IOtrRollup.InvalidRules(rule);
    }
}
