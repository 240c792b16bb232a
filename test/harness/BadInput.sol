// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

/// @title Calls with one bit changed, or with bytes missing: each must end in a typed error
/// @notice `OTR_FLIPS` chooses how many places of each input are tried; 0 takes every byte. 64 by default.
abstract contract BadInput is Test {
    /// @dev Above what any genuine call takes, and below what a transaction may have.
    uint256 private constant GAS = 16_777_216;

    /// @dev Flips a bit in the bytes [from, to) of the call's argument number `argument`, a `bytes`.
    function _refusesFlips(address target, bytes memory call, uint256 argument, uint256 from, uint256 to) internal {
        uint256 start = _place(call, argument) + 32;
        uint256 count = _tries(to - from);
        // All bytes take more gas than a test has.
        vm.pauseGasMetering();
        for (uint256 k; k < count; ++k) {
            uint256 place = from + k * (to - from) / count;
            bytes1 bit = bytes1(uint8(1 << (place % 8)));
            call[start + place] ^= bit;
            _refuses(target, call, place);
            call[start + place] ^= bit;
        }
        vm.resumeGasMetering();
    }

    /// @dev All of the argument's bytes.
    function _refusesFlips(address target, bytes memory call, uint256 argument) internal {
        _refusesFlips(target, call, argument, 0, _word(call, _place(call, argument)));
    }

    /// @dev Makes the argument shorter: its length says less than follows.
    function _refusesCuts(address target, bytes memory call, uint256 argument) internal {
        _refusesCuts(target, call, argument, _word(call, _place(call, argument)));
    }

    /// @dev Shorter than `to`: what follows may be left out.
    function _refusesCuts(address target, bytes memory call, uint256 argument, uint256 to) internal {
        uint256 place = _place(call, argument);
        uint256 length = _word(call, place);
        uint256 count = _tries(to);
        vm.pauseGasMetering();
        for (uint256 k; k < count; ++k) {
            uint256 cut = k * to / count;
            _setWord(call, place, cut);
            _refuses(target, call, cut);
        }
        _setWord(call, place, length);
        vm.resumeGasMetering();
    }

    /// @dev INVARIANT: refused, with an error of the contracts': no panic, no bare revert, no text, not for want of gas.
    function _refuses(address target, bytes memory call, uint256 place) internal {
        uint256 free;
        // SAFETY: nothing of an earlier call is used again.
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        (bool success, bytes memory reason) = target.call{gas: GAS}(call);
        if (success) revert(string.concat("accepted with another byte ", vm.toString(place)));
        if (reason.length < 4) revert(string.concat("no reason, byte ", vm.toString(place)));
        if (bytes4(reason) == 0x4e487b71 || bytes4(reason) == 0x08c379a0) {
            revert(string.concat("no typed error, byte ", vm.toString(place)));
        }
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    function _tries(uint256 places) private view returns (uint256) {
        uint256 flips = vm.envOr("OTR_FLIPS", uint256(64));
        return flips == 0 || flips > places ? places : flips;
    }

    /// @dev Where in the call the argument's length is.
    function _place(bytes memory call, uint256 argument) private pure returns (uint256) {
        return 4 + _word(call, 4 + 32 * argument);
    }

    function _word(bytes memory data, uint256 place) private pure returns (uint256 word) {
        // SAFETY: reads within the data.
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), place))
        }
    }

    function _setWord(bytes memory data, uint256 place, uint256 word) private pure {
        // SAFETY: writes within the data.
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), place), word)
        }
    }
}
