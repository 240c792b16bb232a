// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Test} from "forge-std/Test.sol";
import {FakeCourt, FakeEnclaves, FakeModels} from "./FakeCourt.sol";
import {MockFeed} from "./MockFeed.sol";
import {Trees} from "./Trees.sol";
import {OtrRequests} from "src/OtrRequests.sol";
import {OtrRollup} from "src/OtrRollup.sol";
import {SequencerUptime} from "src/SequencerUptime.sol";
import {StakeVault} from "src/StakeVault.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {IOtrConsumer} from "src/interfaces/IOtrConsumer.sol";
import {Finality, IOtrRequests, RequestState} from "src/interfaces/IOtrRequests.sol";
import {BatchId, CommittedReceipt, Rules} from "src/interfaces/IOtrRollup.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ModelId, Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @title A requester that notes what it is told, and misbehaves on demand
contract Recorder is IOtrConsumer {
    struct Told {
        RequestHash requestHash;
        RequestState state;
        uint32 round;
        uint32[] output;
        uint256 gas;
    }

    Told[] private _told;
    bytes public misdeed;
    address public target;

    receive() external payable {}

    /// @dev 1 reverts, 2 burns all gas, 3 returns a bomb, 4 reverts with a bomb, else calls `target` with these bytes.
    function misbehave(address target_, bytes calldata misdeed_) external {
        (target, misdeed) = (target_, misdeed_);
    }

    function ask(
        IOtrRequests requests,
        Request calldata request,
        uint32[] calldata input,
        Finality finality,
        uint32 gas_
    ) external payable returns (RequestHash) {
        return requests.request{value: msg.value}(request, input, finality, gas_);
    }

    function call(address to, bytes calldata data) external returns (bytes memory) {
        (bool done, bytes memory result) = to.call(data);
        require(done, "call failed");
        return result;
    }

    function onOtrResult(RequestHash requestHash, RequestState state, uint32 round, uint32[] calldata output) external {
        uint256 gas_ = gasleft();
        if (misdeed.length == 1) {
            if (misdeed[0] == 0x01) revert("no");
            if (misdeed[0] == 0x02) {
                assembly {
                    invalid()
                }
            }
            if (misdeed[0] == 0x03) {
                assembly {
                    return(0, 200000)
                }
            }
            assembly {
                revert(0, 200000)
            }
        }
        if (misdeed.length != 0) {
            (bool done,) = target.call(misdeed);
            require(!done, "reentered");
        }
        _told.push(Told(requestHash, state, round, output, gas_));
    }

    function count() external view returns (uint256) {
        return _told.length;
    }

    function last() external view returns (Told memory) {
        return _told[_told.length - 1];
    }
}

