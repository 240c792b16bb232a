// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Batch, BatchId, IOtrRollup, Rules} from "../interfaces/IOtrRollup.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {ReceiptHash} from "../types/OtrTypes.sol";
import {Cases} from "./Cases.sol";
import {RollupState} from "./RollupState.sol";

/// @title Games that end without a conviction, and draws that were missed
/// @notice Linked to the rollup and called by it with `delegatecall`, as `Settlement`.
library Games {
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
    function convictUndrawn(RollupState.Layout storage $, RollupState.Neighbours memory neighbours, BatchId batchId)
        external
    {
        Batch memory batch = RollupState.batchOf($, batchId);
        Cases.onlyCourt($, batch.rules);
        // INVARIANT: a faulty court of draws, of which nobody can answer anything, convicts nobody who serves on under other rules. What is not
        // answered is never final.
        if ($.refunding[batch.rules]) revert IOtrRollup.RefundMode(batch.rules);
        Timestamp convictedAt = neighbours.vault.convictedAt(batch.executor);
        if (convictedAt.isSet()) revert IStakeVault.Suspended(batch.executor, convictedAt);
        // INVARIANT: nobody earns by a draw that was missed, so that no executor misses one for the share.
        Cases.convict($, neighbours.vault, batch.executor, Cases.verdictOf(batchId, address(0), Clock.current()));
        emit IOtrRollup.BatchConvicted(batchId, batch.executor);
    }
}
