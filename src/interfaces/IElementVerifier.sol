// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;
import {ModelId, ReceiptHash, RequestHash} from "../types/OtrTypes.sol";
import {IModelRegistry} from "./IModelRegistry.sol";

/// @notice A drawn step of a receipt, with what the receipt commits to.
/// @param stepRoot Poseidon root of the step's rows, below the field's order.
/// @param pairs Those of its pairs that are to be proven.
struct DrawnStep {
    ModelId modelId;
    ReceiptHash receiptHash;
    RequestHash requestHash;
    bytes32 inputRoot;
    bytes32 outputRoot;
    bytes32 traceRoot;
    uint32 nIn;
    uint32 nOut;
    uint32 step;
    uint256 stepRoot;
    DrawnPair[] pairs;
}

/// @notice A pair (instruction, element) of a drawn step: which ones follows from `value` by `DrawLib`.
/// @param value Of the second draw's round.
/// @param statesRoot Root over the committed states between the segments of a long fold; zero if none was posted.
/// @param blockValue Of the third draw's round; zero if there is none yet.
struct DrawnPair {
    uint256 pair;
    bytes32 value;
    bytes32 statesRoot;
    bytes32 blockValue;
}

/// @title Decides proofs about drawn elements: stateless, its keys fixed
interface IElementVerifier {
    /// @notice Segments (blocks) of a long fold that are drawn and proven for one pair.
    function BLOCKS() external view returns (uint256);
    /// @notice The registry whose models are proven: of any other model every proof fails.
    function MODELS() external view returns (IModelRegistry);
    /// @notice The machine whose instructions the circuits prove.
    function MACHINE_VERSION() external view returns (uint32);
    /// @notice Whether anyone can forge proofs because the keys come from a development setup.
    function development() external view returns (bool);
    /// @notice Reverts with a typed error unless the openings and proofs prove all pairs of all steps. Each opening is in the verifier's own format; of a
    ///         long fold (which needs `statesRoot` and `blockValue`) it concerns the drawn segments only.
    /// @param steps Of any receipts and models. One without pairs adds nothing to what is proven; a pair there must be.
    /// @param openings One for each pair, step after step.
    /// @param proofs Groth16 proofs of all claims of all pairs in their order, 256 bytes each: verified as one.
    function requireProven(DrawnStep[] calldata steps, bytes[] calldata openings, bytes calldata proofs) external view;
}
