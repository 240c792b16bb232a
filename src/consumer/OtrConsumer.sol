// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IOtrConsumer} from "../interfaces/IOtrConsumer.sol";
import {Finality, IOtrRequests, RequestState} from "../interfaces/IOtrRequests.sol";
import {Clock, Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId, Request, RequestHash} from "../types/OtrTypes.sol";

/// @title Base of contracts that ask a model (docs/integration.md)
/// @notice Ask with `_ask`, hear of it in `_onProvisional`, `_onFinal`, `_onReverted`, `_onRefunded`.
/// @dev Each hook runs once for each event, in order, whatever callbacks failed: `otrSync` makes up for a lost one. A hook that reverts
///      undoes itself and can be tried again; one that calls others with `try` must know that anyone chooses the gas of `otrSync`.
abstract contract OtrConsumer is IOtrConsumer, IERC1271 {
    /// @notice Only the coordinator calls back.
    error NotCoordinator(address expected, address got);
    /// @notice Another contract made this request.
    error NotOwnRequest(RequestHash requestHash);
    /// @notice All that there is to know of this request has been told.
    error NothingNew(RequestHash requestHash);

    /// @notice What to ask.
    /// @param modelId The model. Which models exist and what they cost: docs/models.md, and the executors' offers.
    /// @param input The prompt's tokens, chat template included.
    /// @param maxOut Most output tokens.
    /// @param stopTokens Tokens that end the answer; the last one of the output if it ended so.
    /// @param sampler 0 greedy, 1 with `temperature` (16.16 fixed point).
    /// @param lifetime Time that executors have for answer and commitment.
    /// @param callbackGas Gas for each hook, bookkeeping of about 40,000 included; zero: nothing is called, use `otrSync`.
    /// @param payment Wei for the executor.
    struct Question {
        ModelId modelId;
        uint32[] input;
        uint32 maxOut;
        uint32[] stopTokens;
        uint8 sampler;
        uint32 temperature;
        Duration lifetime;
        Finality finality;
        uint32 callbackGas;
        uint96 payment;
    }

    /// @dev What the hooks were told of a request.
    struct Told {
        RequestState state;
        uint32 round;
    }

    /// @notice Takes requests and calls back.
    IOtrRequests public immutable OTR;

    uint64 private _questions;
    mapping(RequestHash requestHash => Told) private _told;

    constructor(IOtrRequests otr) {
        OTR = otr;
    }

    // ---------------------------------------------------------------- asking

    /// @dev Asks, and pays from this contract's balance.
    function _ask(Question memory question) internal returns (RequestHash requestHash) {
        uint64 nonce = _questions++;
        Request memory request;
        request.requester = address(this);
        request.modelId = question.modelId;
        // `inputRoot` and `nIn` are filled in by the coordinator.
        request.maxOut = question.maxOut;
        request.stopTokens = question.stopTokens;
        request.sampler = question.sampler;
        request.temperature = question.temperature;
        request.seed = _seed(nonce);
        request.nonce = nonce;
        request.deadline = Timestamp.unwrap(Clock.current().plus(question.lifetime));
        return OTR.request{value: question.payment}(request, question.input, question.finality, question.callbackGas);
    }

    /// @dev Seed of a question. It decides what a sampler with temperature draws, so that whoever predicts it knows the answer before it is
    ///      asked. The last block's hash is enough against bystanders, not against who makes blocks: if an answer is worth money, use the
    ///      greedy sampler, or a seed that is random for everybody.
    function _seed(uint64 nonce) internal view virtual returns (bytes32) {
        return keccak256(abi.encode(blockhash(block.number - 1), nonce));
    }

    /// @dev Sends what the vault owes this contract, refunds and compensation, to `to`.
    function _claim(address to) internal {
        OTR.VAULT().claim(to);
    }

    // ---------------------------------------------------------------- hooks

    /// @dev The answer stands on its receipt, and may be reverted. Only for `Finality.Provisional`.
    function _onProvisional(RequestHash requestHash, uint32[] memory output) internal virtual {}

    /// @dev The answer, for good.
    function _onFinal(RequestHash requestHash, uint32[] memory output) internal virtual;

    /// @dev The provisional answer was reverted. Another one may come.
    function _onReverted(RequestHash requestHash) internal virtual {}

    /// @dev No answer will come. The payment can be claimed (`_claim`).
    function _onRefunded(RequestHash requestHash) internal virtual {}

    // ---------------------------------------------------------------- being told

    /// @inheritdoc IOtrConsumer
    function onOtrResult(RequestHash requestHash, RequestState state, uint32 round, uint32[] calldata output) external {
        // INVARIANT: only the coordinator speaks of answers.
        if (msg.sender != address(OTR)) revert NotCoordinator(address(OTR), msg.sender);
        _tell(requestHash, state, round, output);
    }

    /// @notice Runs the hooks for what the coordinator says now: makes up for callbacks that failed. Anyone may.
    function otrSync(RequestHash requestHash) external {
        if (OTR.requestOf(requestHash).requester != address(this)) revert NotOwnRequest(requestHash);
        (RequestState state, uint32 round, uint32[] memory output) = OTR.answerOf(requestHash);
        _tell(requestHash, state, round, output);
    }

    /// @notice Signs this contract's requests, so that anyone can claim the compensation for a reverted answer (`IOtrRollup`): it becomes
    ///         this contract's claim in the vault.
    function isValidSignature(bytes32 digest, bytes calldata) external view virtual returns (bytes4) {
        bool own = OTR.requestOf(RequestHash.wrap(digest)).requester == address(this);
        return own ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function _tell(RequestHash requestHash, RequestState state, uint32 round, uint32[] memory output) private {
        Told memory told = _told[requestHash];
        bool same = told.state == state && told.round == round;
        // INVARIANT: nothing follows an end, and nothing is told twice.
        if (same || told.state == RequestState.Final || told.state == RequestState.Refunded) {
            revert NothingNew(requestHash);
        }
        // A final answer of the same round is the provisional one.
        bool reverted = told.state == RequestState.Provisional && (state != RequestState.Final || told.round != round);
        if (state == RequestState.Open && !reverted) revert NothingNew(requestHash);
        _told[requestHash] = Told(state, round);
        if (reverted) _onReverted(requestHash);
        if (state == RequestState.Provisional) _onProvisional(requestHash, output);
        else if (state == RequestState.Final) _onFinal(requestHash, output);
        else if (state == RequestState.Refunded) _onRefunded(requestHash);
    }
}
