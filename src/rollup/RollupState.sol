// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Batch, BatchId, IOtrRollup, Rules, RulesVersion} from "../interfaces/IOtrRollup.sol";
import {IEnclaveRegistry} from "../interfaces/IEnclaveRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ISpotChecks} from "../interfaces/ISpotChecks.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {IUptime} from "../interfaces/IUptime.sol";
import {Clock, Timestamp} from "../libraries/Clock.sol";
import {ReceiptHash, RequestHash} from "../types/OtrTypes.sol";

/// @title What the rollup stores, and the smallest questions to it
library RollupState {
    /// @dev Games on one receipt in one batch. `settledAt` is when the last one ended in the executor's favour, `openedAt` when the last one
    ///      was opened while no other was open.
    struct Dispute {
        uint32 openGames;
        Timestamp settledAt;
        bool reverted;
        Timestamp openedAt;
    }

    /// @dev What convictions did to a batch: wei paid of its locks, and its receipts that were under challenge when the rest of it was final; its
    ///      open games beyond those that `Batch.openGames` can count; and the longest extension of a receipt's window.
    struct Losses {
        uint128 paid;
        uint32 revertedAlone;
        uint32 moreGames;
        Timestamp extendedTo;
    }

    enum DemandState {
        None,
        Open,
        Answered,
        Reverted
    }

    /// @dev A demand for the data of a leaf. `extendedTo` is where the leaf's window ends if the answer made it longer.
    struct Demand {
        DemandState state;
        Timestamp extendedTo;
    }

    /// @dev `Conviction` in one slot; `batchId` is zero once the challenger's share is paid. `reserved` is set by the executor's commits, so that
    ///      a conviction, which a challenger pays for, writes no fresh slot.
    struct Verdict {
        address challenger;
        Timestamp openedAt;
        uint48 batchId;
        bool reserved;
    }

    /// @custom:storage-location erc7201:otr.storage.OtrRollup
    struct Layout {
        uint64 batchCount;
        RulesVersion currentRules;
        bool paused;
        mapping(BatchId batchId => Batch) batches;
        mapping(bytes32 disputeKey => Dispute) disputes;
        mapping(BatchId batchId => Losses) losses;
        mapping(RulesVersion version => Rules) rules;
        mapping(ReceiptHash receiptHash => BatchId) singles;
        mapping(RequestHash requestHash => bool) compensated;
        mapping(bytes32 demandKey => Demand) demands;
        mapping(address executor => Verdict) verdicts;
        mapping(RulesVersion version => bool) refunding;
    }

    /// @dev The contracts beside the rollup, which only its code knows.
    struct Neighbours {
        IStakeVault vault;
        IModelRegistry models;
        IEnclaveRegistry enclaves;
    }

    /// @dev Value of `Batch.openGames` once the locks are gone.
    uint16 internal constant RELEASED = type(uint16).max;
    /// @dev Open games that `Batch.openGames` counts; `Losses.moreGames` counts those beyond.
    uint16 internal constant MOST_GAMES = RELEASED - 1;
    // keccak256(abi.encode(uint256(keccak256("otr.storage.OtrRollup")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 internal constant LAYOUT_SLOT = 0x46f51b8d313ca83e86242895c860f6be7bf5ffb4302c9934e4c6e5e0a01f9000;

    function layout() internal pure returns (Layout storage $) {
        // SAFETY: a namespaced slot (ERC-7201); nothing else is written.
        assembly ("memory-safe") {
            $.slot := LAYOUT_SLOT
        }
    }

    function batchOf(Layout storage $, BatchId batchId) internal view returns (Batch memory batch) {
        batch = $.batches[batchId];
        if (batch.executor == address(0)) revert IOtrRollup.UnknownBatch(batchId);
    }

    function unreleased(Layout storage $, BatchId batchId) internal view returns (Batch memory batch) {
        batch = batchOf($, batchId);
        if (batch.openGames == RELEASED) revert IOtrRollup.BatchReleased(batchId);
    }

    function windowEndOf(Timestamp committedAt, Rules storage rules) internal view returns (Timestamp) {
        return committedAt.plus(rules.challengeWindow);
    }

    /// @dev End of a leaf's window: an answered demand and outages of the sequencer make it longer.
    function windowOf(Layout storage $, Rules storage rules, Timestamp committedAt, BatchId batchId, uint256 index)
        internal
        view
        returns (Timestamp)
    {
        return effective(rules, windowEndOf(committedAt, rules).max($.demands[demandKey(batchId, index)].extendedTo));
    }

    /// @dev From when on nothing of the batch waits for its window or its draws. Before the window's end nobody needs to ask for draws.
    function standsAt(Rules storage rules, BatchId batchId, Timestamp windowEnd) internal view returns (Timestamp) {
        if (!windowEnd.hasCome()) return windowEnd;
        address spotChecks = rules.spotChecks;
        if (spotChecks == address(0)) return windowEnd;
        // INVARIANT: undrawn is never final, and neither is what is drawn and not answered.
        return windowEnd.max(ISpotChecks(spotChecks).settledAt(batchId));
    }

    /// @dev INVARIANT: a time that has come stays so: outages move only what had not passed when they began.
    function effective(Rules storage rules, Timestamp time) internal view returns (Timestamp) {
        return time.hasCome() ? IUptime(rules.uptime).endOf(time) : time;
    }

    /// @dev Wei of stake behind each receipt of a batch.
    function lockOf(Batch memory batch, Rules storage rules) internal view returns (uint256) {
        return batch.scarce ? 0 : rules.lockPerReceipt;
    }

    function wasConvictedBefore(Timestamp convictedAt, Timestamp time) internal pure returns (bool) {
        return convictedAt.isSet() && convictedAt.isBefore(time);
    }

    function demandKey(BatchId batchId, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(batchId, index));
    }

    function disputeKey(BatchId batchId, ReceiptHash receiptHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(batchId, receiptHash));
    }
}
