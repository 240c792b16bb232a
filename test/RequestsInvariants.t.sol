// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestsTest} from "./utils/RequestsTest.sol";
import {Finality, RequestInfo, RequestState} from "src/interfaces/IOtrRequests.sol";
import {CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Requesters, executors, challengers and strangers act at random, each call valid. Escrow is exactly what open requests paid in,
///         each request is paid once, and from wherever they got to, everything ends.
contract RequestsInvariantsTest is RequestsTest {
    struct Answer {
        uint256 request;
        CommittedReceipt committed;
        bool other;
        uint256 games;
        bool demanded;
    }

    uint256 private constant EXECUTORS = 5;

    address[] private _executors;
    Request[] private _requests;
    RequestHash[] private _hashes;
    uint256[] private _payments;
    address[] private _paidTo;
    Answer[] private _answers;
    mapping(address account => uint256) private _claimed;
    mapping(bytes32 action => uint256) private _count;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < EXECUTORS; ++i) {
            address account = makeAddr(string.concat("executor", vm.toString(i)));
            _executors.push(account);
            vm.deal(account, 1000 ether);
            vm.prank(account);
            vault.deposit{value: 1000 ether}(account);
        }
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = this.ask.selector;
        selectors[1] = this.commit.selector;
        selectors[2] = this.deliver.selector;
        selectors[3] = this.finish.selector;
        selectors[4] = this.refund.selector;
        selectors[5] = this.open.selector;
        selectors[6] = this.end.selector;
        selectors[7] = this.demand.selector;
        selectors[8] = this.claim.selector;
        selectors[9] = this.misbehave.selector;
        selectors[10] = this.wait.selector;
        targetContract(address(this));
        targetSelector(FuzzSelector({addr: address(this), selectors: selectors}));
    }

    // ---------------------------------------------------------------- actions

    function ask(uint256 seed) external {
        uint256 payment = (seed >> 8) % 3 == 0 ? 0 : 1 + (seed >> 16) % 1 ether;
        Request memory request = _question();
        ++nonce;
        // Some wait long enough to be answered by a receipt that is final already.
        if ((seed >> 80) % 4 == 0) request.deadline = uint64(block.timestamp + 3 * WINDOW);
        vm.deal(address(this), payment);
        _hashes.push(consumer.ask{value: payment}(requests, request, _input(), Finality(seed % 2), CALLBACK_GAS));
        _requests.push(_complete(request, _input()));
        _payments.push(payment);
        _paidTo.push(address(0));
        ++_count["ask"];
    }

    function commit(uint256 seed) external {
        if (_requests.length == 0) return;
        uint256 id = _newest(seed);
        address by = _executors[(seed >> 32) % EXECUTORS];
        if (vault.convictedAt(by).isSet() || vault.freeStakeOf(by) < 3 * LOCK + RESERVE) return;
        bool other = (seed >> 64) % 3 == 0;
        Answer storage answer = _answers.push();
        answer.request = id;
        answer.committed = _answer(_requests[id], other ? _otherOutput() : _output(), by);
        answer.other = other;
        ++_count["commit"];
    }

    function deliver(uint256 seed) external {
        if (_answers.length == 0) return;
        Answer storage answer = _answers[_newestAnswer(seed)];
        RequestHash hash = _hashes[answer.request];
        RequestInfo memory info = requests.requestOf(hash);
        if (info.state != RequestState.Open && info.state != RequestState.Provisional) return;
        if (requests.deliverBy(hash).hasCome() || requests.isCandidate(hash, answer.committed)) return;
        if (info.deadline.isBefore(rollup.batchOf(answer.committed.batchId).committedAt)) return;
        Status status = rollup.statusOf(answer.committed);
        if (status == Status.None || status == Status.Reverted) return;
        requests.deliver(_requests[answer.request], answer.committed, answer.other ? _otherOutput() : _output());
        if (status == Status.Final) _paidTo[answer.request] = answer.committed.receipt.executor;
        ++_count[status == Status.Final ? bytes32("deliver final") : bytes32("deliver")];
    }

    function finish(uint256 seed) external {
        if (_answers.length == 0) return;
        _finish(_answers[(seed >> 96) % 2 == 0 ? _newestAnswer(seed) : seed % _answers.length]);
    }

    function _finish(Answer storage answer) private {
        RequestHash hash = _hashes[answer.request];
        RequestInfo memory info = requests.requestOf(hash);
        if (info.state != RequestState.Open && info.state != RequestState.Provisional) return;
        if (!requests.isCandidate(hash, answer.committed)) return;
        Status status = rollup.statusOf(answer.committed);
        bool shows =
            status == Status.Provisional && info.finality == Finality.Provisional && info.state == RequestState.Open;
        if ((status == Status.Provisional && !shows) || status == Status.Challenged) return;
        requests.finish(hash, answer.committed);
        if (status == Status.Final) _paidTo[answer.request] = answer.committed.receipt.executor;
        ++_count[status == Status.Final ? bytes32("finish") : shows ? bytes32("show") : bytes32("drop")];
    }

    function refund(uint256 seed) external {
        if (_requests.length == 0) return;
        _refund(seed % _requests.length);
    }

    function _refund(uint256 id) private {
        RequestInfo memory info = requests.requestOf(_hashes[id]);
        if (info.state != RequestState.Open && info.state != RequestState.Provisional) return;
        if (info.candidates != 0 || !requests.deliverBy(_hashes[id]).hasCome()) return;
        requests.refund(_hashes[id]);
        _paidTo[id] = address(consumer);
        ++_count["refund"];
    }

    function open(uint256 seed) external {
        if (_answers.length == 0) return;
        Answer storage answer = _answers[_newestAnswer(seed)];
        Status status = rollup.statusOf(answer.committed);
        if (status != Status.Provisional && status != Status.Challenged) return;
        uint256 end_ = Timestamp.unwrap(rollup.batchOf(answer.committed.batchId).committedAt) + WINDOW;
        if (block.timestamp >= end_) return;
        court.open(answer.committed);
        ++answer.games;
        ++_count["open"];
    }

    function end(uint256 seed) external {
        if (_answers.length == 0) return;
        Answer storage answer = _answers[(seed >> 96) % 2 == 0 ? _newestAnswer(seed) : seed % _answers.length];
        if (answer.games == 0) return;
        --answer.games;
        // A conviction is rare, else nobody would be left to answer.
        bool convict = (seed >> 32) % 8 == 0;
        if (convict) court.convict(answer.committed);
        else court.lose(answer.committed);
        ++_count[convict ? bytes32("convict") : bytes32("lose")];
    }

    function demand(uint256 seed) external {
        if (_answers.length == 0) return;
        Answer storage answer = _answers[_newestAnswer(seed)];
        if (answer.demanded) {
            court.answered(answer.committed.batchId, answer.committed.index);
            answer.demanded = false;
            ++_count["answered"];
        } else {
            uint256 half = Timestamp.unwrap(rollup.batchOf(answer.committed.batchId).committedAt) + WINDOW / 2;
            if (block.timestamp >= half || vault.convictedAt(answer.committed.receipt.executor).isSet()) return;
            try court.demand(answer.committed.batchId, answer.committed.index) {
                answer.demanded = true;
                ++_count["demand"];
            } catch {
                // Once for each leaf.
            }
        }
    }

    function claim(uint256 seed) external {
        address account = seed % 3 == 0 ? address(consumer) : _executors[seed % EXECUTORS];
        uint256 amount = vault.claimableOf(account);
        if (amount == 0) return;
        vm.prank(account);
        vault.claim(stranger);
        _claimed[account] += amount;
        ++_count["claim"];
    }

    /// @dev The consumer is well-behaved, fails in one of four ways, or calls back into the coordinator.
    function misbehave(uint256 seed) external {
        uint256 deed = seed % 3;
        if (deed == 2) return _reenter(seed >> 8);
        consumer.misbehave(address(0), deed == 0 ? bytes("") : abi.encodePacked(uint8(1 + (seed >> 8) % 4)));
    }

    /// @dev From its next callback it delivers, finishes or refunds any request, its own current one included, whether that is allowed or not:
    ///      the recorder's failure when it succeeds is undone with it.
    function _reenter(uint256 seed) private {
        if (_answers.length == 0) return;
        Answer storage answer = _answers[_newestAnswer(seed)];
        RequestHash hash = _hashes[answer.request];
        bytes memory data = seed >> 8 & 3 == 0
            ? abi.encodeCall(requests.refund, (hash))
            : seed >> 8 & 3 == 1
                ? abi.encodeCall(requests.finish, (hash, answer.committed))
                : abi.encodeCall(
                    requests.deliver,
                    (_requests[answer.request], answer.committed, answer.other ? _otherOutput() : _output())
                );
        consumer.misbehave(address(requests), data);
        ++_count["reenter"];
    }

    function wait(uint256 seed) external {
        uint256[5] memory times = [uint256(1), LIFETIME / 2, LIFETIME + PERIOD, WINDOW / 2, WINDOW];
        vm.warp(block.timestamp + times[seed % 5]);
        ++_count["wait"];
    }

    // ---------------------------------------------------------------- invariants

    /// @dev The bucket is what open requests paid in.
    function invariant_escrow() public view {
        uint256 open_;
        for (uint256 i; i < _hashes.length; ++i) {
            RequestState state = requests.requestOf(_hashes[i]).state;
            if (state == RequestState.Open || state == RequestState.Provisional) open_ += _payments[i];
        }
        assertEq(_escrow(), open_, "escrow");
        assertEq(address(requests).balance, 0, "no ETH of its own");
    }

    /// @dev Each request was paid once, to whom it is due.
    function invariant_payments() public view {
        for (uint256 j; j <= EXECUTORS; ++j) {
            address account = j == EXECUTORS ? address(consumer) : _executors[j];
            uint256 due;
            for (uint256 i; i < _hashes.length; ++i) {
                if (_paidTo[i] == account) due += _payments[i];
            }
            assertEq(vault.claimableOf(account) + _claimed[account], due, "paid");
        }
    }

    /// @dev An end is an end, and the answer of a final request is readable.
    function invariant_states() public view {
        for (uint256 i; i < _hashes.length; ++i) {
            (RequestState state,, uint32[] memory output) = requests.answerOf(_hashes[i]);
            bool shown = state == RequestState.Provisional || state == RequestState.Final;
            assertEq(output.length, shown ? 4 : 0, "shown");
            assertEq(_paidTo[i] != address(0), state == RequestState.Final || state == RequestState.Refunded, "ended");
        }
    }

    /// @dev From wherever the walk got to: once all games have ended, by the longest game after the last deadline, nothing is stuck.
    function afterInvariant() public {
        _endEverything();
    }

    function _endEverything() private {
        for (uint256 i; i < _answers.length; ++i) {
            Answer storage answer = _answers[i];
            for (; answer.games != 0; --answer.games) {
                court.lose(answer.committed);
            }
            if (answer.demanded) court.answered(answer.committed.batchId, answer.committed.index);
            answer.demanded = false;
        }
        vm.warp(block.timestamp + 3 * WINDOW + PERIOD + WINDOW + WINDOW / 2 + 40 * TURN);
        for (uint256 i; i < _answers.length; ++i) {
            _finish(_answers[i]);
        }
        for (uint256 i; i < _requests.length; ++i) {
            _refund(i);
        }
        assertEq(_escrow(), 0, "stuck");
        invariant_payments();
        invariant_states();
    }

    /// @dev An invariant that cannot fail is a defect: every branch of every action is reached by a long enough random walk.
    function test_actions_reachEveryBranch_succeeds() public {
        for (uint256 i; i < 2000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 action = (seed >> 128) % 15;
            if (action == 0 || action == 11) this.ask(seed);
            if (action == 1 || action == 12) this.commit(seed);
            // Some are challenged before they are delivered.
            if (action == 13) this.open(seed);
            if (action == 2 || action == 13) this.deliver(seed);
            if (action == 3 || action == 14) this.finish(seed);
            if (action == 4) this.refund(seed);
            if (action == 5) this.open(seed);
            if (action == 6) {
                this.end(seed);
                this.finish(seed);
            }
            if (action == 7) this.demand(seed);
            if (action == 8) this.claim(seed);
            if (action == 9) this.misbehave(seed);
            if (action == 10 && (seed >> 100) % 3 == 0) this.wait(seed);
            if (i % 60 == 59) {
                invariant_escrow();
                invariant_payments();
                invariant_states();
            }
        }
        string[16] memory names = [
            "ask",
            "commit",
            "deliver",
            "deliver final",
            "finish",
            "show",
            "drop",
            "refund",
            "open",
            "convict",
            "lose",
            "demand",
            "answered",
            "claim",
            "wait",
            "reenter"
        ];
        for (uint256 i; i < names.length; ++i) {
            assertGt(_count[bytes32(bytes(names[i]))], 0, names[i]);
        }
        _endEverything();
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Mostly one of the last few: old requests are over.
    function _newest(uint256 seed) private view returns (uint256) {
        uint256 back = seed % 4;
        return _requests.length > back ? _requests.length - 1 - back : seed % _requests.length;
    }

    function _newestAnswer(uint256 seed) private view returns (uint256) {
        uint256 back = seed % 4;
        return _answers.length > back ? _answers.length - 1 - back : seed % _answers.length;
    }
}
