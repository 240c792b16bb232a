// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Batch, BatchId, IOtrRollup, Rules, RulesVersion} from "../interfaces/IOtrRollup.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {ReceiptHash} from "../types/OtrTypes.sol";
import {RollupState} from "./RollupState.sol";

/// @title What games, fraud proofs, demands and draws have in common: they open, end, and may convict
library Cases {
    /// @dev Suspends the executor, or notes that an earlier-opened case won too. Returns whether it did either, and when the executor was
    ///      convicted.
    function convict(
        RollupState.Layout storage $,
        IStakeVault vault,
        address executor,
        RollupState.Verdict memory verdict
    ) internal returns (bool won, Timestamp at) {
        RollupState.Verdict memory standing = $.verdicts[executor];
        if (!standing.openedAt.isSet()) {
            $.verdicts[executor] = verdict;
            vault.convict(executor);
            return (true, Clock.current());
        }
        at = vault.convictedAt(executor);
        // INVARIANT: a conviction is replaced by an earlier-opened case only.
        won = verdict.openedAt.isBefore(standing.openedAt);
        // INVARIANT: the challenger's share goes to the earliest-opened winning case, so that a sham case opened later gains nothing.
        if (won && standing.batchId != 0) {
            $.verdicts[executor] = verdict;
            emit IOtrRollup.ConvictionMoved(executor, verdict.challenger, BatchId.wrap(verdict.batchId));
        }
    }

    /// @dev INVARIANT: no number of games keeps another one out.
    function countGame(RollupState.Layout storage $, BatchId batchId, uint16 openGames) internal {
        if (openGames == RollupState.MOST_GAMES) ++$.losses[batchId].moreGames;
        else $.batches[batchId].openGames = openGames + 1;
    }

    function uncountGame(RollupState.Layout storage $, BatchId batchId, Batch storage batch) internal {
        if (batch.openGames == RollupState.MOST_GAMES && $.losses[batchId].moreGames != 0) {
            --$.losses[batchId].moreGames;
        } else {
            --batch.openGames;
        }
    }

    /// @dev Takes a game off a receipt. Only a court of the batch's rules may.
    function endGame(RollupState.Layout storage $, BatchId batchId, ReceiptHash receiptHash)
        internal
        returns (Batch storage batch, Rules storage rules, RollupState.Dispute storage dispute)
    {
        batch = $.batches[batchId];
        if (batch.executor == address(0)) revert IOtrRollup.UnknownBatch(batchId);
        rules = onlyCourt($, batch.rules);
        dispute = $.disputes[RollupState.disputeKey(batchId, receiptHash)];
        if (dispute.openGames == 0) revert IOtrRollup.NoOpenGame(batchId, receiptHash);
        --dispute.openGames;
        uncountGame($, batchId, batch);
    }

    /// @dev The receipt was under challenge when its executor was convicted: it is reverted even if its batch was final else.
    function revertUnderChallenge(
        RollupState.Layout storage $,
        BatchId batchId,
        Rules storage rules,
        RollupState.Dispute storage dispute,
        Timestamp convictedAt
    ) internal {
        if (dispute.reverted) return;
        // Within the plain window no mark is needed: every receipt of the batch is reverted.
        if (convictedAt.isBefore(RollupState.windowEndOf($.batches[batchId].committedAt, rules))) {
            // Without a game the time means nothing, and an empty slot gives gas back.
            if (dispute.openGames == 0) dispute.openedAt = Timestamp.wrap(0);
            return;
        }
        dispute.reverted = true;
        countReverted($, batchId, rules, convictedAt);
    }

    function countReverted(RollupState.Layout storage $, BatchId batchId, Rules storage rules, Timestamp convictedAt)
        internal
    {
        Timestamp windowEnd =
            RollupState.effective(rules, RollupState.windowEndOf($.batches[batchId].committedAt, rules));
        if (!RollupState.wasConvictedBefore(convictedAt, RollupState.standsAt(rules, batchId, windowEnd))) {
            ++$.losses[batchId].revertedAlone;
        }
    }

    function onlyCourt(RollupState.Layout storage $, RulesVersion version) internal view returns (Rules storage rules) {
        rules = $.rules[version];
        // INVARIANT: only the courts that the batch was committed under decide about it.
        if (
            msg.sender != rules.game && msg.sender != rules.frauds && msg.sender != rules.availability
                && msg.sender != rules.spotChecks
        ) revert IOtrRollup.NotCourt(version, msg.sender);
    }

    function verdictOf(BatchId batchId, address challenger, Timestamp openedAt)
        internal
        pure
        returns (RollupState.Verdict memory)
    {
        return RollupState.Verdict(challenger, openedAt, uint48(BatchId.unwrap(batchId)), true);
    }
}
