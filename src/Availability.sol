// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Demand, DemandState, IAvailability} from "./interfaces/IAvailability.sol";
import {Batch, BatchId, CommittedReceipt, DemandTerms, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {PartLib} from "./libraries/PartLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {SaltLib} from "./libraries/SaltLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title Availability
contract Availability is IAvailability {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @dev Gas of an answer besides its tokens: an opening in the largest batch, 64 stop tokens, 16 watchers.
    uint256 private constant ANSWER_BASE = 250_000;
    /// @dev Gas of each token of the prompt, with its share of the transactions of a prompt in parts.
    uint256 private constant TOKEN_GAS = 750;

    /// @inheritdoc IAvailability
    uint256 public constant PROMPT_LIMIT = 32_768;
    /// @inheritdoc IAvailability
    uint256 public constant ANSWER_GAS = ANSWER_BASE + PROMPT_LIMIT * TOKEN_GAS;
    /// @inheritdoc IAvailability
    uint256 public constant DEMAND_GAS = 240_000;

    /// @inheritdoc IAvailability
    IOtrRollup public immutable ROLLUP;
    /// @inheritdoc IAvailability
    IStakeVault public immutable VAULT;
    /// @inheritdoc IAvailability
    IUptime public immutable UPTIME;
    /// @inheritdoc IAvailability
    Duration public immutable TURN_DURATION;

    mapping(BatchId batchId => mapping(uint256 index => Demand)) private _demands;
    mapping(address poster => mapping(RequestHash requestHash => mapping(uint256 part => bytes32 node))) private _parts;

    constructor(IOtrRollup rollup, IStakeVault vault, IUptime uptime, Duration turnDuration) {
        ROLLUP = rollup;
        VAULT = vault;
        UPTIME = uptime;
        TURN_DURATION = turnDuration;
    }

    // ---------------------------------------------------------------- demands

    /// @inheritdoc IAvailability
    function demand(BatchId batchId, uint256 index) external payable {
        // INVARIANT: a leaf is demanded once, and only where and when the rollup says so.
        DemandTerms memory terms = ROLLUP.enterDemand(batchId, index);
        if (msg.value != terms.bond) revert BondAmount(terms.bond, msg.value);
        Timestamp deadline = Clock.current().plus(TURN_DURATION);
        _demands[batchId][index] = Demand({
            demander: msg.sender,
            openedAt: Clock.current(),
            deadline: deadline,
            state: DemandState.Open,
            executor: terms.executor,
            bond: terms.bond
        });
        emit Demanded(batchId, index, msg.sender, deadline);
        VAULT.depositBond{value: msg.value}();
    }

    // ---------------------------------------------------------------- answers

    /// @inheritdoc IAvailability
    function answer(CommittedReceipt calldata committed, Request calldata request, uint32[] calldata input) external {
        Receipt calldata receipt = committed.receipt;
        _requireAnswer(committed, request);
        // INVARIANT: of a confidential receipt the prompt stays hidden; of any other the whole prompt is shown.
        _requireCount(request.confidential ? 0 : receipt.nIn, input.length);
        if (!request.confidential) {
            bytes32[] memory leaves = SaltLib.inputLeaves(SaltLib.key(request, request.seed), 0, input);
            _requireInput(receipt, BinaryTree.fold(leaves, BinaryTree.depth(receipt.nIn)));
        }
        _leave(committed, request, _packed(input));
    }

    /// @inheritdoc IAvailability
    function postPart(Request calldata request, uint256 part, uint32[] calldata input) external {
        RequestHash requestHash = request.hash(address(ROLLUP));
        if (request.confidential) revert TokenCount(0, input.length);
        (uint256 first, uint256 count) = PartLib.range(request.nIn, part);
        _requireCount(count, input.length);
        bytes32[] memory leaves = SaltLib.inputLeaves(SaltLib.key(request, request.seed), first, input);
        // INVARIANT: a part is what its poster says, and counts for its poster only: nobody can spoil another's answer.
        _parts[msg.sender][requestHash][part] = PartLib.nodeOf(leaves, request.nIn);
        emit PartPosted(requestHash, part, msg.sender, _packed(input));
    }

    /// @inheritdoc IAvailability
    function answerOfParts(CommittedReceipt calldata committed, Request calldata request) external {
        Receipt calldata receipt = committed.receipt;
        RequestHash requestHash = _requireAnswer(committed, request);
        bytes32[] memory nodes = new bytes32[](PartLib.count(receipt.nIn));
        for (uint256 part; part < nodes.length; ++part) {
            nodes[part] = _parts[msg.sender][requestHash][part];
            if (nodes[part] == 0) revert PartMissing(part);
        }
        _requireInput(receipt, PartLib.topOf(nodes, receipt.nIn));
        _leave(committed, request, "");
    }

    // ---------------------------------------------------------------- ends

    /// @inheritdoc IAvailability
    function timeout(BatchId batchId, uint256 index) external {
        Demand storage d = _open(batchId, index);
        if (!UPTIME.hasPassed(d.deadline)) revert DeadlineNotPassed(d.deadline);
        _end(d, DemandState.Unanswered);
        emit Unanswered(batchId, index, d.demander);
        ROLLUP.convictUnanswered(batchId, index, d.demander, d.openedAt);
    }

    /// @inheritdoc IAvailability
    function close(BatchId batchId, uint256 index) external {
        Demand storage d = _open(batchId, index);
        // INVARIANT: a demand that could still earn the challenger's share ends early by its demander's will only.
        bool later = !d.openedAt.isBefore(ROLLUP.convictionOf(d.executor).openedAt);
        if (!VAULT.convictedAt(d.executor).isSet() || (!later && msg.sender != d.demander)) {
            revert NotMoot(d.executor);
        }
        _end(d, DemandState.Moot);
        emit Closed(batchId, index);
        ROLLUP.leaveDemand(batchId, index);
    }

    /// @inheritdoc IAvailability
    function payOut(BatchId batchId, uint256 index) external {
        Demand storage d = _demands[batchId][index];
        DemandState state = d.state;
        if (state != DemandState.Answered && state != DemandState.Unanswered && state != DemandState.Moot) {
            revert WrongState(DemandState.Answered, state);
        }
        (Timestamp dueAt, bool refunds) = ROLLUP.payoutOf(batchId, d.deadline);
        // INVARIANT: nothing is paid before governance could switch faulty rules to refund mode; then everyone gets its own back.
        if (!dueAt.hasCome()) revert NotDue(dueAt);
        bool earned = state == DemandState.Answered && !refunds;
        address to = earned ? d.executor : d.demander;
        // INVARIANT: a sham demand has a price: an executor that demands of itself, to have a case of its own open before any other, loses
        // half a bond each time that nobody else challenges it.
        uint256 burn = earned ? d.bond - d.bond / 2 : 0;
        d.state = DemandState.Paid;
        emit DemandPaid(batchId, index, to);
        VAULT.payBond(to, d.bond - burn, burn);
        if (state != DemandState.Answered) ROLLUP.repayGas(batchId, d.demander, DEMAND_GAS);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IAvailability
    function demandOf(BatchId batchId, uint256 index) external view returns (Demand memory) {
        return _demands[batchId][index];
    }

    // ---------------------------------------------------------------- internals

    function _open(BatchId batchId, uint256 index) private view returns (Demand storage d) {
        d = _demands[batchId][index];
        if (d.state != DemandState.Open) revert WrongState(DemandState.Open, d.state);
    }

    function _end(Demand storage d, DemandState state) private {
        d.state = state;
        d.deadline = Clock.current();
    }

    /// @dev The demand is open and in time, the leaf is the receipt, and the request the receipt's.
    function _requireAnswer(CommittedReceipt calldata committed, Request calldata request)
        private
        view
        returns (RequestHash requestHash)
    {
        (BatchId batchId, uint256 index) = (committed.batchId, committed.index);
        Demand storage d = _open(batchId, index);
        if (UPTIME.hasPassed(d.deadline)) revert DeadlinePassed(d.deadline);
        Batch memory batch = ROLLUP.batchOf(batchId);
        bytes32 leaf = ReceiptHash.unwrap(committed.receipt.hash(address(ROLLUP)));
        if (BinaryTree.rootOf(Tags.BATCH, leaf, index, batch.count, committed.siblings) != batch.root) {
            revert LeafMismatch(batchId, index);
        }
        // What has no prompt can never stand.
        if (committed.receipt.nIn == 0) revert TokenCount(1, 0);
        requestHash = request.hash(address(ROLLUP));
        if (RequestHash.unwrap(requestHash) != RequestHash.unwrap(committed.receipt.requestHash)) {
            revert RequestMismatch(committed.receipt.requestHash, requestHash);
        }
    }

    function _requireCount(uint256 expected, uint256 got) private pure {
        if (got != expected) revert TokenCount(expected, got);
    }

    /// @dev INVARIANT: an answer shows the very prompt that the receipt is about.
    function _requireInput(Receipt calldata receipt, bytes32 top) private pure {
        bytes32 root = BinaryTree.root(Tags.INPUT, receipt.nIn, top);
        if (root != receipt.inputRoot) revert RootMismatch(receipt.inputRoot, root);
    }

    function _leave(CommittedReceipt calldata committed, Request calldata request, bytes memory input) private {
        (BatchId batchId, uint256 index) = (committed.batchId, committed.index);
        _end(_demands[batchId][index], DemandState.Answered);
        // INVARIANT: the data is in the log, where anyone finds it, and not only in calldata that a contract in between may have made up.
        emit Answered(
            batchId, index, committed.receipt.requestHash, committed.receipt, request, input, committed.siblings
        );
        ROLLUP.leaveDemand(batchId, index);
    }

    /// @dev Tokens as they are logged: four bytes each, big-endian. They are uint32, which making leaves of them has checked.
    function _packed(uint32[] calldata tokens) private pure returns (bytes memory packed) {
        uint256 count = tokens.length;
        packed = new bytes(4 * count);
        // SAFETY: reads within `tokens`. Writes within `packed`, and up to 28 zero bytes beyond, which are scratch.
        assembly ("memory-safe") {
            let to := add(packed, 0x20)
            let from := tokens.offset
            for { let end := add(from, shl(5, count)) } lt(from, end) { from := add(from, 0x20) } {
                mstore(to, shl(224, calldataload(from)))
                to := add(to, 4)
            }
        }
    }
}
