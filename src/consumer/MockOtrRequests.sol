// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestBook} from "../RequestBook.sol";
import {IOtrRequests, RequestState} from "../interfaces/IOtrRequests.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId, RequestHash} from "../types/OtrTypes.sol";

/// @title The coordinator for tests of consumers
/// @notice Runs the code of `OtrRequests` for requests, escrow, callbacks and refunds; answers come from whoever calls `answer`. Anyone may:
///         never deploy it where money is. Every model is known, and the mock is its own vault (`claim`, `claimableOf`, `bondsOf`).
contract MockOtrRequests is RequestBook {
    /// @notice Nothing to take.
    error NothingToMove();
    /// @notice The receiver refused the ETH.
    error TransferFailed(address to);

    /// @notice Who is paid for answers.
    address public constant EXECUTOR = address(uint160(uint256(keccak256("MockOtrRequests.EXECUTOR"))));

    /// @notice What an account can claim.
    mapping(address account => uint256) public claimableOf;
    /// @notice Escrow of all open requests, under this contract's address.
    mapping(address holder => uint256) public bondsOf;

    uint256 private _answers;
    mapping(RequestHash requestHash => bytes32 candidate) private _shown;

    constructor() RequestBook(Duration.wrap(1 hours)) {}

    /// @inheritdoc IOtrRequests
    function VAULT() external view returns (IStakeVault) {
        return IStakeVault(address(this));
    }

    /// @notice Answers a request, as an executor would: `Provisional` shows the answer, if the request wants that; `Final` settles it.
    function answer(RequestHash requestHash, uint32[] calldata output, RequestState state) external {
        _unsettled(requestHash);
        if (_shown[requestHash] != 0 && state == RequestState.Provisional) {
            revert WrongState(requestHash, RequestState.Provisional);
        }
        bytes32 candidate = bytes32(++_answers);
        _addCandidate(requestHash, candidate, output);
        if (state == RequestState.Final) {
            _settle(requestHash, candidate, EXECUTOR);
        } else {
            _shown[requestHash] = candidate;
            _show(requestHash, candidate);
        }
    }

    /// @notice The window of the answer given by `answer(.., Provisional)` is over.
    function finalize(RequestHash requestHash) external {
        _unsettled(requestHash);
        _settle(requestHash, _given(requestHash), EXECUTOR);
    }

    /// @notice The answer given by `answer(.., Provisional)` is reverted.
    function revertAnswer(RequestHash requestHash) external {
        _unsettled(requestHash);
        bytes32 candidate = _given(requestHash);
        delete _shown[requestHash];
        _drop(requestHash, candidate);
    }

    /// @notice Pays what is owed to the caller, as the vault does.
    function claim(address to) external {
        uint256 amount = claimableOf[msg.sender];
        if (amount == 0) revert NothingToMove();
        claimableOf[msg.sender] = 0;
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to);
    }

    function _given(RequestHash requestHash) private view returns (bytes32 candidate) {
        candidate = _shown[requestHash];
        if (candidate == 0) revert WrongState(requestHash, RequestState.Open);
    }

    function _domain() internal view override returns (address) {
        return address(this);
    }

    function _model(ModelId modelId) internal pure override returns (uint256 contextLength, uint32 vocabSize) {
        if (ModelId.unwrap(modelId) == 0) revert ModelNotUsable(modelId);
        return (1 << 22, type(uint32).max);
    }

    function _hasPassed(Timestamp deadline) internal view override returns (bool) {
        return deadline.hasCome();
    }

    function _escrow(uint256 amount) internal override {
        bondsOf[address(this)] += amount;
    }

    function _pay(address to, uint256 amount) internal override {
        bondsOf[address(this)] -= amount;
        claimableOf[to] += amount;
    }
}
