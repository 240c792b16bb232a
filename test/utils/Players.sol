// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    Game,
    OpenedBlock,
    OpenedElement,
    OpenedInstruction,
    OpenedLeaf,
    OpenedRow,
    Phase
} from "src/interfaces/IDisputeGame.sol";
import {FoldLib} from "src/libraries/FoldLib.sol";
import {Request} from "src/types/OtrTypes.sol";
import {GameTest} from "./GameTest.sol";
import {Trees} from "./Trees.sol";

/// @title Both sides of a game, whatever phase it is in
/// @notice The executor answers from its rows, which are honest unless a test made them lie. The challenger's moves are listed, each with
///         right openings.
abstract contract Players is GameTest {
    using Trees for Trees.Tree;

    enum Kind {
        Choose,
        ChooseStep,
        ChooseRow,
        ChooseCache,
        ChooseElement,
        ChoosePart,
        Settle,
        SettleJump,
        SettleBlock,
        SettleCache,
        SettleToken,
        SettleSalt
    }

    /// @dev `a`: levels, step, row, element, part, block or slot; `b`: child, or a jump's element.
    struct Move {
        Kind kind;
        uint256 a;
        uint256 b;
    }

    /// @dev From which accumulator on the executor's differ, if its row does.
    uint256 internal accumulatorLie;
    Move[] private _found;

    // ---------------------------------------------------------------- executor

    function _isExecutorsTurn(Phase p) internal pure returns (bool) {
        return p == Phase.TraceReveal || p == Phase.TraceNodesReveal || p == Phase.FinePost || p == Phase.FineReveal
            || p == Phase.RowReveal || p == Phase.RowNodesReveal || p == Phase.AccumulatorsPost
            || p == Phase.CacheReveal || p == Phase.CacheNodesReveal;
    }

    function _answer() internal {
        Game memory g = _state();
        if (g.phase == Phase.TraceReveal) return _revealTrace();
        if (g.phase == Phase.FinePost) return _postFine();
        if (g.phase == Phase.CacheReveal) return _revealCache();
        if (g.phase == Phase.RowReveal) return _answerRow(g);
        if (g.phase == Phase.AccumulatorsPost) return _answerAccumulators(g);
        Trees.Tree memory tree = _treeOf(g);
        bytes memory siblings = tree.range(g.index, g.index, g.level, g.level + g.jump);
        if (g.phase == Phase.RowNodesReveal && g.level <= 6) {
            uint256 chunks = tree.descendants(g.level, g.index, g.level).length;
            return
                game.revealChunks(
                    gameId, siblings, _plain(_row(subject.step, g.row), uint256(g.index) << g.level, chunks)
                );
        }
        bytes32[] memory nodes = tree.descendants(g.level, g.index, g.level <= 6 ? g.level : 4);
        if (g.phase == Phase.FineReveal && g.level + g.jump == tree.depthOf()) {
            return game.revealFine(subject, siblings, nodes);
        }
        game.reveal(gameId, siblings, nodes);
    }

    function _answerRow(Game memory g) private {
        bytes memory data = _row(subject.step, g.row);
        Trees.Tree memory tree = _rowTree(data);
        bytes memory siblings = _fineTree(subject.step).range(g.row, g.row, 0, g.level);
        if (tree.depthOf() > 4) return game.revealRow(gameId, siblings, tree.first(), "");
        game.revealRow(gameId, siblings, new bytes32[](0), _plain(data, 0, tree.count()));
    }

    function _answerAccumulators(Game memory g) private {
        bytes memory instruction = program[g.row];
        (uint256 blocks, uint256 size) = judge.blocks(instruction, subject.step);
        FoldLib.Span memory span = FoldLib.span(blocks, g.leaves);
        bytes memory all;
        if (g.leaves == 0) _claimed = int256(uint256(g.node));
        int256 delta = _claimed - judge.valueAfter(instruction, subject.step, g.index, blocks - 1);
        for (uint256 i; i < span.count; ++i) {
            uint256 last = span.first + (i + 1) * span.stride - 1;
            if (last >= blocks) last = blocks - 1;
            int256 value = judge.valueAfter(instruction, subject.step, g.index, last);
            if (last >= accumulatorLie) value += delta;
            all = bytes.concat(all, abi.encodePacked(int64(value)));
            if (size == 16) all = bytes.concat(all, abi.encodePacked(int64(-1 - int256(last))));
        }
        vm.prank(executor);
        game.postAccumulators(subject, instruction, all);
        posted = all;
    }

    /// @dev The accumulators posted last.
    bytes internal posted;
    /// @dev The fixed element's value in the executor's row.
    int256 private _claimed;

    function _treeOf(Game memory g) internal view returns (Trees.Tree memory) {
        if (g.phase <= Phase.TraceNodesReveal) return _traceTree();
        if (g.phase <= Phase.RowReveal) return _fineTree(subject.step);
        if (g.phase <= Phase.Chunks) return _rowTree(_row(subject.step, g.row));
        return _cacheTree(subject.step);
    }

    // ---------------------------------------------------------------- challenger

    /// @dev Every move that the rules have for the challenger now.
    function _moves() internal returns (Move[] memory) {
        delete _found;
        Game memory g = _state();
        if (g.phase == Phase.Trace || g.phase == Phase.Fine || g.phase == Phase.RowNodes || g.phase == Phase.Cache) {
            _findNodes(g);
        }
        uint256 from = uint256(g.index) << g.level;
        uint256 end = from + (uint256(1) << g.level);
        if (end > g.leaves) end = g.leaves;
        for (uint256 leaf = from; leaf < end; ++leaf) {
            if (g.phase == Phase.Trace) _found.push(Move(Kind.ChooseStep, leaf, 0));
            if (g.phase == Phase.Fine) _found.push(Move(Kind.ChooseRow, leaf, 0));
            if (g.phase == Phase.Cache) _found.push(Move(Kind.SettleCache, leaf, 0));
            if (g.phase == Phase.Chunks) _findElements(g, leaf);
        }
        if (g.phase == Phase.Fine && end - from == g.leaves) _findAtTop(g);
        if (g.phase == Phase.Blocks) _findBlocks(g);
        return _found;
    }

    function _findNodes(Game memory g) private {
        for (uint256 levels = 4; levels < g.level; ++levels) {
            uint256 width = (uint256(g.leaves) + (uint256(1) << (g.level - levels)) - 1) >> (g.level - levels);
            for (uint256 child; child < 1 << levels && (uint256(g.index) << levels) + child < width; ++child) {
                _found.push(Move(Kind.Choose, levels, child));
            }
        }
    }

    function _findElements(Game memory g, uint256 chunk) private {
        (uint256 blocks,) = judge.blocks(program[g.row], subject.step);
        uint256 each = 32 >> g.rowType;
        for (uint256 e = chunk * each; e < (chunk + 1) * each; ++e) {
            _found.push(Move(Kind.Settle, e, 0));
            if (blocks > 1 && e < g.rowLength) _found.push(Move(Kind.ChooseElement, e, 0));
        }
    }

    function _findAtTop(Game memory g) private {
        _found.push(Move(Kind.ChooseCache, 0, 0));
        _found.push(Move(Kind.SettleToken, 0, 0));
        _found.push(Move(Kind.SettleSalt, 0, 0));
        for (uint256 row; row < g.leaves; ++row) {
            uint256 bytes_ = _row(subject.step, row).length;
            (uint8 elementType,) = judge.rowShape(program[row], subject.step);
            for (uint256 e; e << elementType < bytes_; ++e) {
                _found.push(Move(Kind.SettleJump, row, e));
            }
        }
    }

    function _findBlocks(Game memory g) private {
        (uint256 blocks,) = judge.blocks(program[g.row], subject.step);
        FoldLib.Span memory span = FoldLib.span(blocks, g.leaves);
        for (uint256 i; i < span.count; ++i) {
            _found.push(Move(span.stride == 1 ? Kind.SettleBlock : Kind.ChoosePart, i, 0));
        }
    }

    function _isSettlement(Kind kind) internal pure returns (bool) {
        return kind >= Kind.Settle;
    }

    /// @dev Makes a move of the challenger; `refused`: it must revert.
    function _play(Move memory m, bool refused) internal {
        Game memory g = _state();
        if (m.kind == Kind.Choose) return _send(abi.encodeCall(game.choose, (gameId, m.a, m.b)), refused);
        if (m.kind == Kind.ChooseStep) return _playStep(g, m.a, refused);
        if (m.kind == Kind.ChooseRow) {
            return _send(abi.encodeCall(game.chooseRow, (subject, _opened(m.a))), refused);
        }
        if (m.kind == Kind.Settle || m.kind == Kind.ChooseElement) return _playElement(g, m, refused);
        if (m.kind == Kind.SettleJump) return _playJump(m.a, m.b, refused);
        if (m.kind == Kind.SettleCache) return _playCache(g, m.a, refused);
        if (m.kind == Kind.SettleBlock) {
            OpenedBlock memory opened = OpenedBlock(uint32(m.a), posted);
            return _send(abi.encodeCall(game.settleBlock, (subject, program[g.row], opened, _noRequest(), "")), refused);
        }
        if (m.kind == Kind.ChoosePart) {
            return _send(abi.encodeCall(game.choosePart, (subject, program[g.row], m.a, posted)), refused);
        }
        if (m.kind == Kind.ChooseCache) return _send(abi.encodeCall(game.chooseCache, (subject, _record())), refused);
        if (m.kind == Kind.SettleToken) {
            (bytes32 chunk, bytes memory siblings) = _tokenChunk(program.length - 1);
            return _send(abi.encodeCall(game.settleToken, (subject, _record(), chunk, siblings)), refused);
        }
        Request memory request = _request();
        _send(abi.encodeCall(game.settleSalt, (subject, _record(), request, SEED)), refused);
    }

    function _playStep(Game memory g, uint256 step, bool refused) private {
        Trees.Tree memory trace = _traceTree();
        bytes32 record = trace.levels[0][step];
        bytes memory siblings = trace.range(step, step, 0, g.level);
        _send(abi.encodeCall(game.chooseStep, (subject, uint32(step), record, siblings)), refused);
        if (refused) return;
        (subject.step, subject.record) = (uint32(step), record);
        gameId = game.gameIdOf(subject);
    }

    function _playElement(Game memory g, Move memory m, bool refused) private {
        bytes memory data = _row(subject.step, g.row);
        uint256 k = (m.a << g.rowType) / 32;
        OpenedElement memory opened =
            OpenedElement(uint32(m.a), _chunkAt(data, k), _rowTree(data).range(k, k, 0, g.level));
        bytes memory instruction = program[g.row];
        if (m.kind == Kind.ChooseElement) {
            return _send(abi.encodeCall(game.chooseElement, (subject, instruction, opened)), refused);
        }
        _send(abi.encodeCall(game.settle, (subject, instruction, opened, _noRequest(), "")), refused);
    }

    function _playJump(uint256 row, uint256 element, bool refused) private {
        OpenedInstruction memory opened = _opened(row);
        OpenedRow memory openedRow = _openedRow(row);
        OpenedElement memory openedElement = _elementToTop(row, element);
        _send(abi.encodeCall(game.settleJump, (subject, opened, openedRow, openedElement, _noRequest(), "")), refused);
    }

    function _playCache(Game memory g, uint256 slot, bool refused) private {
        (OpenedInstruction memory opened, OpenedLeaf memory cached, OpenedLeaf memory fine) =
            _cacheSettlement(slot + 1, slot);
        cached.siblings = _cacheTree(subject.step).range(slot, slot, 0, g.level);
        _send(abi.encodeCall(game.settleCache, (subject, opened, cached, fine)), refused);
    }

    function _send(bytes memory data, bool refused) private {
        vm.prank(subject.challenger);
        (bool done, bytes memory reason) = address(game).call(data);
        assertTrue(done != refused, refused ? "an unfounded settlement was accepted" : string(reason));
    }
}
