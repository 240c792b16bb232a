// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fields} from "./Fields.sol";

/// @title Attestation reports of NVIDIA devices: an SPDM 1.1 GET_MEASUREMENTS request and its response (DMTF DSP0274)
/// @notice Parses by the lengths inside: drivers differ in opaque data, devices in blocks. Total: ends in a report or in a typed error.
///         It checks no signature: see `H100`.
library SpdmReport {
    /// @notice The report has no opaque field of this type, or more than one.
    error SpdmOpaque(uint16 kind, uint256 count);
    /// @notice The report has no measurement with this index.
    error SpdmMeasurement(uint256 index, uint256 count);

    /// @param nonce The requester's challenge. (The responder's own nonce is random and binds nothing.)
    /// @param count Measurement blocks, with indices 1 to `count`.
    /// @param opaqueStart Offset of the first opaque field; `opaqueEnd` is behind the last.
    /// @param signedEnd Bytes that are signed, from the start on; the signature is the 96 bytes behind them.
    struct Report {
        bytes32 nonce;
        uint256 count;
        uint256 opaqueStart;
        uint256 opaqueEnd;
        uint256 signedEnd;
    }

    /// @dev Bytes of the request, of the response before its blocks, of a block and its value, of nonce and signature.
    uint256 private constant REQUEST = 37;
    uint256 private constant BLOCKS = 45;
    uint256 private constant BLOCK = 55;
    uint256 private constant BLOCK_HEAD = 7;
    uint256 private constant VALUE = 48;
    uint256 private constant NONCE = 32;
    uint256 private constant SIGNATURE = 96;
    /// @dev Version 1.1, GET_MEASUREMENTS, with signature, all measurements; MEASUREMENTS, no parameters.
    bytes4 private constant ASK = 0x11e001ff;
    bytes4 private constant ANSWER = 0x11600000;
    /// @dev A block behind its index: DMTF specification, 51 bytes, of which are: digest of firmware, 48 bytes.
    uint48 private constant BLOCK_KIND = 0x013300013000;

    /// @notice Reads the report that `data` is.
    function parse(bytes calldata data) internal pure returns (Report memory report) {
        Fields.need(BLOCKS, data.length);
        Fields.equal(0, uint32(ASK), uint32(bytes4(data[0:4])));
        report.nonce = bytes32(data[4:36]);
        Fields.equal(36, 0, uint8(data[36]));
        Fields.equal(REQUEST, uint32(ANSWER), uint32(bytes4(data[REQUEST:REQUEST + 4])));
        uint256 count = uint8(data[41]);
        report.count = count;
        uint256 end = BLOCKS + BLOCK * count;
        Fields.equal(42, BLOCK * count, Fields.little(data, 42, 3));
        Fields.need(end + NONCE + 2, data.length);
        for (uint256 k; k < count; ++k) {
            // INVARIANT: block k + 1 is at its place, so that an index names one measurement.
            uint256 at = BLOCKS + BLOCK * k;
            uint256 head = uint56(bytes7(data[at:at + BLOCK_HEAD]));
            if (head != (k + 1) << 48 | BLOCK_KIND) revert Fields.FieldValue(at, (k + 1) << 48 | BLOCK_KIND, head);
        }
        report.opaqueStart = end + NONCE + 2;
        report.opaqueEnd = report.opaqueStart + Fields.little(data, end + NONCE, 2);
        report.signedEnd = report.opaqueEnd;
        // INVARIANT: nothing is unsigned but the signature.
        Fields.equal(report.opaqueEnd, report.opaqueEnd + SIGNATURE, data.length);
    }

    /// @notice The measurement with this index, from 1 on: a SHA-384 digest.
    function measurement(bytes calldata data, Report memory report, uint256 index)
        internal
        pure
        returns (bytes calldata)
    {
        if (index == 0 || index > report.count) revert SpdmMeasurement(index, report.count);
        uint256 at = BLOCKS + BLOCK * index - VALUE;
        return data[at:at + VALUE];
    }

    /// @notice keccak256 of the chosen measurements in their order: what an allowlist of firmware names.
    /// @param chosen Bit k stands for index k + 1.
    function digest(bytes calldata data, Report memory report, uint256 chosen) internal pure returns (bytes32) {
        bytes memory values;
        uint256 to;
        // SAFETY: allocates room for all.
        assembly ("memory-safe") {
            values := mload(0x40)
            to := add(values, 0x20)
            mstore(0x40, add(to, mul(VALUE, 256)))
        }
        for (uint256 index = 1; chosen != 0; ++index) {
            if (chosen & 1 != 0) {
                bytes calldata value = measurement(data, report, index);
                // SAFETY: at most 256 values.
                assembly ("memory-safe") {
                    calldatacopy(to, value.offset, VALUE)
                    to := add(to, VALUE)
                }
            }
            chosen >>= 1;
        }
        // SAFETY: the length of what was copied.
        assembly ("memory-safe") {
            mstore(values, sub(sub(to, values), 0x20))
        }
        return keccak256(values);
    }

    /// @notice The one opaque field of this type; reverts without it.
    function field(bytes calldata data, Report memory report, uint16 kind) internal pure returns (bytes calldata) {
        (uint256 count, uint256 start, uint256 end) = find(data, report, kind);
        if (count != 1) revert SpdmOpaque(kind, count);
        return data[start:end];
    }

    /// @notice How many opaque fields have this type, and where the last one's value is.
    function find(bytes calldata data, Report memory report, uint16 kind)
        internal
        pure
        returns (uint256 count, uint256 start, uint256 end)
    {
        uint256 last = report.opaqueEnd;
        for (uint256 at = report.opaqueStart; at < last;) {
            Fields.need(at + 4, last);
            uint256 next = at + 4 + Fields.little(data, at + 2, 2);
            Fields.need(next, last);
            if (Fields.little(data, at, 2) == kind) (count, start, end) = (count + 1, at + 4, next);
            at = next;
        }
    }

    /// @notice r and s, 48 bytes each.
    function signature(bytes calldata data, Report memory report) internal pure returns (bytes calldata) {
        return data[report.signedEnd:report.signedEnd + SIGNATURE];
    }
}
