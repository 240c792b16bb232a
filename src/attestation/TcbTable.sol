// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Compact tables of Intel's TCB info, and the status of a platform in them
/// @dev A table is: PCE id (2 bytes); number of TDX modules (1); for each its version (1), signer (48), attributes (8) and their mask (8),
///      number of levels (1), for each the least security version (2) and the status (1); then levels of the platform, each 16
///      components of SGX, 16 of TDX, PCE version (2) and status (1). A document for SGX has no modules, and components of TDX 0.
library TcbTable {
    /// @notice The document says nothing about this TDX module.
    error TdxModuleUnknown(uint256 version);
    /// @notice The TDX module is not Intel's, or its attributes are others than the document's.
    error TdxModuleIdentity(uint256 version);
    /// @notice No level of the document is as low as the platform, or as the part of it.
    error TcbLevelMissing();

    /// @notice What a platform is measured by: components from its PCK certificate, and from a TDX quote.
    /// @param teeTcbSvn TEE_TCB_SVN of the quote; its second byte is the version of the TDX module, its first the module's security version.
    struct Platform {
        bytes2 pceId;
        uint16 pceSvn;
        bytes16 sgx;
        bytes16 teeTcbSvn;
        bytes moduleSigner;
        bytes8 moduleAttributes;
    }

    uint256 private constant COMPONENTS = 16;
    uint256 private constant TABLE_HEAD = 3;
    uint256 private constant MODULE_HEAD = 66;
    uint256 private constant MODULE_LEVEL = 3;
    uint256 private constant LEVEL = 35;

    /// @notice The status of a platform: its level's, and that of its TDX module.
    /// @param isTdx Whether the table is of a document for TDX.
    function statusOf(bytes memory table, Platform memory platform, bool isTdx) internal pure returns (uint8 status) {
        if (_word(table, 0) >> 240 != uint16(platform.pceId)) revert TcbLevelMissing();
        uint256 version = uint8(platform.teeTcbSvn[1]);
        uint256 at = TABLE_HEAD;
        bool found = !isTdx;
        for (uint256 modules = uint8(table[2]); modules > 0; --modules) {
            if (isTdx && uint8(table[at]) == version) {
                found = true;
                status |= _moduleStatus(table, at, platform);
            }
            at += MODULE_HEAD + MODULE_LEVEL * uint8(table[at + MODULE_HEAD - 1]);
        }
        if (!found) revert TdxModuleUnknown(version);
        uint128 tdx = uint128(platform.teeTcbSvn);
        // From module version 1 on, the first two components are the module's own, which its levels are for.
        uint128 mask = version == 0 ? type(uint128).max : type(uint128).max >> 16;
        // INVARIANT: levels are in Intel's order, and the first that is not above the platform counts.
        for (; at < table.length; at += LEVEL) {
            uint256 word = _word(table, at);
            if (
                covers(uint128(platform.sgx), uint128(word >> 128))
                    && (!isTdx || covers(tdx & mask, uint128(word) & mask))
            ) {
                word = _word(table, at + 2 * COMPONENTS) >> 232;
                if (word >> 8 <= platform.pceSvn) return status | uint8(word);
            }
        }
        revert TcbLevelMissing();
    }

    /// @notice The status of the first level whose security version is not above `svn`; levels are 3 bytes each, until `end`.
    function levelStatus(bytes memory table, uint256 at, uint256 end, uint256 svn) internal pure returns (uint8) {
        for (; at < end; at += MODULE_LEVEL) {
            uint256 level = _word(table, at) >> 232;
            if (level >> 8 <= svn) return uint8(level);
        }
        revert TcbLevelMissing();
    }

    /// @notice Whether each of the 16 bytes of `have` is at least that of `least`.
    function covers(uint128 have, uint128 least) internal pure returns (bool) {
        uint256 mask = 0x00ff00ff00ff00ff00ff00ff00ff00ff;
        uint256 high = 0x01000100010001000100010001000100;
        // Every other byte has 16 bits, of which the ninth stays set unless it is less.
        uint256 even = (uint256(have) & mask | high) - (uint256(least) & mask);
        uint256 odd = (uint256(have) >> 8 & mask | high) - (uint256(least) >> 8 & mask);
        return even & odd & high == high;
    }

    /// @dev The status of the module at `at`, if it is Intel's.
    function _moduleStatus(bytes memory table, uint256 at, Platform memory platform) private pure returns (uint8) {
        uint256 attributes = _word(table, at + 49);
        bytes32 signer;
        // SAFETY: reads the 48 bytes of the signer in the table, which has at least 66 more.
        assembly ("memory-safe") {
            signer := keccak256(add(add(table, 0x21), at), 48)
        }
        uint64 mask = uint64(attributes >> 128);
        if (
            signer != keccak256(platform.moduleSigner)
                || uint64(platform.moduleAttributes) & mask != uint64(attributes >> 192)
        ) revert TdxModuleIdentity(uint8(platform.teeTcbSvn[1]));
        at += MODULE_HEAD;
        return levelStatus(table, at, at + MODULE_LEVEL * uint8(table[at - 1]), uint8(platform.teeTcbSvn[0]));
    }

    function _word(bytes memory table, uint256 at) private pure returns (uint256 value) {
        // SAFETY: reads memory; what is behind the table's end is not used.
        assembly ("memory-safe") {
            value := mload(add(add(table, 0x20), at))
        }
    }
}
