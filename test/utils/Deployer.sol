// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deploy} from "script/Deploy.s.sol";
import {IJudge} from "src/interfaces/IJudge.sol";
import {IProgramValidator} from "src/interfaces/IProgramValidator.sol";
import {ToyJudge, ToyValidator} from "./ToyJudge.sol";

/// @title The real deployment, around the toy machine
contract Deployer is Deploy {
    function _judge() internal override returns (IJudge) {
        return new ToyJudge();
    }

    function _validator() internal override returns (IProgramValidator) {
        return new ToyValidator();
    }
}
