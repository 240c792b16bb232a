// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Json} from "src/attestation/Json.sol";
import {QeIdentity} from "src/attestation/QeIdentity.sol";
import {TcbEvaluation} from "src/attestation/TcbEvaluation.sol";
import {TcbInfo} from "src/attestation/TcbInfo.sol";
import {TcbTable} from "src/attestation/TcbTable.sol";
import {X509Crl} from "src/attestation/X509Crl.sol";

/// @notice Readers of Intel's documents and lists from outside: for reverts.
contract IntelHarness {
    function skip(bytes calldata json) external pure returns (uint256) {
        return Json.skip(json, 0);
    }

    function number(bytes calldata json, uint256 most) external pure returns (uint256, uint256) {
        return Json.number(json, 0, most);
    }

    function time(bytes calldata json) external pure returns (uint64 value, uint256 next) {
        return Json.time(json, 0);
    }

    function hexWord(bytes calldata json, uint256 size) external pure returns (uint256, uint256) {
        return Json.hexWord(json, 0, size);
    }

    function word(bytes calldata json) external pure returns (bytes32, uint256) {
        return Json.word(json, 0);
    }

    function tcbInfo(bytes calldata json) external pure returns (TcbInfo.Document memory) {
        return TcbInfo.parse(json);
    }

    function qeIdentity(bytes calldata json) external pure returns (TcbInfo.Document memory) {
        return QeIdentity.parse(json);
    }

    function evaluation(bytes calldata json) external pure returns (TcbInfo.Document memory) {
        return TcbEvaluation.parse(json);
    }

    function statusOf(bytes calldata json, TcbTable.Platform calldata platform) external pure returns (uint8) {
        TcbInfo.Document memory d = TcbInfo.parse(json);
        return TcbTable.statusOf(d.table, platform, d.id == TcbInfo.TDX);
    }

    function covers(uint128 have, uint128 least) external pure returns (bool) {
        return TcbTable.covers(have, least);
    }

    function crl(bytes calldata der) external pure returns (X509Crl.Crl memory list, uint256[] memory serials) {
        list = X509Crl.parse(der);
        serials = new uint256[](4096);
        uint256 count;
        for (uint256 at = list.entriesStart; at < list.entriesEnd;) {
            (serials[count++], at) = X509Crl.entry(der, at, list.entriesEnd);
        }
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(serials, count)
        }
    }
}
