// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IRandomness} from "src/interfaces/IRandomness.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {BlockHeader} from "src/randomness/BlockHeader.sol";
import {BlockMix} from "src/randomness/BlockMix.sol";
import {DevRandomness} from "src/randomness/DevRandomness.sol";
import {Headers} from "../utils/Headers.sol";

/// @notice A made-up chain of headers, and the real code of EIP-2935's history.
contract BlockMixTest is Test {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    bytes private constant HISTORY_CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";
    uint256 private constant WINDOW = 8191;
    uint256 private constant GENESIS = 1_000_000;
    uint256 private constant PERIOD = 600;
    uint256 private constant FIRST = 20_000;
    uint64 private constant ROUND = 8;
    /// @dev Round 8's moment; block FIRST has exactly this time.
    uint256 private constant DUE = GENESIS + 7 * PERIOD;

    BlockMix private _mix;
    mapping(uint256 number => bytes header) private _headers;

    function setUp() public {
        vm.etch(HISTORY, HISTORY_CODE);
        _mix = new BlockMix(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)));
        _build(FIRST - 2, 140, DUE - 24, "a");
    }

    /// @dev Blocks every 12 seconds; the chain's head is the block after them.
    function _build(uint256 from, uint256 count, uint256 time, bytes32 salt) private {
        bytes32 parent = keccak256("before");
        for (uint256 i; i < count; ++i) {
            Headers.Header memory h = Headers.Header(
                parent, from + i, time + 12 * i, keccak256(abi.encode(salt, i)), bytes.concat(salt), bytes32(0)
            );
            bytes memory header = Headers.encode(h);
            _headers[from + i] = header;
            parent = keccak256(header);
            vm.store(HISTORY, bytes32((from + i) % WINDOW), parent);
        }
        vm.roll(from + count);
        vm.warp(time + 12 * count);
    }

    function _proof(uint256 number) private view returns (bytes memory) {
        return bytes.concat(_headers[number - 1], _headers[number]);
    }

    function _expected() private view returns (bytes32) {
        uint256 bits;
        for (uint256 i; i < 128; ++i) {
            bits = 2 * bits + uint256(keccak256(_headers[FIRST + i])) % 2;
        }
        return keccak256(abi.encode(keccak256("OTR/block-mix/1"), block.chainid, ROUND, bits));
    }

    function test_deliver_definition_succeeds() public {
        assertEq(_mix.deliver(ROUND, _proof(FIRST)), _expected());
        assertEq(_mix.valueOf(ROUND), _expected());
        assertEq(_mix.newest(), ROUND);
        assertEq(_mix.kind(), "BLOCKS");
        assertEq(_mix.deliver(ROUND, ""), _expected(), "known");
    }

    /// @dev Also if the first block is later than the round, as long as its parent is earlier.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_deliver_firstBlockAfter_succeeds(uint256 late) public {
        late = bound(late, 0, 11);
        _build(FIRST - 2, 140, DUE - 24 + late, "a");
        assertEq(_mix.deliver(ROUND, _proof(FIRST)), _expected());
    }

    /// @dev Only one block answers: none before it, none after it.
    function testFuzz_deliver_anotherBlock_reverts(uint256 number) public {
        number = bound(number, FIRST - 1, FIRST + 11);
        if (number == FIRST) ++number;
        _refuse(_proof(number));
    }

    /// @dev A single later block that hashes otherwise changes the value with its bit only, and every block of the row counts.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_deliver_everyBlockCounts(uint256 which) public {
        which = bound(which, 0, 127);
        bytes32 before = _mix.deliver(ROUND, _proof(FIRST));
        BlockMix again = new BlockMix(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)));
        bytes32 slot = bytes32((FIRST + which) % WINDOW);
        if (which != 0) {
            // Other bits of a hash do not enter: who builds the last block has two values to choose from, however many hashes.
            vm.store(HISTORY, slot, keccak256(_headers[FIRST + which]) ^ bytes32(uint256(2)));
            assertEq(again.deliver(ROUND, _proof(FIRST)), before);
            again = new BlockMix(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)));
            vm.store(HISTORY, slot, keccak256(_headers[FIRST + which]) ^ bytes32(uint256(1)));
            assertTrue(again.deliver(ROUND, _proof(FIRST)) != before);
        } else {
            vm.store(HISTORY, slot, keccak256(_headers[FIRST]) ^ bytes32(uint256(2)));
            vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, ROUND));
            again.deliver(ROUND, _proof(FIRST));
        }
    }

    /// @dev A constant or known prevrandao decides nothing.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_deliver_prevrandaoHasNoPart(uint256 prevrandao, address coinbase) public {
        bytes32 expected = _expected();
        vm.prevrandao(prevrandao);
        vm.coinbase(coinbase);
        assertEq(_mix.deliver(ROUND, _proof(FIRST)), expected);
    }

    /// @dev The same blocks give another value on another chain, and for another round.
    function test_deliver_anotherChain_anotherValue_succeeds() public {
        bytes32 here = _mix.deliver(ROUND, _proof(FIRST));
        vm.chainId(10);
        BlockMix there = new BlockMix(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)));
        assertTrue(there.deliver(ROUND, _proof(FIRST)) != here);
    }

    function test_deliver_rowNotComplete_reverts() public {
        vm.roll(FIRST + 127);
        vm.expectRevert(abi.encodeWithSelector(BlockMix.BlockUnknown.selector, FIRST + 127));
        _mix.deliver(ROUND, _proof(FIRST));
        vm.roll(FIRST + 128);
        _mix.deliver(ROUND, _proof(FIRST));
    }

    function test_deliver_tooOld_reverts() public {
        vm.roll(FIRST + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(BlockMix.BlockUnknown.selector, FIRST));
        _mix.deliver(ROUND, _proof(FIRST));
        vm.roll(FIRST + WINDOW);
        _mix.deliver(ROUND, _proof(FIRST));
    }

    /// @dev The history holds zero for blocks before it began.
    function test_deliver_blockBeforeTheHistory_reverts() public {
        vm.store(HISTORY, bytes32((FIRST + 5) % WINDOW), 0);
        vm.expectRevert(abi.encodeWithSelector(BlockMix.BlockUnknown.selector, FIRST + 5));
        _mix.deliver(ROUND, _proof(FIRST));
    }

    function test_deliver_early_reverts() public {
        vm.warp(DUE - 1);
        vm.expectRevert(abi.encodeWithSelector(IRandomness.NotDue.selector, ROUND, Timestamp.wrap(uint40(DUE))));
        _mix.deliver(ROUND, _proof(FIRST));
    }

    /// @dev Headers that the executor made: not of this chain, though each is the child of the other.
    function test_deliver_inventedHeaders_reverts() public {
        Headers.Header memory h;
        (h.number, h.timestamp, h.extra) = (FIRST - 1, DUE - 1, "mine");
        bytes memory parent = Headers.encode(h);
        (h.parentHash, h.number, h.timestamp) = (keccak256(parent), FIRST, DUE);
        _refuse(bytes.concat(parent, Headers.encode(h)));
        // A true header, but an invented parent.
        _refuse(bytes.concat(parent, _headers[FIRST]));
        // The block itself as its parent; the two exchanged; a header alone.
        _refuse(bytes.concat(_headers[FIRST], _headers[FIRST]));
        _refuse(bytes.concat(_headers[FIRST], _headers[FIRST - 1]));
        _refuse(_headers[FIRST]);
        _refuse(bytes.concat(_headers[FIRST - 1], _headers[FIRST], hex"00"));
    }

    function testFuzz_deliver_flippedBit_reverts(uint256 bit) public {
        bytes memory proof = _proof(FIRST);
        bit = bound(bit, 0, 8 * proof.length - 1);
        proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool ok,) = address(_mix).call(abi.encodeCall(IRandomness.deliver, (ROUND, proof)));
        assertFalse(ok);
        assertEq(_mix.valueOf(ROUND), 0);
    }

    function testFuzz_deliver_anyBytes_reverts(bytes calldata proof, bytes calldata tail) public {
        _refuse(proof);
        bytes memory shaped = bytes.concat(hex"f90203", proof, tail);
        (bool ok,) = address(_mix).call(abi.encodeCall(IRandomness.deliver, (ROUND, shaped)));
        assertFalse(ok);
    }

    function test_constructor_noHistory_reverts() public {
        vm.etch(HISTORY, "");
        vm.expectRevert(BlockMix.NoBlockHistory.selector);
        new BlockMix(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)));
    }

    function test_deliver_snapshot_succeeds() public {
        _mix.deliver(ROUND, _proof(FIRST));
        vm.snapshotGasLastCall("draws", "deliver a round of 128 blocks");
    }

    function _refuse(bytes memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, ROUND));
        _mix.deliver(ROUND, proof);
    }

    // ---------------------------------------------------------------- headers

    function size(bytes calldata data) external pure returns (uint256) {
        return BlockHeader.size(data);
    }

    function read(bytes calldata header) external pure returns (BlockHeader.Fields memory) {
        return BlockHeader.read(header);
    }

    /// @dev The first two headers of Ethereum's main network, which hash to what everybody knows.
    function test_read_mainnet_succeeds() public view {
        bytes[] memory items = new bytes[](15);
        items[0] = new bytes(32);
        items[1] = abi.encodePacked(Headers.NO_OMMERS);
        items[2] = new bytes(20);
        items[3] = hex"d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544";
        items[4] = abi.encodePacked(Headers.EMPTY_TREE);
        items[5] = items[4];
        items[6] = new bytes(256);
        items[7] = hex"0400000000";
        items[9] = Headers.number(5000);
        items[12] = hex"11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa";
        items[13] = new bytes(32);
        items[14] = hex"0000000000000042";
        bytes memory header = Headers.list(items);
        assertEq(keccak256(header), 0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3);
        _reads(header, 0, 0, 0);
        items[0] = abi.encodePacked(keccak256(header));
        items[2] = hex"05a56e2d52c817161883f50c441c3228cfe54d9f";
        items[3] = hex"d67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3";
        items[7] = Headers.number(17_171_480_576);
        items[8] = Headers.number(1);
        items[11] = Headers.number(1_438_269_988);
        items[12] = hex"476574682f76312e302e302f6c696e75782f676f312e342e32";
        items[13] = hex"969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59";
        items[14] = hex"539bd4979fef1ec4";
        bytes memory next = Headers.list(items);
        assertEq(keccak256(next), 0x88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6);
        _reads(next, keccak256(header), 1, 1_438_269_988);
    }

    function testFuzz_read_anyFields_succeeds(bytes32 parentHash, uint256 number, uint256 time, bytes memory extra)
        public
        view
    {
        // Arbitrum has 32 bytes there, others up to some hundred.
        if (extra.length > 1000) extra = "";
        number >>= number % 256;
        time >>= time % 256;
        _reads(Headers.encode(Headers.Header(parentHash, number, time, 0, extra, 0)), parentHash, number, time);
    }

    function testFuzz_read_truncated_refuses(uint256 length) public view {
        bytes memory header = _headers[FIRST];
        // The fields that are read end with the twelfth, well before the last ones.
        length = bound(length, 0, 450);
        assembly {
            mstore(header, length)
        }
        assertFalse(this.read(header).ok);
    }

    /// @dev Whatever the bytes: an answer, and never one from beyond them.
    function testFuzz_read_anyBytes_answers(bytes calldata data) public view {
        this.read(data);
        uint256 end = this.size(data);
        if (end != 0) assertEq(uint8(data[0]), 0xf9);
    }

    function test_read_lists_refuses() public view {
        bytes memory header = _headers[FIRST];
        for (uint256 head = 0xba; head < 256; ++head) {
            // The second field's head.
            header[36] = bytes1(uint8(head));
            assertFalse(this.read(header).ok);
        }
        // An empty list in the second field's place, all else in order.
        bytes memory rest = this.behind(_headers[FIRST], 69);
        bytes memory first = this.behind(this.upTo(_headers[FIRST], 36), 3);
        bytes memory payload = bytes.concat(first, hex"c0", rest);
        assertFalse(this.read(bytes.concat(Headers.head(payload.length, 0xc0), payload)).ok);
        payload = bytes.concat(first, hex"01", rest);
        assertTrue(this.read(bytes.concat(Headers.head(payload.length, 0xc0), payload)).ok);
    }

    /// @dev Numbers have 32 bytes at most.
    function test_read_longNumbers_refuses() public view {
        Headers.Header memory h = Headers.Header(0, 5, 6, 0, "", 0);
        for (uint256 field = 8; field < 12; field += 3) {
            bytes[] memory items = Headers.fields(h);
            items[field] = new bytes(33);
            items[field][32] = 0x05;
            assertFalse(this.read(Headers.list(items)).ok);
            items[field] = new bytes(32);
            items[field][31] = 0x05;
            assertTrue(this.read(Headers.list(items)).ok);
        }
    }

    function behind(bytes calldata data, uint256 start) external pure returns (bytes memory) {
        return data[start:];
    }

    function upTo(bytes calldata data, uint256 end) external pure returns (bytes memory) {
        return data[:end];
    }

    function _reads(bytes memory header, bytes32 parentHash, uint256 number, uint256 time) private view {
        assertEq(this.size(header), header.length);
        assertEq(this.size(bytes.concat(header, "more")), header.length);
        BlockHeader.Fields memory expected = BlockHeader.Fields(true, parentHash, number, time);
        assertEq(abi.encode(this.read(header)), abi.encode(expected));
    }

    // ---------------------------------------------------------------- development

    function testFuzz_dev_deliver_anyValue_succeeds(bytes32 value) public {
        DevRandomness dev = new DevRandomness(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)), false);
        assertEq(dev.kind(), "DEV");
        if (value == 0) {
            vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, ROUND));
            dev.deliver(ROUND, abi.encode(value));
            return;
        }
        assertEq(dev.deliver(ROUND, abi.encode(value)), value);
        // The first value stays.
        assertEq(dev.deliver(ROUND, abi.encode(uint256(value) ^ 1)), value);
    }

    function test_dev_deliver_length_reverts() public {
        DevRandomness dev = new DevRandomness(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)), false);
        vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, ROUND));
        dev.deliver(ROUND, new bytes(33));
    }

    function test_dev_constructor_anotherChain_reverts() public {
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(DevRandomness.NotADevelopmentChain.selector, 1));
        new DevRandomness(Timestamp.wrap(1), Duration.wrap(1), false);
        assertEq(new DevRandomness(Timestamp.wrap(1), Duration.wrap(1), true).kind(), "DEV");
    }
}
