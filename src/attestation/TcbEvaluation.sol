// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Json} from "./Json.sol";
import {TcbInfo} from "./TcbInfo.sol";

/// @title Intel's list of TCB evaluation data numbers (version 1): when each TCB recovery was announced
/// @dev A table has 9 bytes for each number: the number (4), and the recovery's date (5), seconds since 1970.
library TcbEvaluation {
    /// @notice The document is for something else, or of another version.
    error TcbEvaluationKind(uint256 at, bytes32 got);

    uint256 internal constant ENTRY = 9;
    uint256 private constant ID = 1;
    uint256 private constant VERSION = 2;
    uint256 private constant ISSUE_DATE = 4;
    uint256 private constant NEXT_UPDATE = 8;
    uint256 private constant NUMBERS = 16;
    uint256 private constant ALL = 31;

    /// @notice Reads the document that `json` is; `fmspc` and `tcbEval` are 0.
    function parse(bytes calldata json) internal pure returns (TcbInfo.Document memory document) {
        uint256 seen;
        bool more = true;
        uint256 next = Json.expect(json, 0, Json.OBJECT);
        while (more) {
            bytes32 name;
            uint256 at;
            (name, at) = Json.name(json, next);
            if (name == "id") {
                seen = Json.once(seen, ID, at);
                (document.id, next) = Json.word(json, at);
                if (document.id != TcbInfo.TDX && document.id != TcbInfo.SGX) {
                    revert TcbEvaluationKind(at, document.id);
                }
            } else if (name == "version") {
                seen = Json.once(seen, VERSION, at);
                uint256 version;
                (version, next) = Json.number(json, at, type(uint32).max);
                if (version != 1) revert TcbEvaluationKind(at, bytes32(version));
            } else if (name == "issueDate") {
                seen = Json.once(seen, ISSUE_DATE, at);
                (document.issueDate, next) = Json.time(json, at);
            } else if (name == "nextUpdate") {
                seen = Json.once(seen, NEXT_UPDATE, at);
                (document.nextUpdate, next) = Json.time(json, at);
            } else if (name == "tcbEvalNumbers") {
                seen = Json.once(seen, NUMBERS, at);
                (document.table, next) = _numbers(json, at);
            } else {
                next = Json.skip(json, at);
            }
            (more, next) = Json.more(json, next, Json.OBJECT);
        }
        if (next != json.length) revert Json.JsonTrailing(next);
        Json.complete(seen, ALL, next);
    }

    /// @notice The number at this place of a table, and when its recovery was announced.
    function entry(bytes memory table, uint256 at) internal pure returns (uint256 number, uint256 date) {
        uint256 word;
        // SAFETY: reads memory; callers keep the place within the table.
        assembly ("memory-safe") {
            word := mload(add(add(table, 0x20), at))
        }
        return (word >> 224, uint40(word >> 184));
    }

    function _numbers(bytes calldata json, uint256 at) private pure returns (bytes memory table, uint256 next) {
        next = Json.expect(json, at, Json.ARRAY);
        bool another = true;
        while (another) {
            uint256 number;
            uint64 date;
            (number, date, next) = _number(json, next);
            table = bytes.concat(table, bytes4(uint32(number)), bytes5(uint40(date)));
            (another, next) = Json.more(json, next, Json.ARRAY);
        }
    }

    function _number(bytes calldata json, uint256 at) private pure returns (uint256 number, uint64 date, uint256 next) {
        bool another = true;
        uint256 seen;
        next = Json.expect(json, at, Json.OBJECT);
        while (another) {
            bytes32 name;
            (name, at) = Json.name(json, next);
            if (name == "tcbEvaluationDataNumber") {
                seen = Json.once(seen, 1, at);
                (number, next) = Json.number(json, at, type(uint32).max);
            } else if (name == "tcbRecoveryEventDate") {
                seen = Json.once(seen, 2, at);
                (date, next) = Json.time(json, at);
            } else {
                next = Json.skip(json, at);
            }
            (another, next) = Json.more(json, next, Json.OBJECT);
        }
        Json.complete(seen, 3, next);
    }
}
