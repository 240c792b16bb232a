// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";

/// @title Chain information of drand's public network evmnet
/// @notice As drand publishes it under its chain hash 04f1e9062b8a81f848fded9c12306733282b2727ecced50032187751166ec8c3.
library Evmnet {
    Timestamp internal constant GENESIS = Timestamp.wrap(1_727_521_075);
    Duration internal constant PERIOD = Duration.wrap(3);

    /// @notice Public key: x imaginary, x real, y imaginary, y real.
    function key() internal pure returns (uint256[4] memory) {
        return [
            0x07e1d1d335df83fa98462005690372c643340060d205306a9aa8106b6bd0b382,
            0x0557ec32c2ad488e4d4f6008f89a346f18492092ccc0d594610de2732c8b808f,
            0x0095685ae3a85ba243747b1b2f426049010f6b73a0cf1d389351d5aaaa1047f6,
            0x297d3a4f9749b33eb2d904c9d9ebf17224150ddd7abd7567a9bec6c74480ee0b
        ];
    }
}
