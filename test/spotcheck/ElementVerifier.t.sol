// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DrawnPair, DrawnStep} from "src/interfaces/IElementVerifier.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {Bn254} from "src/libraries/Bn254.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {ElementVerifier} from "src/spotcheck/ElementVerifier.sol";
import {Groth16} from "src/spotcheck/Groth16.sol";
import {KeyStore} from "src/spotcheck/KeyStore.sol";
import {Openings} from "src/spotcheck/Openings.sol";
import {Circuit} from "src/spotcheck/Statements.sol";
import {ModelId, ReceiptHash, RequestHash} from "src/types/OtrTypes.sol";
import {AnswersTest} from "../utils/AnswersTest.sol";

/// @notice Answers that TypeScript made to draws of every instruction, with proofs by circuits that accept any public words
///         (`ts/circuits/answer-vectors.ts`): what is accepted is what the contract computes, to the bit. Statements of many more elements are
///         compared in `ts/circuits/statement.differential.chain.test.ts`, claims of random programs in `ts/circuits/answer.chain.test.ts`.
contract ElementVerifierTest is AnswersTest {
    // ---------------------------------------------------------------- accepted

    function test_requireProven_everyInstruction_succeeds() public view {
        assertEq(_answers.length, 23);
        for (uint256 k; k < _answers.length; ++k) {
            _verifier.requireProven(_asked(k), _openings(k), _proofs(k));
        }
    }

    /// @dev Any of them together, in any order; not if two proofs are exchanged, or one is missing.
    function testFuzz_requireProven_several_succeeds(uint256 seed, uint256 n) public {
        n = bound(n, 2, 4);
        (DrawnPair[] memory pairs, bytes[] memory openings) = (new DrawnPair[](n), new bytes[](n));
        bytes memory proofs;
        bytes memory turned;
        for (uint256 i; i < n; ++i) {
            uint256 k = uint256(keccak256(abi.encode(seed, i))) % _answers.length;
            (pairs[i], openings[i]) = (_answers[k].pair, _answers[k].opening);
            proofs = bytes.concat(proofs, _proofs(k));
            turned = bytes.concat(_proofs(k), turned);
        }
        _verifier.requireProven(_asked(_step, pairs), openings, proofs);
        bool same = keccak256(proofs) == keccak256(turned);
        if (!same) vm.expectRevert(ElementVerifier.ProofsInvalid.selector);
        _verifier.requireProven(_asked(_step, pairs), openings, turned);
        bytes memory fewer = bytes.concat(proofs);
        assembly {
            mstore(fewer, sub(mload(fewer), 256))
        }
        vm.expectRevert(abi.encodeWithSelector(Groth16.ProofsLength.selector, proofs.length, fewer.length));
        _verifier.requireProven(_asked(_step, pairs), openings, fewer);
    }

    /// @dev However pairs are spread over steps, some of which have none: the same claims, the same proofs, in their order only.
    function testFuzz_requireProven_severalSteps_succeeds(uint256 seed, uint256 n) public {
        n = bound(n, 1, 6);
        (DrawnStep[] memory steps, bytes[] memory openings) = (new DrawnStep[](n), new bytes[](2 * n));
        bytes[] memory proofs = new bytes[](2 * n);
        uint256 at;
        for (uint256 i; i < n; ++i) {
            steps[i] = _step;
            steps[i].pairs = new DrawnPair[](i == 0 ? 1 : uint256(keccak256(abi.encode(seed, "pairs", i))) % 3);
            for (uint256 j; j < steps[i].pairs.length; ++j) {
                uint256 k = uint256(keccak256(abi.encode(seed, i, j))) % _answers.length;
                (steps[i].pairs[j], openings[at], proofs[at]) = (_answers[k].pair, _answers[k].opening, _proofs(k));
                ++at;
            }
        }
        assembly {
            mstore(openings, at)
            mstore(proofs, at)
        }
        _verifier.requireProven(steps, openings, _joined(proofs));
        assertEq(abi.encode(_verifier.claimsOf(steps, openings)), abi.encode(_claimsApart(steps, openings)));
        uint256 other = seed % at;
        (proofs[0], proofs[other]) = (proofs[other], proofs[0]);
        bool same = keccak256(proofs[0]) == keccak256(proofs[other]);
        if (!same) vm.expectRevert(ElementVerifier.ProofsInvalid.selector);
        _verifier.requireProven(steps, openings, _joined(proofs));
    }

    function _joined(bytes[] memory parts) private pure returns (bytes memory all) {
        for (uint256 i; i < parts.length; ++i) {
            all = bytes.concat(all, parts[i]);
        }
    }

    /// @dev The claims of each pair by itself.
    function _claimsApart(DrawnStep[] memory steps, bytes[] memory openings)
        private
        view
        returns (Groth16.Claim[] memory all)
    {
        for (uint256 i; i < steps.length; ++i) {
            for (uint256 j; j < steps[i].pairs.length; ++j) {
                (DrawnPair[] memory pair, bytes[] memory opening) = (new DrawnPair[](1), new bytes[](1));
                (pair[0], opening[0]) = (steps[i].pairs[j], openings[0]);
                all = _with(all, _verifier.claimsOf(_asked(_step, pair), opening));
                openings = _tail(openings);
            }
        }
    }

    function _with(Groth16.Claim[] memory some, Groth16.Claim[] memory others)
        private
        pure
        returns (Groth16.Claim[] memory all)
    {
        all = new Groth16.Claim[](some.length + others.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = i < some.length ? some[i] : others[i - some.length];
        }
    }

    function _tail(bytes[] memory all) private pure returns (bytes[] memory rest) {
        rest = new bytes[](all.length - 1);
        for (uint256 i; i < rest.length; ++i) {
            rest[i] = all[i + 1];
        }
    }

    /// @dev Steps of several models: each hangs on its own.
    function test_requireProven_severalModels_succeeds() public {
        uint256 k = _numberOf("rope of a cached row");
        (DrawnStep[] memory steps, bytes[] memory openings, bytes memory proofs) = _twice(k);
        steps[1].modelId = ModelId.wrap(keccak256("another model of the same program"));
        _models.set(steps[1].modelId, _dimensions, _programRoot, _weightsRoot);
        _verifier.requireProven(steps, openings, proofs);
    }

    /// @dev Proofs of the circuits themselves under their development keys, as far as these existed when the vectors were made.
    function test_requireProven_realCircuits_succeeds() public {
        string memory json = vm.readFile("test/vectors/answers.json");
        bytes[] memory keys = vm.parseJsonBytesArray(json, ".real.keys");
        for (uint256 k; k < 6; ++k) {
            _keys[k] = keys[k];
        }
        _verifier = new ElementVerifier(IModelRegistry(address(_models)), _keys, BLOCKS, true);
        uint256 n;
        for (; vm.keyExistsJson(json, string.concat(".real.cases[", vm.toString(n), "].case")); ++n) {
            string memory at = string.concat(".real.cases[", vm.toString(n), "].");
            uint256 k = vm.parseJsonUint(json, string.concat(at, "case"));
            _answers[k].proofs = vm.parseJsonBytesArray(json, string.concat(at, "proofs"));
            _verifier.requireProven(_asked(k), _openings(k), _proofs(k));
            _refuseAnotherDraw(k);
        }
        assertGt(n, 0);
    }

    // ---------------------------------------------------------------- refused

    /// @dev Proofs and openings of one draw are of no use in another: of another pair or round, another receipt (and so of another rollup or chain,
    ///      whose receipts have other hashes), another step or batch (whose posted root is another).
    function test_requireProven_anotherDraw_reverts() public view {
        for (uint256 k; k < _answers.length; ++k) {
            _refuseAnotherDraw(k);
        }
    }

    /// @dev What an instruction depends on besides its step root: each root of the receipt, request and position.
    function test_requireProven_anotherReceiptsRoots_reverts() public view {
        _refuseWith("the emitted token", "outputRoot");
        _refuseWith("the emitted token", "traceRoot");
        _refuseWith("embed", "outputRoot");
        _refuseWith("fold_scores", "traceRoot");
        _refuseWith("fold_mix", "traceRoot");
        _refuseWith("rope of a cached row", "traceRoot");
        _refuseWith("rescale of a cached row", "traceRoot");
        _refuseWith("weigh", "requestHash");
        _refuseWith("draw", "requestHash");
        string[8] memory positional =
            ["draw", "the emitted token", "embed", "rope", "exp2", "fold_mix", "fold_scores", "rope of a cached row"];
        for (uint256 i; i < positional.length; ++i) {
            _refuseWith(positional[i], "step");
        }
    }

    function test_requireProven_anotherModel_reverts() public {
        for (uint256 k; k < _answers.length; ++k) {
            (bytes32 root, uint32 instructions) = (_programRoot, _dimensions.instructions);
            _programRoot = keccak256("another program");
            _refuseRegistered(k);
            _programRoot = root;
            _dimensions.instructions = instructions + 1;
            _refuseRegistered(k);
            _dimensions.instructions = instructions;
            _register();
        }
        uint256 map = _numberOf("dequant");
        _weightsRoot ^= bytes32(uint256(1));
        _refuseRegistered(map);
    }

    function test_requireProven_modelNotUsable_reverts() public {
        bytes memory expected = abi.encodeWithSelector(ElementVerifier.ModelNotProvable.selector, _step.modelId);
        _dimensions.usableAt = Timestamp.wrap(0);
        _register();
        vm.expectRevert(expected);
        _verifier.requireProven(_asked(0), _openings(0), _proofs(0));
        (_dimensions.usableAt, _dimensions.machineVersion) = (Timestamp.wrap(1), 2);
        _register();
        vm.expectRevert(expected);
        _verifier.requireProven(_asked(0), _openings(0), _proofs(0));
        DrawnStep memory step = _step;
        step.modelId = ModelId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(ElementVerifier.ModelNotProvable.selector, step.modelId));
        _verifier.requireProven(_asked(step, _pairs(0)), _openings(0), _proofs(0));
    }

    /// @dev Nothing of one step answers for another: each of them is refused beside a right one, before it and behind it, whatever is wrong of it.
    function test_requireProven_besideARightStep_reverts() public {
        uint256[3] memory which = [_numberOf("dequant"), _numberOf("rope of a cached row"), _numberOf("fold_mix")];
        ModelId other = ModelId.wrap(keccak256("another model"));
        _models.set(other, _dimensions, keccak256("another program"), _weightsRoot);
        for (uint256 n; n < which.length * 2; ++n) {
            (DrawnStep[] memory steps, bytes[] memory openings, bytes memory proofs) = _twice(which[n / 2]);
            _verifier.requireProven(steps, openings, proofs);
            DrawnStep memory wrong = steps[n % 2];
            wrong.modelId = other;
            _refuse(steps, openings, proofs);
            wrong.modelId = _step.modelId;
            wrong.receiptHash = ReceiptHash.wrap(keccak256("another receipt"));
            _refuse(steps, openings, proofs);
            wrong.receiptHash = _step.receiptHash;
            wrong.stepRoot ^= 1;
            _refuse(steps, openings, proofs);
            wrong.stepRoot ^= 1;
            wrong.traceRoot ^= bytes32(uint256(1));
            // Only what is cached hangs on the trace.
            if (n >= 2) _refuse(steps, openings, proofs);
            wrong.traceRoot = _step.traceRoot;
            wrong.pairs[0].value ^= bytes32(uint256(1));
            _refuse(steps, openings, proofs);
        }
    }

    /// @dev A pair of one step is no pair of the next: what is asked of one cannot be moved to another.
    function test_requireProven_pairMoved_reverts() public view {
        (DrawnStep[] memory steps, bytes[] memory openings, bytes memory proofs) = _twice(_numberOf("dequant"));
        steps[1].receiptHash = ReceiptHash.wrap(keccak256("another receipt"));
        DrawnPair[] memory both = new DrawnPair[](2);
        (both[0], both[1]) = (steps[0].pairs[0], steps[1].pairs[0]);
        steps[1].pairs = both;
        steps[0].pairs = new DrawnPair[](0);
        _refuse(steps, openings, proofs);
    }

    function test_requireProven_noPair_reverts() public {
        bytes memory expected = abi.encodeWithSelector(Groth16.ProofsLength.selector, 0, 0);
        vm.expectRevert(expected);
        _verifier.requireProven(new DrawnStep[](0), new bytes[](0), "");
        DrawnStep[] memory steps = new DrawnStep[](2);
        (steps[0], steps[1]) = (_step, _step);
        vm.expectRevert(expected);
        _verifier.requireProven(steps, new bytes[](0), "");
        vm.expectRevert(abi.encodeWithSelector(ElementVerifier.OpeningsCount.selector, 0, 1));
        _verifier.requireProven(steps, _openings(0), _proofs(0));
    }

    /// @dev One pair, asked of the step twice.
    function _twice(uint256 k)
        private
        view
        returns (DrawnStep[] memory steps, bytes[] memory openings, bytes memory proofs)
    {
        (steps, openings) = (new DrawnStep[](2), new bytes[](2));
        for (uint256 i; i < 2; ++i) {
            steps[i] = _asked(k)[0];
            openings[i] = _answers[k].opening;
        }
        proofs = bytes.concat(_proofs(k), _proofs(k));
    }

    /// @dev One bit of an opening: no proof fits any more, or nothing is opened.
    function testFuzz_requireProven_flippedOpening_reverts(uint256 k, uint256 bit) public view {
        k = bound(k, 0, _answers.length - 1);
        bytes[] memory openings = _openings(k);
        bit = bound(bit, 0, openings[0].length * 8 - 1);
        openings[0][bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refuse(_step, _pairs(k), openings, _proofs(k));
    }

    /// @dev Any length but the right one.
    function testFuzz_requireProven_openingOfAnotherLength_reverts(uint256 k, uint256 length) public view {
        k = bound(k, 0, _answers.length - 1);
        bytes memory opening = _answers[k].opening;
        length = bound(length, 0, opening.length + 64);
        vm.assume(length != opening.length);
        bytes[] memory openings = new bytes[](1);
        openings[0] = new bytes(length);
        for (uint256 i; i < length && i < opening.length; ++i) {
            openings[0][i] = opening[i];
        }
        _refuse(_step, _pairs(k), openings, _proofs(k));
    }

    function testFuzz_requireProven_anyOpening_reverts(uint256 k, bytes memory opening) public view {
        k = bound(k, 0, _answers.length - 1);
        bytes[] memory openings = new bytes[](1);
        openings[0] = opening;
        _refuse(_step, _pairs(k), openings, _proofs(k));
    }

    function testFuzz_requireProven_flippedProof_reverts(uint256 k, uint256 bit) public view {
        k = bound(k, 0, _answers.length - 1);
        bytes memory proofs = _proofs(k);
        bit = bound(bit, 0, proofs.length * 8 - 1);
        proofs[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refuse(_step, _pairs(k), _openings(k), proofs);
    }

    /// @dev States and digests have one encoding: what is not below the field's order is refused.
    function test_requireProven_stateNotReduced_reverts() public {
        // Folds of several segments: their states lie behind the instruction and its ten siblings.
        string[3] memory names = ["fold_sum", "fold_max", "fold_scores"];
        for (uint256 i; i < names.length; ++i) {
            uint256 k = _numberOf(names[i]);
            bytes[] memory openings = _openings(k);
            uint256 at = 128 + 32 * 10 + 32;
            bytes memory opening = openings[0];
            assembly {
                let state := add(opening, at)
                mstore(state, add(mload(state), 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001))
            }
            _verifier.requireProven(_asked(k), _openings(k), _proofs(k));
            vm.expectRevert(ElementVerifier.ProofsInvalid.selector);
            _verifier.requireProven(_asked(k), openings, _proofs(k));
        }
    }

    function test_requireProven_longFold_needsItsDraw_reverts() public {
        uint256 k = _numberOf("fold_mix");
        bytes memory expected = abi.encodeWithSelector(ElementVerifier.BlocksNotDrawn.selector, _answers[k].pair.pair);
        DrawnPair[] memory pairs = _pairs(k);
        pairs[0].statesRoot = 0;
        vm.expectRevert(expected);
        _verifier.requireProven(_asked(_step, pairs), _openings(k), _proofs(k));
        pairs = _pairs(k);
        pairs[0].blockValue = 0;
        vm.expectRevert(expected);
        _verifier.requireProven(_asked(_step, pairs), _openings(k), _proofs(k));
        pairs[0].blockValue = keccak256("another round");
        _refuse(_step, pairs, k);
        pairs = _pairs(k);
        pairs[0].statesRoot = keccak256("posted states");
        _refuse(_step, pairs, k);
    }

    function test_requireProven_openingsCount_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ElementVerifier.OpeningsCount.selector, 1, 0));
        _verifier.requireProven(_asked(0), new bytes[](0), _proofs(0));
        vm.expectRevert(abi.encodeWithSelector(Groth16.ProofsLength.selector, 0, 0));
        _verifier.requireProven(_asked(_step, new DrawnPair[](0)), new bytes[](0), "");
    }

    function test_requireProven_shortOpening_reverts() public {
        bytes[] memory openings = new bytes[](1);
        openings[0] = new bytes(127);
        vm.expectRevert(abi.encodeWithSelector(Openings.OpeningLength.selector, 128, 127));
        _verifier.requireProven(_asked(0), openings, _proofs(0));
    }

    // ---------------------------------------------------------------- construction

    function test_constructor_badKeys_reverts() public {
        IModelRegistry models = IModelRegistry(address(_models));
        vm.expectRevert(ElementVerifier.NoBlocks.selector);
        new ElementVerifier(models, _keys, 0, true);
        bytes[6] memory keys = _keys;
        (keys[0], keys[2]) = (keys[2], keys[0]);
        vm.expectRevert(abi.encodeWithSelector(ElementVerifier.KeyInputs.selector, Circuit.MAP, 4, 6));
        new ElementVerifier(models, keys, 1, true);
        keys = _keys;
        bytes memory key = keys[5];
        // Another alpha: the point of the constant.
        assembly {
            mcopy(add(key, 0x20), add(key, 0x1e0), 0x40)
        }
        vm.expectRevert(abi.encodeWithSelector(ElementVerifier.AnotherSetup.selector, Circuit.LINK));
        new ElementVerifier(models, keys, 1, true);
        keys[0] = new bytes(319);
        vm.expectRevert(abi.encodeWithSelector(KeyStore.KeyLength.selector, 319));
        new ElementVerifier(models, keys, 1, true);
    }

    function test_constructor_saysWhatItHas_succeeds() public {
        assertTrue(_verifier.development());
        assertEq(_verifier.BLOCKS(), BLOCKS);
        assertEq(address(_verifier.MODELS()), address(_models));
        for (uint256 k; k < 6; ++k) {
            assertEq(_verifier.keyOf(Circuit(k)).code, bytes.concat(hex"00", _keys[k]));
        }
        ElementVerifier other = new ElementVerifier(IModelRegistry(address(_models)), _keys, 7, false);
        assertFalse(other.development());
        assertEq(other.BLOCKS(), 7);
    }

    // ---------------------------------------------------------------- gas

    /// @dev Bars of whole transactions; the figures are in docs/spotchecks.md.
    function test_requireProven_snapshot_succeeds() public {
        for (uint256 k; k < _answers.length; ++k) {
            _verifier.requireProven(_asked(k), _openings(k), _proofs(k));
            vm.snapshotGasLastCall("spotchecks", _answers[k].name);
            if (_answers[k].proofs.length == 1) assertLe(vm.lastCallGas().gasTotalUsed, 300_000, _answers[k].name);
        }
        _proveFour(1);
        vm.snapshotGasLastCall("spotchecks", "four pairs together: dequant, gate, fold_dot, quantize");
        assertLe(vm.lastCallGas().gasTotalUsed, 4 * 180_000, "four together");
    }

    /// @dev The same four pairs of several steps: each step more costs less than the first.
    function test_requireProven_together_snapshot_succeeds() public {
        uint256[3] memory counts = [uint256(3), 5, 10];
        for (uint256 i; i < 3; ++i) {
            _proveFour(counts[i]);
            string memory n = vm.toString(counts[i]);
            vm.snapshotGasLastCall("spotchecks", string.concat("the same four pairs of ", n, " steps together"));
            assertLe(vm.lastCallGas().gasTotalUsed, 300_000 + counts[i] * 380_000);
        }
    }

    function _proveFour(uint256 times) private view {
        string[4] memory names = ["dequant", "gate", "fold_dot", "quantize"];
        (DrawnStep[] memory steps, bytes[] memory openings) = (new DrawnStep[](times), new bytes[](4 * times));
        bytes memory proofs;
        for (uint256 i; i < 4 * times; ++i) {
            uint256 k = _numberOf(names[i % 4]);
            if (i % 4 == 0) steps[i / 4] = _asked(_step, new DrawnPair[](4))[0];
            (steps[i / 4].pairs[i % 4], openings[i]) = (_answers[k].pair, _answers[k].opening);
            proofs = bytes.concat(proofs, _proofs(k));
        }
        _verifier.requireProven(steps, openings, proofs);
    }

    // ---------------------------------------------------------------- helpers

    function _refuseAnotherDraw(uint256 k) private view {
        DrawnPair[] memory pairs = _pairs(k);
        DrawnStep memory step = _step;
        ++pairs[0].pair;
        _refuse(step, pairs, k);
        pairs = _pairs(k);
        pairs[0].value ^= bytes32(uint256(1));
        _refuse(step, pairs, k);
        pairs = _pairs(k);
        step.receiptHash = ReceiptHash.wrap(keccak256("the same answer on another chain"));
        _refuse(step, pairs, k);
        step = _step;
        step.stepRoot ^= 1;
        _refuse(step, pairs, k);
        step.stepRoot = _step.stepRoot + Bn254.R;
        _refuse(step, pairs, k);
    }

    function _refuseRegistered(uint256 k) private {
        _register();
        _refuse(_step, _pairs(k), k);
    }

    function _refuseWith(string memory name, string memory field) private view {
        uint256 k = _numberOf(name);
        DrawnStep memory step = _step;
        bytes32 what = keccak256(bytes(field));
        if (what == keccak256("outputRoot")) step.outputRoot ^= bytes32(uint256(1));
        else if (what == keccak256("traceRoot")) step.traceRoot ^= bytes32(uint256(1));
        else if (what == keccak256("requestHash")) step.requestHash = RequestHash.wrap(keccak256("another"));
        else if (what == keccak256("step")) step.step -= 1;
        _refuse(step, _pairs(k), k);
    }

    function _refuse(DrawnStep memory step, DrawnPair[] memory pairs, uint256 k) private view {
        _refuse(step, pairs, _openings(k), _proofs(k));
    }

    function _refuse(DrawnStep memory step, DrawnPair[] memory pairs, bytes[] memory openings, bytes memory proofs)
        private
        view
    {
        _refuse(_asked(step, pairs), openings, proofs);
    }

    /// @dev Refused, for whatever reason. A point that is none burns what the call has.
    function _refuse(DrawnStep[] memory steps, bytes[] memory openings, bytes memory proofs) private view {
        (bool accepted, bytes memory reason) = address(_verifier).staticcall{gas: 8_000_000}(
            abi.encodeCall(_verifier.requireProven, (steps, openings, proofs))
        );
        assertFalse(accepted);
        assertGe(reason.length, 4, "typed");
    }
}
