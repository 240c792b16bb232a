// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IntelQuote} from "./IntelQuote.sol";
import {Json} from "./Json.sol";
import {TcbInfo} from "./TcbInfo.sol";
import {TcbTable} from "./TcbTable.sol";

/// @title Intel's identity (version 2) of the enclaves that sign quotes
/// @notice Reads the signed JSON once, strictly, into a compact table, and compares enclaves with it.
/// @dev A table is: MRSIGNER (32 bytes), product (2), MISCSELECT (4), its mask (4), attributes (16), their mask (16), then levels, each the
///      least security version (2) and the status (1).
library QeIdentity {
    /// @notice The document is for another enclave, or of another version.
    error QeIdentityKind(uint256 at, bytes32 got);
    /// @notice The enclave that signed is not Intel's: the first field that differs, by its offset in the enclave's report.
    error QeIdentityMismatch(uint256 at, bytes32 expected, bytes32 got);

    bytes32 internal constant QE = "QE";
    bytes32 internal constant TD_QE = "TD_QE";

    // Members, one bit each.
    uint256 private constant ID = 1;
    uint256 private constant VERSION = 2;
    uint256 private constant ISSUE_DATE = 4;
    uint256 private constant NEXT_UPDATE = 8;
    uint256 private constant TCB_EVAL = 16;
    uint256 private constant MISC_SELECT = 32;
    uint256 private constant MISC_SELECT_MASK = 64;
    uint256 private constant ATTRIBUTES = 128;
    uint256 private constant ATTRIBUTES_MASK = 256;
    uint256 private constant MR_SIGNER = 512;
    uint256 private constant PRODUCT = 1024;
    uint256 private constant LEVELS = 2048;
    uint256 private constant ALL = 4095;

    uint256 private constant TABLE_HEAD = 74;

    /// @dev What is read so far.
    struct Draft {
        TcbInfo.Document document;
        uint256 seen;
        uint256 mrSigner;
        uint256 product;
        uint256 miscSelect;
        uint256 miscSelectMask;
        uint256 attributes;
        uint256 attributesMask;
        bytes levels;
    }

    /// @notice Reads the document that `json` is; it is for all platforms, so `fmspc` is 0.
    function parse(bytes calldata json) internal pure returns (TcbInfo.Document memory) {
        Draft memory draft;
        uint256 at = Json.expect(json, 0, Json.OBJECT);
        bool more = true;
        while (more) {
            bytes32 name;
            (name, at) = Json.name(json, at);
            at = _member(json, draft, name, at);
            (more, at) = Json.more(json, at, Json.OBJECT);
        }
        if (at != json.length) revert Json.JsonTrailing(at);
        // INVARIANT: nothing is missing.
        Json.complete(draft.seen, ALL, at);
        draft.document.table = bytes.concat(
            abi.encodePacked(draft.mrSigner, uint16(draft.product), uint32(draft.miscSelect)),
            abi.encodePacked(uint32(draft.miscSelectMask), uint128(draft.attributes), uint128(draft.attributesMask)),
            draft.levels
        );
        return draft.document;
    }

    /// @notice The status of the enclave that signed a quote; reverts if it is not the one of the table.
    function statusOf(bytes memory table, IntelQuote.Enclave memory enclave) internal pure returns (uint8) {
        _equal(IntelQuote.MRSIGNER, _field(table, 0, 32), uint256(enclave.signer));
        _equal(IntelQuote.PRODUCT, _field(table, 32, 2), enclave.product);
        _equal(IntelQuote.MISCSELECT, _field(table, 34, 4), uint32(enclave.miscSelect) & _field(table, 38, 4));
        _equal(IntelQuote.SGX_ATTRIBUTES, _field(table, 42, 16), uint128(enclave.attributes) & _field(table, 58, 16));
        return TcbTable.levelStatus(table, TABLE_HEAD, table.length, enclave.securityVersion);
    }

    function _member(bytes calldata json, Draft memory draft, bytes32 name, uint256 at)
        private
        pure
        returns (uint256 next)
    {
        TcbInfo.Document memory document = draft.document;
        uint256 member;
        if (name == "id") {
            (document.id, next) = Json.word(json, at);
            if (document.id != QE && document.id != TD_QE) revert QeIdentityKind(at, document.id);
            member = ID;
        } else if (name == "version") {
            uint256 version;
            (version, next) = Json.number(json, at, type(uint32).max);
            if (version != 2) revert QeIdentityKind(at, bytes32(version));
            member = VERSION;
        } else if (name == "issueDate") {
            (document.issueDate, next) = Json.time(json, at);
            member = ISSUE_DATE;
        } else if (name == "nextUpdate") {
            (document.nextUpdate, next) = Json.time(json, at);
            member = NEXT_UPDATE;
        } else if (name == "tcbEvaluationDataNumber") {
            (document.tcbEval, next) = Json.number(json, at, type(uint32).max);
            member = TCB_EVAL;
        } else if (name == "miscselect") {
            (draft.miscSelect, next) = Json.hexWord(json, at, 4);
            member = MISC_SELECT;
        } else if (name == "miscselectMask") {
            (draft.miscSelectMask, next) = Json.hexWord(json, at, 4);
            member = MISC_SELECT_MASK;
        } else if (name == "attributes") {
            (draft.attributes, next) = Json.hexWord(json, at, 16);
            member = ATTRIBUTES;
        } else if (name == "attributesMask") {
            (draft.attributesMask, next) = Json.hexWord(json, at, 16);
            member = ATTRIBUTES_MASK;
        } else if (name == "mrsigner") {
            (draft.mrSigner, next) = Json.hexWord(json, at, 32);
            member = MR_SIGNER;
        } else if (name == "isvprodid") {
            (draft.product, next) = Json.number(json, at, type(uint16).max);
            member = PRODUCT;
        } else if (name == "tcbLevels") {
            (draft.levels, next) = TcbInfo.parseLevels(json, at);
            member = LEVELS;
        } else {
            return Json.skip(json, at);
        }
        draft.seen = Json.once(draft.seen, member, at);
    }

    function _equal(uint256 at, uint256 expected, uint256 got) private pure {
        if (expected != got) revert QeIdentityMismatch(at, bytes32(expected), bytes32(got));
    }

    /// @dev The number of `size` bytes at `at`.
    function _field(bytes memory table, uint256 at, uint256 size) private pure returns (uint256 value) {
        // SAFETY: reads memory of the table, whose head has all fields.
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(add(add(table, 0x20), at)))
        }
    }
}
