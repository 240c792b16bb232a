// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RequestHash} from "../types/OtrTypes.sol";
import {RequestState} from "./IOtrRequests.sol";

/// @title A contract that asks
/// @notice What `IOtrRequests` calls back. `OtrConsumer` implements it.
interface IOtrConsumer {
    /// @notice The request's state has changed. Comes with the gas that the request set apart, as the last deed of a transaction; if it
    ///         fails, nothing is lost: `IOtrRequests.answerOf` says the same to whoever asks.
    /// @param state Provisional: `output` stands on its receipt alone. Final: `output` is the answer, for good. Open: the provisional answer
    ///        was reverted, there may be another one. Refunded: there will be none, the payment is the requester's claim in the vault.
    /// @param round Number of the answer, from 1; under one number there is one output.
    /// @param output The answer's tokens; none in states Open and Refunded.
    function onOtrResult(RequestHash requestHash, RequestState state, uint32 round, uint32[] calldata output) external;
}
