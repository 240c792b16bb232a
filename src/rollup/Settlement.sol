// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Batch, BatchId, CommittedReceipt, IOtrRollup, Rules, RulesVersion, Status} from "../interfaces/IOtrRollup.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {Ratio} from "../libraries/Ratio.sol";
import {ReceiptLib} from "../libraries/ReceiptLib.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";
import {RollupState} from "./RollupState.sol";
import {RulesLib} from "./RulesLib.sol";
import {Standing} from "./Standing.sol";

/// @title What happens to a batch's locks in the end
/// @notice Linked to the rollup and called by it with `delegatecall`, so that the rollup stays below the size limit of contracts.
library Settlement {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @notice See `IOtrRollup`.
    function dropDuplicate(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        BatchId batchId,
        CommittedReceipt calldata original
    ) external {
        Batch memory batch = RollupState.unreleased($, batchId);
        Rules storage rules = $.rules[batch.rules];
        ReceiptHash receiptHash = original.receipt.hash(address(this));
        // INVARIANT: only a batch of exactly this receipt is dropped, and only if an earlier commitment answers for it. What is final stays
        // so, whatever becomes of the earlier one: after the window `releaseBatch` frees the lock. With the batch goes its draw; not to commit
        // it would have spared it as well.
        if (
            BatchId.unwrap(original.batchId) >= BatchId.unwrap(batchId)
                || BatchId.unwrap($.singles[receiptHash]) != BatchId.unwrap(batchId)
                || Standing.statusOf($, neighbours, original) == Status.None
                || RollupState.windowOf($, rules, batch.committedAt, batchId, 0).hasCome()
        ) revert IOtrRollup.NotADuplicate(batchId, original.batchId);
        if (batch.openGames != 0) {
            revert IOtrRollup.BatchUnsettled(
                batchId, RollupState.windowEndOf(batch.committedAt, rules), batch.openGames
            );
        }
        // INVARIANT: after a conviction locks move only by `releaseBatch`.
        Timestamp convictedAt = neighbours.vault.convictedAt(batch.executor);
        if (convictedAt.isSet()) revert IStakeVault.Suspended(batch.executor, convictedAt);
        // INVARIANT: what its games have yet to pay is paid by the rules that it was committed under, after their air gap.
        delete $.batches[batchId];
        $.batches[batchId].rules = batch.rules;
        emit IOtrRollup.DuplicateDropped(batchId, original.batchId, receiptHash);
        if (!batch.scarce) neighbours.vault.unlock(batch.executor, rules.lockPerReceipt);
    }

    /// @notice See `IOtrRollup`.
    function releaseBatch(RollupState.Layout storage $, RollupState.Neighbours memory neighbours, BatchId batchId)
        external
    {
        Batch memory batch = RollupState.unreleased($, batchId);
        Rules storage rules = $.rules[batch.rules];
        // A demand's answer may have made a window longer: a conviction within it counts for the whole batch.
        Timestamp windowEnd = RollupState.effective(
            rules, RollupState.windowEndOf(batch.committedAt, rules).max($.losses[batchId].extendedTo)
        );
        // INVARIANT: locks outlast window, games and demands.
        if (!windowEnd.hasCome() || batch.openGames != 0) {
            revert IOtrRollup.BatchUnsettled(batchId, windowEnd, batch.openGames);
        }
        Timestamp convictedAt = neighbours.vault.convictedAt(batch.executor);
        // INVARIANT: in refund mode everyone gets its own back, whatever the court of draws says.
        Timestamp standsAt = $.refunding[batch.rules] ? windowEnd : RollupState.standsAt(rules, batchId, windowEnd);
        bool wholeReverted = RollupState.wasConvictedBefore(convictedAt, standsAt);
        // INVARIANT: locks outlast draws. After a conviction there is nothing to wait for: the whole batch is reverted.
        if (!wholeReverted && !standsAt.hasCome()) revert IOtrRollup.DrawsUnsettled(batchId);
        // INVARIANT: no more is burnt than there is. A receipt that was under a game and a demand at once is counted twice.
        uint256 reverted = wholeReverted ? batch.count : Math.min($.losses[batchId].revertedAlone, batch.count);
        if (reverted != 0 && !$.refunding[batch.rules]) {
            Timestamp until = convictedAt.plus(rules.claimPeriod);
            if (!until.hasCome()) revert IOtrRollup.ClaimsOpen(until);
            if ($.verdicts[batch.executor].batchId == BatchId.unwrap(batchId)) {
                _payReward($, neighbours, batch.executor);
            }
        }
        uint256 lock = RollupState.lockOf(batch, rules);
        uint256 rest = batch.count * lock - $.losses[batchId].paid;
        // INVARIANT: in refund mode everyone gets its own back.
        uint256 burnt = $.refunding[batch.rules] ? 0 : reverted * lock - $.losses[batchId].paid;
        $.batches[batchId].openGames = RollupState.RELEASED;
        emit IOtrRollup.BatchLocksReleased(batchId, rest - burnt, burnt);
        if (rest != burnt) neighbours.vault.unlock(batch.executor, rest - burnt);
        if (burnt != 0) neighbours.vault.slash(batch.executor, address(0), burnt);
    }

    /// @notice See `IOtrRollup`.
    function payReward(RollupState.Layout storage $, RollupState.Neighbours memory neighbours, address executor)
        external
    {
        RollupState.Verdict memory verdict = $.verdicts[executor];
        if (verdict.batchId == 0) revert IOtrRollup.NothingToReward(executor);
        RulesVersion version = $.batches[BatchId.wrap(verdict.batchId)].rules;
        _requirePayable($, version, rewardDueAt(neighbours.vault, $.rules[version], executor, verdict.openedAt));
        _payReward($, neighbours, executor);
    }

    /// @notice See `IOtrRollup`.
    function claimCompensation(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        CommittedReceipt calldata committed,
        Request calldata request,
        bytes calldata signature
    ) external {
        Batch memory batch = RollupState.unreleased($, committed.batchId);
        ReceiptHash receiptHash = committed.receipt.hash(address(this));
        Status status = Standing.standingOf(
            $,
            neighbours.vault,
            neighbours.models.dimensionsOf(committed.receipt.modelId),
            batch,
            committed,
            receiptHash
        );
        if (status != Status.Reverted) revert IOtrRollup.NotReverted(receiptHash, status);
        RequestHash requestHash = request.hash(address(this));
        if (RequestHash.unwrap(requestHash) != RequestHash.unwrap(committed.receipt.requestHash)) {
            revert IOtrRollup.RequestMismatch(committed.receipt.requestHash, requestHash);
        }
        // INVARIANT: only who asked, and only once.
        if ($.compensated[requestHash]) revert IOtrRollup.AlreadyCompensated(requestHash);
        address requester = request.requester;
        if (requester == address(0) || !Signatures.isBy(requester, RequestHash.unwrap(requestHash), signature)) {
            revert IOtrRollup.RequesterSignature(requester);
        }
        Rules storage rules = $.rules[batch.rules];
        _requirePayable($, batch.rules, neighbours.vault.convictedAt(batch.executor).plus(rules.airGap));
        if (batch.scarce) revert IOtrRollup.NoLock(committed.batchId);
        uint256 amount = Ratio.shareRoundedDown(rules.lockPerReceipt, rules.requesterBps);
        $.compensated[requestHash] = true;
        $.losses[committed.batchId].paid += uint128(amount);
        emit IOtrRollup.Compensated(requestHash, requester, committed.batchId, amount);
        neighbours.vault.slash(batch.executor, requester, amount);
    }

    /// @notice When every case that was opened before `openedAt` must have ended, and the air gap is over.
    function rewardDueAt(IStakeVault vault, Rules storage rules, address executor, Timestamp openedAt)
        internal
        view
        returns (Timestamp)
    {
        Timestamp earlierEnded = openedAt.plus(RulesLib.longestGame(rules.game, rules.turnDuration));
        return RollupState.effective(rules, earlierEnded.max(vault.convictedAt(executor).plus(rules.airGap)));
    }

    function _payReward(RollupState.Layout storage $, RollupState.Neighbours memory neighbours, address executor)
        private
    {
        RollupState.Verdict memory verdict = $.verdicts[executor];
        BatchId batchId = BatchId.wrap(verdict.batchId);
        Batch memory batch = $.batches[batchId];
        Rules storage rules = $.rules[batch.rules];
        uint256 amount = Ratio.shareRoundedDown(RollupState.lockOf(batch, rules), rules.challengerBps);
        $.verdicts[executor].batchId = 0;
        $.losses[batchId].paid += uint128(amount);
        emit IOtrRollup.ChallengerRewarded(executor, verdict.challenger, amount);
        neighbours.vault.slash(executor, verdict.challenger, amount);
    }

    function _requirePayable(RollupState.Layout storage $, RulesVersion version, Timestamp dueAt) private view {
        if ($.refunding[version]) revert IOtrRollup.RefundMode(version);
        if (!dueAt.hasCome()) revert IOtrRollup.NotDue(dueAt);
    }
}
