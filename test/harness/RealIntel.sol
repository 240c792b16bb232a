// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

/// @title Real evidence of Intel's, which is not part of the repository
library RealIntel {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice A collateral file: texts and signatures as Intel's service returned them.
    function file(string memory name) internal view returns (string memory) {
        return VM.readFile(string.concat(folder(), "/intel-tdx/", name));
    }

    function binary(string memory name) internal view returns (bytes memory) {
        return VM.readFileBinary(string.concat(folder(), "/intel-tdx/", name));
    }

    /// @notice Whether the folder exists and `fs_permissions` of foundry.toml lets forge read it.
    function isThere() internal view returns (bool) {
        try VM.exists(folder()) returns (bool exists) {
            return exists;
        } catch {
            return false;
        }
    }

    function folder() internal view returns (string memory) {
        return VM.envOr("OTR_VECTORS", string("../shared/vectors"));
    }

    /// @notice The certificate behind `skipped` others in a chain of PEM blocks, wherever in the data they begin.
    function pem(bytes memory data, uint256 skipped) internal pure returns (bytes memory) {
        bytes memory mark = "-----BEGIN CERTIFICATE-----";
        uint256 at;
        for (uint256 k; k <= skipped; ++k) {
            at = _find(data, mark, at) + mark.length;
        }
        uint256 end = _find(data, "-----END CERTIFICATE-----", at);
        bytes memory out = new bytes(end - at);
        uint256 bits;
        uint256 count;
        uint256 size;
        for (; at < end; ++at) {
            uint256 value = _digit(uint8(data[at]));
            if (value == 64) continue;
            bits = bits << 6 | value;
            if (++count % 4 != 1) out[size++] = bytes1(uint8(bits >> (count % 4 == 2 ? 4 : count % 4 == 3 ? 2 : 0)));
        }
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(out, size)
        }
        return out;
    }

    /// @dev The part of a text between two others, quotes and braces as they are.
    function between(string memory text, string memory before, string memory behind)
        internal
        pure
        returns (bytes memory part)
    {
        bytes memory data = bytes(text);
        uint256 start = _find(data, bytes(before), 0) + bytes(before).length;
        uint256 end = _find(data, bytes(behind), start);
        part = new bytes(end - start);
        for (uint256 k; k < part.length; ++k) {
            part[k] = data[start + k];
        }
    }

    /// @notice Where a text begins in the data.
    function find(bytes memory data, string memory part) internal pure returns (uint256) {
        return _find(data, bytes(part), 0);
    }

    /// @dev The value of a character of Base64; 64 for line ends and padding.
    function _digit(uint8 c) private pure returns (uint256) {
        if (c >= 0x41 && c <= 0x5a) return c - 0x41;
        if (c >= 0x61 && c <= 0x7a) return c - 0x61 + 26;
        if (c >= 0x30 && c <= 0x39) return c - 0x30 + 52;
        return c == 0x2b ? 62 : c == 0x2f ? 63 : 64;
    }

    function _find(bytes memory data, bytes memory part, uint256 from) private pure returns (uint256) {
        for (uint256 at = from; at + part.length <= data.length; ++at) {
            uint256 k;
            while (k < part.length && data[at + k] == part[k]) ++k;
            if (k == part.length) return at;
        }
        revert("not there");
    }
}
