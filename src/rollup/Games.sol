// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Batch, BatchId, CommittedReceipt, GameTerms, IOtrRollup, Rules, Status} from "../interfaces/IOtrRollup.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {ReceiptLib} from "../libraries/ReceiptLib.sol";
import {Receipt, ReceiptHash} from "../types/OtrTypes.sol";
import {Cases} from "./Cases.sol";
import {RollupState} from "./RollupState.sol";
import {Standing} from "./Standing.sol";

/// @title Games and fraud proofs on a receipt, and draws that were missed
/// @notice Linked to the rollup and called by it with `delegatecall`, as `Settlement`.
library Games {
    using ReceiptLib for Receipt;

    /// @notice See `IOtrRollup`.
    function enterGame(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        CommittedReceipt calldata committed
    ) external returns (GameTerms memory terms) {
        BatchId batchId = committed.batchId;
        Batch memory batch = RollupState.batchOf($, batchId);
        Rules storage rules = Cases.onlyCourt($, batch.rules);
        terms.receiptHash = committed.receipt.hash(address(this));
        IModelRegistry.Dimensions memory model = neighbours.models.dimensionsOf(committed.receipt.modelId);
        Status status = Standing.standingOf($, neighbours.vault, model, batch, committed, terms.receiptHash);
        Timestamp windowEnd = RollupState.windowOf($, rules, batch.committedAt, batchId, committed.index);
        // INVARIANT: games open within the window only, and never on what is final, reverted or undecidable.
        if (windowEnd.hasCome() || (status != Status.Provisional && status != Status.Challenged)) {
            revert IOtrRollup.NotChallengeable(terms.receiptHash, status);
        }
        terms.bond = rules.bond;
        terms.instructions = model.instructions;
        Cases.countGame($, batchId, batch.openGames);
        RollupState.Dispute storage dispute = $.disputes[RollupState.disputeKey(batchId, terms.receiptHash)];
        if (dispute.openGames++ == 0) dispute.openedAt = Clock.current();
    }

    /// @notice See `IOtrRollup`.
    function leaveGame(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        BatchId batchId,
        ReceiptHash receiptHash
    ) external {
        (Batch storage batch, Rules storage rules, RollupState.Dispute storage dispute) =
            Cases.endGame($, batchId, receiptHash);
        Timestamp convictedAt = neighbours.vault.convictedAt(batch.executor);
        if (convictedAt.isSet()) Cases.revertUnderChallenge($, batchId, rules, dispute, convictedAt);
        else dispute.settledAt = Clock.current();
    }

    /// @notice See `IOtrRollup`.
    function convict(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        BatchId batchId,
        ReceiptHash receiptHash,
        address challenger,
        Timestamp openedAt
    ) external returns (bool won) {
        (Batch storage batch, Rules storage rules, RollupState.Dispute storage dispute) =
            Cases.endGame($, batchId, receiptHash);
        address executor = batch.executor;
        Timestamp convictedAt;
        (won, convictedAt) =
            Cases.convict($, neighbours.vault, executor, Cases.verdictOf(batchId, challenger, openedAt));
        if (won) emit IOtrRollup.ReceiptConvicted(batchId, receiptHash, executor, challenger);
        Cases.revertUnderChallenge($, batchId, rules, dispute, convictedAt);
    }

    /// @notice See `IOtrRollup`.
    function convictUndrawn(RollupState.Layout storage $, RollupState.Neighbours memory neighbours, BatchId batchId)
        external
    {
        Batch memory batch = RollupState.batchOf($, batchId);
        Cases.onlyCourt($, batch.rules);
        Timestamp convictedAt = neighbours.vault.convictedAt(batch.executor);
        if (convictedAt.isSet()) revert IStakeVault.Suspended(batch.executor, convictedAt);
        // INVARIANT: nobody earns by a draw that was missed, so that no executor misses one for the share.
        Cases.convict($, neighbours.vault, batch.executor, Cases.verdictOf(batchId, address(0), Clock.current()));
        emit IOtrRollup.BatchConvicted(batchId, batch.executor);
    }
}
