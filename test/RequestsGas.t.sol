// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestsTest} from "./utils/RequestsTest.sol";
import {Finality} from "src/interfaces/IOtrRequests.sol";
import {CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Gas of whole transactions of on-chain requests (intrinsic, calldata with its floor, execution). The consumer's own gas is in
///         them: the recorder stores what it is told, which is dear.
contract RequestsGasTest is RequestsTest {
    function setUp() public override {
        super.setUp();
        // The first request and the first payment write fresh slots of the vault; those after them are the rule.
        (, RequestHash requestHash, CommittedReceipt memory committed) = _delivered(Finality.Final);
        vm.warp(block.timestamp + WINDOW);
        requests.finish(requestHash, committed);
        _ask(Finality.Final);
    }

    /// @dev Asked by an account without callback, so that the coordinator's gas shows.
    function _plain(uint256 inputTokens, uint32 maxOut, Finality finality, string memory name)
        private
        returns (Request memory request, RequestHash requestHash)
    {
        request = _question();
        ++nonce;
        request.requester = stranger;
        request.maxOut = maxOut;
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        requestHash = requests.request{value: 1 ether}(request, _tokens(inputTokens, 7), finality, 0);
        if (bytes(name).length != 0) vm.snapshotGasLastCall("requests", name);
        request = _complete(request, _tokens(inputTokens, 7));
    }

    function test_gas_request_succeeds() public {
        _plain(10, 1, Finality.Final, "request10Tokens");
        _plain(100, 1, Finality.Final, "request100Tokens");
        _plain(1000, 1, Finality.Final, "request1000Tokens");
    }

    function test_gas_deliver_succeeds() public {
        uint32[4] memory lengths = [uint32(1), 7, 100, 1000];
        string[4] memory names = ["1Token", "7Tokens", "100Tokens", "1000Tokens"];
        for (uint256 i; i < lengths.length; ++i) {
            (Request memory request, RequestHash requestHash) = _plain(100, lengths[i], Finality.Provisional, "");
            uint32[] memory output = _tokens(lengths[i], 7);
            CommittedReceipt memory committed = _answer(request, output, executor);
            requests.deliver(request, committed, output);
            vm.snapshotGasLastCall("requests", string.concat("deliver", names[i]));
            vm.warp(block.timestamp + WINDOW);
            requests.finish(requestHash, committed);
            vm.snapshotGasLastCall("requests", string.concat("finish", names[i]));
        }
    }

    function test_gas_refund_succeeds() public {
        (Request memory request, RequestHash requestHash) = _plain(10, 1, Finality.Final, "");
        vm.warp(request.deadline + PERIOD);
        requests.refund(requestHash);
        vm.snapshotGasLastCall("requests", "refund");
    }
}
