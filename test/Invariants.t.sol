// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ActorsTest} from "./utils/ActorsTest.sol";
import {FakeSpotChecks} from "./utils/FakeCourt.sol";
import {Trees} from "./utils/Trees.sol";
import {Demand, DemandState} from "src/interfaces/IAvailability.sol";
import {
    Game,
    IDisputeGame,
    OpenedElement,
    OpenedInstruction,
    OpenedRow,
    Phase,
    Record,
    Subject
} from "src/interfaces/IDisputeGame.sol";
import {Batch, BatchId, CommittedReceipt, IOtrRollup, Rules, RulesVersion, Status} from "src/interfaces/IOtrRollup.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Executors, challengers, requesters, strangers, governance and the sequencer act at random, each call valid. The first executor
///         answers every game, demand and draw in time, the others only when the walk happens to let them. A court of draws says whatever
///         the walk wants.
contract InvariantsTest is ActorsTest {
    using Trees for Trees.Tree;

    uint32 private constant UNKNOWN_STEP = type(uint32).max;

    struct Leaf {
        BatchId batchId;
        uint256 index;
    }

    FakeSpotChecks private _draws;
    address[] private _accounts;
    CommittedReceipt[] private _receipts;
    Status[] private _seen;
    Subject[] private _subjects;
    Leaf[] private _demanded;
    BatchId[] private _batches;
    /// @dev Wei paid of each batch's locks.
    mapping(BatchId batchId => uint256) private _paid;
    uint64 private _nonce = 100;
    uint256 private _honestDeposits = STAKE;
    uint256 private _honestWithdrawn;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < ACTORS; ++i) {
            _accounts.push(_actors[i].executor);
        }
        _accounts.push(challenger);
        _accounts.push(stranger);
        _accounts.push(requester);
        _draws = new FakeSpotChecks(rollup, vault, models, d.uptime, Duration.wrap(uint32(TURN)));
        Rules memory rules = rollup.rulesOf(rollup.currentRules());
        rules.spotChecks = address(_draws);
        vm.prank(governance);
        rollup.addRules(rules);
        vm.warp(block.timestamp + 1);

        bytes4[] memory selectors = new bytes4[](28);
        selectors[0] = this.deposit.selector;
        selectors[1] = this.commit.selector;
        selectors[2] = this.commitAlone.selector;
        selectors[3] = this.dropDuplicate.selector;
        selectors[4] = this.open.selector;
        selectors[5] = this.openTrace.selector;
        selectors[6] = this.respond.selector;
        selectors[7] = this.play.selector;
        selectors[8] = this.accuseFalsely.selector;
        selectors[9] = this.timeout.selector;
        selectors[10] = this.close.selector;
        selectors[11] = this.payOut.selector;
        selectors[12] = this.payReward.selector;
        selectors[13] = this.demand.selector;
        selectors[14] = this.answerDemand.selector;
        selectors[15] = this.endDemand.selector;
        selectors[16] = this.release.selector;
        selectors[17] = this.compensate.selector;
        selectors[18] = this.claim.selector;
        selectors[19] = this.exit.selector;
        selectors[20] = this.sweep.selector;
        selectors[21] = this.wait.selector;
        selectors[22] = this.outage.selector;
        selectors[23] = this.pause.selector;
        selectors[24] = this.refundMode.selector;
        selectors[25] = this.fill.selector;
        selectors[26] = this.settleDraws.selector;
        selectors[27] = this.missDraw.selector;
        _target(selectors);
    }

    function _stakeOfOthers() internal pure override returns (uint256) {
        return 20 ether;
    }

    function _replaced(uint256 i) internal override {
        _accounts.push(_actors[i].executor);
    }

    // ---------------------------------------------------------------- executors

    function deposit(uint256 seed) external {
        address to = _actors[seed % ACTORS].executor;
        uint256 amount = 1 + seed % 5 ether;
        vm.deal(stranger, stranger.balance + amount);
        vm.prank(stranger);
        vault.deposit{value: amount}(to);
        if (to == _actors[0].executor) _honestDeposits += amount;
        ++_count["deposit"];
    }

    function commit(uint256 seed) external {
        _use(seed);
        uint256 n = 1 + (seed >> 8) % 3;
        if (_cannotLock(n)) return;
        OtrReceipt[] memory receipts = new OtrReceipt[](n);
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            receipts[i] = _nextReceipt();
            leaves[i] = ReceiptHash.unwrap(rollup.hashReceipt(receipts[i]));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        bytes32 root = tree.root(Tags.BATCH);
        if (rollup.paused()) {
            vm.prank(executor);
            vm.expectRevert(IOtrRollup.CommitsPaused.selector);
            rollup.commitBatch(root, n);
            ++_count["paused"];
            return;
        }
        vm.prank(executor);
        BatchId id = rollup.commitBatch(root, n);
        _batches.push(id);
        for (uint256 i; i < n; ++i) {
            _add(CommittedReceipt({receipt: receipts[i], batchId: id, index: i, siblings: tree.siblings(i)}));
        }
        ++_count["commit"];
    }

    /// @dev The holder of a signed receipt commits it: a new one, or one that a batch holds.
    function commitAlone(uint256 seed) external {
        OtrReceipt memory receipt;
        if (seed % 2 == 0 || _receipts.length == 0) {
            _use(seed >> 8);
            receipt = _nextReceipt();
        } else {
            receipt = _receipts[(seed >> 8) % _receipts.length].receipt;
            _useExecutor(receipt.executor);
            if (block.timestamp < receipt.commitBy || block.timestamp > receipt.expiry) return;
        }
        if (vault.convictedAt(executor).isSet()) return;
        ReceiptHash hash = rollup.hashReceipt(receipt);
        if (BatchId.unwrap(rollup.singleBatchOf(hash)) != 0) return;
        BatchId id = _commitSigned(receipt);
        _batches.push(id);
        _add(CommittedReceipt({receipt: receipt, batchId: id, index: 0, siblings: ""}));
        ++_count["commitAlone"];
    }

    /// @dev An executor takes all its free stake with filler, and receipts that it signed are committed all the same.
    function fill(uint256 seed) external {
        if (seed % 8 != 0) return;
        _use(1 + (seed >> 8) % (ACTORS - 1));
        uint256 free = vault.freeStakeOf(executor);
        if (vault.convictedAt(executor).isSet() || rollup.paused() || free < LOCK + RESERVE) return;
        vm.prank(executor);
        BatchId id = rollup.commitBatch(keccak256(abi.encode(seed)), (free - RESERVE) / LOCK);
        _batches.push(id);
        for (uint256 i; i < 4; ++i) {
            OtrReceipt memory receipt = _nextReceipt();
            id = _commitSigned(receipt);
            _batches.push(id);
            _add(CommittedReceipt({receipt: receipt, batchId: id, index: 0, siblings: ""}));
        }
        assertTrue(rollup.batchOf(id).scarce, "nothing left to lock");
        ++_count["scarce"];
    }

    function dropDuplicate(uint256 seed) external {
        for (uint256 i; i < _receipts.length; ++i) {
            if (_dropDuplicate(_receipts[(seed % _receipts.length + i) % _receipts.length])) return;
        }
    }

    function _dropDuplicate(CommittedReceipt memory original) private returns (bool) {
        BatchId id = rollup.singleBatchOf(rollup.hashReceipt(original.receipt));
        Batch memory batch = rollup.batchOf(id);
        if (
            BatchId.unwrap(id) <= BatchId.unwrap(original.batchId) || batch.executor == address(0)
                || batch.openGames != 0 || vault.convictedAt(batch.executor).isSet()
                || rollup.statusOf(original) == Status.None
        ) return false;
        try rollup.dropDuplicate(id, original) {}
        catch (bytes memory reason) {
            assertEq(bytes4(reason), IOtrRollup.NotADuplicate.selector, "drop");
            assertGe(block.timestamp, _time(batch) + WINDOW, "within the window");
            return false;
        }
        for (uint256 i; i < _receipts.length; ++i) {
            if (BatchId.unwrap(_receipts[i].batchId) != BatchId.unwrap(id)) continue;
            // The commitment is gone, and what it said with it: the earlier one answers.
            (_receipts[i], _seen[i]) = (original, Status.None);
        }
        ++_count["dropDuplicate"];
        return true;
    }

    function exit(uint256 seed) external {
        address account = _actors[seed % ACTORS].executor;
        IStakeVault.Executor memory e = vault.executorOf(account);
        if (!e.exitRequestedAt.isSet()) {
            // Leaving is rare, else nothing would be served.
            if ((seed >> 16) % 8 != 0) return;
            vm.prank(account);
            vault.requestExit();
            ++_count["requestExit"];
        } else if (e.exitDueAt.hasCome() && e.locked == 0 && e.stake != 0) {
            if (account == _actors[0].executor) _honestWithdrawn += e.stake;
            vm.prank(account);
            vault.withdraw(account);
            ++_count["withdraw"];
        } else if ((seed >> 16) % 4 == 0) {
            vm.prank(account);
            vault.cancelExit();
            ++_count["cancelExit"];
        }
    }

    // ---------------------------------------------------------------- games

    function open(uint256 seed) external {
        (bool can, CommittedReceipt memory c, address by) = _challengeable(seed);
        if (!can) return;
        uint32 step = uint32((seed >> 32) % _steps());
        Trees.Tree memory trace = _traceTree();
        Subject memory s = _subjectOf(c, step, trace.levels[0][step], by);
        if (game.gameOf(game.gameIdOf(s)).phase != Phase.None) return;
        Request memory request = _request();
        bytes memory siblings = trace.siblings(step);
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        game.open{value: BOND}(c, request, step, s.record, siblings);
        _subjects.push(s);
        if (seed >> 200 & 1 == 0) _answer(s);
        ++_count["open"];
    }

    function openTrace(uint256 seed) external {
        (bool can, CommittedReceipt memory c, address by) = _challengeable(seed);
        if (!can) return;
        Subject memory s = _subjectOf(c, UNKNOWN_STEP, 0, by);
        if (game.gameOf(game.gameIdOf(s)).phase != Phase.None) return;
        Request memory request = _request();
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        game.openTrace{value: BOND}(c, request);
        _subjects.push(s);
        // Some executors answer at once.
        if (seed >> 200 & 1 == 0) _answer(s);
        ++_count["openTrace"];
    }

    /// @dev An executor that need not answer happens to.
    function respond(uint256 seed) external {
        if (_subjects.length == 0) return;
        for (uint256 i; i < _subjects.length; ++i) {
            if (!_answer(_subjects[(seed % _subjects.length + i) % _subjects.length])) continue;
            ++_count["respond"];
            return;
        }
    }

    /// @dev A challenger moves. All content is honest, so no move of it can ever prove anything.
    function play(uint256 seed) external {
        (bool found, uint256 i) = _waiting(seed, Phase.Trace, Phase.Fine);
        if (!found) return;
        Subject memory s = _subjects[i];
        Game memory g = game.gameOf(game.gameIdOf(s));
        _useReceipt(s.receipt);
        if (g.phase == Phase.Trace) {
            uint32 step = uint32((seed >> 16) % _steps());
            Trees.Tree memory trace = _traceTree();
            Subject memory next = s;
            (next.step, next.record) = (step, trace.levels[0][step]);
            if (game.gameOf(game.gameIdOf(next)).phase != Phase.None) return;
            bytes memory siblings = trace.siblings(step);
            s = _subjects[i];
            vm.prank(s.challenger);
            game.chooseStep(s, step, trace.levels[0][step], siblings);
            _subjects[i].step = step;
            _subjects[i].record = trace.levels[0][step];
            ++_count["chooseStep"];
        } else if (g.phase == Phase.Fine) {
            OpenedInstruction memory opened = _openedInstruction();
            vm.prank(s.challenger);
            game.chooseRow(s, opened);
            ++_count["chooseRow"];
        }
    }

    /// @dev A challenger claims a lie where there is none: it proves nothing.
    function accuseFalsely(uint256 seed) external {
        (bool found, uint256 at) = _waiting(seed, Phase.Chunks, Phase.Fine);
        if (!found) return;
        Subject memory s = _subjects[at];
        Game memory g = game.gameOf(game.gameIdOf(s));
        _useReceipt(s.receipt);
        Request[] memory none = new Request[](0);
        bytes32 chunk = _chunkAt(_row(s.step, 0), 0);
        OpenedElement memory element = OpenedElement({element: uint32((seed >> 8) % 2), chunk: chunk, siblings: ""});
        OpenedInstruction memory opened = _openedInstruction();
        Record memory record = _record(s.step);
        Request memory request = _request();
        vm.startPrank(s.challenger);
        if (g.phase == Phase.Chunks) {
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settle(s, program[0], element, none, "");
            ++_count["settle"];
        } else if (g.phase == Phase.Fine) {
            OpenedRow memory row = OpenedRow({byteRoot: _rowTree(_row(s.step, 0)).top(), siblings: ""});
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settleJump(s, opened, row, element, none, "");
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settleToken(s, record, chunk, "");
            vm.expectRevert(IDisputeGame.NothingProven.selector);
            game.settleSalt(s, record, request, SEED);
            ++_count["settleJump"];
        }
        vm.stopPrank();
    }

    function timeout(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (!_isGoing(g.phase) || !d.uptime.hasPassed(g.deadline)) return;
        game.timeout(s);
        Phase phase = game.gameOf(game.gameIdOf(s)).phase;
        ++_count[phase == Phase.Won ? bytes32("won") : phase == Phase.Lost ? bytes32("lost") : bytes32("moot")];
    }

    function close(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (!_isGoing(g.phase) || !vault.convictedAt(s.receipt.executor).isSet()) return;
        // Its challenger always may.
        vm.prank(s.challenger);
        game.close(s);
        ++_count["close"];
    }

    function payOut(uint256 seed) external {
        (Subject memory s, Game memory g) = _pick(seed);
        if (g.phase != Phase.Won && g.phase != Phase.Lost && g.phase != Phase.Moot) return;
        (Timestamp due, bool refunds) = rollup.payoutOf(s.batchId, g.deadline);
        if (!due.hasCome()) {
            vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotDue.selector, due));
            game.payOut(s);
            ++_count["payOutEarly"];
            return;
        }
        uint256 before = vault.claimableOf(s.challenger);
        game.payOut(s);
        if (g.phase != Phase.Lost || refunds) {
            assertGe(vault.claimableOf(s.challenger), before + BOND, "bond back");
        }
        assertEq(uint256(game.gameOf(game.gameIdOf(s)).phase), uint256(Phase.Paid), "paid");
        vm.expectPartialRevert(IDisputeGame.WrongPhase.selector);
        game.payOut(s);
        // Nothing can happen to it any more.
        _subjects[seed % _subjects.length] = _subjects[_subjects.length - 1];
        _subjects.pop();
        ++_count[refunds ? bytes32("payOutRefund") : bytes32("payOut")];
    }

    function payReward(uint256 seed) external {
        address account = _actors[seed % ACTORS].executor;
        Timestamp due = rollup.rewardDueAt(account);
        if (!due.isSet() || !due.hasCome()) return;
        BatchId id = rollup.convictionOf(account).batchId;
        if (rollup.inRefundMode(rollup.batchOf(id).rules)) return;
        rollup.payReward(account);
        if (!rollup.batchOf(id).scarce) _paid[id] += LOCK / 4;
        ++_count["payReward"];
    }

    // ---------------------------------------------------------------- demands

    function demand(uint256 seed) external {
        (bool can, CommittedReceipt memory c,) = _challengeable(seed);
        if (!can || block.timestamp >= _time(rollup.batchOf(c.batchId)) + WINDOW / 2) return;
        if (d.availability.demandOf(c.batchId, c.index).state != DemandState.None) return;
        vm.deal(stranger, stranger.balance + DEMAND_BOND);
        vm.prank(stranger);
        d.availability.demand{value: DEMAND_BOND}(c.batchId, c.index);
        _demanded.push(Leaf(c.batchId, c.index));
        ++_count["demand"];
    }

    function answerDemand(uint256 seed) external {
        if (_demanded.length == 0) return;
        if (_answerDemand(_demanded[seed % _demanded.length])) ++_count["answerDemand"];
    }

    function endDemand(uint256 seed) external {
        if (_demanded.length == 0) return;
        Leaf memory leaf = _demanded[seed % _demanded.length];
        Demand memory m = d.availability.demandOf(leaf.batchId, leaf.index);
        if (m.state == DemandState.Open) {
            if (vault.convictedAt(m.executor).isSet() && (seed >> 64) % 2 == 0) {
                vm.prank(m.demander);
                d.availability.close(leaf.batchId, leaf.index);
                ++_count["closeDemand"];
            } else if (d.uptime.hasPassed(m.deadline)) {
                d.availability.timeout(leaf.batchId, leaf.index);
                ++_count["unanswered"];
            }
        } else if (m.state != DemandState.Paid && m.state != DemandState.None) {
            (Timestamp due,) = rollup.payoutOf(leaf.batchId, m.deadline);
            if (!due.hasCome()) return;
            d.availability.payOut(leaf.batchId, leaf.index);
            _demanded[seed % _demanded.length] = _demanded[_demanded.length - 1];
            _demanded.pop();
            ++_count["payOutDemand"];
        }
    }

    // ---------------------------------------------------------------- draws

    /// @dev All that was drawn of some batches is answered, and of all batches of the first executor.
    function settleDraws(uint256 seed) external {
        if (_batches.length == 0) return;
        for (uint256 i; i < 2; ++i) {
            _draws.settle(_batches[uint256(keccak256(abi.encode(seed, i))) % _batches.length]);
        }
        _settleHonest();
        ++_count["settleDraws"];
    }

    /// @dev Another executor misses a draw of a batch that has one.
    function missDraw(uint256 seed) external {
        if (_batches.length == 0 || (seed >> 8) % 4 != 0) return;
        BatchId id = _batches[_batches.length - 1 - (seed >> 16) % _batches.length % 8];
        address account = rollup.batchOf(id).executor;
        if (account == address(0) || _isSettled(id) || vault.convictedAt(account).isSet()) return;
        if (rollup.inRefundMode(rollup.batchOf(id).rules)) return _refuseMiss(id);
        if (account == _actors[0].executor) return;
        _draws.convict(id);
        ++_count["missDraw"];
    }

    /// @dev In refund mode nobody misses a draw, the honest executor neither, which then need not answer.
    function _refuseMiss(BatchId id) private {
        RulesVersion version = rollup.batchOf(id).rules;
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.RefundMode.selector, version));
        _draws.convict(id);
        ++_count["missDrawRefund"];
    }

    function _isSettled(BatchId id) private view returns (bool) {
        return _draws.settledAt(id).hasCome();
    }

    function _settleHonest() private {
        for (uint256 i; i < _batches.length; ++i) {
            if (rollup.batchOf(_batches[i]).executor == _actors[0].executor) _draws.settle(_batches[i]);
        }
    }

    // ---------------------------------------------------------------- money, time, governance

    function release(uint256 seed) external {
        if (_batches.length == 0) return;
        BatchId id = _batches[seed % _batches.length];
        Batch memory batch = rollup.batchOf(id);
        if (batch.executor == address(0) || batch.openGames != 0 || block.timestamp < _time(batch) + WINDOW) return;
        address account = batch.executor;
        bool rewards = BatchId.unwrap(rollup.convictionOf(account).batchId) == BatchId.unwrap(id);
        uint256 burnt = vault.burnt();
        uint256 stake = vault.executorOf(account).stake;
        try rollup.releaseBatch(id) {
            if (rewards) ++_count["releaseRewards"];
            if (vault.burnt() != burnt) {
                // At least half of every lock that is not returned is burnt.
                uint256 taken = stake - vault.executorOf(account).stake + _paid[id];
                assertGe(2 * (vault.burnt() - burnt), taken, "half is burnt");
                ++_count["burn"];
            } else {
                ++_count["release"];
            }
        } catch (bytes memory reason) {
            // Demands, outages, draws and claims hold locks back.
            bytes4 selector = bytes4(reason);
            assertTrue(
                selector == IOtrRollup.BatchUnsettled.selector || selector == IOtrRollup.ClaimsOpen.selector
                    || selector == IOtrRollup.DrawsUnsettled.selector,
                "release"
            );
            if (selector == IOtrRollup.DrawsUnsettled.selector) ++_count["undrawn"];
        }
    }

    function compensate(uint256 seed) external {
        if (_receipts.length == 0) return;
        CommittedReceipt memory c = _receipts[seed % _receipts.length];
        if (rollup.statusOf(c) != Status.Reverted) return;
        Batch memory batch = rollup.batchOf(c.batchId);
        (Timestamp due, bool refunds) = rollup.payoutOf(c.batchId, vault.convictedAt(batch.executor));
        if (batch.openGames == type(uint16).max || batch.scarce || refunds || !due.hasCome()) return;
        if (rollup.isCompensated(c.receipt.requestHash)) return;
        _useReceipt(c.receipt);
        Request memory request = _request();
        rollup.claimCompensation(c, request, _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request))));
        _paid[c.batchId] += LOCK / 5;
        ++_count["compensate"];
    }

    function claim(uint256 seed) external {
        address account = _accounts[seed % _accounts.length];
        uint256 amount = vault.claimableOf(account);
        if (amount == 0) return;
        if (account == _actors[0].executor) _honestWithdrawn += amount;
        vm.prank(account);
        vault.claim(account);
        ++_count["claim"];
    }

    function sweep() external {
        if (vault.burnt() == 0) return;
        vault.sweepBurnt();
        ++_count["sweep"];
    }

    function wait(uint256 seed) external {
        uint256[6] memory times = [uint256(1), TURN / 2, TURN, WINDOW / 2, WINDOW, AIR_GAP];
        _wait(times[seed % 6]);
        ++_count["wait"];
    }

    function outage(uint256 seed) external {
        if ((seed >> 8) % 4 != 0) return;
        feed.push(true, block.timestamp);
        // Nobody can move; the deadlines wait.
        vm.warp(block.timestamp + 1 + seed % 12 hours);
        feed.push(false, block.timestamp);
        _answerAll();
        ++_count["outage"];
    }

    function pause(uint256 seed) external {
        if (rollup.paused()) {
            vm.prank(governance);
            rollup.unpause();
        } else if (seed % 8 == 0) {
            vm.prank(guardian);
            rollup.pause();
            ++_count["pause"];
        }
    }

    function refundMode(uint256 seed) external {
        RulesVersion version = rollup.currentRules();
        // Rare: with it old batches stop paying, and new rules take over.
        if (seed % 64 != 0 || RulesVersion.unwrap(version) > 20) return;
        vm.startPrank(governance);
        rollup.setRefundMode(version);
        rollup.addRules(rollup.rulesOf(version));
        vm.stopPrank();
        for (uint256 i; i < _batches.length; ++i) {
            Batch memory batch = rollup.batchOf(_batches[i]);
            bool refunds = RulesVersion.unwrap(batch.rules) == RulesVersion.unwrap(version);
            if (batch.executor != address(0) && refunds) _refuseMiss(_batches[i]);
        }
        ++_count["refundMode"];
    }

    // ---------------------------------------------------------------- invariants

    /// @dev One campaign checks all of them: every call sequence costs seconds, and they concern the same state.
    function invariant_all() public {
        _assertSolvency();
        _assertLocks();
        _assertBonds();
        _assertHonestExecutor();
        _assertFinality();
    }

    /// @dev Invariant 1: every wei is somebody's.
    function _assertSolvency() private view {
        uint256 owed = vault.bondsOf(address(game)) + vault.bondsOf(address(d.availability));
        for (uint256 i; i < _accounts.length; ++i) {
            owed += vault.claimableOf(_accounts[i]) + vault.executorOf(_accounts[i]).stake;
        }
        assertEq(vault.liabilities(), owed, "liabilities");
        assertEq(address(vault).balance, owed + vault.burnt(), "balance");
    }

    /// @dev Invariant 1: locks are the unsettled receipts', and never more than the stake.
    function _assertLocks() private view {
        for (uint256 i; i < ACTORS; ++i) {
            address account = _actors[i].executor;
            uint256 expected;
            for (uint256 j; j < _batches.length; ++j) {
                Batch memory batch = rollup.batchOf(_batches[j]);
                if (batch.executor != account || batch.openGames == type(uint16).max || batch.scarce) continue;
                expected += batch.count * LOCK - _paid[_batches[j]];
            }
            assertEq(vault.executorOf(account).locked, expected, "locked");
            assertLe(vault.executorOf(account).locked, vault.executorOf(account).stake, "covered");
        }
    }

    /// @dev Invariant 1: bonds are those of games and demands that are not paid out yet.
    function _assertBonds() private view {
        uint256 unpaid;
        for (uint256 i; i < _subjects.length; ++i) {
            if (game.gameOf(game.gameIdOf(_subjects[i])).phase != Phase.Paid) ++unpaid;
        }
        assertEq(vault.bondsOf(address(game)), unpaid * BOND, "games");
        unpaid = 0;
        for (uint256 i; i < _demanded.length; ++i) {
            if (d.availability.demandOf(_demanded[i].batchId, _demanded[i].index).state != DemandState.Paid) ++unpaid;
        }
        assertEq(vault.bondsOf(address(d.availability)), unpaid * DEMAND_BOND, "demands");
    }

    /// @dev Invariant 2: who answers in time is never convicted and has all it ever put in, whatever the others did.
    function _assertHonestExecutor() private view {
        address honest = _actors[0].executor;
        assertFalse(vault.convictedAt(honest).isSet(), "not convicted");
        uint256 has = vault.executorOf(honest).stake + vault.claimableOf(honest) + _honestWithdrawn;
        assertGe(has, _honestDeposits, "nothing lost");
    }

    /// @dev Invariants 5 and 14: nothing is final with an open case, before its window's end or before its draws are settled; nothing final is ever
    ///      reverted; after a conviction nothing becomes final.
    function _assertFinality() private {
        for (uint256 i; i < _receipts.length; ++i) {
            CommittedReceipt memory c = _receipts[i];
            Status now_ = rollup.statusOf(c);
            if (_seen[i] == Status.Final) assertEq(uint256(now_), uint256(Status.Final), "final stays");
            if (_seen[i] == Status.Reverted) assertEq(uint256(now_), uint256(Status.Reverted), "reverted stays");
            if (now_ == Status.Final) {
                assertEq(rollup.openGamesOn(c.batchId, rollup.hashReceipt(c.receipt)), 0, "open game");
                assertTrue(d.availability.demandOf(c.batchId, c.index).state != DemandState.Open, "unanswered demand");
                uint256 end = _time(rollup.batchOf(c.batchId)) + WINDOW;
                assertLe(end, block.timestamp, "window");
                assertTrue(_isSettled(c.batchId), "undrawn");
                uint256 convictedAt = Timestamp.unwrap(vault.convictedAt(c.receipt.executor));
                if (convictedAt != 0) {
                    assertLe(end, convictedAt, "final only before the conviction");
                    assertLe(Timestamp.unwrap(_draws.settledAt(c.batchId)), convictedAt, "settled before it");
                    ++_count["finalOfConvicted"];
                }
            } else if (now_ == Status.Provisional && block.timestamp >= _time(rollup.batchOf(c.batchId)) + WINDOW) {
                ++_count["waitsForDraws"];
            }
            _seen[i] = now_;
        }
    }

    /// @dev An invariant that cannot fail is a defect: every branch of every action is reached by a long enough random walk.
    function test_actions_reachEveryBranch_succeeds() public {
        // The walk is longer than a test's gas.
        vm.pauseGasMetering();
        for (uint256 i; i < 3000; ++i) {
            _act(uint256(keccak256(abi.encode(i))));
            if (i % 100 == 99) invariant_all();
        }
        _assertReached(
            "deposit commit paused commitAlone scarce dropDuplicate requestExit cancelExit open "
            "openTrace respond chooseStep chooseRow settle settleJump won lost moot close payOut "
            "payOutEarly payOutRefund payReward demand answerDemand unanswered closeDemand "
            "payOutDemand release burn compensate claim sweep outage refundMode settleDraws missDraw "
            "missDrawRefund undrawn waitsForDraws finalOfConvicted"
        );
    }

    /// @dev One action of the walk.
    function _act(uint256 seed) private {
        _replaceConvicted(seed, 97);
        uint256 action = (seed >> 128) % 39;
        if (action >= 36) this.settleDraws(seed);
        if (action == 35) this.missDraw(seed);
        if (action == 34) this.fill(seed);
        if (action == 0) this.deposit(seed);
        if (action == 1 || action == 31 || action == 32) this.commit(seed);
        if (action == 2) this.commitAlone(seed);
        if (action == 3) this.dropDuplicate(seed);
        if (action == 4 || action == 30) this.open(seed);
        if (action == 5) this.openTrace(seed);
        if (action == 6 || action == 29) this.respond(seed);
        if (action == 7 || action == 28) this.play(seed);
        if (action == 8) this.accuseFalsely(seed);
        if (action == 9 || action == 27) this.timeout(seed);
        if (action == 10) this.close(seed);
        if (action == 11) this.payOut(seed);
        if (action == 12) this.payReward(seed);
        if (action == 13) this.demand(seed);
        if (action == 14) this.answerDemand(seed);
        if (action == 15 || action == 26) this.endDemand(seed);
        if (action == 16) this.release(seed);
        if (action == 17) this.compensate(seed);
        if (action == 18) this.claim(seed);
        if (action == 19) this.exit(seed);
        if (action == 20) this.sweep();
        if (action == 21 || action == 25 || action == 33) this.wait(seed);
        if (action == 22) this.outage(seed);
        if (action == 23) this.pause(seed);
        if (action == 24) this.refundMode(seed);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev The honest executor answers everything that is open before time passes; no step is longer than a turn.
    function _wait(uint256 time) private {
        while (time != 0) {
            _answerAll();
            uint256 step = time < TURN - 1 ? time : TURN - 1;
            vm.warp(block.timestamp + step);
            time -= step;
        }
        _answerAll();
    }

    function _answerAll() private {
        for (uint256 i; i < _subjects.length; ++i) {
            if (_subjects[i].receipt.executor == _actors[0].executor) _answer(_subjects[i]);
        }
        for (uint256 i; i < _demanded.length; ++i) {
            if (rollup.batchOf(_demanded[i].batchId).executor == _actors[0].executor) _answerDemand(_demanded[i]);
        }
    }

    /// @dev The executor's move, if it is its turn.
    function _answer(Subject memory s) private returns (bool) {
        Game memory g = game.gameOf(game.gameIdOf(s));
        bool isTurn = g.phase == Phase.TraceReveal || g.phase == Phase.FinePost || g.phase == Phase.RowReveal;
        if (!isTurn || d.uptime.hasPassed(g.deadline)) return false;
        _useReceipt(s.receipt);
        if (g.phase == Phase.TraceReveal) {
            bytes32[] memory shown = _traceTree().first();
            game.revealTrace(s, shown);
        } else if (g.phase == Phase.FinePost) {
            bytes32[] memory nodes = _fineTree(s.step).first();
            Record memory record = _record(s.step);
            vm.prank(s.receipt.executor);
            game.postFine(s, record, nodes);
        } else {
            bytes memory data = _row(s.step, 0);
            game.revealRow(game.gameIdOf(s), "", new bytes32[](0), bytes.concat(_chunkAt(data, 0)));
        }
        return true;
    }

    function _answerDemand(Leaf memory leaf) private returns (bool) {
        Demand memory m = d.availability.demandOf(leaf.batchId, leaf.index);
        if (m.state != DemandState.Open || d.uptime.hasPassed(m.deadline)) return false;
        for (uint256 i; i < _receipts.length; ++i) {
            CommittedReceipt memory c = _receipts[i];
            if (BatchId.unwrap(c.batchId) != BatchId.unwrap(leaf.batchId) || c.index != leaf.index) continue;
            _useReceipt(c.receipt);
            Request memory request = _request();
            uint32[] memory input = new uint32[](nIn);
            for (uint32 k; k < nIn; ++k) {
                input[k] = 100 + k;
            }
            d.availability.answer(c, request, input);
            return true;
        }
        return false;
    }

    /// @dev The next receipt that can be challenged, and somebody to do it.
    function _challengeable(uint256 seed) private returns (bool, CommittedReceipt memory c, address by) {
        for (uint256 i; i < _receipts.length; ++i) {
            c = _receipts[(seed % _receipts.length + i) % _receipts.length];
            if (block.timestamp >= _time(rollup.batchOf(c.batchId)) + WINDOW) continue;
            Status status = rollup.statusOf(c);
            if (status != Status.Provisional && status != Status.Challenged) continue;
            _useReceipt(c.receipt);
            return (true, c, _accounts[(seed >> 64) % _accounts.length]);
        }
        return (false, c, by);
    }

    /// @dev The next game that waits for its challenger in one of two phases.
    function _waiting(uint256 seed, Phase a, Phase b) private view returns (bool, uint256 i) {
        uint256 n = _subjects.length;
        for (uint256 k; k < n; ++k) {
            i = (seed % n + k) % n;
            Game memory g = game.gameOf(game.gameIdOf(_subjects[i]));
            if ((g.phase == a || g.phase == b) && !g.deadline.hasCome()) return (true, i);
        }
        return (false, i);
    }

    function _subjectOf(CommittedReceipt memory c, uint32 step, bytes32 record, address by)
        private
        view
        returns (Subject memory)
    {
        return Subject({
            receipt: c.receipt,
            batchId: c.batchId,
            step: step,
            record: record,
            challenger: by,
            bond: BOND,
            openedAt: Timestamp.wrap(uint40(block.timestamp))
        });
    }

    function _openedInstruction() private view returns (OpenedInstruction memory) {
        return OpenedInstruction({row: 0, instruction: program[0], siblings: ""});
    }

    function _record(uint256 step) private view returns (Record memory) {
        return Record({salt: _salt(step), token: _token(step), cacheRoot: _cacheRoot(step)});
    }

    /// @dev A receipt of the executor in use, to a request of its own.
    function _nextReceipt() private returns (OtrReceipt memory receipt) {
        requestNonce = ++_nonce;
        receipt = _receipt();
        receipt.seq = requestNonce;
        // Whoever holds it may commit it at once.
        receipt.commitBy = uint64(block.timestamp);
        receipt.expiry = uint64(block.timestamp + 10 days);
    }

    function _add(CommittedReceipt memory c) private {
        // What was final or reverted for long makes room: a walk looks at the newest.
        if (_receipts.length > 48) {
            for (uint256 i; i < _receipts.length; ++i) {
                if (rollup.batchOf(_receipts[i].batchId).openGames != type(uint16).max) continue;
                _receipts[i] = c;
                _seen[i] = Status.None;
                return;
            }
        }
        _receipts.push(c);
        _seen.push(Status.None);
    }

    /// @dev Everything derived from the request is this receipt's.
    function _useReceipt(OtrReceipt memory receipt) private {
        _useExecutor(receipt.executor);
        requestNonce = receipt.seq;
    }

    function _isGoing(Phase phase) private pure returns (bool) {
        return phase != Phase.None && phase < Phase.Won;
    }

    function _pick(uint256 seed) private view returns (Subject memory s, Game memory g) {
        if (_subjects.length == 0) return (s, g);
        s = _subjects[seed % _subjects.length];
        g = game.gameOf(game.gameIdOf(s));
    }

    function _time(Batch memory batch) private pure returns (uint256) {
        return Timestamp.unwrap(batch.committedAt);
    }
}
