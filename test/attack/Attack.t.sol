// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IDisputeGame, Phase, Record} from "src/interfaces/IDisputeGame.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {BatchId, CommittedReceipt, IOtrRollup, Status} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Receipt as OtrReceipt, ReceiptHash, RequestHash} from "src/types/OtrTypes.sol";
import {GameTest} from "../utils/GameTest.sol";
import {Trees} from "../utils/Trees.sol";

/// @dev Denies every signature.
contract Denier {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// @title Attacks by executors who cheat, and by strangers
contract AttackTest is GameTest {
    using Trees for Trees.Tree;

    /// @dev Bytes of a receipt's field, counted from the receipt.
    uint256 private constant SEQ = 4 * 32;

    /// @dev Sets a bit above the type of a field that no contract reads.
    function _dirty(bytes memory data, uint256 receiptAt, uint256 field) private pure returns (bytes memory) {
        data[4 + receiptAt + 32 * field] = 0x01;
        return data;
    }

    // A receipt with bits outside its fields' types had a hash that could be committed and read as Final, but could not be encoded
    // into the event of `open`: no game could be played on it.
    function test_hashReceipt_dirtyFields_reverts() public {
        OtrReceipt memory receipt = _receipt();
        uint8[9] memory typed = [0, 2, 3, 4, 5, 6, 9, 11, 12];
        for (uint256 i; i < typed.length; ++i) {
            bytes memory data = _dirty(abi.encodeCall(rollup.hashReceipt, (receipt)), 0, typed[i]);
            (bool done,) = address(rollup).call(data);
            assertFalse(done, "dirty receipt hashed");
        }
        for (uint256 field; field < 14; ++field) {
            bytes memory data = abi.encodeCall(rollup.hashReceipt, (receipt));
            // The lowest bit is within every type.
            data[4 + 32 * field + 31] ^= 0x01;
            (bool done,) = address(rollup).call(data);
            assertTrue(done, "clean receipt refused");
        }
    }

    function test_statusOf_dirtyReceiptThatNoGameCanOpen_reverts() public {
        tokenLies[4] = 77;
        committed = _commit(_receipt(), 0, 1);
        bytes memory data = _dirty(abi.encodeCall(rollup.statusOf, (committed)), 32, 4);
        bytes32 domain = rollup.domainSeparator();
        bytes memory words = abi.encode(
            keccak256(
                "Receipt(uint32 machineVersion,bytes32 modelId,address executor,address enclaveKey,uint64 seq,uint64 commitBy,uint64 expiry,bytes32 requestHash,bytes32 inputRoot,uint32 nIn,bytes32 outputRoot,uint32 nOut,uint8 stopReason,bytes32 traceRoot)"
            ),
            committed.receipt
        );
        words[32 + SEQ] = 0x01;
        bytes32 leaf = keccak256(abi.encodePacked(hex"1901", domain, keccak256(words)));
        vm.prank(executor);
        BatchId batchId = rollup.commitBatch(keccak256(abi.encode(Tags.BATCH, uint256(1), leaf)), 1);
        data[4 + 32 + 14 * 32 + 31] = bytes1(uint8(BatchId.unwrap(batchId)));
        vm.warp(block.timestamp + WINDOW);
        (bool done,) = address(rollup).staticcall(data);
        assertFalse(done, "a receipt that nobody could challenge stands");
    }

    function test_commitReceipt_operatorKeyWithCodeThatDenies_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        bytes memory enclaveSignature = _sign(enclaveKey, digest);
        bytes memory operatorSignature = _sign(executorKey, digest);
        vm.etch(executor, address(new Denier()).code);
        vm.warp(receipt.commitBy);
        vm.prank(stranger);
        BatchId batchId = rollup.commitReceipt(receipt, enclaveSignature, operatorSignature);
        assertEq(rollup.batchOf(batchId).executor, executor);
    }

    function test_claimCompensation_requesterKeyWithCodeThatDenies_succeeds() public {
        tokenLies[4] = 77;
        committed = _commit();
        _open(4);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        vm.warp(block.timestamp + AIR_GAP);
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(_request())));
        vm.etch(requester, address(new Denier()).code);
        rollup.claimCompensation(committed, _request(), signature);
        assertEq(vault.claimableOf(requester), uint256(LOCK) * 2000 / 10_000);
    }

    // ---------------------------------------------------------------- games without end

    /// @dev Writes `openGames` of a batch: two bytes of its second word, behind executor, moment, count and rules.
    function _setOpenGames(BatchId batchId, uint16 openGames) private {
        bytes32 layout = 0x46f51b8d313ca83e86242895c860f6be7bf5ffb4302c9934e4c6e5e0a01f9000;
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(batchId, uint256(layout) + 1))) + 1);
        uint256 word = uint256(vm.load(address(rollup), slot));
        uint256 at = 160 + 40 + 24 + 8;
        word = (word & ~(uint256(type(uint16).max) << at)) | (uint256(openGames) << at);
        vm.store(address(rollup), slot, bytes32(word));
        assertEq(rollup.batchOf(batchId).openGames, openGames, "layout");
    }

    function test_open_beyondTheBatchCounter_succeeds() public {
        committed = _commit();
        _setOpenGames(committed.batchId, type(uint16).max - 1);
        _openBy(makeAddr("first"), 1);
        _openBy(challenger, 1);
        assertEq(rollup.batchOf(committed.batchId).openGames, type(uint16).max - 1, "not taken for released");
        assertEq(rollup.openGamesOn(committed.batchId, rollup.hashReceipt(committed.receipt)), 2);
        _postFine();
        vm.warp(block.timestamp + WINDOW);
        game.timeout(subject);
        assertEq(rollup.batchOf(committed.batchId).openGames, type(uint16).max - 1);
        vm.expectRevert();
        rollup.releaseBatch(committed.batchId);
        // The other one counts too: with it the counter is back where it was set.
        subject.challenger = makeAddr("first");
        game.timeout(subject);
        assertEq(rollup.batchOf(committed.batchId).openGames, type(uint16).max - 1);
    }

    // ---------------------------------------------------------------- leaves and receipts

    // Windows belong to leaves, games to receipts: a game on the leaf whose window a demand had made longer took back the finality of
    // the other leaf.
    function test_statusOf_receiptTwiceInABatch_finalStaysFinal_succeeds() public {
        uint256 committedAt = block.timestamp;
        (CommittedReceipt memory first, CommittedReceipt memory second) = _commitTwice();
        vm.warp(committedAt + WINDOW / 2 - 1);
        vm.prank(address(d.availability));
        rollup.enterDemand(second.batchId, 1);
        vm.warp(block.timestamp + TURN);
        vm.prank(address(d.availability));
        rollup.leaveDemand(second.batchId, 1);
        vm.warp(committedAt + WINDOW);
        assertStatus(first, Status.Final);
        assertStatus(second, Status.Provisional);
        vm.prank(address(game));
        ReceiptHash receiptHash = rollup.enterGame(second).receiptHash;
        assertStatus(second, Status.Challenged);
        assertStatus(first, Status.Final);
        Timestamp openedAt = Timestamp.wrap(uint40(block.timestamp));
        vm.prank(address(game));
        rollup.convict(second.batchId, receiptHash, challenger, openedAt);
        assertStatus(second, Status.Reverted);
        assertStatus(first, Status.Final);
    }

    /// @dev A game within both windows holds both leaves back, whichever it was opened on.
    function test_statusOf_receiptTwiceInABatch_gameHoldsBoth_succeeds() public {
        (CommittedReceipt memory first, CommittedReceipt memory second) = _commitTwice();
        vm.warp(block.timestamp + WINDOW - 1);
        vm.prank(address(game));
        ReceiptHash receiptHash = rollup.enterGame(second).receiptHash;
        Timestamp openedAt = Timestamp.wrap(uint40(block.timestamp));
        vm.warp(block.timestamp + WINDOW);
        assertStatus(first, Status.Challenged);
        vm.prank(address(game));
        rollup.convict(second.batchId, receiptHash, challenger, openedAt);
        assertStatus(first, Status.Reverted);
        assertStatus(second, Status.Reverted);
    }

    // A receipt that was final in a batch of its own, while a game held back the earlier batch that had it too, was dropped as a duplicate:
    // no longer final there, and reverted here.
    function test_dropDuplicate_final_reverts() public {
        OtrReceipt memory receipt = _receipt();
        uint256 committedAt = block.timestamp;
        committed = _commit(receipt, 0, 1);
        vm.warp(receipt.commitBy);
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        BatchId alone = rollup.commitReceipt(receipt, _sign(enclaveKey, digest), _sign(executorKey, digest));
        CommittedReceipt memory second = CommittedReceipt(receipt, alone, 0, "");
        vm.warp(committedAt + WINDOW - 1);
        vm.prank(address(game));
        rollup.enterGame(committed);
        Timestamp openedAt = Timestamp.wrap(uint40(block.timestamp));
        vm.warp(receipt.commitBy + WINDOW);
        assertStatus(committed, Status.Challenged);
        assertStatus(second, Status.Final);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotADuplicate.selector, alone, committed.batchId));
        rollup.dropDuplicate(alone, committed);
        vm.prank(address(game));
        rollup.convict(committed.batchId, ReceiptHash.wrap(digest), challenger, openedAt);
        assertStatus(committed, Status.Reverted);
        assertStatus(second, Status.Final);
        rollup.releaseBatch(alone);
        assertEq(vault.executorOf(executor).locked, LOCK);
    }

    /// @dev A batch that holds one receipt in both of its leaves.
    function _commitTwice() private returns (CommittedReceipt memory first, CommittedReceipt memory second) {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = leaves[1] = ReceiptHash.unwrap(rollup.hashReceipt(_receipt()));
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), 2);
        first = CommittedReceipt(_receipt(), batchId, 0, tree.siblings(0));
        second = CommittedReceipt(_receipt(), batchId, 1, tree.siblings(1));
    }

    // A game and a demand on one leaf, both open at a conviction after its window, were counted as two reverted receipts: of a batch of
    // one more was to be burnt than there is, and it could never be released.
    function test_releaseBatch_leafUnderGameAndDemand_succeeds() public {
        committed = _commit(_receipt(), 0, 1);
        vm.prank(address(d.availability));
        rollup.enterDemand(committed.batchId, 0);
        Timestamp demandedAt = Timestamp.wrap(uint40(block.timestamp));
        vm.prank(address(game));
        ReceiptHash receiptHash = rollup.enterGame(committed).receiptHash;
        vm.warp(block.timestamp + WINDOW);
        vm.prank(address(game));
        rollup.convict(committed.batchId, receiptHash, challenger, demandedAt);
        vm.prank(address(d.availability));
        rollup.convictUnanswered(committed.batchId, 0, stranger, demandedAt);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.burnt(), LOCK - LOCK / 4);
        assertSolvent();
    }

    /// @dev Two games on one receipt are open at a conviction after the window: one lock is burnt, not two.
    function test_releaseBatch_leafUnderTwoGames_burnsOneLock_succeeds() public {
        committed = _commit(_receipt(), 0, 3);
        Timestamp openedAt = Timestamp.wrap(uint40(block.timestamp));
        vm.startPrank(address(game));
        ReceiptHash receiptHash = rollup.enterGame(committed).receiptHash;
        rollup.enterGame(committed);
        vm.warp(block.timestamp + WINDOW);
        rollup.convict(committed.batchId, receiptHash, challenger, openedAt);
        rollup.convict(committed.batchId, receiptHash, stranger, openedAt);
        vm.stopPrank();
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.burnt(), LOCK - LOCK / 4);
        assertEq(vault.executorOf(executor).stake, STAKE - LOCK);
        assertSolvent();
    }

    // ---------------------------------------------------------------- activity is not rewritten

    function test_cancelExit_receiptsOfTheExitStayNone_succeeds() public {
        vm.prank(executor);
        vault.requestExit();
        vm.warp(block.timestamp + 1);
        committed = _commit();
        assertStatus(committed, Status.None);
        vm.warp(block.timestamp + WINDOW);
        vm.prank(executor);
        vault.cancelExit();
        assertStatus(committed, Status.None);
        vm.warp(block.timestamp + 1);
        assertStatus(committed, Status.None);
        committed = _commit();
        assertStatus(committed, Status.Provisional);
        // A second exit leaves the past as it was, too.
        vm.warp(block.timestamp + 1);
        vm.prank(executor);
        vault.requestExit();
        assertStatus(committed, Status.Provisional);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(committed, Status.Final);
    }

    function testFuzz_wasServing_followsExits(uint8[6] calldata gaps, uint16 ago) public {
        uint256 start = block.timestamp;
        uint256[7] memory changes;
        changes[0] = start;
        for (uint256 i; i < 6; ++i) {
            vm.warp(block.timestamp + 1 + gaps[i]);
            changes[i + 1] = block.timestamp;
            vm.prank(executor);
            if (i % 2 == 0) vault.requestExit();
            else vault.cancelExit();
        }
        uint256 time = start + (uint256(ago) % (block.timestamp - start + 1));
        uint256 k;
        while (k < 6 && changes[k + 1] <= time) ++k;
        assertEq(vault.wasServing(executor, Timestamp.wrap(uint40(time))), k % 2 == 0);
    }

    // A policy that ended and was set again was read as if it had never ended: what was committed in between became final.
    function test_setPolicy_afterItsEnd_receiptsOfTheGapStayNone_succeeds() public {
        vm.prank(guardian);
        enclaves.removePolicy(modelId, MEASUREMENT);
        vm.warp(block.timestamp + 1);
        committed = _commit();
        assertStatus(committed, Status.None);
        vm.warp(block.timestamp + WINDOW);
        _setPolicy(1 days);
        assertStatus(committed, Status.None);
        committed = _commit();
        assertStatus(committed, Status.Provisional);
        // One that lapses by itself, and is set again a day later.
        vm.warp(block.timestamp + 1 days);
        CommittedReceipt memory second = _commit();
        assertStatus(second, Status.None);
        vm.warp(block.timestamp + 1 days);
        _setPolicy(365 days);
        assertStatus(second, Status.None);
        assertStatus(committed, Status.Final);
        assertTrue(enclaves.isActive(enclave, executor, modelId));
    }

    function testFuzz_wasActive_followsPolicies(uint8[6] calldata gaps, bool[6] calldata removed, uint16 ago) public {
        uint256 start = block.timestamp;
        uint256 time = start + uint256(ago) % 2000;
        uint256 end = type(uint256).max;
        bool expected = true;
        for (uint256 i; i < 6; ++i) {
            vm.warp(block.timestamp + gaps[i]);
            if (removed[i]) {
                vm.prank(guardian);
                enclaves.removePolicy(modelId, MEASUREMENT);
                if (end > block.timestamp) end = block.timestamp;
            } else {
                _setPolicy(1 + 3 * uint256(gaps[i]));
                end = block.timestamp + 1 + 3 * uint256(gaps[i]);
            }
            // What is decided later does not change the past.
            if (block.timestamp <= time) expected = time < end;
        }
        assertEq(enclaves.wasActive(enclave, executor, modelId, Timestamp.wrap(uint40(time))), expected);
    }

    function _setPolicy(uint256 lifetime) private {
        vm.prank(governance);
        enclaves.setPolicy(modelId, MEASUREMENT, Timestamp.wrap(uint40(block.timestamp + lifetime)));
    }

    function test_register_renewalAfterExpiry_reverts() public {
        vm.warp(Timestamp.unwrap(enclaves.enclaveOf(enclave).expiresAt));
        committed = _commit();
        assertStatus(committed, Status.None);
        IEnclaveRegistry.Registration memory registration = _registration();
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(registration);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, MEASUREMENT, type(uint64).max, devRootKey);
        bytes memory signature = _sign(enclaveKey, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyTaken.selector, enclave));
        enclaves.register(registration, evidence, signature);
        assertStatus(committed, Status.None);
    }

    function test_register_renewalByAnotherMeasurement_reverts() public {
        bytes32 other = keccak256("other measurement");
        vm.prank(governance);
        enclaves.setPolicy(modelId, other, Timestamp.wrap(uint40(block.timestamp + 3650 days)));
        IEnclaveRegistry.Registration memory registration = _registration();
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(registration);
        IEnclaveRegistry.Evidence memory evidence = _evidence(rd0, other, type(uint64).max, devRootKey);
        bytes memory signature = _sign(enclaveKey, challenge);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyTaken.selector, enclave));
        enclaves.register(registration, evidence, signature);
    }
}

/// @title A program of one row: its fine top is a leaf, which may be zero
contract OneRowAttackTest is GameTest {
    function _makeProgram() internal override {
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    // Zero reads like "no claim yet": a stranger could claim it in an honest executor's name, who could never reveal a row of it.
    function test_postFine_zeroTopByStranger_reverts() public {
        committed = _commit();
        _open(2);
        Record memory record = _record();
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotExecutor.selector, executor, challenger));
        game.postFine(subject, record, new bytes32[](1));
        _postFine();
        assertPhase(Phase.Fine);
    }
}