/// @title Rollup, vault and coordinator, with a court that does as it is told
abstract contract RequestsTest is Test {
    using Trees for Trees.Tree;

    uint96 internal constant LOCK = 1 ether;
    uint96 internal constant RESERVE = 2 ether;
    uint256 internal constant STAKE = 100 ether;
    uint256 internal constant WINDOW = 1 days;
    uint256 internal constant TURN = 1 hours;
    uint256 internal constant PERIOD = 2 hours;
    uint256 internal constant LIFETIME = 4 hours;
    uint96 internal constant PAYMENT = 0.5 ether;
    uint32 internal constant CALLBACK_GAS = 500_000;
    uint32 internal constant STOP = 5;
    bytes32 internal constant SEED = keccak256("seed");

    StakeVault internal vault;
    OtrRollup internal rollup;
    FakeModels internal models;
    FakeEnclaves internal enclaves;
    FakeCourt internal court;
    MockFeed internal feed;
    SequencerUptime internal uptime;
    OtrRequests internal requests;
    Recorder internal consumer;

    ModelId internal modelId = ModelId.wrap(keccak256("model"));
    address internal executor = makeAddr("executor");
    address internal rival = makeAddr("rival");
    address internal enclave = makeAddr("enclave");
    address internal stranger = makeAddr("stranger");

    uint64 internal nonce = 1;
    uint64 internal seq;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        AccessManager manager = new AccessManager(address(this));
        vault = StakeVault(
            _proxy(
                address(new StakeVault()),
                abi.encodeCall(StakeVault.initialize, (address(manager), Duration.wrap(30 days)))
            )
        );
        models = new FakeModels();
        enclaves = new FakeEnclaves();
        rollup = OtrRollup(
            _proxy(
                address(new OtrRollup(vault, IModelRegistry(address(models)), IEnclaveRegistry(address(enclaves)))),
                abi.encodeCall(OtrRollup.initialize, (address(manager)))
            )
        );
        vault.setRollup(address(rollup));
        feed = new MockFeed();
        uptime = new SequencerUptime(address(feed), Duration.wrap(6 hours));
        court = new FakeCourt(rollup, uptime, Duration.wrap(uint32(TURN)));
        rollup.addRules(_rules());
        models.set(
            modelId,
            IModelRegistry.Dimensions({
                machineVersion: 7,
                instructions: 1,
                weightRows: 1,
                cacheRows: 0,
                contextLength: 4096,
                vocabSize: 2000,
                usableAt: Timestamp.wrap(1)
            })
        );
        for (uint256 i; i < 2; ++i) {
            address account = i == 0 ? executor : rival;
            vm.deal(account, STAKE);
            vm.prank(account);
            vault.deposit{value: STAKE}(account);
        }
        requests =
            new OtrRequests(rollup, vault, IModelRegistry(address(models)), uptime, Duration.wrap(uint32(PERIOD)));
        consumer = new Recorder();
        vm.deal(address(this), 1000 ether);
        vm.warp(block.timestamp + 1);
    }

    function _rules() private view returns (Rules memory) {
        return Rules({
            game: address(court),
            challengeWindow: Duration.wrap(uint32(WINDOW)),
            turnDuration: Duration.wrap(uint32(TURN)),
            claimPeriod: Duration.wrap(10 days),
            judge: address(court),
            lockPerReceipt: LOCK,
            frauds: address(court),
            bond: 1 ether,
            availability: address(court),
            reserve: RESERVE,
            uptime: address(uptime),
            gasPrice: 1,
            airGap: Duration.wrap(1 days),
            machineVersion: 7,
            expiryCap: Duration.wrap(1 days),
            demandBond: 1 ether,
            challengerBps: 2500,
            requesterBps: 2500,
            spotChecks: address(0)
        });
    }

    function _proxy(address implementation, bytes memory initialization) private returns (address) {
        return address(new ERC1967Proxy(implementation, initialization));
    }

    // ---------------------------------------------------------------- requests

    function _tokens(uint256 count, uint256 from) internal pure returns (uint32[] memory tokens) {
        tokens = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            tokens[i] = uint32(from + i % 1000);
        }
    }

    function _input() internal pure returns (uint32[] memory) {
        return _tokens(10, 100);
    }

    /// @dev An answer of four tokens, the whole length.
    function _output() internal pure returns (uint32[] memory) {
        return _tokens(4, 1000);
    }

    function _otherOutput() internal pure returns (uint32[] memory) {
        return _tokens(4, 900);
    }

    /// @dev Without `inputRoot` and `nIn`.
    function _question() internal view returns (Request memory request) {
        request.requester = address(consumer);
        request.modelId = modelId;
        request.maxOut = 4;
        request.stopTokens = new uint32[](1);
        request.stopTokens[0] = STOP;
        request.seed = SEED;
        request.nonce = nonce;
        request.deadline = uint64(block.timestamp + LIFETIME);
        request.watchers = new address[](0);
    }

    function _complete(Request memory request, uint32[] memory input) internal view returns (Request memory) {
        request.inputRoot = requests.inputRootOf(request.requester, request.seed, request.nonce, input);
        request.nIn = uint32(input.length);
        return request;
    }

    function _ask(Finality finality) internal returns (Request memory request, RequestHash requestHash) {
        request = _question();
        ++nonce;
        requestHash = consumer.ask{value: PAYMENT}(requests, request, _input(), finality, CALLBACK_GAS);
        request = _complete(request, _input());
    }

    // ---------------------------------------------------------------- answers

    function _outputRoot(Request memory request, uint32[] memory output) internal pure returns (bytes32) {
        bytes32 key = keccak256(abi.encode(Tags.SALT_KEY, request.requester, request.seed, request.nonce));
        bytes32[] memory leaves = new bytes32[](output.length);
        for (uint256 i; i < leaves.length; ++i) {
            bytes32 salt = keccak256(abi.encode(Tags.SALT, key, uint8(1), i));
            leaves[i] = keccak256(abi.encode(Tags.TOKEN, salt, output[i]));
        }
        return Trees.over(leaves).root(Tags.OUTPUT);
    }

    function _receipt(Request memory request, uint32[] memory output, address by) internal returns (OtrReceipt memory) {
        return OtrReceipt({
            machineVersion: 7,
            modelId: modelId,
            executor: by,
            enclaveKey: enclave,
            seq: seq++,
            commitBy: uint64(block.timestamp + 10 minutes),
            expiry: uint64(block.timestamp + 1 hours),
            requestHash: rollup.hashRequest(request),
            inputRoot: request.inputRoot,
            nIn: request.nIn,
            outputRoot: _outputRoot(request, output),
            nOut: uint32(output.length),
            stopReason: output[output.length - 1] == STOP ? 0 : 1,
            traceRoot: keccak256("trace")
        });
    }

    /// @dev Commits a receipt as leaf 1 of a batch of three.
    function _commit(OtrReceipt memory receipt) internal returns (CommittedReceipt memory) {
        bytes32[] memory leaves = new bytes32[](3);
        leaves[0] = keccak256(abi.encode("other", rollup.batchCount()));
        leaves[1] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        leaves[2] = keccak256("another");
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(receipt.executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), 3);
        return CommittedReceipt({receipt: receipt, batchId: batchId, index: 1, siblings: tree.siblings(1)});
    }

    function _answer(Request memory request, uint32[] memory output, address by)
        internal
        returns (CommittedReceipt memory committed)
    {
        return _commit(_receipt(request, output, by));
    }

    /// @dev An answer that was delivered while provisional.
    function _delivered(Finality finality)
        internal
        returns (Request memory request, RequestHash requestHash, CommittedReceipt memory committed)
    {
        (request, requestHash) = _ask(finality);
        committed = _answer(request, _output(), executor);
        requests.deliver(request, committed, _output());
    }

    // ---------------------------------------------------------------- asserts

    function assertState(RequestHash requestHash, RequestState expected) internal view {
        assertEq(uint256(requests.requestOf(requestHash).state), uint256(expected), "state");
    }

    function assertAnswer(RequestHash requestHash, RequestState state, uint32 round, uint32[] memory output)
        internal
        view
    {
        (RequestState gotState, uint32 gotRound, uint32[] memory got) = requests.answerOf(requestHash);
        assertEq(uint256(gotState), uint256(state), "state");
        assertEq(gotRound, round, "round");
        assertEq(keccak256(abi.encode(got)), keccak256(abi.encode(output)), "output");
    }

    function assertTold(RequestHash requestHash, RequestState state, uint32 round, uint32[] memory output)
        internal
        view
    {
        Recorder.Told memory told = consumer.last();
        assertEq(RequestHash.unwrap(told.requestHash), RequestHash.unwrap(requestHash), "told request");
        assertEq(uint256(told.state), uint256(state), "told state");
        assertEq(told.round, round, "told round");
        assertEq(keccak256(abi.encode(told.output)), keccak256(abi.encode(output)), "told output");
    }

    function _escrow() internal view returns (uint256) {
        return vault.bondsOf(address(requests));
    }
}
