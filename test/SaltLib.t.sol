// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Trees} from "./utils/Trees.sol";
import {PartLib} from "src/libraries/PartLib.sol";
import {SaltLib} from "src/libraries/SaltLib.sol";
import {Tags} from "src/libraries/Tags.sol";
import {Request} from "src/types/OtrTypes.sol";

/// @notice Salts and leaves against definitions written here, and against TypeScript (`ts/commit/record.test.ts` writes the vectors).
contract SaltLibTest is Test {
    using Trees for Trees.Tree;

    // `calldata` for internal library functions.

    function seedOf(Request calldata request, bytes32 secret) external pure returns (bytes32) {
        return SaltLib.seedOf(request, secret);
    }

    function key(Request calldata request, bytes32 secret) external pure returns (bytes32) {
        return SaltLib.key(request, secret);
    }

    function inputLeaves(bytes32 saltKey, uint256 first, uint32[] calldata tokens)
        external
        pure
        returns (bytes32[] memory)
    {
        return SaltLib.inputLeaves(saltKey, first, tokens);
    }

    function outputLeaves(bytes32 saltKey, uint256 first, bytes calldata records)
        external
        pure
        returns (bytes32[] memory)
    {
        return SaltLib.outputLeaves(saltKey, first, records);
    }

    function recordLeaves(bytes32 saltKey, uint256 first, bytes calldata records)
        external
        pure
        returns (bytes32[] memory)
    {
        return SaltLib.recordLeaves(saltKey, first, records);
    }

    // ---------------------------------------------------------------- seeds and keys

    function testDiff_seedOf_public_isSecret(Request memory request, bytes32 secret) public view {
        request.confidential = false;
        assertEq(this.seedOf(request, secret), secret);
    }

    function testDiff_seedOf_confidential_isHash(Request memory request, bytes32 secret) public view {
        request.confidential = true;
        assertEq(this.seedOf(request, secret), keccak256(abi.encode(keccak256("OTR/secret/1"), secret)));
    }

    function testDiff_key_definition(Request memory request, bytes32 secret) public view {
        bytes32 expected = keccak256(abi.encode(keccak256("OTR/salt-key/1"), request.requester, secret, request.nonce));
        assertEq(this.key(request, secret), expected);
    }

    function testDiff_salt_definition(bytes32 saltKey, uint8 kind, uint256 index) public pure {
        bytes32 expected = keccak256(abi.encode(keccak256("OTR/salt/1"), saltKey, kind, index));
        assertEq(SaltLib.salt(saltKey, kind, index), expected);
    }

    // ---------------------------------------------------------------- leaves

    function _tokenLeaf(bytes32 saltKey, uint8 kind, uint256 index, uint32 token) private pure returns (bytes32) {
        bytes32 salt = keccak256(abi.encode(keccak256("OTR/salt/1"), saltKey, kind, index));
        return keccak256(abi.encode(keccak256("OTR/token/1"), salt, token));
    }

    function testDiff_tokenLeaf_definition(bytes32 salt, uint32 token) public pure {
        assertEq(SaltLib.tokenLeaf(salt, token), keccak256(abi.encode(keccak256("OTR/token/1"), salt, token)));
    }

    function testDiff_inputLeaves_definition(bytes32 saltKey, uint64 first, uint32[] memory tokens) public view {
        bytes32[] memory leaves = this.inputLeaves(saltKey, first, tokens);
        assertEq(leaves.length, tokens.length);
        for (uint256 i; i < leaves.length; ++i) {
            assertEq(leaves[i], _tokenLeaf(saltKey, 0, first + i, tokens[i]));
        }
    }

    function testDiff_outputLeaves_definition(bytes32 saltKey, uint64 first, uint32[] memory tokens, bytes32 cacheRoot)
        public
        view
    {
        bytes32[] memory leaves = this.outputLeaves(saltKey, first, _records(tokens, cacheRoot));
        assertEq(leaves.length, tokens.length);
        for (uint256 i; i < leaves.length; ++i) {
            assertEq(leaves[i], _tokenLeaf(saltKey, 1, first + i, tokens[i]));
        }
    }

    function testDiff_recordLeaves_definition(bytes32 saltKey, uint64 first, uint32[] memory tokens, bytes32 cacheRoot)
        public
        view
    {
        bytes32[] memory leaves = this.recordLeaves(saltKey, first, _records(tokens, cacheRoot));
        assertEq(leaves.length, tokens.length);
        for (uint256 i; i < leaves.length; ++i) {
            bytes32 salt = keccak256(abi.encode(keccak256("OTR/salt/1"), saltKey, uint8(2), first + i));
            bytes32 root = keccak256(abi.encode(cacheRoot, i));
            assertEq(leaves[i], keccak256(abi.encode(keccak256("OTR/record/1"), salt, tokens[i], root)));
        }
    }

    function _records(uint32[] memory tokens, bytes32 cacheRoot) private pure returns (bytes memory records) {
        for (uint256 i; i < tokens.length; ++i) {
            records = bytes.concat(records, abi.encodePacked(tokens[i], keccak256(abi.encode(cacheRoot, i))));
        }
    }

    /// @dev A token of more than 32 bits is refused, as Solidity refuses it.
    function testFuzz_inputLeaves_dirtyToken_reverts(uint32[3] memory tokens, uint256 place, uint256 bit) public view {
        uint32[] memory list = new uint32[](3);
        for (uint256 i; i < 3; ++i) {
            list[i] = tokens[i];
        }
        bytes memory data = abi.encodeCall(this.inputLeaves, (bytes32(0), 0, list));
        // The tokens are the last three words.
        uint256 word = data.length - 32 * bound(place, 1, 3);
        data[word + bound(bit, 0, 27)] = 0x01;
        (bool ok, bytes memory result) = address(this).staticcall(data);
        assertFalse(ok);
        assertEq(result.length, 0);
    }

    /// @dev What lies behind the leaves in memory is theirs no more: no function writes over another's result.
    function test_leaves_twice_leaveEachOtherAlone() public view {
        uint32[] memory tokens = new uint32[](2);
        tokens[1] = 5;
        this.both(bytes32(uint256(1)), tokens, _records(tokens, 0));
    }

    function both(bytes32 saltKey, uint32[] calldata tokens, bytes calldata records) external pure {
        bytes32[] memory a = SaltLib.inputLeaves(saltKey, 0, tokens);
        bytes32[] memory b = SaltLib.recordLeaves(saltKey, 0, records);
        bytes32[] memory c = SaltLib.outputLeaves(saltKey, 0, records);
        for (uint256 i; i < 2; ++i) {
            assertEq(a[i], SaltLib.tokenLeaf(SaltLib.salt(saltKey, 0, i), tokens[i]));
            assertEq(c[i], SaltLib.tokenLeaf(SaltLib.salt(saltKey, 1, i), tokens[i]));
            assertTrue(b[i] != a[i] && b[i] != c[i] && b[i] != 0);
        }
    }

    // ---------------------------------------------------------------- TypeScript

    function testDiff_vectors_typeScript() public view {
        string memory json = vm.readFile("test/vectors/salts.json");
        uint256 count;
        while (vm.keyExistsJson(json, string.concat(".cases[", vm.toString(count), "]"))) {
            _check(json, string.concat(".cases[", vm.toString(count), "]"));
            ++count;
        }
        assertEq(count, 4);
    }

    function _check(string memory json, string memory at) private view {
        Request memory request;
        request.confidential = vm.parseJsonBool(json, string.concat(at, ".confidential"));
        request.requester = vm.parseJsonAddress(json, string.concat(at, ".requester"));
        request.nonce = uint64(vm.parseJsonUint(json, string.concat(at, ".nonce")));
        bytes32 secret = vm.parseJsonBytes32(json, string.concat(at, ".secret"));
        assertEq(this.seedOf(request, secret), vm.parseJsonBytes32(json, string.concat(at, ".seed")));
        bytes32 saltKey = this.key(request, secret);
        assertEq(saltKey, vm.parseJsonBytes32(json, string.concat(at, ".saltKey")));
        bytes32[] memory salts = vm.parseJsonBytes32Array(json, string.concat(at, ".salts"));
        for (uint8 kind; kind < 3; ++kind) {
            assertEq(SaltLib.salt(saltKey, kind, 9), salts[kind]);
        }
        uint256[] memory numbers = vm.parseJsonUintArray(json, string.concat(at, ".tokens"));
        uint32[] memory tokens = new uint32[](numbers.length);
        bytes memory records;
        for (uint256 i; i < tokens.length; ++i) {
            tokens[i] = uint32(numbers[i]);
            records = bytes.concat(records, abi.encodePacked(tokens[i], keccak256(abi.encode(uint256(8), i))));
        }
        _root(this.inputLeaves(saltKey, 0, tokens), Tags.INPUT, json, string.concat(at, ".inputRoot"));
        _root(this.outputLeaves(saltKey, 0, records), Tags.OUTPUT, json, string.concat(at, ".outputRoot"));
        _root(this.recordLeaves(saltKey, 5, records), Tags.TRACE, json, string.concat(at, ".recordsRoot"));
    }

    function _root(bytes32[] memory leaves, bytes32 tag, string memory json, string memory at) private pure {
        assertEq(Trees.over(leaves).root(tag), vm.parseJsonBytes32(json, at));
    }

    // ---------------------------------------------------------------- parts

    /// @dev The nodes of all parts lead to the tree's top, whatever its size.
    /// forge-config: default.fuzz.runs = 8
    function testFuzz_parts_leadToTop(uint256 n, uint256 seed) public pure {
        n = bound(n, 1, 3 << PartLib.LEVELS);
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            leaves[i] = bytes32(uint256(keccak256(abi.encode(seed))) + i);
        }
        bytes32[] memory nodes = new bytes32[](PartLib.count(n));
        uint256 next;
        for (uint256 part; part < nodes.length; ++part) {
            (uint256 first, uint256 count) = PartLib.range(n, part);
            assertEq(first, next);
            next += count;
            bytes32[] memory some = new bytes32[](count);
            for (uint256 i; i < count; ++i) {
                some[i] = leaves[first + i];
            }
            nodes[part] = PartLib.nodeOf(some, n);
        }
        assertEq(next, n);
        assertEq(PartLib.topOf(nodes, n), Trees.over(leaves).top());
    }
}
