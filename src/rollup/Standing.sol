// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Batch, CommittedReceipt, Rules, Status} from "../interfaces/IOtrRollup.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {BinaryTree} from "../libraries/BinaryTree.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {ReceiptLib} from "../libraries/ReceiptLib.sol";
import {Tags} from "../libraries/Tags.sol";
import {Receipt, ReceiptHash} from "../types/OtrTypes.sol";
import {RollupState} from "./RollupState.sol";

/// @title Where a receipt stands: a pure function of state and time
library Standing {
    using ReceiptLib for Receipt;

    /// @notice Status of a receipt.
    function statusOf(
        RollupState.Layout storage $,
        RollupState.Neighbours memory neighbours,
        CommittedReceipt calldata committed
    ) internal view returns (Status status) {
        Batch memory batch = $.batches[committed.batchId];
        Receipt calldata receipt = committed.receipt;
        status = standingOf(
            $,
            neighbours.vault,
            neighbours.models.dimensionsOf(receipt.modelId),
            batch,
            committed,
            receipt.hash(address(this))
        );
        // INVARIANT: receipts of keys that were not active when they were committed are liabilities, never Final.
        if (
            (status == Status.Provisional || status == Status.Final)
                && !neighbours.enclaves
                .wasActive(receipt.enclaveKey, batch.executor, receipt.modelId, batch.committedAt)
        ) return Status.None;
    }

    /// @notice Where the receipt stands, whatever its enclave key.
    function standingOf(
        RollupState.Layout storage $,
        IStakeVault vault,
        IModelRegistry.Dimensions memory model,
        Batch memory batch,
        CommittedReceipt calldata committed,
        ReceiptHash receiptHash
    ) internal view returns (Status) {
        Rules storage rules = $.rules[batch.rules];
        Receipt calldata receipt = committed.receipt;
        if (
            receipt.executor != batch.executor || Clock.fromSeconds(receipt.expiry).isBefore(batch.committedAt)
                || !_isInBatch(batch, receiptHash, committed.index, committed.siblings)
                || !_isDecidable(model, receipt, rules.machineVersion, batch.committedAt)
        ) return Status.None;
        RollupState.Dispute storage dispute = $.disputes[RollupState.disputeKey(committed.batchId, receiptHash)];
        RollupState.DemandState demand = $.demands[RollupState.demandKey(committed.batchId, committed.index)].state;
        Timestamp windowEnd = RollupState.windowOf($, rules, batch.committedAt, committed.batchId, committed.index);
        Timestamp convictedAt = vault.convictedAt(batch.executor);
        // INVARIANT: what is final stays so. Games are about a receipt, windows about a leaf: a batch that holds a receipt twice may have one
        // leaf whose window was over when the game began.
        bool disputed = dispute.openedAt.isBefore(windowEnd);
        bool underChallenge = (disputed && dispute.openGames != 0) || demand == RollupState.DemandState.Open;
        Timestamp standsAt = RollupState.standsAt(rules, committed.batchId, windowEnd);
        // INVARIANT: after a conviction nothing becomes final, and nothing final is reverted.
        if (
            (disputed && dispute.reverted) || demand == RollupState.DemandState.Reverted
                || (convictedAt.isSet() && underChallenge)
                || RollupState.wasConvictedBefore(convictedAt, standsAt.max(dispute.settledAt))
        ) return Status.Reverted;
        if (underChallenge) return Status.Challenged;
        return standsAt.hasCome() ? Status.Final : Status.Provisional;
    }

    /// @dev INVARIANT: what no game could decide never stands. A model that became usable after the commit does not count, else a
    ///      lie about an unusable model could wait out its window.
    function _isDecidable(
        IModelRegistry.Dimensions memory model,
        Receipt calldata receipt,
        uint32 machineVersion,
        Timestamp committedAt
    ) internal pure returns (bool) {
        return model.usableAt.isSet() && !committedAt.isBefore(model.usableAt)
            && receipt.machineVersion == model.machineVersion && receipt.machineVersion == machineVersion
            && receipt.nIn != 0 && receipt.nOut != 0 && uint256(receipt.nIn) + receipt.nOut - 1 <= model.contextLength;
    }

    function _isInBatch(Batch memory batch, ReceiptHash receiptHash, uint256 index, bytes calldata siblings)
        internal
        pure
        returns (bool)
    {
        return index < batch.count
            && BinaryTree.rootOf(Tags.BATCH, ReceiptHash.unwrap(receiptHash), index, batch.count, siblings)
                == batch.root;
    }
}
