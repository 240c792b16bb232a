// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {
    Batch,
    BatchId,
    CommittedReceipt,
    GameTerms,
    IOtrRollup,
    Rules,
    RulesVersion,
    Status
} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Timestamp} from "./libraries/Clock.sol";
import {Ratio} from "./libraries/Ratio.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Tags} from "./libraries/Tags.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title OtrRollup
contract OtrRollup is IOtrRollup, AccessManagedUpgradeable, UUPSUpgradeable {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @dev Games on one receipt in one batch. `settledAt` is when the last one ended in the executor's favour.
    struct Dispute {
        uint32 openGames;
        Timestamp settledAt;
        bool reverted;
    }

    /// @dev What a conviction did to a batch: wei of compensation paid, and its receipts that were under challenge when the rest of
    ///      it was final; and its open games beyond those that `Batch.openGames` can count.
    struct Losses {
        uint128 compensated;
        uint32 revertedAlone;
        uint32 moreGames;
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
    }

    /// @dev Value of `Batch.openGames` once the locks are gone.
    uint16 private constant RELEASED = type(uint16).max;
    /// @dev Open games that `Batch.openGames` counts; `Losses.moreGames` counts those beyond.
    uint16 private constant MOST_GAMES = RELEASED - 1;
    // keccak256(abi.encode(uint256(keccak256("otr.storage.OtrRollup")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant LAYOUT_SLOT = 0x46f51b8d313ca83e86242895c860f6be7bf5ffb4302c9934e4c6e5e0a01f9000;

    /// @notice Holds stake and locks.
    IStakeVault public immutable VAULT;
    /// @notice Knows which models can be judged.
    IModelRegistry public immutable MODELS;
    /// @notice Knows which enclave keys count.
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
        return _commit(msg.sender, root, count);
    }

    /// @inheritdoc IOtrRollup
    function commitBatchFor(address executor, bytes32 root, uint256 count) external returns (BatchId batchId) {
        if (!VAULT.mayActFor(executor, msg.sender)) revert NotExecutor(executor, msg.sender);
        return _commit(executor, root, count);
    }

    /// @inheritdoc IOtrRollup
    function commitReceipt(Receipt calldata receipt, bytes calldata enclaveSignature, bytes calldata operatorSignature)
        external
        returns (BatchId batchId)
    {
        Layout storage $ = _layout();
        ReceiptHash receiptHash = receipt.hash(address(this));
        Timestamp commitBy = Clock.fromSeconds(receipt.commitBy);
        if (!commitBy.hasCome() && !VAULT.mayActFor(receipt.executor, msg.sender)) revert TooEarlyToCommit(commitBy);
        Timestamp expiry = Clock.fromSeconds(receipt.expiry);
        if (expiry.isBefore(Clock.current())) revert ReceiptExpired(expiry);
        // INVARIANT: a receipt is committed on its own once.
        batchId = $.singles[receiptHash];
        if (BatchId.unwrap(batchId) != 0) revert ReceiptCommitted(receiptHash, batchId);
        // INVARIANT: neither a stolen enclave key nor the operator key alone makes a receipt.
        address signer = ECDSA.recover(ReceiptHash.unwrap(receiptHash), enclaveSignature);
        if (signer != receipt.enclaveKey) revert EnclaveSignature(receipt.enclaveKey, signer);
        if (!Signatures.isBy(receipt.executor, ReceiptHash.unwrap(receiptHash), operatorSignature)) {
            revert OperatorSignature(receipt.executor);
        }
        $.singles[receiptHash] = BatchId.wrap($.batchCount + 1);
        emit ReceiptCommittedAlone(BatchId.wrap($.batchCount + 1), receiptHash, msg.sender);
        return _commit(receipt.executor, _singleRoot(receiptHash), 1);
    }

    /// @inheritdoc IOtrRollup
    function dropDuplicate(BatchId batchId, CommittedReceipt calldata original) external {
        Layout storage $ = _layout();
        Batch memory batch = _unreleased($, batchId);
        ReceiptHash receiptHash = original.receipt.hash(address(this));
        // INVARIANT: only a batch of exactly this receipt is dropped, and only if an earlier commitment answers for it.
        if (
            BatchId.unwrap(original.batchId) >= BatchId.unwrap(batchId)
                || BatchId.unwrap($.singles[receiptHash]) != BatchId.unwrap(batchId)
                || statusOf(original) == Status.None
        ) revert NotADuplicate(batchId, original.batchId);
        Rules storage rules = $.rules[batch.rules];
        if (batch.openGames != 0) {
            revert BatchUnsettled(batchId, _windowEnd(batch.committedAt, rules), batch.openGames);
        }
        // INVARIANT: after a conviction locks move only by `releaseBatch`.
        Timestamp convictedAt = VAULT.convictedAt(batch.executor);
        if (convictedAt.isSet()) revert IStakeVault.Suspended(batch.executor, convictedAt);
        delete $.batches[batchId];
        emit DuplicateDropped(batchId, original.batchId, receiptHash);
        VAULT.unlock(batch.executor, rules.lockPerReceipt);
    }

    // ---------------------------------------------------------------- settlement

    /// @inheritdoc IOtrRollup
    function releaseBatch(BatchId batchId) external {
        Layout storage $ = _layout();
        Batch memory batch = _unreleased($, batchId);
        Rules storage rules = $.rules[batch.rules];
        Losses memory losses = $.losses[batchId];
        Timestamp windowEnd = _windowEnd(batch.committedAt, rules);
        // INVARIANT: locks outlast window and games.
        if (!windowEnd.hasCome() || batch.openGames != 0) {
            revert BatchUnsettled(batchId, windowEnd, batch.openGames);
        }
        Timestamp convictedAt = VAULT.convictedAt(batch.executor);
        uint256 reverted = _wasConvictedBefore(convictedAt, windowEnd) ? batch.count : losses.revertedAlone;
        if (reverted != 0) {
            Timestamp until = convictedAt.plus(rules.claimPeriod);
            if (!until.hasCome()) revert ClaimsOpen(until);
        }
        uint256 unlocked = (batch.count - reverted) * rules.lockPerReceipt;
        uint256 burnt = reverted * rules.lockPerReceipt - losses.compensated;
        if (batch.convicted) {
            (uint256 burnAtOnce, uint256 reward) = _convictionOf(rules);
            burnt -= burnAtOnce + reward;
        }
        $.batches[batchId].openGames = RELEASED;
        emit BatchLocksReleased(batchId, unlocked, burnt);
        if (unlocked != 0) VAULT.unlock(batch.executor, unlocked);
        if (burnt != 0) VAULT.slash(batch.executor, address(0), burnt);
    }

    /// @inheritdoc IOtrRollup
    function claimCompensation(CommittedReceipt calldata committed, Request calldata request, bytes calldata signature)
        external
    {
        Layout storage $ = _layout();
        Batch memory batch = _unreleased($, committed.batchId);
        ReceiptHash receiptHash = committed.receipt.hash(address(this));
        Status status = _standing($, batch, committed, receiptHash);
        if (status != Status.Reverted) revert NotReverted(receiptHash, status);
        RequestHash requestHash = request.hash(address(this));
        if (RequestHash.unwrap(requestHash) != RequestHash.unwrap(committed.receipt.requestHash)) {
            revert RequestMismatch(committed.receipt.requestHash, requestHash);
        }
        // INVARIANT: only who asked, and only once.
        if ($.compensated[requestHash]) revert AlreadyCompensated(requestHash);
        address requester = request.requester;
        if (requester == address(0) || !Signatures.isBy(requester, RequestHash.unwrap(requestHash), signature)) {
            revert RequesterSignature(requester);
        }
        Rules storage rules = $.rules[batch.rules];
        uint256 amount = Ratio.shareRoundedDown(rules.lockPerReceipt, rules.requesterBps);
        $.compensated[requestHash] = true;
        $.losses[committed.batchId].compensated += uint128(amount);
        emit Compensated(requestHash, requester, committed.batchId, amount);
        VAULT.slash(batch.executor, requester, amount);
    }

    // ---------------------------------------------------------------- games

    /// @inheritdoc IOtrRollup
    function enterGame(CommittedReceipt calldata committed) external returns (GameTerms memory terms) {
        Layout storage $ = _layout();
        BatchId batchId = committed.batchId;
        Batch memory batch = _batch($, batchId);
        Rules storage rules = _onlyGame($, batch.rules);
        terms.receiptHash = committed.receipt.hash(address(this));
        Status status = _standing($, batch, committed, terms.receiptHash);
        bool open = !_windowEnd(batch.committedAt, rules).hasCome()
            && (status == Status.Provisional || status == Status.Challenged);
        // INVARIANT: games open within the window only, and never on what is final, reverted or undecidable.
        if (!open) revert NotChallengeable(terms.receiptHash, status);
        terms.turnDuration = rules.turnDuration;
        terms.bond = rules.bond;
        terms.instructions = MODELS.dimensionsOf(committed.receipt.modelId).instructions;
        // INVARIANT: no number of games keeps another one out.
        if (batch.openGames == MOST_GAMES) ++$.losses[batchId].moreGames;
        else $.batches[batchId].openGames = batch.openGames + 1;
        ++$.disputes[_disputeKey(batchId, terms.receiptHash)].openGames;
    }

    /// @inheritdoc IOtrRollup
    function leaveGame(BatchId batchId, ReceiptHash receiptHash) external {
        Layout storage $ = _layout();
        (Batch storage batch, Rules storage rules, Dispute storage dispute) = _endGame($, batchId, receiptHash);
        Timestamp convictedAt = VAULT.convictedAt(batch.executor);
        if (convictedAt.isSet()) _revertUnderChallenge($, batchId, rules, dispute, convictedAt);
        else dispute.settledAt = Clock.current();
    }

    /// @inheritdoc IOtrRollup
    function convict(BatchId batchId, ReceiptHash receiptHash, address challenger) external {
        Layout storage $ = _layout();
        (Batch storage batch, Rules storage rules, Dispute storage dispute) = _endGame($, batchId, receiptHash);
        _revertUnderChallenge($, batchId, rules, dispute, Clock.current());
        batch.convicted = true;
        address executor = batch.executor;
        (uint256 burn, uint256 reward) = _convictionOf(rules);
        emit ReceiptConvicted(batchId, receiptHash, executor, challenger);
        // INVARIANT: an executor is convicted once; the vault refuses a second time.
        VAULT.convict(executor, burn, challenger, reward);
    }

    // ---------------------------------------------------------------- governance

    /// @inheritdoc IOtrRollup
    function addRules(Rules calldata rules) external restricted returns (RulesVersion version) {
        Layout storage $ = _layout();
        IDisputeGame game = IDisputeGame(rules.game);
        if (address(game.ROLLUP()) != address(this)) revert InvalidRules("game");
        if (address(game.JUDGE()) != rules.judge) revert InvalidRules("judge");
        if (game.JUDGE().machineVersion() != rules.machineVersion) revert InvalidRules("machineVersion");
        if (rules.challengeWindow.inSeconds() == 0) revert InvalidRules("challengeWindow");
        if (rules.turnDuration.inSeconds() == 0) revert InvalidRules("turnDuration");
        if (rules.lockPerReceipt == 0) revert InvalidRules("lockPerReceipt");
        if (rules.bond == 0) revert InvalidRules("bond");
        // INVARIANT: at least half of what a conviction takes is burnt, so accusing oneself loses money.
        if (uint256(rules.challengerBps) + rules.requesterBps > Ratio.ONE / 2) revert InvalidRules("shares");
        // INVARIANT: stake outlives every receipt signed before an exit, its window and its longest game.
        uint256 longest = rules.expiryCap.inSeconds() + rules.challengeWindow.inSeconds() + game.MAX_TURNS()
            * rules.turnDuration.inSeconds();
        if (VAULT.exitDelay().inSeconds() < longest) revert InvalidRules("exitDelay");
        version = RulesVersion.wrap(RulesVersion.unwrap($.currentRules) + 1);
        $.rules[version] = rules;
        $.currentRules = version;
        emit RulesAdded(version, rules);
    }

    /// @inheritdoc IOtrRollup
    function pause() external restricted {
        _layout().paused = true;
        emit PauseSet(true);
    }

    /// @inheritdoc IOtrRollup
    function unpause() external restricted {
        _layout().paused = false;
        emit PauseSet(false);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IOtrRollup
    function statusOf(CommittedReceipt calldata committed) public view returns (Status status) {
        Layout storage $ = _layout();
        Batch memory batch = $.batches[committed.batchId];
        Receipt calldata receipt = committed.receipt;
        status = _standing($, batch, committed, receipt.hash(address(this)));
        // INVARIANT: receipts of keys that were not active when they were committed are liabilities, never Final.
        if (
            (status == Status.Provisional || status == Status.Final)
                && !ENCLAVES.wasActive(receipt.enclaveKey, batch.executor, receipt.modelId, batch.committedAt)
        ) return Status.None;
    }

    /// @inheritdoc IOtrRollup
    function batchOf(BatchId batchId) external view returns (Batch memory) {
        return _layout().batches[batchId];
    }

    /// @inheritdoc IOtrRollup
    function batchCount() external view returns (uint256) {
        return _layout().batchCount;
    }

    /// @inheritdoc IOtrRollup
    function singleBatchOf(ReceiptHash receiptHash) external view returns (BatchId) {
        return _layout().singles[receiptHash];
    }

    /// @inheritdoc IOtrRollup
    function openGamesOn(BatchId batchId, ReceiptHash receiptHash) external view returns (uint256) {
        return _layout().disputes[_disputeKey(batchId, receiptHash)].openGames;
    }

    /// @inheritdoc IOtrRollup
    function rulesOf(RulesVersion version) external view returns (Rules memory rules) {
        rules = _layout().rules[version];
        if (rules.game == address(0)) revert UnknownRules(version);
    }

    /// @inheritdoc IOtrRollup
    function currentRules() external view returns (RulesVersion) {
        return _layout().currentRules;
    }

    /// @inheritdoc IOtrRollup
    function isCompensated(RequestHash requestHash) external view returns (bool) {
        return _layout().compensated[requestHash];
    }

    /// @inheritdoc IOtrRollup
    function paused() external view returns (bool) {
        return _layout().paused;
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

    function _commit(address executor, bytes32 root, uint256 count) private returns (BatchId batchId) {
        Layout storage $ = _layout();
        RulesVersion version = $.currentRules;
        if ($.paused) revert CommitsPaused();
        if (RulesVersion.unwrap(version) == 0) revert NoRules();
        if (count == 0 || count > type(uint24).max) revert CountOutOfRange(count);
        if (root == 0) revert EmptyRoot();
        batchId = BatchId.wrap(++$.batchCount);
        $.batches[batchId] = Batch({
            root: root,
            executor: executor,
            committedAt: Clock.current(),
            count: uint24(count),
            rules: version,
            openGames: 0,
            convicted: false
        });
        emit BatchCommitted(batchId, executor, root, count, version);
        VAULT.lock(executor, count * $.rules[version].lockPerReceipt);
    }

    /// @dev Where the receipt stands, whatever its enclave key.
    function _standing(
        Layout storage $,
        Batch memory batch,
        CommittedReceipt calldata committed,
        ReceiptHash receiptHash
    ) private view returns (Status) {
        Rules storage rules = $.rules[batch.rules];
        Receipt calldata receipt = committed.receipt;
        if (
            receipt.executor != batch.executor || Clock.fromSeconds(receipt.expiry).isBefore(batch.committedAt)
                || !_isInBatch(batch, receiptHash, committed.index, committed.siblings)
                || !_isDecidable(receipt, rules.machineVersion, batch.committedAt)
        ) return Status.None;
        Dispute storage dispute = $.disputes[_disputeKey(committed.batchId, receiptHash)];
        Timestamp windowEnd = _windowEnd(batch.committedAt, rules);
        Timestamp convictedAt = VAULT.convictedAt(batch.executor);
        bool underChallenge = dispute.openGames != 0;
        // INVARIANT: after a conviction nothing becomes final, and nothing final is reverted.
        if (
            dispute.reverted || (convictedAt.isSet() && underChallenge)
                || _wasConvictedBefore(convictedAt, windowEnd.max(dispute.settledAt))
        ) return Status.Reverted;
        if (underChallenge) return Status.Challenged;
        return windowEnd.hasCome() ? Status.Final : Status.Provisional;
    }

    /// @dev INVARIANT: what no game could decide never stands. A model that became usable after the commit does not count, else a
    ///      lie about an unusable model could wait out its window.
    function _isDecidable(Receipt calldata receipt, uint32 machineVersion, Timestamp committedAt)
        private
        view
        returns (bool)
    {
        IModelRegistry.Dimensions memory model = MODELS.dimensionsOf(receipt.modelId);
        return model.usableAt.isSet() && !committedAt.isBefore(model.usableAt)
            && receipt.machineVersion == model.machineVersion && receipt.machineVersion == machineVersion
            && receipt.nIn != 0 && receipt.nOut != 0 && uint256(receipt.nIn) + receipt.nOut - 1 <= model.contextLength;
    }

    function _isInBatch(Batch memory batch, ReceiptHash receiptHash, uint256 index, bytes calldata siblings)
        private
        pure
        returns (bool)
    {
        return index < batch.count
            && BinaryTree.rootOf(Tags.BATCH, ReceiptHash.unwrap(receiptHash), index, batch.count, siblings)
                == batch.root;
    }

    /// @dev Takes a game off a receipt. Only the game of the batch's rules may.
    function _endGame(Layout storage $, BatchId batchId, ReceiptHash receiptHash)
        private
        returns (Batch storage batch, Rules storage rules, Dispute storage dispute)
    {
        batch = $.batches[batchId];
        if (batch.executor == address(0)) revert UnknownBatch(batchId);
        rules = _onlyGame($, batch.rules);
        dispute = $.disputes[_disputeKey(batchId, receiptHash)];
        if (dispute.openGames == 0) revert NoOpenGame(batchId, receiptHash);
        --dispute.openGames;
        if (batch.openGames == MOST_GAMES && $.losses[batchId].moreGames != 0) --$.losses[batchId].moreGames;
        else --batch.openGames;
    }

    /// @dev The receipt was under challenge when its executor was convicted: it is reverted even if its batch was final else.
    function _revertUnderChallenge(
        Layout storage $,
        BatchId batchId,
        Rules storage rules,
        Dispute storage dispute,
        Timestamp convictedAt
    ) private {
        if (dispute.reverted) return;
        dispute.reverted = true;
        Timestamp windowEnd = _windowEnd($.batches[batchId].committedAt, rules);
        if (!_wasConvictedBefore(convictedAt, windowEnd)) ++$.losses[batchId].revertedAlone;
    }

    /// @dev What a conviction takes of the convicted receipt's lock at once. The requester's share stays locked until it is claimed, or
    ///      burnt by `releaseBatch`.
    function _convictionOf(Rules storage rules) private view returns (uint256 burn, uint256 reward) {
        uint256 amount = rules.lockPerReceipt;
        reward = Ratio.shareRoundedDown(amount, rules.challengerBps);
        burn = amount - reward - Ratio.shareRoundedDown(amount, rules.requesterBps);
    }

    function _onlyGame(Layout storage $, RulesVersion version) private view returns (Rules storage rules) {
        rules = $.rules[version];
        // INVARIANT: only the game that the batch was committed under decides about it.
        if (msg.sender != rules.game) revert NotGame(rules.game, msg.sender);
    }

    function _batch(Layout storage $, BatchId batchId) private view returns (Batch memory batch) {
        batch = $.batches[batchId];
        if (batch.executor == address(0)) revert UnknownBatch(batchId);
    }

    function _unreleased(Layout storage $, BatchId batchId) private view returns (Batch memory batch) {
        batch = _batch($, batchId);
        if (batch.openGames == RELEASED) revert BatchReleased(batchId);
    }

    function _windowEnd(Timestamp committedAt, Rules storage rules) private view returns (Timestamp) {
        return committedAt.plus(rules.challengeWindow);
    }

    function _wasConvictedBefore(Timestamp convictedAt, Timestamp time) private pure returns (bool) {
        return convictedAt.isSet() && convictedAt.isBefore(time);
    }

    function _singleRoot(ReceiptHash receiptHash) private pure returns (bytes32) {
        return BinaryTree.root(Tags.BATCH, 1, ReceiptHash.unwrap(receiptHash));
    }

    function _disputeKey(BatchId batchId, ReceiptHash receiptHash) private pure returns (bytes32) {
        return keccak256(abi.encode(batchId, receiptHash));
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _layout() private pure returns (Layout storage $) {
        // SAFETY: a namespaced slot (ERC-7201); nothing else is written.
        assembly ("memory-safe") {
            $.slot := LAYOUT_SLOT
        }
    }
}
