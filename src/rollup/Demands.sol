// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Batch, BatchId, DemandTerms, IOtrRollup, Rules} from "../interfaces/IOtrRollup.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Clock, Duration, Timestamp} from "../libraries/Clock.sol";
import {Cases} from "./Cases.sol";
import {RollupState} from "./RollupState.sol";

/// @title Demands for the data of a batch's leaves
/// @notice Linked to the rollup and called by it with `delegatecall`, as `Settlement`.
library Demands {
    /// @notice See `IOtrRollup`.
    function enterDemand(RollupState.Layout storage $, IStakeVault vault, BatchId batchId, uint256 index)
        external
        returns (DemandTerms memory terms)
    {
        Batch memory batch = RollupState.unreleased($, batchId);
        Rules storage rules = Cases.onlyCourt($, batch.rules);
        RollupState.Demand storage demand = $.demands[RollupState.demandKey(batchId, index)];
        // INVARIANT: a leaf's data is demanded once, early enough that its answer can still be judged.
        if (
            index >= batch.count || demand.state != RollupState.DemandState.None
                || vault.convictedAt(batch.executor).isSet()
                || batch.committedAt.plus(_half(rules.challengeWindow)).hasCome()
        ) revert IOtrRollup.NotDemandable(batchId, index);
        demand.state = RollupState.DemandState.Open;
        Cases.countGame($, batchId, batch.openGames);
        emit IOtrRollup.DemandEntered(batchId, index);
        return DemandTerms(batch.executor, rules.demandBond);
    }

    /// @notice See `IOtrRollup`.
    function leaveDemand(RollupState.Layout storage $, IStakeVault vault, BatchId batchId, uint256 index) external {
        (Batch storage batch, Rules storage rules, RollupState.Demand storage demand) = _endDemand($, batchId, index);
        Timestamp convictedAt = vault.convictedAt(batch.executor);
        if (convictedAt.isSet()) {
            _revertDemanded($, batchId, rules, demand, convictedAt);
        } else {
            demand.state = RollupState.DemandState.Answered;
            demand.extendedTo = Clock.current().plus(_half(rules.challengeWindow));
            RollupState.Losses storage losses = $.losses[batchId];
            losses.extendedTo = losses.extendedTo.max(demand.extendedTo);
        }
        emit IOtrRollup.DemandLeft(batchId, index, demand.state == RollupState.DemandState.Answered);
    }

    /// @notice See `IOtrRollup`.
    function convictUnanswered(
        RollupState.Layout storage $,
        IStakeVault vault,
        BatchId batchId,
        uint256 index,
        address challenger,
        Timestamp openedAt
    ) external {
        (Batch storage batch, Rules storage rules, RollupState.Demand storage demand) = _endDemand($, batchId, index);
        emit IOtrRollup.DemandLeft(batchId, index, false);
        (, Timestamp convictedAt) =
            Cases.convict($, vault, batch.executor, Cases.verdictOf(batchId, challenger, openedAt));
        _revertDemanded($, batchId, rules, demand, convictedAt);
    }

    function _endDemand(RollupState.Layout storage $, BatchId batchId, uint256 index)
        private
        returns (Batch storage batch, Rules storage rules, RollupState.Demand storage demand)
    {
        batch = $.batches[batchId];
        if (batch.executor == address(0)) revert IOtrRollup.UnknownBatch(batchId);
        rules = Cases.onlyCourt($, batch.rules);
        demand = $.demands[RollupState.demandKey(batchId, index)];
        if (demand.state != RollupState.DemandState.Open) revert IOtrRollup.NoOpenDemand(batchId, index);
        Cases.uncountGame($, batchId, batch);
    }

    /// @dev The same for a leaf whose data was demanded.
    function _revertDemanded(
        RollupState.Layout storage $,
        BatchId batchId,
        Rules storage rules,
        RollupState.Demand storage demand,
        Timestamp convictedAt
    ) private {
        demand.state = RollupState.DemandState.Reverted;
        Cases.countReverted($, batchId, rules, convictedAt);
    }

    function _half(Duration duration) private pure returns (Duration) {
        return Duration.wrap(Duration.unwrap(duration) / 2);
    }
}
