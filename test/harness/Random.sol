// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title A stream of pseudo-random values
library Random {
    /// @dev Kinds 0 to 3 are the least value, the greatest, -1, and 0 or 1; regime 5 mixes all kinds.
    uint256 private constant RANDOM = 4;

    struct Stream {
        uint256 state;
    }

    function next(Stream memory r) internal pure returns (uint256) {
        r.state = uint256(keccak256(abi.encode(r.state)));
        return r.state;
    }

    /// @notice A value in `lo..hi`; the ends come often.
    function between(Stream memory r, uint256 lo, uint256 hi) internal pure returns (uint256) {
        uint256 x = next(r);
        if (x & 0xf == 0) return lo;
        if (x & 0xf == 1) return hi;
        return lo + (x >> 8) % (hi - lo + 1);
    }

    /// @notice `n` elements, little-endian: random ones, or with `extremes` often such of the type.
    function elements(Stream memory r, uint256 elementType, uint256 n, bool extremes)
        internal
        pure
        returns (bytes memory data)
    {
        uint256 size = 1 << elementType;
        data = new bytes(n * size);
        uint256 regime = extremes ? next(r) % 6 : RANDOM;
        for (uint256 e; e < n; ++e) {
            uint256 kind = regime <= RANDOM ? regime : next(r) % 6;
            for (uint256 k; k < size; ++k) {
                bool top = k == size - 1;
                uint8 x = uint8(next(r) >> 17);
                if (kind == 0) x = top ? 0x80 : 0x00;
                if (kind == 1) x = top ? 0x7f : 0xff;
                if (kind == 2) x = 0xff;
                if (kind == 3) x = k == 0 ? x & 1 : 0;
                data[e * size + k] = bytes1(x);
            }
        }
    }
}
