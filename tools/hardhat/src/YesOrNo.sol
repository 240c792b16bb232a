// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MockOtrRequests} from "otr/src/consumer/MockOtrRequests.sol";
import {OtrConsumer} from "otr/src/consumer/OtrConsumer.sol";
import {Finality, IOtrRequests} from "otr/src/interfaces/IOtrRequests.sol";
import {Duration} from "otr/src/libraries/Clock.sol";
import {ModelId, RequestHash} from "otr/src/types/OtrTypes.sol";

/// @notice Asks a model for one token, and keeps the final answer.
contract YesOrNo is OtrConsumer {
    ModelId public immutable MODEL;
    RequestHash public asked;
    uint32 public answer;

    constructor(IOtrRequests otr, ModelId model) OtrConsumer(otr) {
        MODEL = model;
    }

    function ask(uint32[] calldata prompt) external payable {
        asked = _ask(
            Question({
                modelId: MODEL,
                input: prompt,
                maxOut: 1,
                stopTokens: new uint32[](0),
                sampler: 0,
                temperature: 0,
                lifetime: Duration.wrap(1 hours),
                finality: Finality.Final,
                callbackGas: 200_000,
                payment: uint96(msg.value)
            })
        );
    }

    function _onFinal(RequestHash, uint32[] memory output) internal override {
        answer = output[0];
    }
}
