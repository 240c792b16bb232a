// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config, Deploy, Deployment} from "script/Deploy.s.sol";
import {IElementVerifier} from "src/interfaces/IElementVerifier.sol";
import {IJudge} from "src/interfaces/IJudge.sol";
import {IProgramValidator} from "src/interfaces/IProgramValidator.sol";
import {ElementVerifierDouble} from "./ElementVerifierDouble.sol";
import {ToyJudge, ToyValidator} from "./ToyJudge.sol";

/// @title The real deployment, with a double of the verifier of proofs where a test gives one
abstract contract DeployWithDouble is Deploy {
    function _elementVerifier(Config memory config, Deployment memory d)
        internal
        override
        returns (IElementVerifier verifier)
    {
        verifier = super._elementVerifier(config, d);
        if (config.elementVerifier == address(0)) return verifier;
        ElementVerifierDouble(address(verifier)).belongTo(d.models, d.judge.machineVersion());
    }
}

/// @title The real deployment, around the toy machine
contract Deployer is DeployWithDouble {
    function _judge() internal override returns (IJudge) {
        return new ToyJudge();
    }

    function _validator() internal override returns (IProgramValidator) {
        return new ToyValidator();
    }
}
