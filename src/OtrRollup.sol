// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {
    Batch,
    BatchId,
    CommittedReceipt,
    Conviction,
    DemandTerms,
    GameTerms,
    IOtrRollup,
    Rules,
    RulesVersion,
    Status
} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Timestamp} from "./libraries/Clock.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {ReceiptSignatures} from "./libraries/ReceiptSignatures.sol";
import {Tags} from "./libraries/Tags.sol";
import {Cases} from "./rollup/Cases.sol";
import {Demands} from "./rollup/Demands.sol";
import {Games} from "./rollup/Games.sol";
import {RollupState} from "./rollup/RollupState.sol";
import {RulesLib} from "./rollup/RulesLib.sol";
import {Settlement} from "./rollup/Settlement.sol";
import {Standing} from "./rollup/Standing.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title OtrRollup
contract OtrRollup is IOtrRollup, AccessManagedUpgradeable, UUPSUpgradeable {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @notice Holds stake and locks.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    IStakeVault public immutable VAULT;
    /// @notice Knows which models can be judged.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    IModelRegistry public immutable MODELS;
    /// @notice Knows which enclave keys count.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    IEnclaveRegistry public immutable ENCLAVES;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(IStakeVault vault, IModelRegistry models, IEnclaveRegistry enclaves) {
        VAULT = vault;
        MODELS = models;
        ENCLAVES = enclaves;
        _disableInitializers();
    }

    /// @notice Sets the authority. Once, by the proxy's construction.
    function initialize(address authority) external initializer {
        __AccessManaged_init(authority);
    }

    // ---------------------------------------------------------------- commits

    /// @inheritdoc IOtrRollup
    function commitBatch(bytes32 root, uint256 count) external returns (BatchId batchId) {
        return _commitNew(msg.sender, root, count);
    }

    /// @inheritdoc IOtrRollup
    function commitBatchFor(address executor, bytes32 root, uint256 count) external returns (BatchId batchId) {
        if (!VAULT.mayActFor(executor, msg.sender)) revert NotExecutor(executor, msg.sender);
        return _commitNew(executor, root, count);
    }

    /// @inheritdoc IOtrRollup
    function commitReceipt(Receipt calldata receipt, bytes calldata enclaveSignature, bytes calldata operatorSignature)
        external
        returns (BatchId batchId)
    {
        RollupState.Layout storage $ = RollupState.layout();
        ReceiptHash receiptHash = receipt.hash(address(this));
        Timestamp commitBy = Clock.fromSeconds(receipt.commitBy);
        bool byExecutor = VAULT.mayActFor(receipt.executor, msg.sender);
        if (!commitBy.hasCome() && !byExecutor) revert TooEarlyToCommit(commitBy);
        Timestamp expiry = Clock.fromSeconds(receipt.expiry);
        if (expiry.isBefore(Clock.current())) revert ReceiptExpired(expiry);
        // INVARIANT: a receipt is committed on its own once.
        batchId = $.singles[receiptHash];
        if (BatchId.unwrap(batchId) != 0) revert ReceiptCommitted(receiptHash, batchId);
        ReceiptSignatures.requireSigned(receipt, receiptHash, enclaveSignature, operatorSignature);
        $.singles[receiptHash] = BatchId.wrap($.batchCount + 1);
        emit ReceiptCommittedAlone(BatchId.wrap($.batchCount + 1), receiptHash, msg.sender);
        if (byExecutor) return _commitNew(receipt.executor, _singleRoot(receiptHash), 1);
        // INVARIANT: what an executor signed can be committed, paused or not, and whether or not it has stake left to lock.
        bool scarce = VAULT.freeStakeOf(receipt.executor) < $.rules[$.currentRules].lockPerReceipt;
        return _commit(receipt.executor, _singleRoot(receiptHash), 1, scarce, 0);
    }

    /// @inheritdoc IOtrRollup
    function dropDuplicate(BatchId batchId, CommittedReceipt calldata original) external {
        Settlement.dropDuplicate(RollupState.layout(), _neighbours(), batchId, original);
    }

    // ---------------------------------------------------------------- settlement

    /// @inheritdoc IOtrRollup
    function releaseBatch(BatchId batchId) external {
        Settlement.releaseBatch(RollupState.layout(), _neighbours(), batchId);
    }

    /// @inheritdoc IOtrRollup
    function payReward(address executor) external {
        Settlement.payReward(RollupState.layout(), _neighbours(), executor);
    }

    /// @inheritdoc IOtrRollup
    function claimCompensation(CommittedReceipt calldata committed, Request calldata request, bytes calldata signature)
        external
    {
        Settlement.claimCompensation(RollupState.layout(), _neighbours(), committed, request, signature);
    }

    // ---------------------------------------------------------------- courts

    /// @inheritdoc IOtrRollup
    function enterGame(CommittedReceipt calldata committed) external returns (GameTerms memory terms) {
        RollupState.Layout storage $ = RollupState.layout();
        BatchId batchId = committed.batchId;
        Batch memory batch = RollupState.batchOf($, batchId);
        Rules storage rules = Cases.onlyCourt($, batch.rules);
        terms.receiptHash = committed.receipt.hash(address(this));
        IModelRegistry.Dimensions memory model = MODELS.dimensionsOf(committed.receipt.modelId);
        Status status = Standing.standingOf($, VAULT, model, batch, committed, terms.receiptHash);
        Timestamp windowEnd = RollupState.windowOf($, rules, batch.committedAt, batchId, committed.index);
        // INVARIANT: games open within the window only, and never on what is final, reverted or undecidable.
        if (windowEnd.hasCome() || (status != Status.Provisional && status != Status.Challenged)) {
            revert NotChallengeable(terms.receiptHash, status);
        }
        terms.bond = rules.bond;
        terms.instructions = model.instructions;
        Cases.countGame($, batchId, batch.openGames);
        RollupState.Dispute storage dispute = $.disputes[RollupState.disputeKey(batchId, terms.receiptHash)];
        if (dispute.openGames++ == 0) dispute.openedAt = Clock.current();
    }

    /// @inheritdoc IOtrRollup
    function leaveGame(BatchId batchId, ReceiptHash receiptHash) external {
        Games.leaveGame(RollupState.layout(), _neighbours(), batchId, receiptHash);
    }

    /// @inheritdoc IOtrRollup
    function convict(BatchId batchId, ReceiptHash receiptHash, address challenger, Timestamp openedAt)
        external
        returns (bool won)
    {
        RollupState.Layout storage $ = RollupState.layout();
        (Batch storage batch, Rules storage rules, RollupState.Dispute storage dispute) =
            Cases.endGame($, batchId, receiptHash);
        address executor = batch.executor;
        Timestamp convictedAt;
        (won, convictedAt) = Cases.convict($, VAULT, executor, Cases.verdictOf(batchId, challenger, openedAt));
        if (won) emit ReceiptConvicted(batchId, receiptHash, executor, challenger);
        Cases.revertUnderChallenge($, batchId, rules, dispute, convictedAt);
    }

    /// @inheritdoc IOtrRollup
    function enterDemand(BatchId batchId, uint256 index) external returns (DemandTerms memory terms) {
        return Demands.enterDemand(RollupState.layout(), VAULT, batchId, index);
    }

    /// @inheritdoc IOtrRollup
    function leaveDemand(BatchId batchId, uint256 index) external {
        Demands.leaveDemand(RollupState.layout(), VAULT, batchId, index);
    }

    /// @inheritdoc IOtrRollup
    function convictUnanswered(BatchId batchId, uint256 index, address challenger, Timestamp openedAt) external {
        Demands.convictUnanswered(RollupState.layout(), VAULT, batchId, index, challenger, openedAt);
    }

    /// @inheritdoc IOtrRollup
    function convictUndrawn(BatchId batchId) external {
        Games.convictUndrawn(RollupState.layout(), _neighbours(), batchId);
    }

    /// @inheritdoc IOtrRollup
    function repayGas(BatchId batchId, address to, uint256 gas) external {
        RollupState.Layout storage $ = RollupState.layout();
        Batch memory batch = RollupState.batchOf($, batchId);
        uint256 amount = gas * Cases.onlyCourt($, batch.rules).gasPrice;
        // INVARIANT: in refund mode nobody pays for anybody.
        if ($.refunding[batch.rules]) return;
        emit GasRepaid(batchId, to, VAULT.takeFree(batch.executor, to, amount));
    }

    // ---------------------------------------------------------------- governance

    /// @inheritdoc IOtrRollup
    function addRules(Rules calldata rules) external restricted returns (RulesVersion version) {
        RollupState.Layout storage $ = RollupState.layout();
        RulesLib.requireValid(rules, _neighbours());
        version = RulesVersion.wrap(RulesVersion.unwrap($.currentRules) + 1);
        $.rules[version] = rules;
        $.currentRules = version;
        emit RulesAdded(version, rules);
    }

    /// @inheritdoc IOtrRollup
    function setRefundMode(RulesVersion version) external restricted {
        RollupState.Layout storage $ = RollupState.layout();
        if ($.rules[version].game == address(0)) revert UnknownRules(version);
        $.refunding[version] = true;
        emit RefundModeSet(version);
    }

    /// @inheritdoc IOtrRollup
    function pause() external restricted {
        RollupState.layout().paused = true;
        emit PauseSet(true);
    }

    /// @inheritdoc IOtrRollup
    function unpause() external restricted {
        RollupState.layout().paused = false;
        emit PauseSet(false);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IOtrRollup
    function statusOf(CommittedReceipt calldata committed) external view returns (Status) {
        return Standing.statusOf(RollupState.layout(), _neighbours(), committed);
    }

    /// @inheritdoc IOtrRollup
    function batchOf(BatchId batchId) external view returns (Batch memory) {
        return RollupState.layout().batches[batchId];
    }

    /// @inheritdoc IOtrRollup
    function batchCount() external view returns (uint256) {
        return RollupState.layout().batchCount;
    }

    /// @inheritdoc IOtrRollup
    function singleBatchOf(ReceiptHash receiptHash) external view returns (BatchId) {
        return RollupState.layout().singles[receiptHash];
    }

    /// @inheritdoc IOtrRollup
    function convictionOf(address executor) external view returns (Conviction memory) {
        RollupState.Verdict memory verdict = RollupState.layout().verdicts[executor];
        return Conviction(verdict.challenger, verdict.openedAt, BatchId.wrap(verdict.batchId));
    }

    /// @inheritdoc IOtrRollup
    function rewardDueAt(address executor) external view returns (Timestamp dueAt) {
        RollupState.Layout storage $ = RollupState.layout();
        RollupState.Verdict memory verdict = $.verdicts[executor];
        if (verdict.batchId == 0) return dueAt;
        return Settlement.rewardDueAt(
            VAULT, $.rules[$.batches[BatchId.wrap(verdict.batchId)].rules], executor, verdict.openedAt
        );
    }

    /// @inheritdoc IOtrRollup
    function payoutOf(BatchId batchId, Timestamp verdictAt) external view returns (Timestamp dueAt, bool refunds) {
        RollupState.Layout storage $ = RollupState.layout();
        RulesVersion version = $.batches[batchId].rules;
        return (verdictAt.plus($.rules[version].airGap), $.refunding[version]);
    }

    /// @inheritdoc IOtrRollup
    function inRefundMode(RulesVersion version) external view returns (bool) {
        return RollupState.layout().refunding[version];
    }

    /// @inheritdoc IOtrRollup
    function openGamesOn(BatchId batchId, ReceiptHash receiptHash) external view returns (uint256) {
        return RollupState.layout().disputes[RollupState.disputeKey(batchId, receiptHash)].openGames;
    }

    /// @inheritdoc IOtrRollup
    function rulesOf(RulesVersion version) external view returns (Rules memory rules) {
        rules = RollupState.layout().rules[version];
        if (rules.game == address(0)) revert UnknownRules(version);
    }

    /// @inheritdoc IOtrRollup
    function spotChecksOf(RulesVersion version) external view returns (address) {
        return RollupState.layout().rules[version].spotChecks;
    }

    /// @inheritdoc IOtrRollup
    function currentRules() external view returns (RulesVersion) {
        return RollupState.layout().currentRules;
    }

    /// @inheritdoc IOtrRollup
    function isCompensated(RequestHash requestHash) external view returns (bool) {
        return RollupState.layout().compensated[requestHash];
    }

    /// @inheritdoc IOtrRollup
    function paused() external view returns (bool) {
        return RollupState.layout().paused;
    }

    /// @inheritdoc IOtrRollup
    function domainSeparator() external view returns (bytes32) {
        return ReceiptLib.domainSeparator(address(this));
    }

    /// @inheritdoc IOtrRollup
    function hashReceipt(Receipt calldata receipt) external view returns (ReceiptHash) {
        return receipt.hash(address(this));
    }

    /// @inheritdoc IOtrRollup
    function hashRequest(Request calldata request) external view returns (RequestHash) {
        return request.hash(address(this));
    }

    // ---------------------------------------------------------------- internals

    /// @dev New work: stopped by a pause, and backed by free stake.
    function _commitNew(address executor, bytes32 root, uint256 count) private returns (BatchId batchId) {
        RollupState.Layout storage $ = RollupState.layout();
        if ($.paused) revert CommitsPaused();
        if (count == 0 || count > type(uint24).max) revert CountOutOfRange(count);
        if (root == 0) revert EmptyRoot();
        return _commit(executor, root, count, false, $.rules[$.currentRules].reserve);
    }

    function _commit(address executor, bytes32 root, uint256 count, bool scarce, uint256 reserve)
        private
        returns (BatchId batchId)
    {
        RollupState.Layout storage $ = RollupState.layout();
        RulesVersion version = $.currentRules;
        if (RulesVersion.unwrap(version) == 0) revert NoRules();
        batchId = BatchId.wrap(++$.batchCount);
        $.batches[batchId] = Batch({
            root: root,
            executor: executor,
            committedAt: Clock.current(),
            count: uint24(count),
            rules: version,
            openGames: 0,
            scarce: scarce
        });
        emit BatchCommitted(batchId, executor, root, count, version);
        if (VAULT.lock(executor, scarce ? 0 : count * $.rules[version].lockPerReceipt, reserve)) {
            $.verdicts[executor].reserved = true;
        }
    }

    function _singleRoot(ReceiptHash receiptHash) private pure returns (bytes32) {
        return BinaryTree.root(Tags.BATCH, 1, ReceiptHash.unwrap(receiptHash));
    }

    function _neighbours() private view returns (RollupState.Neighbours memory) {
        return RollupState.Neighbours(VAULT, MODELS, ENCLAVES);
    }

    function _authorizeUpgrade(address) internal override restricted {}
}
