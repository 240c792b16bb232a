// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Bn254} from "src/libraries/Bn254.sol";
import {Groth16} from "src/spotcheck/Groth16.sol";
import {KeyStore} from "src/spotcheck/KeyStore.sol";

/// @notice The library and nothing else: what gas is measured on.
contract Groth16Harness {
    function verify(Groth16.Claim[] memory claims, bytes calldata proofs) external view returns (bool) {
        return Groth16.verify(claims, proofs);
    }
}

/// @notice The verifier against snarkjs's verdicts on proofs of two circuits of this repository, and on thousands of mutated ones
///         (`ts/circuits/groth16-vectors.ts` writes them).
contract Groth16Test is Test {
    /// @dev A malformed point burns what the call has.
    uint256 private constant GAS = 3_000_000;
    uint256 private constant GAS_OF_ONE = 400_000;
    uint256 private constant PROOFS = 4;

    struct Circuit {
        address holder;
        bytes key;
        bytes[] proofs;
        uint256[][] inputs;
    }

    Circuit[] private _circuits;
    Groth16Harness private _harness;

    function setUp() public {
        _harness = new Groth16Harness();
        string memory json = vm.readFile(_file("groth16.json"));
        for (uint256 c; c < 2; ++c) {
            string memory at = string.concat(".circuits[", vm.toString(c), "]");
            Circuit storage circuit = _circuits.push();
            circuit.key = vm.parseJsonBytes(json, string.concat(at, ".key"));
            circuit.holder = KeyStore.write(circuit.key);
            circuit.proofs = vm.parseJsonBytesArray(json, string.concat(at, ".proofs"));
            bytes[] memory inputs = vm.parseJsonBytesArray(json, string.concat(at, ".inputs"));
            for (uint256 i; i < inputs.length; ++i) {
                circuit.inputs.push(_words(inputs[i]));
            }
        }
    }

    // `calldata` for internal library functions.

    function verify(Groth16.Claim[] memory claims, bytes calldata proofs) external view returns (bool) {
        return Groth16.verify(claims, proofs);
    }

    function write(bytes memory key) external returns (address) {
        return KeyStore.write(key);
    }

    /// @dev `OTR_GROTH16_VECTORS`: a folder with more of them (ts/circuits/groth16-vectors.ts).
    function _file(string memory name) private view returns (string memory) {
        return string.concat(vm.envOr("OTR_GROTH16_VECTORS", string("test/vectors")), "/", name);
    }

    // ---------------------------------------------------------------- one proof

    function test_verify_valid_succeeds() public view {
        for (uint256 c; c < 2; ++c) {
            for (uint256 i; i < PROOFS; ++i) {
                assertTrue(_single(c, _circuits[c].inputs[i], _circuits[c].proofs[i]));
            }
        }
    }

    /// @dev snarkjs's verdict on every mutated proof: bits, words, encodings, points beside curve and group, infinity, parts of other
    ///      proofs, other inputs; and valid ones, which anybody can make of a valid proof.
    function testDiff_verify_mutated_asSnarkjs() public view {
        bytes[] memory mutations = vm.parseJsonBytesArray(vm.readFile(_file("groth16-mutations.json")), ".mutations");
        assertGe(mutations.length, 2000);
        uint256 accepted;
        for (uint256 i; i < mutations.length; ++i) {
            bytes memory mutation = mutations[i];
            (uint256 c, uint256 number, bool expected) =
                (uint8(mutation[0]), uint8(mutation[1]), mutation[2] == bytes1(uint8(1)));
            uint256[] memory proof = _words(_circuits[c].proofs[number]);
            uint256[] memory inputs = _circuits[c].inputs[number];
            for (uint256 at = 3; at < mutation.length; at += 33) {
                uint256 place = uint8(mutation[at]);
                uint256 value;
                assembly {
                    value := mload(add(mutation, add(at, 33)))
                }
                if (place < 8) proof[place] = value;
                else inputs[place - 8] = value;
            }
            assertEq(_single(c, inputs, abi.encodePacked(proof)), expected, vm.toString(i));
            if (expected) ++accepted;
        }
        assertTrue(accepted > 200 && accepted < mutations.length / 2, "both verdicts occur");
    }

    function test_verify_zeroProof_refused() public view {
        for (uint256 c; c < 2; ++c) {
            assertFalse(_single(c, _circuits[c].inputs[0], new bytes(256)));
        }
    }

    function test_verify_anotherCircuit_refused() public view {
        // The second circuit's proof under the first one's key, with as many inputs as that wants.
        uint256[] memory inputs = _circuits[0].inputs[0];
        for (uint256 k; k < _circuits[1].inputs[0].length; ++k) {
            inputs[k] = _circuits[1].inputs[0][k];
        }
        assertFalse(_single(0, inputs, _circuits[1].proofs[0]));
    }

    function test_verify_swappedInputs_refused() public view {
        uint256[] memory inputs = _circuits[0].inputs[0];
        for (uint256 a; a < inputs.length; ++a) {
            for (uint256 b; b < a; ++b) {
                if (inputs[a] == inputs[b]) continue;
                (inputs[a], inputs[b]) = (inputs[b], inputs[a]);
                assertFalse(_single(0, inputs, _circuits[0].proofs[0]));
                (inputs[a], inputs[b]) = (inputs[b], inputs[a]);
            }
        }
    }

    function test_verify_inputsNotReduced_refused() public view {
        for (uint256 k; k < _circuits[0].inputs[0].length; ++k) {
            uint256[] memory inputs = _circuits[0].inputs[0];
            inputs[k] += Bn254.R;
            assertFalse(_single(0, inputs, _circuits[0].proofs[0]));
        }
    }

    /// @dev The order itself would be zero: under a key for which a proof of the input zero is known, as its constant takes the input in.
    function test_verify_inputIsTheOrder_refused() public {
        uint256[] memory inputs = _circuits[1].inputs[0];
        bytes memory key = bytes.concat(_circuits[1].key);
        uint256[] memory words = _words(key);
        // K0 + x1 K1, at the words 14 and 16 of the key.
        (, bytes memory product) = address(7).staticcall(abi.encode(words[16], words[17], inputs[0]));
        (, bytes memory sum) = address(6).staticcall(abi.encodePacked(words[14], words[15], product));
        assembly {
            mcopy(add(key, 0x1e0), add(sum, 0x20), 0x40)
        }
        Groth16.Claim[] memory claims = new Groth16.Claim[](1);
        claims[0] = Groth16.Claim(KeyStore.write(key), inputs);
        inputs[0] = 0;
        assertTrue(this.verify(claims, _circuits[1].proofs[0]));
        inputs[0] = Bn254.R;
        assertFalse(this.verify(claims, _circuits[1].proofs[0]));
    }

    function testFuzz_verify_anotherInput_refused(uint256 k, uint256 value) public view {
        uint256[] memory inputs = _circuits[0].inputs[1];
        k = bound(k, 0, inputs.length - 1);
        vm.assume(value != inputs[k]);
        inputs[k] = value;
        assertFalse(_single(0, inputs, _circuits[0].proofs[1]));
    }

    function testFuzz_verify_anyBytes_refused(bytes32[8] memory words) public view {
        assertFalse(_single(0, _circuits[0].inputs[0], abi.encodePacked(words)));
    }

    // ---------------------------------------------------------------- several proofs

    /// @dev Every mix of the two circuits, one to four proofs.
    function testFuzz_verify_several_succeeds(uint256 n, uint256 seed) public view {
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(bound(n, 1, 4), seed);
        assertTrue(_several(claims, proofs));
    }

    /// @dev One bad proof among good ones spoils all: a point that is another one of the curve, another input, two proofs exchanged.
    function testFuzz_verify_oneBad_refused(uint256 n, uint256 seed, uint256 bad, uint256 how) public view {
        n = bound(n, 2, 4);
        bad = bound(bad, 0, n - 1);
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(n, seed);
        if (how % 4 == 0) claims[bad].inputs[how / 4 % claims[bad].inputs.length] ^= 1;
        else if (how % 4 == 1) proofs[bad] = _withPoint(proofs[bad], 0);
        else if (how % 4 == 2) proofs[bad] = _withPoint(proofs[bad], 192);
        else (proofs[bad], proofs[(bad + 1) % n]) = (proofs[(bad + 1) % n], proofs[bad]);
        bool same = how % 4 == 3 && keccak256(proofs[bad]) == keccak256(proofs[(bad + 1) % n]);
        assertEq(_several(claims, proofs), same);
    }

    /// @dev Two errors that would cancel if the equations were just multiplied: C of one proof moved up, C of another moved down as much.
    function test_verify_errorsThatCancel_refused() public view {
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(4, 0);
        for (uint256 i; i < 4; ++i) {
            claims[i] = Groth16.Claim(_circuits[0].holder, _circuits[0].inputs[i]);
            proofs[i] = _circuits[0].proofs[i];
        }
        assertTrue(_several(claims, proofs));
        for (uint256 i; i < 4; ++i) {
            uint256 j = (i + 1) % 4;
            (bytes memory up, bytes memory down) = (proofs[i], proofs[j]);
            proofs[i] = _plus(up, 1, 2);
            proofs[j] = _plus(down, 1, Bn254.P - 2);
            assertFalse(_several(claims, proofs));
            (proofs[i], proofs[j]) = (up, down);
        }
    }

    /// @dev The same proof for the same claim twice is as valid as once: what may be claimed twice is its caller's to say.
    function test_verify_sameTwice_succeeds() public view {
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(2, 0);
        (claims[1], proofs[1]) = (claims[0], proofs[0]);
        assertTrue(_several(claims, proofs));
    }

    function test_verify_proofsLength_reverts() public {
        Groth16.Claim[] memory claims = new Groth16.Claim[](1);
        claims[0] = Groth16.Claim(_circuits[0].holder, _circuits[0].inputs[0]);
        bytes memory proof = _circuits[0].proofs[0];
        vm.expectRevert(abi.encodeWithSelector(Groth16.ProofsLength.selector, 256, 512));
        this.verify(claims, bytes.concat(proof, proof));
        vm.expectRevert(abi.encodeWithSelector(Groth16.ProofsLength.selector, 256, 257));
        this.verify(claims, bytes.concat(proof, hex"00"));
        vm.expectRevert(abi.encodeWithSelector(Groth16.ProofsLength.selector, 0, 0));
        this.verify(new Groth16.Claim[](0), "");
    }

    /// @dev An input too many or too few, of the first claim of its key or of a later one.
    function test_verify_inputsLength_reverts() public {
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(3, 0);
        bytes memory all = bytes.concat(proofs[0], proofs[1], proofs[2]);
        for (uint256 i; i < 3; ++i) {
            uint256[] memory inputs = claims[i].inputs;
            for (uint256 n; n < 9; ++n) {
                if (n == inputs.length) continue;
                claims[i].inputs = new uint256[](n);
                vm.expectPartialRevert(Groth16.InputsLength.selector);
                this.verify(claims, all);
            }
            claims[i].inputs = inputs;
        }
    }

    function test_verify_anotherSetup_reverts() public {
        Groth16.Claim[] memory claims = new Groth16.Claim[](2);
        claims[0] = Groth16.Claim(_circuits[0].holder, _circuits[0].inputs[0]);
        bytes memory key = _circuits[1].key;
        // Another alpha: the curve's generator.
        assembly {
            mstore(add(key, 0x20), 1)
            mstore(add(key, 0x40), 2)
        }
        claims[1] = Groth16.Claim(KeyStore.write(key), _circuits[1].inputs[0]);
        vm.expectRevert(abi.encodeWithSelector(Groth16.AnotherSetup.selector, claims[1].key));
        this.verify(claims, bytes.concat(_circuits[0].proofs[0], _circuits[1].proofs[0]));
    }

    function test_verify_noKey_reverts() public {
        Groth16.Claim[] memory claims = new Groth16.Claim[](1);
        claims[0] = Groth16.Claim(address(0xdead), _circuits[0].inputs[0]);
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyLength.selector, 0));
        this.verify(claims, _circuits[0].proofs[0]);
    }

    // ---------------------------------------------------------------- keys

    function test_write_read_succeeds() public view {
        for (uint256 c; c < 2; ++c) {
            assertEq(KeyStore.read(_circuits[c].holder), _circuits[c].key);
            assertEq(uint8(_circuits[c].holder.code[0]), 0, "runs nothing");
        }
    }

    function test_write_length_reverts() public {
        bytes memory key = _circuits[0].key;
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyLength.selector, key.length + 1));
        this.write(bytes.concat(key, hex"00"));
        assembly {
            mstore(key, 448)
        }
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyLength.selector, 448));
        this.write(key);
    }

    /// @dev The longest key that fits a contract's code together with its first byte, and the next one.
    function test_write_longest_succeeds() public {
        bytes memory key = new bytes(24_512);
        bytes memory known = _circuits[0].key;
        for (uint256 at; at < key.length; at += 64) {
            uint256 from = at < known.length ? at : 448;
            assembly {
                mcopy(add(add(key, 0x20), at), add(add(known, 0x20), from), 0x40)
            }
        }
        assertEq(KeyStore.read(this.write(key)), key);
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyLength.selector, 24_576));
        this.write(bytes.concat(key, new bytes(64)));
    }

    /// @dev Each point, one after the other: infinity, and beside its curve.
    function test_write_badPoints_reverts() public {
        bytes memory original = _circuits[1].key;
        uint256 at;
        while (at < original.length) {
            uint256 size = at == 0 || at >= 448 ? 64 : 128;
            bytes memory key = bytes.concat(original);
            for (uint256 i; i < size; ++i) {
                key[at + i] = 0;
            }
            _refuseKey(key, at);
            key = bytes.concat(original);
            key[at + size - 1] ^= 0x01;
            _refuseKey(key, at);
            at += size;
        }
    }

    // ---------------------------------------------------------------- gas

    function test_verify_snapshot_succeeds() public {
        (Groth16.Claim[] memory claims, bytes[] memory proofs) = _batch(1, 0);
        _measure("verify a proof of 6 inputs", claims, proofs, 250_000);
        claims[0] = Groth16.Claim(_circuits[1].holder, _circuits[1].inputs[0]);
        proofs[0] = _circuits[1].proofs[0];
        _measure("verify a proof of 3 inputs", claims, proofs, 225_000);
        (claims, proofs) = _batch(4, 0);
        _measure("verify 4 proofs of 6 and 3 inputs, two keys", claims, proofs, 640_000);
        for (uint256 i; i < 4; ++i) {
            claims[i] = Groth16.Claim(_circuits[0].holder, _circuits[0].inputs[i]);
            proofs[i] = _circuits[0].proofs[i];
        }
        _measure("verify 4 proofs of 6 inputs, one key", claims, proofs, 640_000);
    }

    function _measure(string memory name, Groth16.Claim[] memory claims, bytes[] memory proofs, uint256 most) private {
        assertTrue(_harness.verify(claims, _concat(proofs)));
        vm.snapshotGasLastCall("draws", name);
        assertLe(vm.lastCallGas().gasTotalUsed, most, name);
    }

    // ---------------------------------------------------------------- helpers

    function _single(uint256 c, uint256[] memory inputs, bytes memory proof) private view returns (bool) {
        Groth16.Claim[] memory claims = new Groth16.Claim[](1);
        claims[0] = Groth16.Claim(_circuits[c].holder, inputs);
        return this.verify{gas: GAS_OF_ONE}(claims, proof);
    }

    function _several(Groth16.Claim[] memory claims, bytes[] memory proofs) private view returns (bool) {
        return this.verify{gas: GAS}(claims, _concat(proofs));
    }

    /// @dev Claims of both circuits, in an order that the seed decides; for seed 0 they take turns.
    function _batch(uint256 n, uint256 seed)
        private
        view
        returns (Groth16.Claim[] memory claims, bytes[] memory proofs)
    {
        claims = new Groth16.Claim[](n);
        proofs = new bytes[](n);
        for (uint256 i; i < n; ++i) {
            uint256 c = seed == 0 ? i % 2 : seed >> i & 1;
            uint256 number = seed == 0 ? i : (seed >> (8 + 2 * i)) % PROOFS;
            claims[i] = Groth16.Claim(_circuits[c].holder, _circuits[c].inputs[number]);
            proofs[i] = _circuits[c].proofs[number];
        }
    }

    /// @dev The proof with its point at `offset` replaced by the curve's generator.
    function _withPoint(bytes memory proof, uint256 offset) private pure returns (bytes memory out) {
        out = bytes.concat(proof);
        assembly {
            mstore(add(out, add(0x20, offset)), 1)
            mstore(add(out, add(0x40, offset)), 2)
        }
    }

    /// @dev The proof with a point added to C.
    function _plus(bytes memory proof, uint256 x, uint256 y) private view returns (bytes memory out) {
        out = bytes.concat(proof);
        uint256[] memory words = _words(out);
        (, bytes memory sum) = address(6).staticcall(abi.encode(words[6], words[7], x, y));
        assembly {
            mcopy(add(out, 0xe0), add(sum, 0x20), 0x40)
        }
    }

    function _refuseKey(bytes memory key, uint256 at) private {
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyPointInvalid.selector, at));
        this.write{gas: 30_000_000}(key);
    }

    function _concat(bytes[] memory parts) private pure returns (bytes memory out) {
        for (uint256 i; i < parts.length; ++i) {
            out = bytes.concat(out, parts[i]);
        }
    }

    function _words(bytes memory data) private pure returns (uint256[] memory words) {
        words = new uint256[](data.length / 32);
        for (uint256 i; i < words.length; ++i) {
            uint256 word;
            assembly {
                word := mload(add(data, add(0x20, mul(0x20, i))))
            }
            words[i] = word;
        }
    }
}
