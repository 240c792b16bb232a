// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config} from "script/Deploy.s.sol";
import {ActorsTest} from "./utils/ActorsTest.sol";
import {OtrTest} from "./utils/OtrTest.sol";
import {SpotCheckTest} from "./utils/SpotCheckTest.sol";
import {Phase, Subject} from "src/interfaces/IDisputeGame.sol";
import {Batch, BatchId, CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {ClaimedPairs, StepClaim, StripState} from "src/interfaces/ISpotChecks.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request} from "src/types/OtrTypes.sol";

/// @notice Draws, answers, misses, receipts that are committed again, dropped batches, games and convictions in any order. The first executor
///         answers every draw in time, the others when the walk happens to let them.
contract SpotChecksInvariantsTest is SpotCheckTest, ActorsTest {
    BatchId[] private _batches;
    mapping(BatchId batchId => CommittedReceipt[]) private _leaves;
    mapping(BatchId batchId => Timestamp) private _settled;
    Subject[] private _games;
    /// @dev Which claim answers a strip, what it is about, and the claims about a receipt in the order of their posting.
    mapping(BatchId batchId => mapping(uint256 strip => bytes32 claimId)) private _answeredBy;
    mapping(bytes32 claimId => uint64) private _roundOfClaim;
    mapping(ReceiptHash receiptHash => uint64[]) private _claimRounds;
    mapping(bytes32 leaf => Status) private _seen;
    mapping(uint256 seq => bool) private _isConfidential;
    OtrReceipt private _first;
    Request private _public;
    uint64 private _seq = 100;

    function setUp() public override(SpotCheckTest, ActorsTest) {
        super.setUp();
        _first = _receipt();
        _public = _request();
        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = this.commit.selector;
        selectors[1] = this.commitAgain.selector;
        selectors[2] = this.commitAlone.selector;
        selectors[3] = this.dropDuplicate.selector;
        selectors[4] = this.serve.selector;
        selectors[5] = this.miss.selector;
        selectors[6] = this.wait.selector;
        selectors[7] = this.accuse.selector;
        selectors[8] = this.timeout.selector;
        selectors[9] = this.release.selector;
        selectors[10] = this.outage.selector;
        selectors[11] = this.payOut.selector;
        _target(selectors);
    }

    function _config(address devRoot) internal view override(SpotCheckTest, ActorsTest) returns (Config memory config) {
        return super._config(devRoot);
    }

    function _makeProgram() internal override(OtrTest, ActorsTest) {
        super._makeProgram();
    }

    // ---------------------------------------------------------------- commits

    function commit(uint256 seed) external {
        _use(seed);
        uint256 n = 1 + (seed >> 8) % (STRIDE + 2);
        if (_cannotLock(n)) return;
        OtrReceipt[] memory receipts = new OtrReceipt[](n);
        for (uint256 i; i < n; ++i) {
            receipts[i] = _next(uint256(keccak256(abi.encode(seed, i))) % 4 == 0);
        }
        _add(_commitAll(receipts));
        ++_count["commit"];
    }

    /// @dev An executor commits again what it committed before: in a batch of its own, or twice in one.
    function commitAgain(uint256 seed) external {
        (bool any, CommittedReceipt memory c) = _anyLeaf(seed);
        if (!any) return;
        _useExecutor(c.receipt.executor);
        uint256 n = (seed >> 128) % 2 == 0 ? 1 : 2 * STRIDE;
        if (_cannotLock(n) || block.timestamp > c.receipt.expiry) return;
        OtrReceipt[] memory receipts = new OtrReceipt[](n);
        for (uint256 i; i < n; ++i) {
            receipts[i] = c.receipt;
        }
        _add(_commitAll(receipts));
        ++_count[n == 1 ? bytes32("commitAgain") : bytes32("commitTwice")];
        // And once more, in the next epoch, before the first draw is known.
        if ((seed >> 130) % 2 == 0 || _cannotLock(n)) return;
        _serveHonest(seed);
        _useExecutor(c.receipt.executor);
        vm.warp(block.timestamp + EPOCH);
        if (block.timestamp <= c.receipt.expiry) _add(_commitAll(receipts));
    }

    /// @dev A stranger commits a signed receipt.
    function commitAlone(uint256 seed) external {
        OtrReceipt memory receipt;
        (bool any, CommittedReceipt memory c) = _anyLeaf(seed);
        if (any && (seed >> 128) % 4 != 0) {
            receipt = c.receipt;
            _useExecutor(receipt.executor);
        } else {
            _use(seed);
            receipt = _next(false);
        }
        ReceiptHash hash = rollup.hashReceipt(receipt);
        if (vault.convictedAt(executor).isSet() || BatchId.unwrap(rollup.singleBatchOf(hash)) != 0) return;
        if (block.timestamp > receipt.expiry) return;
        BatchId id = _commitSigned(receipt);
        CommittedReceipt[] memory all = new CommittedReceipt[](1);
        all[0] = CommittedReceipt(receipt, id, 0, "");
        _add(all);
        ++_count["commitAlone"];
    }

    function dropDuplicate(uint256 seed) external {
        for (uint256 i; i < _batches.length; ++i) {
            BatchId id = _batches[(seed % _batches.length + i) % _batches.length];
            for (uint256 k; k < _leaves[id].length; ++k) {
                if (_drop(_leaves[id][k])) return;
            }
        }
    }

    function _drop(CommittedReceipt memory original) private returns (bool) {
        BatchId id = rollup.singleBatchOf(rollup.hashReceipt(original.receipt));
        if (BatchId.unwrap(id) <= BatchId.unwrap(original.batchId)) return false;
        bytes32 claimId = _answeredBy[id][0];
        try rollup.dropDuplicate(id, original) {
            // The commitment is gone, and what it said with it.
            delete _leaves[id];
            ++_count[claimId == 0 ? bytes32("dropDuplicate") : bytes32("dropPosted")];
            return true;
        } catch {
            return false;
        }
    }

    // ---------------------------------------------------------------- answers

    /// @dev An executor that need not answer does so for a batch, as far as it can be done now; or a stranger brings its round.
    function serve(uint256 seed) external {
        if (_batches.length == 0) return;
        _serve(_batches[_batches.length - 1 - (seed >> 8) % _batches.length % 12], seed);
    }

    function _serve(BatchId id, uint256 seed) private {
        Batch memory batch = rollup.batchOf(id);
        if (batch.executor == address(0) || court.settledAt(id).hasCome()) return;
        // Some batches are never answered, and nobody brings their rounds.
        if (batch.executor != _actors[0].executor && BatchId.unwrap(id) % 7 == 0) return;
        _useExecutor(batch.executor);
        for (uint256 strip; strip < (batch.count + STRIDE - 1) / STRIDE; ++strip) {
            // As much as happens without time passing.
            for (uint256 i; i < 4; ++i) {
                if (!_advance(id, strip, seed)) break;
            }
        }
    }

    /// @dev One move for a strip, if there is one. Returns whether there was.
    function _advance(BatchId id, uint256 strip, uint256 seed) private returns (bool) {
        (StripState state, uint256 index, bytes32 claimId, Timestamp deadline) = court.stripOf(id, strip);
        if (d.uptime.hasPassed(deadline)) return false;
        if (state == StripState.Unknown) return _bring(_roundOf(_leaves[id][0]), seed);
        if (state == StripState.Drawn) return _begin(_leaves[id][index], strip, seed);
        // Some claims are never proven.
        if (state == StripState.Posted && executor != _actors[0].executor && BatchId.unwrap(id) % 7 == 1) return false;
        if (state == StripState.Posted) return _goOn(_leaves[id][index], claimId, seed);
        if (state != StripState.Proven) return false;
        court.count(id, strip);
        ++_count["count"];
        return true;
    }

    function _bring(uint64 round, uint256 seed) private returns (bool) {
        if (source.valueOf(round) != 0 || !source.dueAt(round).hasCome()) return false;
        source.deliver(round, abi.encode(keccak256(abi.encode(round, seed))));
        return true;
    }

    function _begin(CommittedReceipt memory c, uint256 strip, uint256 seed) private returns (bool) {
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        uint64 own = _roundOf(c);
        if (_isConfidential[c.receipt.seq] && seed >> 32 & 1 == 0) {
            court.exempt(c, _requestOf(c.receipt.seq));
            ++_count["exempt"];
            return true;
        }
        uint64[] memory rounds = _claimRounds[hash];
        for (uint256 i; i < rounds.length; ++i) {
            if (rounds[i] > own) continue;
            vm.prank(executor);
            court.link(c, rounds[i]);
            _answeredBy[c.batchId][strip] = court.claimIdOf(hash, rounds[i]);
            ++_count[rounds[i] == own ? bytes32("linkOwn") : bytes32("linkEarlier")];
            return true;
        }
        vm.prank(executor);
        court.postStep(c, uint256(keccak256(abi.encode(seed))) >> 8);
        bytes32 claimId = court.claimIdOf(hash, own);
        _answeredBy[c.batchId][strip] = claimId;
        _roundOfClaim[claimId] = own;
        _claimRounds[hash].push(own);
        if (rounds.length != 0) ++_count["postEarlier"];
        ++_count["postStep"];
        return true;
    }

    function _goOn(CommittedReceipt memory c, bytes32 claimId, uint256 seed) private returns (bool) {
        StepClaim memory claim = court.claimOf(claimId);
        uint64 round = _roundOfClaim[claimId];
        if (_bring(court.roundOf(claim.postedAt), seed)) return true;
        if (source.valueOf(court.roundOf(claim.postedAt)) == 0) return false;
        if (claim.foldsPostedAt.isSet()) {
            uint64 third = court.roundOf(claim.foldsPostedAt);
            if (_bring(third, seed)) return true;
            if (source.valueOf(third) == 0) return false;
        } else if (claim.proven == 0 && uint256(claimId) % 3 == 0) {
            bytes32[] memory roots = new bytes32[](1);
            roots[0] = claimId;
            vm.prank(executor);
            court.postFolds(c.receipt, round, _pairs(seed % PAIRS, seed % PAIRS + 1), roots);
            ++_count["postFolds"];
            return true;
        }
        uint256 first;
        while (claim.proven >> first & 1 == 1) ++first;
        uint256 end = (seed >> 40) % 3 == 0 ? first + 1 : PAIRS;
        ClaimedPairs memory own = ClaimedPairs(c.receipt, round, _pairs(first, end));
        if ((seed >> 48) % 2 == 0 && _proveBeside(own, claimId)) return true;
        _prove(c, round, own.pairs);
        ++_count[end == PAIRS ? bytes32("prove") : bytes32("provePart")];
        return true;
    }

    /// @dev Together with all pairs of another claim, of whichever batch and executor, if one could be proven now.
    function _proveBeside(ClaimedPairs memory own, bytes32 claimId) private returns (bool) {
        for (uint256 i; i < _batches.length && i < 12; ++i) {
            BatchId id = _batches[_batches.length - 1 - i];
            for (uint256 strip; strip * STRIDE < _leaves[id].length; ++strip) {
                bytes32 other = _answeredBy[id][strip];
                if (other == 0 || other == claimId || !_isProvable(id, strip, other)) continue;
                (, uint256 index,,) = court.stripOf(id, strip);
                ClaimedPairs[] memory claims = new ClaimedPairs[](2);
                claims[0] = own;
                claims[1] = ClaimedPairs(_leaves[id][index].receipt, _roundOfClaim[other], _pairs(0, PAIRS));
                bytes memory proofs = _proofOf(claims);
                vm.prank(stranger);
                court.provePairs(claims, _openings(own.pairs.length + PAIRS), proofs);
                ++_count["proveBoth"];
                return true;
            }
        }
        return false;
    }

    /// @dev A strip waits for proofs of a claim, in time, whose rounds are known.
    function _isProvable(BatchId id, uint256 strip, bytes32 claimId) private view returns (bool) {
        (StripState state,,, Timestamp deadline) = court.stripOf(id, strip);
        if (state != StripState.Posted || d.uptime.hasPassed(deadline)) return false;
        StepClaim memory claim = court.claimOf(claimId);
        if (source.valueOf(court.roundOf(claim.postedAt)) == 0) return false;
        return !claim.foldsPostedAt.isSet() || source.valueOf(court.roundOf(claim.foldsPostedAt)) != 0;
    }

    // ---------------------------------------------------------------- verdicts

    /// @dev Whatever is overdue may be shown; of the first executor nothing ever is.
    function miss(uint256 seed) external {
        for (uint256 i; i < _batches.length; ++i) {
            BatchId id = _batches[(seed % _batches.length + i) % _batches.length];
            Batch memory batch = rollup.batchOf(id);
            if (batch.executor == address(0) || vault.convictedAt(batch.executor).isSet()) continue;
            for (uint256 strip; strip < (batch.count + STRIDE - 1) / STRIDE; ++strip) {
                if (_miss(id, strip, batch.executor)) return;
            }
        }
    }

    function _miss(BatchId id, uint256 strip, address account) private returns (bool) {
        (StripState state,,, Timestamp deadline) = court.stripOf(id, strip);
        if (!d.uptime.hasPassed(deadline)) return false;
        assertTrue(account != _actors[0].executor, "an honest executor's draw is overdue");
        court.missed(id, strip);
        if (state == StripState.Unknown) ++_count["missedRound"];
        if (state == StripState.Drawn) ++_count["missedStep"];
        if (state == StripState.Posted) ++_count["missedProof"];
        return true;
    }

    function payOut(uint256 seed) external {
        for (uint256 i; i < _batches.length; ++i) {
            try court.payOut(_batches[(seed % _batches.length + i) % _batches.length]) {
                ++_count["payOut"];
                return;
            } catch {}
        }
    }

    /// @dev A game that its executor will not answer.
    function accuse(uint256 seed) external {
        if (seed % 2 != 0) return;
        (bool any, CommittedReceipt memory c) = _anyLeaf(seed >> 8);
        if (!any || c.receipt.executor == _actors[0].executor) return;
        if (block.timestamp >= Timestamp.unwrap(rollup.batchOf(c.batchId).committedAt) + WINDOW) return;
        Status status = rollup.statusOf(c);
        if (status != Status.Provisional) return;
        Request memory request = _requestOf(c.receipt.seq);
        vm.deal(challenger, challenger.balance + BOND);
        vm.prank(challenger);
        game.openTrace{value: BOND}(c, request);
        _games.push(Subject(c.receipt, c.batchId, type(uint32).max, 0, challenger, BOND, _now()));
        ++_count["accuse"];
    }

    function timeout(uint256 seed) external {
        if (_games.length == 0) return;
        Subject memory s = _games[seed % _games.length];
        Phase phase = game.gameOf(game.gameIdOf(s)).phase;
        if (phase != Phase.TraceReveal) return;
        if (vault.convictedAt(s.receipt.executor).isSet()) {
            vm.prank(s.challenger);
            game.close(s);
        } else if (d.uptime.hasPassed(game.gameOf(game.gameIdOf(s)).deadline)) {
            game.timeout(s);
            ++_count["convictedByGame"];
        }
    }

    function release(uint256 seed) external {
        if (_batches.length == 0) return;
        try rollup.releaseBatch(_batches[seed % _batches.length]) {
            ++_count["release"];
        } catch {}
    }

    function wait(uint256 seed) external {
        uint256[8] memory times = [DELTA, DELTA, DELTA, TURN / 2, TURN / 2, TURN, 4 * TURN, WINDOW];
        uint256 time = times[seed % 8];
        while (time != 0) {
            uint256 step = time < TURN / 2 ? time : TURN / 2;
            _serveHonest(seed);
            // The others mostly do too.
            for (uint256 i = _batches.length; i != 0 && uint256(keccak256(abi.encode(seed, time))) % 8 != 0; --i) {
                if ((seed >> i) % 8 != 0) _serve(_batches[i - 1], seed);
            }
            vm.warp(block.timestamp + step);
            time -= step;
        }
        _serveHonest(seed);
        ++_count["wait"];
    }

    function outage(uint256 seed) external {
        if ((seed >> 8) % 4 != 0) return;
        feed.push(true, block.timestamp);
        vm.warp(block.timestamp + 1 + seed % 12 hours);
        feed.push(false, block.timestamp);
        _serveHonest(seed);
        ++_count["outage"];
    }

    function _serveHonest(uint256 seed) private {
        uint256 n = _batches.length;
        for (uint256 i; i < n; ++i) {
            // The oldest first, or the newest.
            BatchId id = _batches[seed >> 7 & 1 == 0 ? i : n - 1 - i];
            if (rollup.batchOf(id).executor == _actors[0].executor) _serve(id, seed);
        }
    }

    // ---------------------------------------------------------------- invariants

    /// forge-config: default.invariant.runs = 12
    function invariant_draws() public {
        assertFalse(vault.convictedAt(_actors[0].executor).isSet(), "who answers is not convicted");
        for (uint256 i; i < _batches.length; ++i) {
            BatchId id = _batches[i];
            Batch memory batch = rollup.batchOf(id);
            // Dropped, or long over.
            if (batch.executor == address(0)) continue;
            _assertTally(id, batch);
            _assertSettled(id, batch.executor);
        }
    }

    /// @dev A strip is counted once, after all its pairs were proven under a claim of its receipt by its round or an earlier one.
    function _assertTally(BatchId id, Batch memory batch) private view {
        (uint64 round, uint256 drawn, uint256 answered) = court.drawsOf(id);
        uint256 counted;
        for (uint256 strip; strip < (batch.count + STRIDE - 1) / STRIDE; ++strip) {
            (StripState state, uint256 index,,) = court.stripOf(id, strip);
            if (state != StripState.Answered) continue;
            ++counted;
            bytes32 claimId = _answeredBy[id][strip];
            CommittedReceipt memory c = _leaves[id][index];
            if (_isConfidential[c.receipt.seq]) continue;
            assertEq(court.claimIdOf(rollup.hashReceipt(c.receipt), _roundOfClaim[claimId]), claimId, "its receipt's");
            assertEq(court.claimOf(claimId).proven, 2 ** PAIRS - 1, "proven");
            assertLe(_roundOfClaim[claimId], round, "not by a later draw");
        }
        assertEq(answered, counted, "counted once");
        assertLe(answered, drawn, "only what was drawn");
        bool all = source.valueOf(round) != 0 && answered == drawn;
        assertEq(Timestamp.unwrap(court.settledAt(id)) != NEVER, all, "settled by the last answer");
    }

    /// @dev Nothing is final before its draws are settled; what is final stays so; after a conviction nothing becomes final.
    function _assertSettled(BatchId id, address account) private {
        Timestamp settledAt = court.settledAt(id);
        if (_settled[id].isSet()) {
            assertEq(Timestamp.unwrap(settledAt), Timestamp.unwrap(_settled[id]), "settled for good");
        } else if (Timestamp.unwrap(settledAt) != NEVER) {
            _settled[id] = settledAt;
        }
        Timestamp convictedAt = vault.convictedAt(account);
        for (uint256 i; i < _leaves[id].length; ++i) {
            CommittedReceipt memory c = _leaves[id][i];
            bytes32 key = keccak256(abi.encode(id, i));
            Status status = rollup.statusOf(c);
            if (_seen[key] == Status.Final) assertEq(uint256(status), uint256(Status.Final), "final stays");
            if (_seen[key] == Status.Reverted) assertEq(uint256(status), uint256(Status.Reverted), "reverted stays");
            if (status == Status.Final) {
                assertTrue(settledAt.hasCome(), "settled");
                if (convictedAt.isSet()) {
                    assertFalse(convictedAt.isBefore(settledAt), "before the conviction");
                    ++_count["finalOfConvicted"];
                }
                ++_count["final"];
            }
            if (status == Status.Reverted) ++_count["reverted"];
            _seen[key] = status;
        }
    }

    /// @dev An invariant that cannot fail is a defect: every branch of every action is reached by a long enough random walk.
    function test_actions_reachEveryBranch_succeeds() public {
        // The walk is longer than a test's gas.
        vm.pauseGasMetering();
        for (uint256 i; i < 1500; ++i) {
            _act(uint256(keccak256(abi.encode(i))));
            if (i % 40 == 39) invariant_draws();
        }
        _assertReached(
            "commit commitAgain commitTwice commitAlone dropDuplicate dropPosted postStep postEarlier "
            "postFolds linkOwn linkEarlier prove provePart proveBoth count exempt missedRound missedStep "
            "missedProof payOut accuse convictedByGame release outage wait final reverted " "finalOfConvicted"
        );
    }

    /// @dev One action of the walk.
    function _act(uint256 seed) private {
        _replaceConvicted(seed, 7);
        uint256 action = (seed >> 200) % 25;
        if (action < 2) this.commit(seed);
        if (action == 2) this.commitAgain(seed);
        if (action == 3) this.commitAlone(seed);
        if (action == 4 || action == 24) this.dropDuplicate(seed);
        if (action >= 5 && action < 11) this.serve(seed);
        if (action == 11) this.miss(seed);
        if (action >= 12 && action < 15) this.wait(seed);
        if (action == 15) this.accuse(seed);
        if (action == 16) this.timeout(seed);
        if (action == 17) this.release(seed);
        if (action == 18) this.outage(seed);
        if (action == 19) this.payOut(seed);
        if (action == 20 || action == 21) this.commitAgain(seed);
        if (action == 22 || action == 23) this.commitAlone(seed);
    }

    // ---------------------------------------------------------------- helpers

    function _requestOf(uint64 seq) private view returns (Request memory request) {
        request = _public;
        (request.nonce, request.confidential) = (seq, _isConfidential[seq]);
    }

    /// @dev A receipt of the executor in use, to a request of its own; whoever holds it may commit it at once.
    function _next(bool secret) private returns (OtrReceipt memory receipt) {
        receipt = _first;
        (receipt.executor, receipt.enclaveKey, receipt.seq) = (executor, enclave, ++_seq);
        _isConfidential[_seq] = secret;
        receipt.requestHash = rollup.hashRequest(_requestOf(_seq));
        receipt.commitBy = uint64(block.timestamp);
        receipt.expiry = uint64(block.timestamp + 2 days);
    }

    function _add(CommittedReceipt[] memory all) private {
        // A walk looks at the newest batches, and those of the honest executor stay small in number by its answers.
        BatchId id = all[0].batchId;
        for (uint256 i; i < all.length; ++i) {
            _leaves[id].push(all[i]);
        }
        for (uint256 i; _batches.length >= 20 && i < _batches.length; ++i) {
            Batch memory old = rollup.batchOf(_batches[i]);
            if (old.executor != address(0) && old.openGames != type(uint16).max) continue;
            _batches[i] = _batches[_batches.length - 1];
            _batches.pop();
            break;
        }
        _batches.push(id);
    }

    function _anyLeaf(uint256 seed) private view returns (bool, CommittedReceipt memory c) {
        if (_batches.length == 0) return (false, c);
        CommittedReceipt[] storage leaves = _leaves[_batches[_batches.length - 1 - (seed >> 16) % _batches.length % 10]];
        if (leaves.length == 0) return (false, c);
        return (true, leaves[(seed >> 64) % leaves.length]);
    }

    function _now() private view returns (Timestamp) {
        return Timestamp.wrap(uint40(block.timestamp));
    }
}
