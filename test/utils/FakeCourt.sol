// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OtrRollup} from "src/OtrRollup.sol";
import {BatchId, CommittedReceipt, IOtrRollup} from "src/interfaces/IOtrRollup.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {IUptime} from "src/interfaces/IUptime.sol";
import {Clock, Duration, Timestamp} from "src/libraries/Clock.sol";
import {ModelId, Receipt as OtrReceipt, ReceiptHash} from "src/types/OtrTypes.sol";

/// @title A court whose verdicts tests choose: all three courts of the rules, and the judge
contract FakeCourt {
    IOtrRollup public immutable ROLLUP;
    IUptime public immutable UPTIME;
    Duration public immutable TURN_DURATION;
    uint32 public constant machineVersion = 7;
    uint256 public constant MAX_TURNS = 40;
    uint256 public constant EXECUTOR_GAS = 1;
    uint256 public constant ANSWER_GAS = 1;

    constructor(IOtrRollup rollup, IUptime uptime, Duration turn) {
        (ROLLUP, UPTIME, TURN_DURATION) = (rollup, uptime, turn);
    }

    function VAULT() external view returns (IStakeVault) {
        return OtrRollup(address(ROLLUP)).VAULT();
    }

    function MODELS() external view returns (IModelRegistry) {
        return OtrRollup(address(ROLLUP)).MODELS();
    }

    function JUDGE() external view returns (address) {
        return address(this);
    }

    function gasOf(uint256) external pure returns (uint256) {
        return 1;
    }

    function open(CommittedReceipt calldata committed) external {
        ROLLUP.enterGame(committed);
    }

    function lose(CommittedReceipt calldata committed) external {
        ROLLUP.leaveGame(committed.batchId, ROLLUP.hashReceipt(committed.receipt));
    }

    function convict(CommittedReceipt calldata committed) external {
        ROLLUP.convict(committed.batchId, ROLLUP.hashReceipt(committed.receipt), address(this), Clock.current());
    }

    function demand(BatchId batchId, uint256 index) external {
        ROLLUP.enterDemand(batchId, index);
    }

    function answered(BatchId batchId, uint256 index) external {
        ROLLUP.leaveDemand(batchId, index);
    }

    function unanswered(BatchId batchId, uint256 index) external {
        ROLLUP.convictUnanswered(batchId, index, address(this), Clock.current());
    }
}

/// @title Models of which tests choose whether they are usable
contract FakeModels {
    mapping(ModelId modelId => IModelRegistry.Dimensions) private _models;

    function set(ModelId modelId, IModelRegistry.Dimensions calldata dimensions) external {
        _models[modelId] = dimensions;
    }

    function dimensionsOf(ModelId modelId) external view returns (IModelRegistry.Dimensions memory) {
        return _models[modelId];
    }
}

/// @title Enclave keys that are active unless a test says otherwise
contract FakeEnclaves {
    mapping(address key => bool) public inactive;

    function setInactive(address key, bool value) external {
        inactive[key] = value;
    }

    function wasActive(address key, address, ModelId, Timestamp) external view returns (bool) {
        return !inactive[key];
    }
}

/// @title A court of draws that says whatever tests want, within what its interface promises, and the verifier that it names
contract FakeSpotChecks {
    IOtrRollup public immutable ROLLUP;
    IStakeVault public immutable VAULT;
    IUptime public immutable UPTIME;
    Duration public immutable TURN_DURATION;
    Duration public longestDraws = Duration.wrap(1);
    IModelRegistry public MODELS;
    uint32 public MACHINE_VERSION = 7;
    bool public development;

    mapping(BatchId batchId => Timestamp) private _settledAt;

    constructor(IOtrRollup rollup, IStakeVault vault, IModelRegistry models, IUptime uptime, Duration turn) {
        (ROLLUP, VAULT, UPTIME, TURN_DURATION) = (rollup, vault, uptime, turn);
        MODELS = models;
    }

    function VERIFIER() external view returns (address) {
        return address(this);
    }

    function setMachine(IModelRegistry models, uint32 machineVersion) external {
        (MODELS, MACHINE_VERSION) = (models, machineVersion);
    }

    function setDevelopment(bool value) external {
        development = value;
    }

    function setLongestDraws(Duration value) external {
        longestDraws = value;
    }

    /// @dev What waits, waits for good until `settle`.
    function settledAt(BatchId batchId) external view returns (Timestamp) {
        Timestamp settled = _settledAt[batchId];
        return settled.isSet() ? settled : Clock.fromSeconds(type(uint40).max);
    }

    /// @dev As the real one, also of an executor that is convicted.
    function settle(BatchId batchId) external {
        if (!_settledAt[batchId].isSet()) _settledAt[batchId] = Clock.current().plus(Duration.wrap(1));
    }

    function convict(BatchId batchId) external {
        ROLLUP.convictUndrawn(batchId);
    }
}
