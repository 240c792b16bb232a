// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {DevQuotes} from "./DevQuotes.sol";

/// @title Documents in the form of Intel's, for the development platform and its quotes
library DevCollateral {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice What a test changes.
    /// @param status Of the platform's newest level; behind it comes one that is "OutOfDate", and one that no platform is below.
    /// @param moduleStatus Of the TDX module's newest level.
    /// @param firstComponent Of the newest level; the platform has 1.
    /// @param moduleSvn Of the newest level of TDX module 1; the quote has 5.
    struct Info {
        string id;
        uint256 tcbEval;
        string issueDate;
        string nextUpdate;
        string status;
        string moduleStatus;
        uint256 firstComponent;
        uint256 moduleSvn;
        string fmspc;
    }

    function info(string memory id, uint256 tcbEval) internal pure returns (Info memory) {
        return
            Info(
                id,
                tcbEval,
                "2025-06-19T10:16:03Z",
                "2025-07-19T10:16:03Z",
                "UpToDate",
                "UpToDate",
                1,
                4,
                "B0C06F000000"
            );
    }

    function tcbInfo(Info memory i) internal pure returns (string memory) {
        bool isTdx = bytes(i.id)[0] == "T";
        string memory head = string.concat(
            '{"id":"', i.id, '","version":3,"issueDate":"', i.issueDate, '","nextUpdate":"', i.nextUpdate, '","fmspc":"'
        );
        head = string.concat(
            head, i.fmspc, '","pceId":"0001","tcbType":0,"tcbEvaluationDataNumber":', VM.toString(i.tcbEval)
        );
        if (isTdx) {
            head = string.concat(head, ',"tdxModule":{', _module(), '},"tdxModuleIdentities":[', _modules(i), "]");
        }
        string memory levels =
            string.concat(_level(i.firstComponent, 13, i.status, isTdx), ",", _level(0, 13, "OutOfDate", isTdx), ",");
        return string.concat(head, ',"tcbLevels":[', levels, _level(0, 1, "Revoked", isTdx), "]}");
    }

    /// @param svn Of the newest level, which has this status; those before are "OutOfDate" from 2 on.
    function qeIdentity(string memory id, uint256 tcbEval, uint256 svn, string memory status)
        internal
        pure
        returns (string memory)
    {
        string memory head = string.concat(
            '{"id":"',
            id,
            '","version":2,"issueDate":"2025-06-19T10:32:27Z","nextUpdate":"2025-07-19T10:32:27Z","tcbEvaluationDataNumber":',
            VM.toString(tcbEval)
        );
        // The highest byte of MISCSELECT and the lower half of the attributes may be anything.
        head = string.concat(
            head,
            ',"miscselect":"00020304","miscselectMask":"00FFFFFF","attributes":"11000000000000000000000000000000",'
            '"attributesMask":"FBFFFFFFFFFFFFFF0000000000000000","mrsigner":"',
            _hex(abi.encodePacked(DevQuotes.ENCLAVE_SIGNER)),
            '","isvprodid":2,"tcbLevels":['
        );
        return string.concat(head, _svnLevel(svn, status), ",", _svnLevel(2, "OutOfDate"), "]}");
    }

    /// @notice Numbers 17 (2024-03-12), 18 (2024-11-12) and 19 (2025-05-13).
    function evaluation(string memory id, string memory issueDate, string memory nextUpdate)
        internal
        pure
        returns (string memory)
    {
        return string.concat(
            '{"id":"',
            id,
            '","version":1,"issueDate":"',
            issueDate,
            '","nextUpdate":"',
            nextUpdate,
            '","tcbEvalNumbers":[{"tcbEvaluationDataNumber":19,"tcbRecoveryEventDate":"2025-05-13T00:00:00Z","tcbDate":"2025-05-14T00:00:00Z"},'
            '{"tcbEvaluationDataNumber":18,"tcbRecoveryEventDate":"2024-11-12T00:00:00Z","tcbDate":"2024-11-13T00:00:00Z"},'
            '{"tcbEvaluationDataNumber":17,"tcbRecoveryEventDate":"2024-03-12T00:00:00Z","tcbDate":"2024-03-13T00:00:00Z"}]}'
        );
    }

    function _module() private pure returns (string memory) {
        return string.concat(
            '"mrsigner":"', _hex(new bytes(48)), '","attributes":"0000000000000000","attributesMask":"FFFFFFFFFFFFFFFF"'
        );
    }

    function _modules(Info memory i) private pure returns (string memory) {
        string memory other =
            string.concat('{"id":"TDX_03",', _module(), ',"tcbLevels":[', _svnLevel(9, "Revoked"), "]},");
        return string.concat(
            other,
            '{"id":"TDX_01",',
            _module(),
            ',"tcbLevels":[',
            _svnLevel(i.moduleSvn, i.moduleStatus),
            ",",
            _svnLevel(2, "OutOfDate"),
            "]}"
        );
    }

    function _svnLevel(uint256 svn, string memory status) private pure returns (string memory) {
        return string.concat(
            '{"tcb":{"isvsvn":', VM.toString(svn), '},"tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"', status, '"}'
        );
    }

    /// @dev Components that the development platform (1 to 16) and the quote (5, 1, 2, 3) have, but for the first.
    function _level(uint256 first, uint256 pceSvn, string memory status, bool isTdx)
        private
        pure
        returns (string memory)
    {
        string memory sgx =
            string.concat('{"svn":', VM.toString(first), ',"category":"BIOS","type":"Early Microcode Update"}');
        string memory tdx = '{"svn":255},{"svn":255,"category":"OS/VMM","type":"TDX Module"},{"svn":2},{"svn":3}';
        for (uint256 k = 2; k <= 16; ++k) {
            sgx = string.concat(sgx, ',{"svn":', VM.toString(k), "}");
            if (k > 4) tdx = string.concat(tdx, ',{"svn":0}');
        }
        return string.concat(
            '{"tcb":{"sgxtcbcomponents":[',
            sgx,
            string.concat(
                '],"pcesvn":', VM.toString(pceSvn), isTdx ? string.concat(',"tdxtcbcomponents":[', tdx, "]") : ""
            ),
            '},"tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"',
            status,
            '","advisoryIDs":["INTEL-SA-00106","INTEL-SA-00115"]}'
        );
    }

    /// @dev Hexadecimal digits, capital letters.
    function _hex(bytes memory data) private pure returns (string memory) {
        bytes memory digits = "0123456789ABCDEF";
        bytes memory out = new bytes(2 * data.length);
        for (uint256 k; k < data.length; ++k) {
            out[2 * k] = digits[uint8(data[k]) >> 4];
            out[2 * k + 1] = digits[uint8(data[k]) & 15];
        }
        return string(out);
    }
}
