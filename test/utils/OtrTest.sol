// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Config, Deploy, Deployment} from "script/Deploy.s.sol";
import {Deployer} from "./Deployer.sol";
import {MockFeed} from "./MockFeed.sol";
import {ToyJudge} from "./ToyJudge.sol";
import {DisputeGame} from "src/DisputeGame.sol";
import {EnclaveRegistry} from "src/EnclaveRegistry.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {OtrRollup} from "src/OtrRollup.sol";
import {StakeVault} from "src/StakeVault.sol";
import {IEnclaveRegistry} from "src/interfaces/IEnclaveRegistry.sol";
import {BatchId, CommittedReceipt, Rules, RulesVersion, Status} from "src/interfaces/IOtrRollup.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ModelId, ModelManifest, Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";
import {Trees} from "./Trees.sol";

/// @title A deployment with one executor, one enclave, one model of the toy machine and an honest answer of it
/// @notice Programs, rows and records follow `ToyJudge`. Lies are set by `_lie...` before the receipt is made.
abstract contract OtrTest is Test {
    using Trees for Trees.Tree;

    uint96 internal constant LOCK = 1 ether;
    uint96 internal constant BOND = 0.3 ether;
    uint256 internal constant WINDOW = 1 days;
    uint256 internal constant TURN = 1 hours;
    uint256 internal constant CLAIM_PERIOD = 10 days;
    uint256 internal constant AIR_GAP = 2 days;
    uint256 internal constant GRACE = 6 hours;
    uint256 internal constant DELIVERY_PERIOD = 6 hours;
    uint96 internal constant RESERVE = 2 ether;
    uint96 internal constant DEMAND_BOND = 0.2 ether;
    uint64 internal constant GAS_PRICE = 1 gwei;
    uint256 internal constant KEY_LIFETIME = 30 days;
    uint256 internal constant EXPIRY_CAP = 1 hours;
    uint256 internal constant STAKE = 100 ether;

    bytes32 internal constant MEASUREMENT = keccak256("measurement");
    uint32 internal constant SENTINEL = type(uint32).max;

    MockFeed internal feed;
    Deployment internal d;
    StakeVault internal vault;
    ModelRegistry internal models;
    EnclaveRegistry internal enclaves;
    OtrRollup internal rollup;
    DisputeGame internal game;
    ToyJudge internal judge;

    address internal executor;
    uint256 internal executorKey;
    address internal enclave;
    uint256 internal enclaveKey;
    address internal requester;
    uint256 internal requesterKey;
    uint256 internal devRootKey;
    address internal governance = makeAddr("governance");
    address internal guardian = makeAddr("guardian");
    address internal challenger = makeAddr("challenger");
    address internal stranger = makeAddr("stranger");
    address internal delegate = makeAddr("delegate");

    bytes[] internal program;
    Trees.Tree internal programTree;
    ModelId internal modelId;
    ModelManifest internal manifest;

    mapping(uint256 step => mapping(uint256 row => bytes)) internal rowLies;
    mapping(uint256 step => mapping(uint256 slot => bytes)) internal cacheLies;
    mapping(uint256 step => uint256) internal tokenLies;

    bytes32 internal weightsRoot = keccak256("weights");
    uint32 internal contextLength = 64;
    uint32 internal nIn = 3;
    uint32 internal nOut = 3;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        (executor, executorKey) = makeAddrAndKey("executor");
        (enclave, enclaveKey) = makeAddrAndKey("enclave");
        (requester, requesterKey) = makeAddrAndKey("requester");
        address devRoot;
        (devRoot, devRootKey) = makeAddrAndKey("dev root");
        feed = new MockFeed();
        Deployer deployer = new Deployer();
        d = deployer.deploy(_config(devRoot), address(deployer));
        (vault, models, enclaves, rollup, game) = (d.vault, d.models, d.enclaves, d.rollup, d.game);
        judge = ToyJudge(address(d.judge));
        _makeProgram();
        _registerModel();
        vm.deal(executor, STAKE);
        vm.prank(executor);
        vault.deposit{value: STAKE}(executor);
        _registerEnclave();
        vm.deal(challenger, 100 ether);
        vm.warp(block.timestamp + 1);
    }

    function _config(address devRoot) internal view virtual returns (Config memory config) {
        config.development = true;
        config.devRoot = devRoot;
        config.governance = governance;
        config.guardian = guardian;
        config.keyLifetime = Duration.wrap(uint32(KEY_LIFETIME));
        config.challengeWindow = Duration.wrap(uint32(WINDOW));
        config.turnDuration = Duration.wrap(uint32(TURN));
        config.claimPeriod = Duration.wrap(uint32(CLAIM_PERIOD));
        config.expiryCap = Duration.wrap(uint32(EXPIRY_CAP));
        config.lockPerReceipt = LOCK;
        config.bond = BOND;
        config.airGap = Duration.wrap(uint32(AIR_GAP));
        config.grace = Duration.wrap(uint32(GRACE));
        config.uptimeFeed = address(feed);
        config.gasPrice = GAS_PRICE;
        config.reserve = RESERVE;
        config.demandBond = DEMAND_BOND;
        config.challengerBps = 2500;
        config.requesterBps = 2000;
        config.deliveryPeriod = Duration.wrap(uint32(DELIVERY_PERIOD));
    }

    // ---------------------------------------------------------------- model

    uint256 internal constant ROW_MAP = 0;
    uint256 internal constant ROW_CACHED_I8 = 1;
    uint256 internal constant ROW_CACHED_I16 = 2;
    uint256 internal constant ROW_LONG = 3;
    uint256 internal constant ROW_FOLD = 4;
    uint256 internal constant ROW_BIG_FOLD = 5;
    uint256 internal constant FOLD_BLOCKS = 10;
    uint256 internal constant BIG_FOLD_BLOCKS = 100;

    /// @dev Forty rows: a fine tree of depth 6.
    function _makeProgram() internal virtual {
        program.push(_instruction(2, 0, 8, 0, 100, 1, false));
        program.push(_instruction(0, 1, 33, 0, -50, 1, false));
        program.push(_instruction(1, 1, 20, 1, -7, 1, false));
        program.push(_instruction(3, 0, 200, 0, -1000, 1, false));
        program.push(_instruction(2, 0, 4, 0, 9, uint32(FOLD_BLOCKS), false));
        program.push(_instruction(3, 0, 2, 0, -3, uint32(BIG_FOLD_BLOCKS), true));
        while (program.length < 39) program.push(_instruction(2, 0, 4, 0, int32(int256(program.length)), 1, false));
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _instruction(
        uint8 elementType,
        uint8 role,
        uint32 length,
        uint32 cacheSlot,
        int32 seed,
        uint32 blocks,
        bool pair
    ) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            uint8(1), elementType, uint8(0), role, length, cacheSlot, seed, blocks, pair
        );
        return bytes.concat(head, new bytes(128 - head.length));
    }

    function _registerModel() internal {
        bytes32[] memory leaves = new bytes32[](program.length);
        bytes memory all = new bytes(128 * leaves.length);
        uint32 cached;
        for (uint256 i; i < leaves.length; ++i) {
            bytes memory instruction = program[i];
            leaves[i] = keccak256(abi.encodePacked(Tags.INSTRUCTION, instruction));
            // SAFETY: instruction number i of 128 bytes, within `all`.
            assembly ("memory-safe") {
                mcopy(add(add(all, 0x20), mul(i, 0x80)), add(instruction, 0x20), 0x80)
            }
            if (uint8(program[i][3]) == 1) ++cached;
        }
        programTree = Trees.over(leaves);
        manifest = ModelManifest({
            machineVersion: 7,
            programRoot: programTree.root(Tags.PROGRAM),
            weightsRoot: weightsRoot,
            weightsRootP: keccak256("weightsP"),
            tokenizerHash: keccak256("tokenizer"),
            chatTemplateHash: keccak256("template"),
            tokenBytesRoot: keccak256("token bytes"),
            instructions: uint32(program.length),
            weightRows: 5,
            cacheRows: cached,
            contextLength: contextLength,
            vocabSize: 2000
        });
        modelId = models.registerModel(manifest);
        models.validateProgram(modelId, all, "", "");
    }

    // ---------------------------------------------------------------- enclave

    function _registration() internal view returns (IEnclaveRegistry.Registration memory) {
        return IEnclaveRegistry.Registration({
            executor: executor, modelId: modelId, enclaveKey: enclave, encryptionKeyHash: keccak256("hpke")
        });
    }

    function _evidence(bytes32 rd0, bytes32 measurement, uint64 notAfter, uint256 rootKey)
        internal
        pure
        returns (IEnclaveRegistry.Evidence memory)
    {
        bytes32 deviceId = keccak256("device");
        bytes32 digest =
            keccak256(abi.encode(keccak256("OTR/dev-evidence/1"), measurement, rd0, bytes32(0), notAfter, deviceId));
        return IEnclaveRegistry.Evidence({
            kind: "DEV",
            evidence: abi.encode(measurement, rd0, bytes32(0), notAfter, deviceId, _sign(rootKey, digest)),
            aux: ""
        });
    }

    function _registerEnclave() internal {
        vm.prank(governance);
        enclaves.setPolicy(modelId, MEASUREMENT, Timestamp.wrap(uint40(block.timestamp + 3650 days)));
        IEnclaveRegistry.Registration memory registration = _registration();
        (bytes32 challenge, bytes32 rd0) = enclaves.challengeOf(registration);
        vm.prank(executor);
        enclaves.register(
            registration,
            _evidence(rd0, MEASUREMENT, uint64(block.timestamp + 3650 days), devRootKey),
            _sign(enclaveKey, challenge)
        );
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // ---------------------------------------------------------------- trace

    function _steps() internal view returns (uint32) {
        return nIn + nOut - 1;
    }

    /// @dev Bytes of the executor's row: the honest ones, or a lie.
    function _row(uint256 step, uint256 row) internal view returns (bytes memory) {
        bytes memory lie = rowLies[step][row];
        return lie.length != 0 ? lie : _honestRow(step, row);
    }

    function _honestRow(uint256 step, uint256 row) internal view returns (bytes memory out) {
        bytes memory instruction = program[row];
        (uint8 elementType, uint256 length) = judge.rowShape(instruction, uint32(step));
        (uint256 blocks,) = judge.blocks(instruction, uint32(step));
        out = new bytes(length << elementType);
        for (uint256 e; e < length; ++e) {
            _put(out, elementType, e, judge.valueAfter(instruction, uint32(step), e, blocks - 1));
        }
    }

    /// @dev Writes an element, little-endian.
    function _put(bytes memory row, uint256 elementType, uint256 element, int256 value) internal pure {
        for (uint256 i; i < 1 << elementType; ++i) {
            row[(element << elementType) + i] = bytes1(uint8(uint256(value) >> (8 * i)));
        }
    }

    function _chunkAt(bytes memory row, uint256 k) internal pure returns (bytes32 chunk) {
        bytes memory out = new bytes(32);
        for (uint256 i; i < 32 && 32 * k + i < row.length; ++i) {
            out[i] = row[32 * k + i];
        }
        return bytes32(out);
    }

    function _rowTree(bytes memory row) internal pure returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[]((row.length + 31) / 32);
        for (uint256 k; k < leaves.length; ++k) {
            leaves[k] = sha256(abi.encode(_chunkAt(row, k)));
        }
        return Trees.over(leaves);
    }

    /// @dev The row may be longer than its elements: a lie in the padding.
    function _rowLeaf(uint256 step, uint256 row, bytes memory data) internal view returns (bytes32) {
        (uint8 elementType, uint256 length) = judge.rowShape(program[row], uint32(step));
        return keccak256(abi.encode(Tags.ROW, elementType, uint32(length), _rowTree(data).top()));
    }

    function _fineTree(uint256 step) internal view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](program.length);
        for (uint256 i; i < leaves.length; ++i) {
            leaves[i] = _rowLeaf(step, i, _row(step, i));
        }
        return Trees.over(leaves);
    }

    function _cacheTree(uint256 step) internal view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](manifest.cacheRows);
        for (uint256 slot; slot < leaves.length; ++slot) {
            bytes memory lie = cacheLies[step][slot];
            leaves[slot] = _rowLeaf(step, slot + 1, lie.length != 0 ? lie : _row(step, slot + 1));
        }
        return Trees.over(leaves);
    }

    // Salts, and with them all roots, follow from the request (docs/protocol.md, section 1).

    bytes32 internal constant SEED = keccak256("seed");
    uint64 internal requestNonce = 9;
    /// @dev What a confidential request's seed commits to; else unused.
    bytes32 internal constant SECRET = keccak256("secret");
    bool internal confidential;

    function _saltKey() internal view returns (bytes32) {
        return keccak256(abi.encode(Tags.SALT_KEY, requester, confidential ? SECRET : SEED, requestNonce));
    }

    function _saltOf(uint256 kind, uint256 index) internal view returns (bytes32) {
        return keccak256(abi.encode(Tags.SALT, _saltKey(), uint8(kind), index));
    }

    /// @dev Salt of a record.
    function _salt(uint256 step) internal view returns (bytes32) {
        return _saltOf(2, step);
    }

    /// @dev Prompt tokens: 100, 101, ...
    function _inputTree() internal view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](nIn);
        for (uint256 i; i < nIn; ++i) {
            leaves[i] = keccak256(abi.encode(Tags.TOKEN, _saltOf(0, i), uint32(100 + i)));
        }
        return Trees.over(leaves);
    }

    /// @dev Output tokens: those of the records.
    function _outputTree() internal view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](nOut);
        for (uint256 i; i < nOut; ++i) {
            leaves[i] = keccak256(abi.encode(Tags.TOKEN, _saltOf(1, i), _token(nIn - 1 + i)));
        }
        return Trees.over(leaves);
    }

    function _token(uint256 step) internal view returns (uint32) {
        if (tokenLies[step] != 0) return uint32(tokenLies[step]);
        return step < nIn - 1 ? SENTINEL : uint32(1000 + 5 * step);
    }

    function _cacheRoot(uint256 step) internal view virtual returns (bytes32) {
        return manifest.cacheRows == 0 ? bytes32(0) : _cacheTree(step).root(Tags.CACHE);
    }

    function _recordLeaf(uint256 step) internal view returns (bytes32) {
        return keccak256(abi.encode(Tags.RECORD, _salt(step), _token(step), _cacheRoot(step)));
    }

    function _traceTree() internal view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](_steps());
        for (uint256 t; t < leaves.length; ++t) {
            leaves[t] = _recordLeaf(t);
        }
        return Trees.over(leaves);
    }

    // ---------------------------------------------------------------- receipts

    function _request() internal view returns (Request memory request) {
        request.requester = requester;
        request.modelId = modelId;
        request.inputRoot = _inputTree().root(Tags.INPUT);
        request.nIn = nIn;
        request.maxOut = nOut;
        request.stopTokens = new uint32[](2);
        request.stopTokens[1] = 5;
        request.sampler = 1;
        request.temperature = 65_536;
        request.seed = confidential ? keccak256(abi.encode(Tags.SECRET, SECRET)) : SEED;
        request.nonce = requestNonce;
        request.confidential = confidential;
        request.deadline = 1_900_000_000;
        request.watchers = new address[](1);
        request.watchers[0] = challenger;
    }

    function _receipt() internal view returns (OtrReceipt memory) {
        return OtrReceipt({
            machineVersion: 7,
            modelId: modelId,
            executor: executor,
            enclaveKey: enclave,
            seq: 1,
            commitBy: uint64(block.timestamp + 10 minutes),
            expiry: uint64(block.timestamp + 1 hours),
            requestHash: rollup.hashRequest(_request()),
            inputRoot: _inputTree().root(Tags.INPUT),
            nIn: nIn,
            outputRoot: _outputTree().root(Tags.OUTPUT),
            nOut: nOut,
            stopReason: 1,
            traceRoot: _traceTree().root(Tags.TRACE)
        });
    }

    /// @dev Commits the receipt as leaf `index` of a batch of `count`.
    function _commit(OtrReceipt memory receipt, uint256 index, uint256 count)
        internal
        returns (CommittedReceipt memory committed)
    {
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = keccak256(abi.encode("other receipt", i, rollup.batchCount()));
        }
        leaves[index] = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(receipt.executor);
        BatchId batchId = rollup.commitBatch(tree.root(Tags.BATCH), count);
        return CommittedReceipt({receipt: receipt, batchId: batchId, index: index, siblings: tree.siblings(index)});
    }

    function _commit() internal returns (CommittedReceipt memory) {
        return _commit(_receipt(), 2, 5);
    }

    function assertStatus(CommittedReceipt memory committed, Status expected) internal view {
        assertEq(uint256(rollup.statusOf(committed)), uint256(expected), "status");
    }

    /// @dev The vault holds what it owes, and what is locked is staked.
    function assertSolvent() internal view {
        assertGe(address(vault).balance, vault.liabilities() + vault.burnt(), "solvency");
        assertLe(vault.executorOf(executor).locked, vault.executorOf(executor).stake, "locks");
    }
}
