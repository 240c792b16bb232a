// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DrawnPair, DrawnStep, IElementVerifier} from "../interfaces/IElementVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Bn254} from "../libraries/Bn254.sol";
import {Tags} from "../libraries/Tags.sol";
import {Instruction, Operand, ROLE_CACHED, ROLE_TOKEN} from "../machine/Instruction.sol";
import {Opcodes} from "../machine/Opcodes.sol";
import {ModelId, RequestHash} from "../types/OtrTypes.sol";
import {DrawLib} from "./DrawLib.sol";
import {Groth16} from "./Groth16.sol";
import {KeyStore} from "./KeyStore.sol";
import {CachedRow, Openings, Rooted} from "./Openings.sol";
import {PublicWords} from "./PublicWords.sol";
import {Circuit, Element, Statement, Statements} from "./Statements.sol";

/// @title ElementVerifier
/// @notice Which claims must be proven about a drawn element, and whether they are (docs/spotchecks.md). Every public word is a function of what the
///         chain knows; states and digests, which the prover chooses, are bound by the proofs themselves.
contract ElementVerifier is IElementVerifier {
    /// @notice A fold of which no segment is drawn would prove nothing.
    error NoBlocks();
    /// @notice The key does not take the circuit's public inputs.
    error KeyInputs(Circuit circuit, uint256 expected, uint256 got);
    /// @notice Keys of one verifier come from one setup.
    error AnotherSetup(Circuit circuit);
    /// @notice The model's program has not been validated, or belongs to another machine version.
    error ModelNotProvable(ModelId modelId);
    /// @notice There must be one opening for each pair.
    error OpeningsCount(uint256 expected, uint256 got);
    /// @notice A long fold needs the root of its states, posted before the draw of its segments, and that draw.
    error BlocksNotDrawn(uint256 pair);
    /// @notice A proof is not valid for the claims of the pairs, in their order.
    error ProofsInvalid();

    /// @notice Most claims of a fold that is proven whole.
    uint256 public constant WHOLE = 9;
    /// @inheritdoc IElementVerifier
    uint32 public constant MACHINE_VERSION = 1;

    uint256 private constant CIRCUITS = 6;

    /// @inheritdoc IElementVerifier
    uint256 public immutable BLOCKS;
    /// @inheritdoc IElementVerifier
    IModelRegistry public immutable MODELS;

    bool private immutable _DEVELOPMENT;
    address private immutable _MAP;
    address private immutable _GATHER;
    address private immutable _DOT;
    address private immutable _FOLD;
    address private immutable _ATTENTION;
    address private immutable _LINK;

    /// @dev What is gathered while the pairs are gone through. Roots and numbers are those of the step whose pairs these are.
    /// @param cursor In the opening of the pair.
    /// @param chunks Where in it the chunks that were opened last begin, `chunkCount` of them.
    struct Answer {
        Rooted program;
        Rooted trace;
        uint256 cacheRows;
        uint256 stepRoot;
        uint256 weightsRoot;
        Groth16.Claim[] claims;
        uint256 count;
        uint256 cursor;
        uint256 chunks;
        uint256 chunkCount;
    }

    /// @param keys Verification keys of the circuits, in the order of `Circuit`, as `KeyStore` takes them.
    /// @param isDevelopment Whether the secrets of the keys' setup are known to anybody.
    constructor(IModelRegistry models, bytes[6] memory keys, uint256 blocks, bool isDevelopment) {
        if (blocks == 0) revert NoBlocks();
        (MODELS, BLOCKS, _DEVELOPMENT) = (models, blocks, isDevelopment);
        bytes32 setup = _setupOf(keys[0]);
        address[CIRCUITS] memory holders;
        for (uint256 k; k < CIRCUITS; ++k) {
            holders[k] = KeyStore.write(keys[k]);
            uint256 inputs = (keys[k].length - KeyStore.INPUTS) / Bn254.G1_BYTES - 1;
            uint256 expected = _inputsOf(Circuit(k));
            if (inputs != expected) revert KeyInputs(Circuit(k), expected, inputs);
            // INVARIANT: proofs of different circuits can be checked together.
            if (_setupOf(keys[k]) != setup) revert AnotherSetup(Circuit(k));
        }
        (_MAP, _GATHER, _DOT) = (holders[0], holders[1], holders[2]);
        (_FOLD, _ATTENTION, _LINK) = (holders[3], holders[4], holders[5]);
    }

    /// @inheritdoc IElementVerifier
    function development() external view returns (bool) {
        return _DEVELOPMENT;
    }

    /// @inheritdoc IElementVerifier
    function requireProven(DrawnStep[] calldata steps, bytes[] calldata openings, bytes calldata proofs) external view {
        if (!Groth16.verify(_claims(steps, openings), proofs)) revert ProofsInvalid();
    }

    /// @notice The claims that must be proven, in their order: what `requireProven` checks proofs against.
    function claimsOf(DrawnStep[] calldata steps, bytes[] calldata openings)
        external
        view
        returns (Groth16.Claim[] memory)
    {
        return _claims(steps, openings);
    }

    /// @notice Where the key of a circuit lies.
    function keyOf(Circuit circuit) public view returns (address) {
        if (circuit == Circuit.MAP) return _MAP;
        if (circuit == Circuit.GATHER) return _GATHER;
        if (circuit == Circuit.DOT) return _DOT;
        if (circuit == Circuit.FOLD) return _FOLD;
        return circuit == Circuit.ATTENTION ? _ATTENTION : _LINK;
    }

    function _claims(DrawnStep[] calldata steps, bytes[] calldata openings)
        private
        view
        returns (Groth16.Claim[] memory claims)
    {
        uint256 pairs;
        for (uint256 k; k < steps.length; ++k) {
            pairs += steps[k].pairs.length;
        }
        if (openings.length != pairs) revert OpeningsCount(pairs, openings.length);
        Answer memory answer;
        // Segments with a link each, and the element's own link.
        uint256 most = (2 * BLOCKS > WHOLE ? 2 * BLOCKS : WHOLE) + 1;
        answer.claims = new Groth16.Claim[](most * pairs);
        uint256 next;
        for (uint256 k; k < steps.length; ++k) {
            DrawnStep calldata step = steps[k];
            _open(answer, step);
            for (uint256 i; i < step.pairs.length; ++i) {
                _addPair(answer, step, step.pairs[i], openings[next++]);
            }
        }
        claims = answer.claims;
        uint256 count = answer.count;
        // SAFETY: shortens the array.
        assembly ("memory-safe") {
            mstore(claims, count)
        }
    }

    /// @dev INVARIANT: what is opened of a step hangs on its own receipt and model, whichever steps came before it.
    function _open(Answer memory answer, DrawnStep calldata step) private view {
        (IModelRegistry.Dimensions memory model, bytes32 programRoot, bytes32 weightsRoot) =
            MODELS.provingOf(step.modelId);
        // INVARIANT: circuits prove what the instructions of a validated program of this machine mean, and nothing else.
        if (model.machineVersion != MACHINE_VERSION || !model.usableAt.isSet()) revert ModelNotProvable(step.modelId);
        answer.program = Rooted(Tags.PROGRAM, model.instructions, programRoot);
        answer.trace = Rooted(Tags.TRACE, uint256(step.nIn) + step.nOut - 1, step.traceRoot);
        answer.cacheRows = model.cacheRows;
        answer.stepRoot = step.stepRoot;
        answer.weightsRoot = uint256(weightsRoot);
    }

    /// @dev Adds the claims of a pair: of its segments, each followed by the link to a cached chunk that it reads; then, of a cached row, the link
    ///      of the element itself.
    function _addPair(Answer memory answer, DrawnStep calldata step, DrawnPair calldata pair, bytes calldata opening)
        private
        view
    {
        uint256 row = DrawLib.instructionOf(pair.value, step.receiptHash, pair.pair, answer.program.leaves);
        Instruction i;
        (i, answer.cursor) = Openings.instruction(opening, row, answer.program);
        Element memory x = _element(step, pair, i);
        x.row = row;
        _openInputs(answer, step, opening, i, x);
        uint256 count = Statements.segments(i, x.t, x.element);
        if (Statements.claimsOfWhole(i, count) <= WHOLE) _addWhole(answer, opening, i, x, count);
        else _addDrawn(answer, step, pair, opening, i, x, count);
        if (i.role() == ROLE_CACHED) _addOwnLink(answer, opening, i, x);
        // INVARIANT: an opening has exactly the bytes that are read, so that there is one for a pair and proofs.
        if (answer.cursor != opening.length) revert Openings.OpeningLength(answer.cursor, opening.length);
    }

    /// @dev The drawn element of the row that `i` makes.
    function _element(DrawnStep calldata step, DrawnPair calldata pair, Instruction i)
        private
        pure
        returns (Element memory x)
    {
        x.t = step.step;
        x.requestHash = RequestHash.unwrap(step.requestHash);
        // Steps from nIn - 1 on emit a token.
        x.emits = x.t + 1 >= step.nIn;
        if (x.emits) x.outputIndex = x.t + 1 - step.nIn;
        // Nothing reads a token row, and of its two elements only the token is committed elsewhere.
        uint256 elements = i.role() == ROLE_TOKEN ? 1 : i.lengthAt(x.t);
        x.element = DrawLib.elementOf(pair.value, step.receiptHash, pair.pair, elements);
    }

    /// @dev Opens what the element depends on besides rows: the input token, the temperature, the emitted token.
    function _openInputs(
        Answer memory answer,
        DrawnStep calldata step,
        bytes calldata opening,
        Instruction i,
        Element memory x
    ) private pure {
        uint8 opcode = i.opcode();
        uint256 cursor = answer.cursor;
        if (opcode == Opcodes.EMBED && x.t < step.nIn) {
            (x.token, answer.cursor) = Openings.token(opening, cursor, x.t, _inputs(step));
        } else if (opcode == Opcodes.EMBED) {
            (x.token, answer.cursor) = Openings.token(opening, cursor, x.t - step.nIn, _outputs(step));
        } else if (opcode == Opcodes.WEIGH || opcode == Opcodes.DRAW) {
            (x.temperature, answer.cursor) = Openings.temperature(opening, cursor, step.requestHash);
        } else if (x.emits && i.role() == ROLE_TOKEN && Statements.circuitOf(i) == Circuit.FOLD) {
            (x.emitted, cursor) = Openings.token(opening, cursor, x.outputIndex, _outputs(step));
            // INVARIANT: answer and trace name one token.
            answer.cursor = Openings.record(opening, cursor, x.t, uint32(x.emitted), answer.trace);
        }
    }

    function _inputs(DrawnStep calldata step) private pure returns (Rooted memory) {
        return Rooted(Tags.INPUT, step.nIn, step.inputRoot);
    }

    function _outputs(DrawnStep calldata step) private pure returns (Rooted memory) {
        return Rooted(Tags.OUTPUT, step.nOut, step.outputRoot);
    }

    /// @dev All segments: the states between them, then the cached chunks.
    function _addWhole(Answer memory answer, bytes calldata opening, Instruction i, Element memory x, uint256 count)
        private
        view
    {
        uint256 states = answer.cursor;
        answer.cursor += 32 * (count - 1);
        // The chunks of a key are neighbours in one row: opened together. Each position of fold_mix is a row of its own.
        bool together = i.opcode() == Opcodes.FOLD_SCORES;
        for (uint256 k; k < count; ++k) {
            Statement memory s = Statements.statementOf(i, x, k, count);
            if (k != 0) s.stateIn = uint256(Openings.word(opening, states + 32 * (k - 1)));
            if (k + 1 != count) s.stateOut = uint256(Openings.word(opening, states + 32 * k));
            if (s.cached) {
                if (k == 0 || !together) _openOperand(answer, opening, i.b(), s, together ? count : 1);
                _takeChunk(answer, opening, s, together ? k : 0);
            }
            _addClaims(answer, i.b(), x, s);
        }
    }

    /// @dev The drawn segments: of each the states before and after it, and the cached chunk.
    function _addDrawn(
        Answer memory answer,
        DrawnStep calldata step,
        DrawnPair calldata pair,
        bytes calldata opening,
        Instruction i,
        Element memory x,
        uint256 count
    ) private view {
        // INVARIANT: states are fixed before it is known which segments are drawn.
        if (pair.statesRoot == 0 || pair.blockValue == 0) revert BlocksNotDrawn(pair.pair);
        Rooted memory tree = Rooted(Tags.STATES, count - 1, pair.statesRoot);
        for (uint256 number; number < BLOCKS; ++number) {
            uint256 k = DrawLib.blockOf(pair.blockValue, step.receiptHash, pair.pair, number, count);
            Statement memory s = Statements.statementOf(i, x, k, count);
            _openStates(answer, opening, s, k, tree);
            if (s.cached) {
                _openOperand(answer, opening, i.b(), s, 1);
                _takeChunk(answer, opening, s, 0);
            }
            _addClaims(answer, i.b(), x, s);
        }
    }

    /// @dev The states before and after segment `k`; the first has none before it, the last none after it.
    function _openStates(
        Answer memory answer,
        bytes calldata opening,
        Statement memory s,
        uint256 k,
        Rooted memory tree
    ) private pure {
        uint256 at = answer.cursor;
        if (k != 0) {
            s.stateIn = uint256(Openings.word(opening, at));
            at += 32;
        }
        if (k != tree.leaves) {
            s.stateOut = uint256(Openings.word(opening, at));
            at += 32;
        }
        uint256 known = (at - answer.cursor) / 32;
        answer.cursor = Openings.states(opening, answer.cursor, k == 0 ? 0 : k - 1, known, tree);
    }

    /// @dev Opens `count` chunks of a cached operand's row, from the statement's on.
    function _openOperand(
        Answer memory answer,
        bytes calldata opening,
        Operand operand,
        Statement memory s,
        uint256 count
    ) private pure {
        CachedRow memory row = CachedRow({
            slot: operand.count(),
            slots: answer.cacheRows,
            position: s.position,
            elementType: uint8(operand.elementType()),
            length: uint32(operand.length())
        });
        (answer.chunks, answer.chunkCount) = (answer.cursor, count);
        answer.cursor = Openings.chunks(opening, answer.cursor, s.chunk, count, row, answer.trace);
    }

    /// @dev Digest and SHA-256 leaf of chunk `k` of those that were opened last.
    function _takeChunk(Answer memory answer, bytes calldata opening, Statement memory s, uint256 k) private pure {
        uint256 at = answer.chunks + 32 * k;
        s.digest = uint256(Openings.word(opening, at));
        s.leaf = uint256(Openings.word(opening, at + 32 * answer.chunkCount));
    }

    /// @dev A segment, and the link that ties the chunk that it reads to the chunk's row.
    function _addClaims(Answer memory answer, Operand operand, Element memory x, Statement memory s) private view {
        _addClaim(answer, s);
        if (!s.cached) return;
        uint256 own;
        // INVARIANT: at the step itself the cached row is also a row of the step.
        if (s.position == x.t) {
            own = PublicWords.read(operand.index(), operand.elementType(), operand.length(), s.chunk);
        }
        _addLink(answer, s, own);
    }

    /// @dev INVARIANT: what the step root holds of a cached row is what the step's record commits to.
    function _addOwnLink(Answer memory answer, bytes calldata opening, Instruction i, Element memory x) private view {
        CachedRow memory row = CachedRow({
            slot: i.cacheSlot(),
            slots: answer.cacheRows,
            position: x.t,
            elementType: i.outType(),
            length: uint32(i.outLength())
        });
        Statement memory s;
        s.chunk = (x.element << i.outType()) / 32;
        (answer.chunks, answer.chunkCount) = (answer.cursor, 1);
        answer.cursor = Openings.chunks(opening, answer.cursor, s.chunk, 1, row, answer.trace);
        _takeChunk(answer, opening, s, 0);
        _addLink(answer, s, PublicWords.read(x.row, i.outType(), i.outLength(), s.chunk));
    }

    /// @dev The inputs of a statement's circuit, in the order of `ts/circuits/catalogue.ts`.
    function _addClaim(Answer memory answer, Statement memory s) private view {
        uint256[] memory inputs = _add(answer, s.circuit);
        inputs[0] = answer.stepRoot;
        if (s.circuit == Circuit.FOLD || s.circuit == Circuit.ATTENTION) {
            (inputs[1], inputs[2]) = (s.reads, s.params);
            if (s.circuit == Circuit.ATTENTION) inputs[3] = s.digest;
        } else {
            (inputs[1], inputs[2], inputs[3]) = (answer.weightsRoot, s.reads, s.params);
        }
        if (s.circuit == Circuit.MAP || s.circuit == Circuit.GATHER) return;
        (inputs[inputs.length - 2], inputs[inputs.length - 1]) = (s.stateIn, s.stateOut);
    }

    /// @dev The statement's chunk has this digest and this SHA-256 leaf. With `own`, a read that counts chunks, it is also that chunk of a row of
    ///      the step.
    function _addLink(Answer memory answer, Statement memory s, uint256 own) private view {
        uint256[] memory inputs = _add(answer, Circuit.LINK);
        (inputs[0], inputs[1]) = (answer.stepRoot, s.digest);
        inputs[2] = (s.leaf >> 128) | own << 128 | PublicWords.flag(own != 0, 128 + PublicWords.READ_BITS);
        inputs[3] = uint128(s.leaf);
    }

    function _add(Answer memory answer, Circuit circuit) private view returns (uint256[] memory inputs) {
        inputs = new uint256[](_inputsOf(circuit));
        answer.claims[answer.count++] = Groth16.Claim(keyOf(circuit), inputs);
    }

    /// @dev Public inputs of a circuit.
    function _inputsOf(Circuit circuit) private pure returns (uint256) {
        if (circuit == Circuit.DOT || circuit == Circuit.ATTENTION) return 6;
        return circuit == Circuit.FOLD ? 5 : 4;
    }

    /// @dev keccak256 of alpha, beta and gamma.
    function _setupOf(bytes memory key) private pure returns (bytes32 setup) {
        if (key.length < KeyStore.DELTA) revert KeyStore.KeyLength(key.length);
        // SAFETY: the bytes lie within `key`, checked above.
        assembly ("memory-safe") {
            setup := keccak256(add(key, 0x20), 0x140)
        }
    }
}
