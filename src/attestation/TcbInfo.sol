// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Json} from "./Json.sol";
import {TcbStatus} from "./TcbStatus.sol";

/// @title Intel's TCB info (version 3): which security versions of a platform have which status
/// @notice Reads the signed JSON once, strictly, into a compact table (see `TcbTable`).
library TcbInfo {
    /// @notice The document is for something else, or of another version.
    error TcbInfoKind(uint256 at, bytes32 got);
    /// @notice A TDX module's name is not `TDX_` and two hexadecimal digits.
    error TcbInfoModule(uint256 at, bytes32 got);

    /// @notice A document.
    /// @param id "TDX" or "SGX".
    /// @param tcbEval Its tcbEvaluationDataNumber.
    /// @param fmspc The platforms that it is for.
    /// @param issueDate Seconds since 1970; Intel replaces it until `nextUpdate`.
    struct Document {
        bytes32 id;
        uint256 tcbEval;
        bytes6 fmspc;
        uint64 issueDate;
        uint64 nextUpdate;
        bytes table;
    }

    /// @dev What is read so far.
    struct Draft {
        Document document;
        uint256 seen;
        bytes2 pceId;
        uint256 modules;
        bytes moduleTable;
        uint256 levels;
        uint256 tdxLevels;
        bytes levelTable;
    }

    bytes32 internal constant SGX = "SGX";
    bytes32 internal constant TDX = "TDX";

    // Members of the document, of a module, of a level, of its TCB: one bit each.
    uint256 private constant ID = 1;
    uint256 private constant VERSION = 2;
    uint256 private constant ISSUE_DATE = 4;
    uint256 private constant NEXT_UPDATE = 8;
    uint256 private constant FMSPC = 16;
    uint256 private constant PCE_ID = 32;
    uint256 private constant TCB_TYPE = 64;
    uint256 private constant TCB_EVAL = 128;
    uint256 private constant LEVELS = 256;
    uint256 private constant MODULE = 512;
    uint256 private constant MODULES = 1024;
    uint256 private constant MR_SIGNER = 2;
    uint256 private constant ATTRIBUTES = 4;
    uint256 private constant MASK = 8;
    uint256 private constant TCB = 1;
    uint256 private constant STATUS = 2;
    uint256 private constant SGX_COMPONENTS = 1;
    uint256 private constant PCE_SVN = 2;
    uint256 private constant TDX_COMPONENTS = 4;

    uint256 private constant COMPONENTS = 16;

    /// @notice Reads the document that `json` is.
    function parse(bytes calldata json) internal pure returns (Document memory) {
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
        // INVARIANT: nothing is missing. Platforms before TDX 1.5 have no list of modules.
        uint256 all = ID | VERSION | ISSUE_DATE | NEXT_UPDATE | FMSPC | PCE_ID | TCB_TYPE | TCB_EVAL | LEVELS;
        bool isTdx = draft.document.id == TDX;
        if (isTdx) all |= MODULE | (draft.seen & MODULES);
        Json.complete(draft.seen, all, at);
        Json.complete(draft.tdxLevels, isTdx ? draft.levels : 0, at);
        draft.document.table =
            bytes.concat(draft.pceId, bytes1(uint8(draft.modules)), draft.moduleTable, draft.levelTable);
        return draft.document;
    }

    /// @notice Reads levels of a module or an enclave: `[{"tcb":{"isvsvn":4},"tcbDate":...,"tcbStatus":"UpToDate"},...]`.
    /// @return levels 3 bytes each, as in tables.
    function parseLevels(bytes calldata json, uint256 at) internal pure returns (bytes memory levels, uint256 next) {
        next = Json.expect(json, at, Json.ARRAY);
        bool another = true;
        while (another) {
            uint256 svn;
            uint8 status;
            (svn, status, next) = _svnLevel(json, next);
            levels = bytes.concat(levels, bytes2(uint16(svn)), bytes1(status));
            (another, next) = Json.more(json, next, Json.ARRAY);
        }
    }

    /// @dev One member of the document.
    function _member(bytes calldata json, Draft memory draft, bytes32 name, uint256 at)
        private
        pure
        returns (uint256 next)
    {
        Document memory document = draft.document;
        uint256 value;
        uint256 member;
        if (name == "id") {
            (document.id, next) = Json.word(json, at);
            if (document.id != TDX && document.id != SGX) revert TcbInfoKind(at, document.id);
            member = ID;
        } else if (name == "version" || name == "tcbType") {
            // INVARIANT: version 3, and the only type of components that there is.
            uint256 expected = name == "version" ? 3 : 0;
            (value, next) = Json.number(json, at, type(uint32).max);
            if (value != expected) revert TcbInfoKind(at, bytes32(value));
            member = name == "version" ? VERSION : TCB_TYPE;
        } else if (name == "issueDate") {
            (document.issueDate, next) = Json.time(json, at);
            member = ISSUE_DATE;
        } else if (name == "nextUpdate") {
            (document.nextUpdate, next) = Json.time(json, at);
            member = NEXT_UPDATE;
        } else if (name == "fmspc") {
            (value, next) = Json.hexWord(json, at, 6);
            document.fmspc = bytes6(uint48(value));
            member = FMSPC;
        } else if (name == "pceId") {
            (value, next) = Json.hexWord(json, at, 2);
            draft.pceId = bytes2(uint16(value));
            member = PCE_ID;
        } else if (name == "tcbEvaluationDataNumber") {
            (document.tcbEval, next) = Json.number(json, at, type(uint32).max);
            member = TCB_EVAL;
        } else if (name == "tdxModule") {
            next = _module(json, draft, at, false);
            member = MODULE;
        } else if (name == "tdxModuleIdentities") {
            next = _modules(json, draft, at);
            member = MODULES;
        } else if (name == "tcbLevels") {
            next = _levels(json, draft, at);
            member = LEVELS;
        } else {
            return Json.skip(json, at);
        }
        draft.seen = Json.once(draft.seen, member, at);
    }

    function _modules(bytes calldata json, Draft memory draft, uint256 at) private pure returns (uint256 next) {
        next = Json.expect(json, at, Json.ARRAY);
        bool another = true;
        while (another) {
            next = _module(json, draft, next, true);
            (another, next) = Json.more(json, next, Json.ARRAY);
        }
    }

    /// @dev A module with name and levels, or the one of version 0, whose only level is up to date.
    function _module(bytes calldata json, Draft memory draft, uint256 at, bool isNamed)
        private
        pure
        returns (uint256 next)
    {
        uint256 seen;
        uint256[3] memory values;
        bytes memory signer;
        bytes memory levels = hex"000000";
        next = Json.expect(json, at, Json.OBJECT);
        bool another = true;
        while (another) {
            bytes32 name;
            (name, at) = Json.name(json, next);
            if (name == "mrsigner") {
                seen = Json.once(seen, MR_SIGNER, at);
                (signer, next) = Json.hex48(json, at);
            } else if (name == "attributes") {
                seen = Json.once(seen, ATTRIBUTES, at);
                (values[1], next) = Json.hexWord(json, at, 8);
            } else if (name == "attributesMask") {
                seen = Json.once(seen, MASK, at);
                (values[2], next) = Json.hexWord(json, at, 8);
            } else if (name == "id" && isNamed) {
                seen = Json.once(seen, ID, at);
                (values[0], next) = _moduleVersion(json, at);
            } else if (name == "tcbLevels" && isNamed) {
                seen = Json.once(seen, LEVELS, at);
                (levels, next) = parseLevels(json, at);
            } else {
                next = Json.skip(json, at);
            }
            (another, next) = Json.more(json, next, Json.OBJECT);
        }
        Json.complete(seen, MR_SIGNER | ATTRIBUTES | MASK | (isNamed ? ID | LEVELS : 0), next);
        draft.moduleTable = bytes.concat(
            bytes.concat(draft.moduleTable, bytes1(uint8(values[0])), signer),
            bytes.concat(bytes8(uint64(values[1])), bytes8(uint64(values[2])), bytes1(uint8(levels.length / 3)), levels)
        );
        // INVARIANT: the counts fit their bytes.
        if (++draft.modules > type(uint8).max || levels.length > 3 * 255) revert Json.JsonValue(at);
    }

    /// @dev The version that a module's name stands for, which is not 0.
    function _moduleVersion(bytes calldata json, uint256 at) private pure returns (uint256 version, uint256 next) {
        bytes32 id;
        (id, next) = Json.word(json, at);
        uint256 high = _digit(id[4]);
        uint256 low = _digit(id[5]);
        version = 16 * high + low;
        if (bytes4(id) != "TDX_" || uint208(uint256(id)) != 0 || version == 0 || high > 15 || low > 15) {
            revert TcbInfoModule(at, id);
        }
    }

    /// @dev The value of a hexadecimal digit with capital letters, or more than 15.
    function _digit(bytes1 character) private pure returns (uint256) {
        if (character >= "0" && character <= "9") return uint8(character) - 0x30;
        return character >= "A" && character <= "F" ? uint8(character) - 0x37 : 16;
    }

    function _levels(bytes calldata json, Draft memory draft, uint256 at) private pure returns (uint256 next) {
        next = Json.expect(json, at, Json.ARRAY);
        bool another = true;
        while (another) {
            uint8 status;
            uint256 seen;
            bytes memory tcb;
            next = Json.expect(json, next, Json.OBJECT);
            while (another) {
                bytes32 name;
                (name, at) = Json.name(json, next);
                if (name == "tcb") {
                    seen = Json.once(seen, TCB, at);
                    (tcb, next) = _tcb(json, draft, at);
                } else if (name == "tcbStatus") {
                    seen = Json.once(seen, STATUS, at);
                    (status, next) = _status(json, at);
                } else {
                    next = Json.skip(json, at);
                }
                (another, next) = Json.more(json, next, Json.OBJECT);
            }
            Json.complete(seen, TCB | STATUS, next);
            draft.levelTable = bytes.concat(draft.levelTable, tcb, bytes1(status));
            ++draft.levels;
            (another, next) = Json.more(json, next, Json.ARRAY);
        }
    }

    /// @dev Components and PCE version of a level.
    function _tcb(bytes calldata json, Draft memory draft, uint256 at)
        private
        pure
        returns (bytes memory tcb, uint256 next)
    {
        uint256 seen;
        uint256[3] memory values;
        next = Json.expect(json, at, Json.OBJECT);
        bool another = true;
        while (another) {
            bytes32 name;
            (name, at) = Json.name(json, next);
            if (name == "sgxtcbcomponents") {
                seen = Json.once(seen, SGX_COMPONENTS, at);
                (values[0], next) = _components(json, at);
            } else if (name == "tdxtcbcomponents") {
                seen = Json.once(seen, TDX_COMPONENTS, at);
                (values[1], next) = _components(json, at);
            } else if (name == "pcesvn") {
                seen = Json.once(seen, PCE_SVN, at);
                (values[2], next) = Json.number(json, at, type(uint16).max);
            } else {
                next = Json.skip(json, at);
            }
            (another, next) = Json.more(json, next, Json.OBJECT);
        }
        Json.complete(seen & ~TDX_COMPONENTS, SGX_COMPONENTS | PCE_SVN, next);
        if (seen & TDX_COMPONENTS != 0) ++draft.tdxLevels;
        tcb = abi.encodePacked(uint128(values[0]), uint128(values[1]), uint16(values[2]));
    }

    /// @dev Exactly 16 security versions, the first in the highest byte.
    function _components(bytes calldata json, uint256 at) private pure returns (uint256 components, uint256 next) {
        next = Json.expect(json, at, Json.ARRAY);
        bool another = true;
        uint256 count;
        while (another) {
            uint256 svn;
            bool bare;
            (svn, bare, next) = _bareSvn(json, next);
            if (!bare) (svn, next) = _svn(json, next, "svn", type(uint8).max);
            components = components << 8 | svn;
            ++count;
            (another, next) = Json.more(json, next, Json.ARRAY);
        }
        if (count != COMPONENTS) revert Json.JsonMembers(at, COMPONENTS, count);
    }

    /// @dev `{"svn":2}`, as most components are, if it is here; else nothing is read. `_svn` reads the same, for more gas.
    function _bareSvn(bytes calldata json, uint256 at) private pure returns (uint256 svn, bool bare, uint256 next) {
        (bare, next) = Json.starts(json, at, '{"svn":', 7);
        if (!bare) return (0, false, at);
        (svn, next) = Json.number(json, next, type(uint8).max);
        (bare, next) = Json.starts(json, next, "}", 1);
        if (!bare) return (0, false, at);
    }

    /// @dev An object of which one number counts.
    function _svn(bytes calldata json, uint256 at, bytes32 wanted, uint256 most)
        private
        pure
        returns (uint256 svn, uint256 next)
    {
        bool another = true;
        uint256 seen;
        next = Json.expect(json, at, Json.OBJECT);
        while (another) {
            bytes32 name;
            (name, next) = Json.name(json, next);
            if (name == wanted) {
                seen = Json.once(seen, 1, next);
                (svn, next) = Json.number(json, next, most);
            } else {
                next = Json.skip(json, next);
            }
            (another, next) = Json.more(json, next, Json.OBJECT);
        }
        Json.complete(seen, 1, next);
    }

    function _svnLevel(bytes calldata json, uint256 at) private pure returns (uint256 svn, uint8 status, uint256 next) {
        bool another = true;
        uint256 seen;
        next = Json.expect(json, at, Json.OBJECT);
        while (another) {
            bytes32 name;
            (name, at) = Json.name(json, next);
            if (name == "tcb") {
                seen = Json.once(seen, TCB, at);
                (svn, next) = _svn(json, at, "isvsvn", type(uint16).max);
            } else if (name == "tcbStatus") {
                seen = Json.once(seen, STATUS, at);
                (status, next) = _status(json, at);
            } else {
                next = Json.skip(json, at);
            }
            (another, next) = Json.more(json, next, Json.OBJECT);
        }
        Json.complete(seen, TCB | STATUS, next);
    }

    function _status(bytes calldata json, uint256 at) private pure returns (uint8 status, uint256 next) {
        (at, next) = Json.text(json, at);
        status = TcbStatus.parse(json[at:next]);
        ++next;
    }
}
