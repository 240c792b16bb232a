// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Everything outside the instruction and the witness that one step's value depends on.
/// @dev Roots bind their leaf counts. `fineTop` is the top of the fine tree of step `step`, with `rows` leaves.
///      `hasRequest` says that `temperature`, which no receipt holds, is filled in: 16.16 fixed point, 0 for the greedy sampler.
struct StepContext {
    uint32 step;
    uint32 nIn;
    uint32 steps;
    uint32 rows;
    uint32 cacheRows;
    uint32 weightRows;
    bytes32 fineTop;
    bytes32 traceRoot;
    bytes32 weightsRoot;
    bytes32 inputRoot;
    bytes32 requestHash;
    bool hasRequest;
    uint32 temperature;
}

/// @title The meaning of one machine version
/// @notice Immutable and without state: gives opcodes their meaning (docs/machine.md) and checks every operand against the
///         committed roots (docs/protocol.md, section 5). For validated programs and any operand bytes it returns a value.
interface IJudge {
    /// @notice The witness has bytes left over, or too few; or an instruction or accumulator has not its length.
    error WitnessLength(uint256 expected, uint256 got);
    /// @notice An opened row or token does not lead to the committed root.
    error WitnessRoot(bytes32 expected, bytes32 got);
    /// @notice The instruction reads the temperature, and the caller did not supply the request.
    error RequestRequired();
    /// @notice The opcode is not part of this machine version, or not a fold where a fold is asked for.
    error UnknownOpcode(uint8 opcode);
    /// @notice `evaluate` was called for a fold of several blocks, or `evaluateBlock` for another or for a block out of range.
    error BlockOutOfRange(uint256 block_, uint256 blocks);

    /// @notice Which machine this contract judges.
    function machineVersion() external view returns (uint32);

    /// @notice Length in elements of the row that `instruction` makes at `step`, and its type code.
    function rowShape(bytes calldata instruction, uint32 step) external pure returns (uint8 elementType, uint256 length);

    /// @notice Number of blocks of the fold behind one element (1 for maps), and bytes of an accumulator on the wire.
    function blocks(bytes calldata instruction, uint32 step)
        external
        pure
        returns (uint256 count, uint256 accumulatorBytes);

    /// @notice Value of `element` of the row that `instruction` makes, from opened operands.
    /// @dev For maps and folds of one block. Elements beyond the row's length are 0.
    function evaluate(bytes calldata instruction, StepContext calldata context, uint256 element, bytes calldata witness)
        external
        view
        returns (int256 value);

    /// @notice Accumulator after block `block_` of the fold behind `element`, a fold of several blocks.
    /// @dev Honest ones fit the wire. One that a lie in `before` pushes beyond it is returned in 32 bytes a value, so that no posted
    ///      accumulator equals it.
    ///      Elements beyond the row's length have zero accumulators, which finish to 0.
    /// @param before Accumulator before the block as on the wire; empty for block 0, whose initial value the judge knows.
    function evaluateBlock(
        bytes calldata instruction,
        StepContext calldata context,
        uint256 element,
        uint256 block_,
        bytes calldata before,
        bytes calldata witness
    ) external view returns (bytes memory accumulator);

    /// @notice Value of `element` that a finished accumulator gives.
    function finish(bytes calldata instruction, uint256 element, bytes calldata accumulator)
        external
        pure
        returns (int256 value);
}
