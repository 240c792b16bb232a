// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Game, GameId, Phase, Record, Subject} from "src/interfaces/IDisputeGame.sol";
import {Status} from "src/interfaces/IOtrRollup.sol";
import {Players} from "./utils/Players.sol";

/// @notice All games on a program small enough: two steps; a map of two chunks, a cached row, a fold of three blocks, the token row.
contract ExhaustiveTest is Players {
    uint256 private constant MAP = 0;
    uint256 private constant CACHED = 1;
    uint256 private constant FOLD = 2;
    uint256 private constant TOKEN = 3;
    uint256 private constant NEVER = type(uint256).max;

    address private _accomplice = makeAddr("accomplice");

    function setUp() public override {
        (nIn, nOut) = (2, 1);
        super.setUp();
    }

    function _makeProgram() internal override {
        program.push(_instruction(3, 0, 5, 0, 100, 1, false));
        program.push(_instruction(0, 1, 3, 0, -50, 1, false));
        program.push(_instruction(2, 0, 2, 0, 9, 3, false));
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    // ---------------------------------------------------------------- the honest executor

    /// @dev Every sequence of choices from every opening: nothing is ever proven, and the executor earns half of the bond.
    function test_honestExecutor_neverLoses() public {
        committed = _commit();
        for (uint32 step; step < 2; ++step) {
            uint256 before = vm.snapshotState();
            _open(step);
            _explore();
            vm.revertToState(before);
        }
        _openTrace();
        _explore();
    }

    function _explore() private {
        Game memory g = _state();
        _strangersCall(g);
        if (_isExecutorsTurn(g.phase)) {
            _answer();
            return _explore();
        }
        Move[] memory moves = _moves();
        assertGt(moves.length, 0, "the challenger always has a move");
        for (uint256 i; i < moves.length; ++i) {
            // Refused settlements leave the state as it was.
            if (_isSettlement(moves[i].kind)) _play(moves[i], true);
        }
        for (uint256 i; i < moves.length; ++i) {
            if (_isSettlement(moves[i].kind)) continue;
            uint256 before = vm.snapshotState();
            _play(moves[i], false);
            _explore();
            vm.revertToState(before);
        }
        _lapse();
    }

    function _lapse() private {
        uint256 before = vm.snapshotState();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertPhase(Phase.Lost);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertEq(vault.claimableOf(executor), BOND / 2, "paid for its answers");
        assertEq(vault.executorOf(executor).stake, STAKE, "not a wei lost");
        vm.revertToState(before);
    }

    /// @dev What a stranger sends in any phase but reveals, which are the executor's own answers: all of it is refused.
    function _strangersCall(Game memory g) private {
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(game.conclude, (subject));
        calls[1] = abi.encodeCall(game.timeout, (subject));
        calls[2] = abi.encodeCall(game.close, (subject));
        calls[3] = abi.encodeCall(game.payOut, (subject));
        calls[4] = abi.encodeCall(game.choose, (gameId, 4, 0));
        calls[5] = abi.encodeCall(game.chooseRow, (subject, _opened(0)));
        calls[6] = abi.encodeCall(game.postFine, (subject, Record(0, 0, 0), new bytes32[](4)));
        calls[7] = abi.encodeCall(game.postAccumulators, (subject, program[g.row], new bytes(24)));
        vm.startPrank(stranger);
        for (uint256 i; i < calls.length; ++i) {
            (bool done,) = address(game).call(calls[i]);
            assertFalse(done, "a stranger moved");
        }
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- every lie in a single place

    enum Lie {
        Row,
        Cache,
        Token
    }

    Lie private _kind;
    uint32 private _step;
    uint256 private _row_;
    uint256 private _element_;

    function _commitLie(uint32 step, uint256 row, uint256 element) private {
        (_kind, _step, _row_, _element_) = (Lie.Row, step, row, element);
        (uint8 elementType, uint256 length) = judge.rowShape(program[row], step);
        if (element < length) {
            _lie(step, row, element, 1);
        } else {
            // In the padding of the last chunk.
            bytes memory lie = new bytes(32 * ((length << elementType) / 32 + 1));
            bytes memory honest = _honestRow(step, row);
            for (uint256 i; i < honest.length; ++i) {
                lie[i] = honest[i];
            }
            lie[element << elementType] = 0x01;
            rowLies[step][row] = lie;
        }
        committed = _commit();
    }

    /// @dev The honest challenger's move: always the first difference.
    function _rightMove(Phase phase, bool jump) private view returns (Move memory) {
        if (phase == Phase.Trace) return Move(Kind.ChooseStep, _step, 0);
        if (phase == Phase.Fine) {
            if (_kind == Lie.Token) return Move(Kind.SettleToken, 0, 0);
            if (_kind == Lie.Cache) return Move(Kind.ChooseCache, 0, 0);
            return jump ? Move(Kind.SettleJump, _row_, _element_) : Move(Kind.ChooseRow, _row_, 0);
        }
        if (phase == Phase.Chunks) return Move(_row_ == FOLD ? Kind.ChooseElement : Kind.Settle, _element_, 0);
        if (phase == Phase.Blocks) return Move(Kind.SettleBlock, accumulatorLie, 0);
        return Move(Kind.SettleCache, 0, 0);
    }

    /// @dev Plays the lie to its end. Before turn `shamAt` the executor plays a whole game against itself. Returns the turns.
    function _win(bool jump, uint256 shamAt) private returns (uint256 turn) {
        for (;; ++turn) {
            if (turn == shamAt) _sham(jump);
            Phase phase = _phase();
            if (phase == Phase.Won) break;
            if (phase == Phase.Proven) game.conclude(subject);
            else if (_isExecutorsTurn(phase)) _stallOrAnswer();
            else _play(_rightMove(phase, jump), false);
        }
        assertEq(rollup.convictionOf(executor).challenger, subject.challenger, "earns the share");
        assertStatus(committed, Status.Reverted);
    }

    function _stallOrAnswer() private {
        uint256 before = vm.snapshotState();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertPhase(Phase.Won);
        vm.revertToState(before);
        _answer();
    }

    function _sham(bool jump) private {
        (Subject memory honest, GameId honestId) = (subject, gameId);
        vm.warp(block.timestamp + 1);
        bytes memory before = posted;
        _openBy(_accomplice, _step);
        _win(jump, NEVER);
        (subject, gameId, posted) = (honest, honestId, before);
    }

    /// @dev From the step and from the trace; by the walk and by the jump; alone and with a sham game before every turn.
    function _playLie(bool canJump, bool shams) private {
        for (uint256 way; way < 4; ++way) {
            (bool traced, bool jump) = (way & 1 == 1, way & 2 == 2);
            if (jump && !canJump) continue;
            uint256 start = vm.snapshotState();
            traced ? _openTrace() : _open(_step);
            uint256 open = vm.snapshotState();
            uint256 turns = _win(jump, NEVER);
            vm.revertToState(open);
            for (uint256 turn; shams && turn < turns; ++turn) {
                _win(jump, turn);
                vm.revertToState(open);
            }
            vm.revertToState(start);
        }
    }

    function _forgetLie() private {
        delete rowLies[_step][_row_];
    }

    function test_lieInAMap_alwaysLoses() public {
        for (uint256 i; i < 16; ++i) {
            // Five elements and three of padding, in each step.
            _commitLie(uint32(i / 8), MAP, i % 8);
            _playLie(true, i % 7 == 0);
            _forgetLie();
        }
    }

    function test_lieInACachedRow_alwaysLoses() public {
        uint8[5] memory elements = [0, 1, 2, 3, 31];
        for (uint256 i; i < 10; ++i) {
            _commitLie(uint32(i / 5), CACHED, elements[i % 5]);
            _playLie(true, false);
            _forgetLie();
        }
    }

    function test_lieInTheTokenRow_alwaysLoses() public {
        for (uint256 i; i < 4; ++i) {
            _commitLie(uint32(i / 2), TOKEN, i % 2);
            _playLie(true, false);
            _forgetLie();
        }
    }

    function test_lieInAFold_alwaysLoses() public {
        for (uint256 i; i < 12; ++i) {
            accumulatorLie = i % 3;
            _commitLie(uint32(i / 6), FOLD, (i / 3) % 2);
            _playLie(false, i % 5 == 0);
            _forgetLie();
        }
    }

    function test_lieInACacheLeaf_alwaysLoses() public {
        _kind = Lie.Cache;
        for (_step = 0; _step < 2; ++_step) {
            bytes memory lie = _honestRow(_step, CACHED);
            lie[1] ^= 0x01;
            cacheLies[_step][0] = lie;
            committed = _commit();
            _playLie(false, true);
            delete cacheLies[_step][0];
        }
    }

    function test_lieInAToken_alwaysLoses() public {
        _kind = Lie.Token;
        for (_step = 0; _step < 2; ++_step) {
            tokenLies[_step] = 77;
            committed = _commit();
            _playLie(false, true);
            delete tokenLies[_step];
        }
    }
}

/// @notice A challenger that chooses at random, with right openings, in trees that are walked.
contract RandomChallengerTest is Players {
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_randomChallenger_neverWins(uint256 seed) public {
        committed = _commit();
        if (seed % 3 == 0) _openTrace();
        else _open(uint32(seed % 5));
        for (uint256 i; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (_isExecutorsTurn(_phase())) {
                _answer();
                continue;
            }
            Move[] memory moves = _moves();
            Move memory m = moves[(seed >> 8) % moves.length];
            // Half of the time it takes a step further instead of a settlement.
            if (_isSettlement(m.kind) && seed % 2 == 0) m = moves[0];
            _play(m, _isSettlement(m.kind));
        }
        if (_isExecutorsTurn(_phase())) _answer();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertChallengerLost();
    }
}
