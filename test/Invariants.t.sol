// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OtrTest} from "./utils/OtrTest.sol";
import {Trees} from "./utils/Trees.sol";
import {Game, GameId, Phase, Subject} from "src/interfaces/IDisputeGame.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {Batch, BatchId, CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Executors, challengers and requesters act at random, each call valid. Money is conserved, locks are covered, what is final
///         stays final and what is reverted stays reverted.
contract InvariantsTest is OtrTest {
    using Trees for Trees.Tree;

    uint256 private constant ACTORS = 3;

    struct Actor {
        address executor;
        uint256 key;
        address enclave;
        uint256 enclaveKey;
    }

    Actor[] private _actors;
    address[] private _accounts;
    CommittedReceipt[] private _receipts;
    Status[] private _seen;
    Subject[] private _subjects;
    BatchId[] private _batches;
    mapping(BatchId batchId => uint256) private _compensated;
    mapping(bytes32 action => uint256) private _count;
    uint64 private _nonce;

    function setUp() public override {
        super.setUp();
        _actors.push(Actor(executor, executorKey, enclave, enclaveKey));
        for (uint256 i = 1; i < ACTORS; ++i) {
            Actor memory actor;
            (actor.executor, actor.key) = makeAddrAndKey(string.concat("executor", vm.toString(i)));
            (actor.enclave, actor.enclaveKey) = makeAddrAndKey(string.concat("enclave", vm.toString(i)));
            _actors.push(actor);
            (executor, executorKey, enclave, enclaveKey) = (actor.executor, actor.key, actor.enclave, actor.enclaveKey);
            _registerEnclave();
        }
        for (uint256 i; i < ACTORS; ++i) {
            _accounts.push(_actors[i].executor);
        }
        _accounts.push(challenger);
        _accounts.push(stranger);
        _accounts.push(requester);
        vm.warp(block.timestamp + 1);

        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = this.deposit.selector;
        selectors[1] = this.commit.selector;
        selectors[2] = this.open.selector;
        selectors[3] = this.post.selector;
        selectors[4] = this.timeout.selector;
        selectors[5] = this.close.selector;
        selectors[6] = this.release.selector;
        selectors[7] = this.compensate.selector;
        selectors[8] = this.claim.selector;
        selectors[9] = this.exit.selector;
        selectors[10] = this.sweep.selector;
        selectors[11] = this.wait.selector;
        targetContract(address(this));
        targetSelector(FuzzSelector({addr: address(this), selectors: selectors}));
    }

    function _makeProgram() internal override {
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    // ---------------------------------------------------------------- actions

    function deposit(uint256 seed) external {
        address to = _actors[seed % ACTORS].executor;
        uint256 amount = 1 + seed % 5 ether;
        vm.deal(stranger, stranger.balance + amount);
        vm.prank(stranger);
        vault.deposit{value: amount}(to);
        ++_count["deposit"];
    }

    function commit(uint256 seed) external {
        _use(seed);
        uint256 n = 1 + (seed >> 8) % 3;
        if (vault.convictedAt(executor).isSet() || vault.freeStakeOf(executor) < n * LOCK) return;
        OtrReceipt[] memory receipts = new OtrReceipt[](n);
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            receipts[i] = _receipt();
            receipts[i].requestHash = rollup.hashRequest(_requestOf(++_nonce));
            receipts[i].seq = _nonce;
            leaves[i] = ReceiptHash.unwrap(rollup.hashReceipt(receipts[i]));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId id = rollup.commitBatch(tree.root(Tags.BATCH), n);
        _batches.push(id);
        for (uint256 i; i < n; ++i) {
            _receipts.push(CommittedReceipt({receipt: receipts[i], batchId: id, index: i, siblings: tree.siblings(i)}));
            _seen.push(Status.None);
        }
        ++_count["commit"];
    }

    function open(uint256 seed) external {
        if (_receipts.length == 0) return;
        CommittedReceipt memory c = _receipts[seed % _receipts.length];
        Status status = rollup.statusOf(c);
        Batch memory batch = rollup.batchOf(c.batchId);
        bool windowOpen = block.timestamp < _time(batch) + WINDOW;
        if (!windowOpen || (status != Status.Provisional && status != Status.Challenged)) return;
        _useExecutor(c.receipt.executor);
        uint32 step = uint32((seed >> 32) % _steps());
        address by = _accounts[(seed >> 64) % _accounts.length];
        Trees.Tree memory trace = _traceTree();
        Subject memory s = Subject({
            receipt: c.receipt,
            batchId: c.batchId,
            step: step,
            record: trace.levels[0][step],
            challenger: by,
            bond: BOND
        });
        if (game.gameOf(game.gameIdOf(s)).phase != Phase.None) return;
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        game.open{value: BOND}(c, step, s.record, trace.siblings(step));
        _subjects.push(s);
        ++_count["open"];
    }

    function post(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (g.phase != Phase.FinePost || g.deadline.hasCome()) return;
        bytes32[] memory nodes = _fineTree(s.step).first();
        vm.prank(s.receipt.executor);
        game.postFine(s, nodes);
        ++_count["post"];
    }

    function timeout(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (g.phase == Phase.None || g.phase == Phase.Over || !g.deadline.hasCome()) return;
        bool moot = vault.convictedAt(s.receipt.executor).isSet();
        game.timeout(s);
        ++_count[moot ? bytes32("moot") : g.phase == Phase.FinePost ? bytes32("convict") : bytes32("defend")];
    }

    function close(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (g.phase == Phase.None || g.phase == Phase.Over) return;
        if (!vault.convictedAt(s.receipt.executor).isSet()) return;
        game.close(s);
        ++_count["close"];
    }

    function release(uint256 seed) external {
        if (_batches.length == 0) return;
        BatchId id = _batches[seed % _batches.length];
        Batch memory batch = rollup.batchOf(id);
        if (batch.openGames != 0 || block.timestamp < _time(batch) + WINDOW) return;
        uint256 convictedAt = vault.convictedAt(batch.executor).isSet() ? _convictedAt(batch.executor) : 0;
        if (convictedAt != 0 && block.timestamp < convictedAt + CLAIM_PERIOD) return;
        rollup.releaseBatch(id);
        ++_count[convictedAt == 0 ? bytes32("release") : bytes32("burn")];
    }

    function compensate(uint256 seed) external {
        if (_receipts.length == 0) return;
        CommittedReceipt memory c = _receipts[seed % _receipts.length];
        if (rollup.statusOf(c) != Status.Reverted) return;
        if (rollup.batchOf(c.batchId).openGames == type(uint16).max) return;
        if (rollup.isCompensated(c.receipt.requestHash)) return;
        Request memory request = _requestOf(uint64(c.receipt.seq));
        rollup.claimCompensation(c, request, _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request))));
        _compensated[c.batchId] += LOCK / 5;
        ++_count["compensate"];
    }

    function claim(uint256 seed) external {
        address account = _accounts[seed % _accounts.length];
        if (vault.claimableOf(account) == 0) return;
        vm.prank(account);
        vault.claim(account);
        ++_count["claim"];
    }

    function exit(uint256 seed) external {
        address account = _actors[seed % ACTORS].executor;
        IStakeVault.Executor memory e = vault.executorOf(account);
        vm.startPrank(account);
        if (!e.exitRequestedAt.isSet()) {
            // Leaving is rare, else nothing would be served.
            if ((seed >> 16) % 8 != 0) return vm.stopPrank();
            vault.requestExit();
            ++_count["requestExit"];
        } else if (e.exitDueAt.hasCome() && e.locked == 0 && e.stake != 0) {
            vault.withdraw(account);
            ++_count["withdraw"];
        } else if ((seed >> 16) % 2 == 0) {
            vault.cancelExit();
            ++_count["cancelExit"];
        }
        vm.stopPrank();
    }

    function sweep() external {
        if (vault.burnt() == 0) return;
        vault.sweepBurnt();
        ++_count["sweep"];
    }

    function wait(uint256 seed) external {
        uint256[5] memory times = [uint256(1), TURN / 2, TURN, WINDOW / 2, WINDOW];
        vm.warp(block.timestamp + times[seed % 5]);
        ++_count["wait"];
    }

    // ---------------------------------------------------------------- invariants

    /// @dev Invariant 1: every wei is somebody's.
    function invariant_solvency() public view {
        uint256 owed = vault.bondsOf(address(game));
        for (uint256 i; i < _accounts.length; ++i) {
            owed += vault.claimableOf(_accounts[i]) + vault.executorOf(_accounts[i]).stake;
        }
        assertEq(vault.liabilities(), owed, "liabilities");
        assertEq(address(vault).balance, owed + vault.burnt(), "balance");
    }

    /// @dev Invariant 1: locks are the unsettled receipts', and never more than the stake.
    function invariant_locks() public view {
        for (uint256 i; i < ACTORS; ++i) {
            address account = _actors[i].executor;
            uint256 expected;
            for (uint256 j; j < _batches.length; ++j) {
                Batch memory batch = rollup.batchOf(_batches[j]);
                if (batch.executor != account || batch.openGames == type(uint16).max) continue;
                expected += batch.count * LOCK - _compensated[_batches[j]];
                if (batch.convicted) expected -= LOCK - LOCK / 5;
            }
            assertEq(vault.executorOf(account).locked, expected, "locked");
            assertLe(vault.executorOf(account).locked, vault.executorOf(account).stake, "covered");
        }
    }

    /// @dev Bonds are those of open games.
    function invariant_bonds() public view {
        uint256 open_;
        for (uint256 i; i < _subjects.length; ++i) {
            if (game.gameOf(game.gameIdOf(_subjects[i])).phase != Phase.Over) ++open_;
        }
        assertEq(vault.bondsOf(address(game)), open_ * BOND);
    }

    /// @dev Invariants 5 and 14: nothing final is ever reverted; after a conviction nothing becomes final.
    function invariant_finality() public {
        for (uint256 i; i < _receipts.length; ++i) {
            Status now_ = rollup.statusOf(_receipts[i]);
            if (_seen[i] == Status.Final) assertEq(uint256(now_), uint256(Status.Final), "final stays");
            if (_seen[i] == Status.Reverted) assertEq(uint256(now_), uint256(Status.Reverted), "reverted stays");
            if (vault.convictedAt(_receipts[i].receipt.executor).isSet() && _seen[i] != Status.Final) {
                // It may have become final in silence before the conviction, never after.
                uint256 end = _time(rollup.batchOf(_receipts[i].batchId)) + WINDOW;
                if (now_ == Status.Final) assertLe(end, _convictedAt(_receipts[i].receipt.executor), "too late");
            }
            _seen[i] = now_;
        }
    }

    /// @dev An invariant that cannot fail is a defect: every branch of every action is reached by a long enough random walk.
    function test_actions_reachEveryBranch_succeeds() public {
        for (uint256 i; i < 1500; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 action = (seed >> 128) % 14;
            if (action == 0) this.deposit(seed);
            if (action == 1 || action == 12) this.commit(seed);
            if (action == 2 || action == 13) this.open(seed);
            if (action == 3) this.post(seed);
            if (action == 4) this.timeout(seed);
            if (action == 5) this.close(seed);
            if (action == 6) this.release(seed);
            if (action == 7) this.compensate(seed);
            if (action == 8) this.claim(seed);
            if (action == 9) this.exit(seed);
            if (action == 10) this.sweep();
            if (action == 11) this.wait(seed);
            if (i % 50 == 49) {
                invariant_solvency();
                invariant_locks();
                invariant_bonds();
                invariant_finality();
            }
        }
        string[15] memory names = [
            "deposit",
            "commit",
            "open",
            "post",
            "convict",
            "defend",
            "moot",
            "close",
            "release",
            "burn",
            "compensate",
            "claim",
            "requestExit",
            "sweep",
            "wait"
        ];
        for (uint256 i; i < names.length; ++i) {
            assertGt(_count[bytes32(bytes(names[i]))], 0, names[i]);
        }
    }

    // ---------------------------------------------------------------- helpers

    function _requestOf(uint64 nonce) private view returns (Request memory request) {
        request = _request();
        request.nonce = nonce;
    }

    function _use(uint256 seed) private {
        Actor memory actor = _actors[seed % ACTORS];
        (executor, executorKey, enclave, enclaveKey) = (actor.executor, actor.key, actor.enclave, actor.enclaveKey);
    }

    function _useExecutor(address account) private {
        for (uint256 i; i < ACTORS; ++i) {
            if (_actors[i].executor == account) _use(i);
        }
    }

    function _pick(uint256 seed) private view returns (Subject memory s, Game memory g) {
        if (_subjects.length == 0) return (s, g);
        s = _subjects[seed % _subjects.length];
        g = game.gameOf(game.gameIdOf(s));
    }

    function _time(Batch memory batch) private pure returns (uint256) {
        return Timestamp.unwrap(batch.committedAt);
    }

    function _convictedAt(address account) private view returns (uint256) {
        return Timestamp.unwrap(vault.convictedAt(account));
    }
}
