// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Script} from "forge-std/Script.sol";

import {Availability} from "../src/Availability.sol";
import {DisputeGame} from "../src/DisputeGame.sol";
import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {EnclaveSessions} from "../src/EnclaveSessions.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {OtrRequests} from "../src/OtrRequests.sol";
import {OtrRollup} from "../src/OtrRollup.sol";
import {ISequencerFeed, SequencerUptime} from "../src/SequencerUptime.sol";
import {SpotChecks} from "../src/SpotChecks.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {TeeResolver} from "../src/TeeResolver.sol";
import {DevEvidenceVerifier} from "../src/attestation/DevEvidenceVerifier.sol";
import {IElementVerifier} from "../src/interfaces/IElementVerifier.sol";
import {DcapVerifier} from "../src/attestation/DcapVerifier.sol";
import {EnclaveVerifier} from "../src/attestation/EnclaveVerifier.sol";
import {GovernanceVerifier} from "../src/attestation/GovernanceVerifier.sol";
import {IntelCertificates} from "../src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "../src/attestation/IntelCollateral.sol";
import {NvidiaCertificates} from "../src/attestation/NvidiaCertificates.sol";
import {NvidiaOcsp} from "../src/attestation/NvidiaOcsp.sol";
import {NvidiaVerifier} from "../src/attestation/NvidiaVerifier.sol";
import {P384Verifier} from "../src/attestation/P384Verifier.sol";
import {IEnclaveRegistry} from "../src/interfaces/IEnclaveRegistry.sol";
import {IJudge} from "../src/interfaces/IJudge.sol";
import {IOtrRollup, Rules, RulesVersion} from "../src/interfaces/IOtrRollup.sol";
import {IProgramValidator} from "../src/interfaces/IProgramValidator.sol";
import {IRandomness} from "../src/interfaces/IRandomness.sol";
import {SpotCheckTerms} from "../src/interfaces/ISpotChecks.sol";
import {IUptime} from "../src/interfaces/IUptime.sol";
import {Duration} from "../src/libraries/Clock.sol";
import {WalkLib} from "../src/libraries/WalkLib.sol";
import {JudgeV1} from "../src/machine/JudgeV1.sol";
import {ProgramValidatorV1} from "../src/machine/ProgramValidatorV1.sol";
import {BlockMix} from "../src/randomness/BlockMix.sol";
import {DevRandomness} from "../src/randomness/DevRandomness.sol";
import {DrandEvmnet} from "../src/randomness/DrandEvmnet.sol";
import {Evmnet} from "../src/randomness/Evmnet.sol";
import {FallbackRandomness} from "../src/randomness/FallbackRandomness.sol";
import {Demands} from "../src/rollup/Demands.sol";
import {Games} from "../src/rollup/Games.sol";
import {RulesLib} from "../src/rollup/RulesLib.sol";
import {Settlement} from "../src/rollup/Settlement.sol";
import {ElementVerifier} from "../src/spotcheck/ElementVerifier.sol";
import {Circuit} from "../src/spotcheck/Statements.sol";
import {AttestationConfig, AttestationDeploy, AttestationDeployment} from "./AttestationDeploy.sol";
import {SameCode} from "./SameCode.sol";

/// @notice What a deployment is made of. `Deploy.configFromEnvironment` documents names and defaults.
struct Config {
    bool development;
    bool allowAnyChain;
    address devRoot;
    address governance;
    address guardian;
    uint256 timelockDelay;
    Duration keyLifetime;
    Duration challengeWindow;
    Duration turnDuration;
    Duration claimPeriod;
    Duration expiryCap;
    Duration exitDelay;
    Duration airGap;
    address uptimeFeed;
    Duration grace;
    uint64 gasPrice;
    uint96 lockPerReceipt;
    uint96 reserve;
    uint96 bond;
    uint96 demandBond;
    uint16 challengerBps;
    uint16 requesterBps;
    Duration deliveryPeriod;
    address elementVerifier;
    string circuitKeys;
    uint256 drawBlocks;
    bool drand;
    Duration deadAfter;
    Duration lostAfter;
    Duration drawDelta;
    Duration drawEpoch;
    Duration roundTimeout;
    uint32 drawStride;
    uint8 drawPairs;
    AttestationConfig attestation;
}

/// @notice Where everything is; proxies for the upgradeable contracts.
struct Deployment {
    AccessManager manager;
    TimelockController timelock;
    StakeVault vault;
    ModelRegistry models;
    EnclaveRegistry enclaves;
    OtrRollup rollup;
    IJudge judge;
    IProgramValidator validator;
    SequencerUptime uptime;
    DisputeGame game;
    FraudProofs frauds;
    Availability availability;
    OtrRequests requests;
    DevEvidenceVerifier devVerifier;
    IElementVerifier elementVerifier;
    IRandomness randomness;
    SpotChecks spotChecks;
    AttestationDeployment attestation;
}

/// @title Deploys and wires the protocol, and hands it to the timelock
/// @notice Idempotent: what `deployments/<chainId>.json` names and has code is kept, if it is the code that would be deployed; every step
///         that is done already is skipped.
///         `forge script script/Deploy.s.sol --rpc-url ... --private-key ... --broadcast`
contract Deploy is Script {
    /// @dev AccessManager role that may pause commits and end policies, and nothing else.
    uint64 public constant GUARDIAN_ROLE = 1;
    uint256 private constant LOCAL_CHAIN = 31_337;

    /// @notice The address file names a contract that is not what would be deployed in its place, with the parameters given: another version,
    ///         other parameters, other contracts that it is tied to, or something else altogether. Mend the file or the parameters, or check
    ///         out the version that was deployed.
    error UnknownCode(string name, address at, string file);
    /// @dev Anybody can forge proofs under these keys. Make production keys, or set OTR_DEV_ALLOW_ANY_CHAIN.
    error DevelopmentKeys(string file, uint256 chainId);
    /// @dev The file of keys has another number of circuits: write it with tools/circuit-keys.ts.
    error CircuitKeysCount(string file, uint256 expected, uint256 got);
    /// @notice The contract obeys another manager than the one that the address file names.
    error OtherManager(string name, address at, address authority, address manager);
    /// @notice The feed does not answer as one of a sequencer's uptime does: 0 or 1, since a time that has been.
    error NoUptimeFeed(address feed, int256 answer, uint256 startedAt);

    string private _path;
    string private _known;

    /// @notice Deploys with parameters from the environment and writes the address file.
    function run() external returns (Deployment memory deployment) {
        _path = string.concat("deployments/", vm.toString(block.chainid), ".json");
        _known = vm.exists(_path) ? vm.readFile(_path) : "{}";
        // The manager comes first. Where it is missing, this is another chain than the file's, and its addresses may come into being as other contracts.
        if (_find("AccessManager") == address(0)) _known = "{}";
        vm.startBroadcast();
        (, address deployer,) = vm.readCallers();
        vm.stopBroadcast();
        Config memory config = configFromEnvironment(deployer);
        _requireKnown(config);
        vm.startBroadcast();
        deployment = deploy(config, deployer);
        vm.stopBroadcast();
        _write(deployment);
    }

    /// @notice Parameters and their defaults. Durations in seconds, amounts in wei.
    /// @dev A turn must be no shorter than the chain's forced-inclusion delay (12 to 24 hours on today's L2s): shorter values are for
    ///      development.
    function configFromEnvironment(address deployer) public view virtual returns (Config memory config) {
        // Accept development evidence, and let governance act without the timelock.
        config.development = vm.envOr("OTR_DEVELOPMENT", false);
        // Let the development verifier stand on a chain other than 31337 (test networks).
        config.allowAnyChain = vm.envOr("OTR_DEV_ALLOW_ANY_CHAIN", false);
        // Address of the key that signs development evidence.
        config.devRoot = vm.envOr("OTR_DEV_ROOT", deployer);
        // Proposes to, executes through and cancels in the timelock: a multi-signature wallet.
        config.governance = vm.envOr("OTR_GOVERNANCE", deployer);
        // May pause new commits and end policies.
        config.guardian = vm.envOr("OTR_GUARDIAN", config.governance);
        config.timelockDelay = vm.envOr("OTR_TIMELOCK_DELAY", config.development ? uint256(0) : 7 days);
        config.keyLifetime = _duration("OTR_KEY_LIFETIME", 30 days);
        config.challengeWindow = _duration("OTR_WINDOW", 7 days);
        config.turnDuration = _duration("OTR_TURN", 1 days);
        config.claimPeriod = _duration("OTR_CLAIM_PERIOD", 60 days);
        // Time between a verdict and its payouts: longer than the timelock, so that governance can switch faulty rules to refund mode.
        config.airGap = _duration("OTR_AIR_GAP", config.development ? 1 hours : 8 days);
        // Chainlink's L2 sequencer uptime feed, if the chain has one.
        config.uptimeFeed = vm.envOr("OTR_UPTIME_FEED", address(0));
        // Time to move after an outage of the sequencer.
        config.grace = _duration("OTR_GRACE", 1 days);
        // Wei per gas at which moves are repaid.
        config.gasPrice = uint64(vm.envOr("OTR_GAS_PRICE", uint256(0.1 gwei)));
        // Longest time from answer to a receipt's expiry that clients accept.
        config.expiryCap = _duration("OTR_EXPIRY_CAP", 1 days);
        // Zero: the shortest that covers expiry, window and the longest game.
        config.exitDelay = _duration("OTR_EXIT_DELAY", 0);
        config.lockPerReceipt = uint96(vm.envOr("OTR_LOCK", uint256(0.001 ether)));
        // Free stake that an executor keeps beside its locks; gas of challengers is repaid from it.
        config.reserve = uint96(vm.envOr("OTR_RESERVE", uint256(0.01 ether)));
        config.bond = uint96(vm.envOr("OTR_BOND", uint256(0.05 ether)));
        config.demandBond = uint96(vm.envOr("OTR_DEMAND_BOND", uint256(0.005 ether)));
        config.challengerBps = uint16(vm.envOr("OTR_CHALLENGER_BPS", uint256(2500)));
        config.requesterBps = uint16(vm.envOr("OTR_REQUESTER_BPS", uint256(2500)));
        // Time after the deadline of an on-chain request in which its answer is delivered.
        config.deliveryPeriod = _duration("OTR_DELIVERY_PERIOD", 6 hours);
        // File of the circuits' verification keys, as tools/circuit-keys.ts writes it. Without one: rules without draws.
        config.circuitKeys = vm.envOr("OTR_CIRCUIT_KEYS", string(""));
        // Blocks of a long fold that are drawn.
        config.drawBlocks = vm.envOr("OTR_DRAW_BLOCKS", uint256(4));
        // Decides proofs about drawn elements in place of one with these keys.
        config.elementVerifier = vm.envOr("OTR_ELEMENT_VERIFIER", address(0));
        // Draw by drand's rounds, or if it dies by the chain's own blocks. Else by values that anybody may choose: for development only.
        config.drand = vm.envOr("OTR_DRAND", !config.development);
        // Time without a sign of life of drand until it can be declared dead, and until a round of blocks is lost: not before the chain's history has
        // let go of its blocks.
        config.deadAfter = _duration("OTR_DEAD_AFTER", config.development ? 10 minutes : 1 days);
        config.lostAfter = _duration("OTR_LOST_AFTER", config.development ? 10 minutes : 1 days);
        // At least the longest time by which the chain's sequencer may backdate a block: 24 h on Arbitrum, 12 h on OP chains.
        config.drawDelta = _duration("OTR_DRAW_DELTA", config.development ? 0 : 1 days);
        // What is fixed within an epoch shares a round.
        config.drawEpoch = _duration("OTR_DRAW_EPOCH", config.development ? 1 : 1 hours);
        // Time to deliver a round once it is due. Zero: the shortest allowed.
        config.roundTimeout = _duration("OTR_ROUND_TIMEOUT", 0);
        // One receipt of so many is drawn.
        config.drawStride = uint32(vm.envOr("OTR_DRAW_STRIDE", uint256(100)));
        // Pairs (instruction, element) of its step that are drawn.
        config.drawPairs = uint8(vm.envOr("OTR_DRAW_PAIRS", uint256(4)));
        _intelFromEnvironment(config);
        // keccak256 of the root certificate of GPUs, DER; 0: no evidence of GPUs is taken.
        config.attestation.nvidiaRoot = vm.envOr("OTR_NVIDIA_ROOT", AttestationDeploy.NVIDIA_ROOT);
        // May revoke certificates of GPUs.
        config.attestation.revoker = vm.envOr("OTR_REVOKER", config.guardian);
        // Whose statements count as evidence of the lowest assurance; 0: nobody's.
        config.attestation.voucher = vm.envOr("OTR_VOUCHER", address(0));
        // The Ethereum Attestation Service; by default the chain's, if it has one; 0: no receipts.
        config.attestation.eas = vm.envOr("OTR_EAS", AttestationDeploy.easOf(block.chainid));
    }

    function _intelFromEnvironment(Config memory config) private view {
        AttestationConfig memory a = config.attestation;
        // Let roots other than the vendors' be pinned on a chain other than 31337, in development.
        a.allowAnyChain = config.allowAnyChain;
        // keccak256 of the root certificate of Intel's machines, DER; 0: no quotes are taken.
        a.intelRoot = vm.envOr("OTR_INTEL_ROOT", AttestationDeploy.INTEL_ROOT);
        // keccak256 of the name of those who sign TCB info, DER.
        a.intelSigner = vm.envOr("OTR_INTEL_SIGNER", AttestationDeploy.INTEL_SIGNER);
        // Least TCB evaluation data number: Intel's current one.
        a.intelPolicy.minTcbEval = uint32(vm.envOr("OTR_TCB_EVAL", uint256(20)));
        // Time from the announcement of a TCB recovery until its number is current; the number before stays good for a while.
        a.intelPolicy.promotionDelay = uint32(vm.envOr("OTR_TCB_PROMOTION", uint256(365 days)));
        a.intelPolicy.grace = uint32(vm.envOr("OTR_TCB_GRACE", uint256(30 days)));
        // Longest time since the issue of TCB info and identity; 0: until Intel's next ones are due.
        a.intelPolicy.maxAge = uint32(vm.envOr("OTR_COLLATERAL_AGE", uint256(0)));
        // Accept platforms that need another configuration.
        a.intelPolicy.acceptConfiguration = vm.envOr("OTR_TCB_CONFIGURATION", false);
    }

    /// @notice Deploys and wires. `deployer` is the sender of every transaction and holds no power afterwards.
    function deploy(Config memory config, address deployer) public returns (Deployment memory d) {
        d = _contracts(config, deployer);
        _wire(config, d);
        _govern(config, deployer, d);
    }

    function _contracts(Config memory config, address deployer) private returns (Deployment memory d) {
        address found = _find("AccessManager");
        d.manager = found != address(0) ? AccessManager(found) : new AccessManager(deployer);
        found = _find("TimelockController");
        d.timelock = TimelockController(payable(found != address(0) ? found : address(_timelock(config))));
        found = _find("StakeVault");
        d.vault = StakeVault(
            found != address(0)
                ? found
                : _proxy(
                    address(new StakeVault()),
                    abi.encodeCall(StakeVault.initialize, (address(d.manager), _exitDelay(config)))
                )
        );
        found = _find("ModelRegistry");
        d.models = ModelRegistry(
            found != address(0)
                ? found
                : _proxy(address(new ModelRegistry()), abi.encodeCall(ModelRegistry.initialize, (address(d.manager))))
        );
        found = _find("EnclaveRegistry");
        d.enclaves = EnclaveRegistry(
            found != address(0)
                ? found
                : _proxy(
                    address(new EnclaveRegistry(d.vault)),
                    abi.encodeCall(
                        EnclaveRegistry.initialize, (address(d.manager), config.keyLifetime, config.development)
                    )
                )
        );
        found = _find("OtrRollup");
        d.rollup = OtrRollup(
            found != address(0)
                ? found
                : _proxy(
                    address(new OtrRollup(d.vault, d.models, d.enclaves)),
                    abi.encodeCall(OtrRollup.initialize, (address(d.manager)))
                )
        );
        found = _find("JudgeV1");
        d.judge = found != address(0) ? IJudge(found) : _judge();
        found = _find("ProgramValidatorV1");
        d.validator = found != address(0) ? IProgramValidator(found) : _validator();
        _courts(config, d);
        found = _find("OtrRequests");
        d.requests = found != address(0)
            ? OtrRequests(found)
            : new OtrRequests(d.rollup, d.vault, d.models, d.uptime, config.deliveryPeriod);
        d.attestation =
            AttestationDeploy.deploy(config.attestation, _foundAttestation(), d.manager, d.enclaves, d.vault);
        if (!config.development) return d;
        found = _find("DevEvidenceVerifier");
        d.devVerifier = found != address(0)
            ? DevEvidenceVerifier(found)
            : new DevEvidenceVerifier(config.devRoot, config.allowAnyChain);
    }

    /// @dev Immutable: new ones come with new rules.
    function _courts(Config memory config, Deployment memory d) private {
        address found = _find("SequencerUptime");
        d.uptime = found != address(0) ? SequencerUptime(found) : new SequencerUptime(config.uptimeFeed, config.grace);
        found = _find("DisputeGame");
        d.game = found != address(0)
            ? DisputeGame(found)
            : new DisputeGame(d.rollup, d.vault, d.judge, d.models, d.uptime, config.turnDuration);
        found = _find("FraudProofs");
        d.frauds = found != address(0) ? FraudProofs(found) : new FraudProofs(d.rollup, d.models, config.turnDuration);
        found = _find("Availability");
        d.availability = found != address(0)
            ? Availability(found)
            : new Availability(d.rollup, d.vault, d.uptime, config.turnDuration);
        d.elementVerifier = _elementVerifier(config, d);
        if (address(d.elementVerifier) == address(0)) return;
        found = _find("Randomness");
        d.randomness = found != address(0) ? IRandomness(found) : _randomness(config);
        found = _find("SpotChecks");
        d.spotChecks = found != address(0) ? SpotChecks(found) : new SpotChecks(_spotCheckTerms(config, d));
    }

    /// @dev Zero without keys.
    function _elementVerifier(Config memory config, Deployment memory d) internal virtual returns (IElementVerifier) {
        if (config.elementVerifier != address(0)) return IElementVerifier(config.elementVerifier);
        if (!_hasDraws(config)) return IElementVerifier(address(0));
        address found = _find("ElementVerifier");
        return found != address(0) ? IElementVerifier(found) : _newElementVerifier(config, d);
    }

    function _newElementVerifier(Config memory config, Deployment memory d) private returns (ElementVerifier) {
        string memory json = vm.readFile(config.circuitKeys);
        bool development = vm.parseJsonBool(json, ".development");
        // INVARIANT: keys with which anybody can prove anything stay on local chains, unless the deployer insists.
        if (development && block.chainid != LOCAL_CHAIN && !config.allowAnyChain) {
            revert DevelopmentKeys(config.circuitKeys, block.chainid);
        }
        bytes[] memory found = vm.parseJsonBytesArray(json, ".keys");
        bytes[6] memory keys;
        if (found.length != keys.length) revert CircuitKeysCount(config.circuitKeys, keys.length, found.length);
        for (uint256 k; k < keys.length; ++k) {
            keys[k] = found[k];
        }
        return new ElementVerifier(d.models, keys, config.drawBlocks, development);
    }

    function _hasDraws(Config memory config) private pure returns (bool) {
        return config.elementVerifier != address(0) || bytes(config.circuitKeys).length != 0;
    }

    function _randomness(Config memory config) private returns (IRandomness) {
        Duration period = Evmnet.PERIOD;
        if (!config.drand) return new DevRandomness(Evmnet.GENESIS, period, config.allowAnyChain);
        IRandomness beacon = new DrandEvmnet(Evmnet.key(), Evmnet.GENESIS, period);
        return new FallbackRandomness(beacon, new BlockMix(Evmnet.GENESIS, period), config.deadAfter, config.lostAfter);
    }

    function _spotCheckTerms(Config memory config, Deployment memory d) private pure returns (SpotCheckTerms memory) {
        return SpotCheckTerms({
            rollup: d.rollup,
            vault: d.vault,
            uptime: d.uptime,
            randomness: d.randomness,
            verifier: d.elementVerifier,
            delta: config.drawDelta,
            epoch: config.drawEpoch,
            roundTimeout: _roundTimeout(config),
            turnDuration: config.turnDuration,
            stride: config.drawStride,
            pairs: config.drawPairs
        });
    }

    // ---------------------------------------------------------------- what stands already

    /// @dev INVARIANT: what is kept is what would be deployed: a wrong or outdated address file must not tie new contracts, stake and all, to
    ///      whatever else has code there. Each contract is made once more, outside of the broadcast, and compared.
    function _requireKnown(Config memory config) private {
        _requireUptimeFeed(config.uptimeFeed);
        Deployment memory d = _found();
        Deployment memory nothing;
        if (keccak256(abi.encode(d)) == keccak256(abi.encode(nothing))) return;
        address manager = address(d.manager);
        _requireSame("AccessManager", manager, address(new AccessManager(config.governance)));
        _requireSame("TimelockController", address(d.timelock), address(_timelock(config)));
        _requireProxy("StakeVault", address(d.vault), address(new StakeVault()), manager);
        _requireProxy("ModelRegistry", address(d.models), address(new ModelRegistry()), manager);
        _requireProxy("EnclaveRegistry", address(d.enclaves), address(new EnclaveRegistry(d.vault)), manager);
        _requireProxy("OtrRollup", address(d.rollup), address(new OtrRollup(d.vault, d.models, d.enclaves)), manager);
        _requireSame("JudgeV1", address(d.judge), address(_judge()));
        _requireSame("ProgramValidatorV1", address(d.validator), address(_validator()));
        if (address(d.devVerifier) != address(0)) {
            address verifier = address(new DevEvidenceVerifier(config.devRoot, config.allowAnyChain));
            _requireSame("DevEvidenceVerifier", address(d.devVerifier), verifier);
        }
        _requireSame(
            "SequencerUptime", address(d.uptime), address(new SequencerUptime(config.uptimeFeed, config.grace))
        );
        _requireKnownCourts(config, d);
        (string memory name, address at) =
            AttestationDeploy.unknown(config.attestation, d.attestation, d.manager, d.enclaves, d.vault);
        if (at != address(0)) revert UnknownCode(name, at, _path);
    }

    function _requireKnownCourts(Config memory config, Deployment memory d) private {
        Duration turn = config.turnDuration;
        if (address(d.game) != address(0)) {
            DisputeGame game = new DisputeGame(d.rollup, d.vault, d.judge, d.models, d.uptime, turn);
            _requireSame("DisputeGame", address(d.game), address(game), _one(address(game.EXTENSION())));
        }
        _requireSame("FraudProofs", address(d.frauds), address(new FraudProofs(d.rollup, d.models, turn)));
        address availability = address(new Availability(d.rollup, d.vault, d.uptime, turn));
        _requireSame("Availability", address(d.availability), availability);
        address requests = address(new OtrRequests(d.rollup, d.vault, d.models, d.uptime, config.deliveryPeriod));
        _requireSame("OtrRequests", address(d.requests), requests);
        // Without a verifier there is no court of draws to compare with.
        bool none = !_hasDraws(config);
        if (none && address(d.spotChecks) != address(0)) {
            revert UnknownCode("SpotChecks", address(d.spotChecks), _path);
        }
        if (config.elementVerifier == address(0) && address(d.elementVerifier) != address(0)) {
            ElementVerifier verifier = _newElementVerifier(config, d);
            _requireSame("ElementVerifier", address(d.elementVerifier), address(verifier), _keysOf(verifier));
        }
        if (!none && address(d.randomness) != address(0)) {
            IRandomness source = _randomness(config);
            _requireSame("Randomness", address(d.randomness), address(source), _partsOf(config, source));
        }
        if (address(d.spotChecks) != address(0)) {
            _requireSame("SpotChecks", address(d.spotChecks), address(new SpotChecks(_spotCheckTerms(config, d))));
        }
    }

    /// @dev Where a verifier keeps its keys.
    function _keysOf(ElementVerifier verifier) private view returns (address[] memory keys) {
        keys = new address[](6);
        for (uint256 k; k < keys.length; ++k) {
            keys[k] = verifier.keyOf(Circuit(k));
        }
    }

    /// @dev What a source is made of.
    function _partsOf(Config memory config, IRandomness source) private view returns (address[] memory parts) {
        if (!config.drand) return parts;
        parts = new address[](2);
        FallbackRandomness both = FallbackRandomness(address(source));
        (parts[0], parts[1]) = (address(both.BEACON()), address(both.FALLBACK()));
    }

    /// @dev What the address file names and has code; zero else.
    function _found() private view returns (Deployment memory d) {
        d.manager = AccessManager(_find("AccessManager"));
        d.timelock = TimelockController(payable(_find("TimelockController")));
        d.vault = StakeVault(_find("StakeVault"));
        d.models = ModelRegistry(_find("ModelRegistry"));
        d.enclaves = EnclaveRegistry(_find("EnclaveRegistry"));
        d.rollup = OtrRollup(_find("OtrRollup"));
        d.judge = IJudge(_find("JudgeV1"));
        d.validator = IProgramValidator(_find("ProgramValidatorV1"));
        d.uptime = SequencerUptime(_find("SequencerUptime"));
        d.game = DisputeGame(_find("DisputeGame"));
        d.frauds = FraudProofs(_find("FraudProofs"));
        d.availability = Availability(_find("Availability"));
        d.requests = OtrRequests(_find("OtrRequests"));
        d.devVerifier = DevEvidenceVerifier(_find("DevEvidenceVerifier"));
        d.elementVerifier = IElementVerifier(_find("ElementVerifier"));
        d.randomness = IRandomness(_find("Randomness"));
        d.spotChecks = SpotChecks(_find("SpotChecks"));
        d.attestation = _foundAttestation();
    }

    function _foundAttestation() private view returns (AttestationDeployment memory d) {
        d.sessions = EnclaveSessions(_find("EnclaveSessions"));
        d.enclaveVerifier = EnclaveVerifier(_find("EnclaveVerifier"));
        d.governanceVerifier = GovernanceVerifier(_find("GovernanceVerifier"));
        d.intelCertificates = IntelCertificates(_find("IntelCertificates"));
        d.intelCollateral = IntelCollateral(_find("IntelCollateral"));
        d.dcap = DcapVerifier(_find("DcapVerifier"));
        d.dcapSgx = DcapVerifier(_find("DcapVerifierSgx"));
        d.signatures = P384Verifier(_find("P384Verifier"));
        d.certificates = NvidiaCertificates(_find("NvidiaCertificates"));
        d.nvidia = NvidiaVerifier(_find("NvidiaVerifier"));
        d.ocsp = NvidiaOcsp(_find("NvidiaOcsp"));
        d.resolver = TeeResolver(_find("TeeResolver"));
    }

    /// @dev A proxy of this repository's kind, with this repository's implementation, under the deployment's manager.
    function _requireProxy(string memory name, address found, address fresh, address manager) private view {
        if (found == address(0)) return;
        bytes32 slot = vm.load(found, ERC1967Utils.IMPLEMENTATION_SLOT);
        address implementation = address(uint160(uint256(slot)));
        if (found.codehash != keccak256(type(ERC1967Proxy).runtimeCode)) revert UnknownCode(name, found, _path);
        // The rollup's code names the libraries that it is linked to.
        address[] memory libraries = new address[](4);
        (libraries[0], libraries[1]) = (address(Settlement), address(Demands));
        (libraries[2], libraries[3]) = (address(Games), address(RulesLib));
        if (!SameCode.isSame(implementation, fresh, libraries)) revert UnknownCode(name, found, _path);
        address authority = IAccessManaged(found).authority();
        if (authority != manager) revert OtherManager(name, found, authority, manager);
    }

    function _requireSame(string memory name, address found, address fresh) private view {
        _requireSame(name, found, fresh, new address[](0));
    }

    function _requireSame(string memory name, address found, address fresh, address[] memory own) private view {
        if (found != address(0) && !SameCode.isSame(found, fresh, own)) revert UnknownCode(name, found, _path);
    }

    function _one(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }

    /// @dev A price feed, say, has the same functions. Read by the deployment as the court will.
    function _requireUptimeFeed(address feed) private view {
        if (feed == address(0)) return;
        if (feed.code.length == 0) revert IUptime.FeedWithoutCode(feed);
        (, int256 answer, uint256 startedAt,,) = ISequencerFeed(feed).latestRoundData();
        if (answer < 0 || answer > 1 || startedAt == 0 || startedAt > block.timestamp) {
            revert NoUptimeFeed(feed, answer, startedAt);
        }
    }

    // ---------------------------------------------------------------- wiring

    function _wire(Config memory config, Deployment memory d) private {
        uint32 machineVersion = d.judge.machineVersion();
        if (d.vault.rollup() == address(0)) d.vault.setRollup(address(d.rollup));
        if (address(d.models.validatorOf(machineVersion)) == address(0)) {
            d.models.setValidator(machineVersion, d.validator);
        }
        if (RulesVersion.unwrap(d.rollup.currentRules()) == 0) {
            d.rollup.addRules(_rules(config, d));
        }
        if (config.development && address(d.enclaves.verifierOf(d.devVerifier.kind())) == address(0)) {
            d.enclaves.setVerifier(d.devVerifier);
        }
    }

    function _rules(Config memory config, Deployment memory d) private view returns (Rules memory) {
        // Governance must be able to act on a faulty verdict before it is paid.
        require(config.airGap.inSeconds() > config.timelockDelay, "OTR_AIR_GAP must exceed OTR_TIMELOCK_DELAY");
        return Rules({
            game: address(d.game),
            challengeWindow: config.challengeWindow,
            turnDuration: config.turnDuration,
            claimPeriod: config.claimPeriod,
            judge: address(d.judge),
            lockPerReceipt: config.lockPerReceipt,
            frauds: address(d.frauds),
            bond: config.bond,
            availability: address(d.availability),
            reserve: config.reserve,
            uptime: address(d.uptime),
            gasPrice: config.gasPrice,
            airGap: config.airGap,
            machineVersion: d.judge.machineVersion(),
            expiryCap: config.expiryCap,
            demandBond: config.demandBond,
            challengerBps: config.challengerBps,
            requesterBps: config.requesterBps,
            spotChecks: address(d.spotChecks)
        });
    }

    /// @dev Everything restricted is the administrator's (the timelock), but for what the guardian may do.
    function _govern(Config memory config, address deployer, Deployment memory d) private {
        uint64 admin = d.manager.ADMIN_ROLE();
        if (!_has(d, admin, deployer)) return;
        AttestationDeploy.wire(config.attestation, d.attestation, d.manager, d.enclaves, GUARDIAN_ROLE);
        if (!_has(d, GUARDIAN_ROLE, config.guardian)) {
            bytes4[] memory selectors = new bytes4[](1);
            selectors[0] = IOtrRollup.pause.selector;
            d.manager.setTargetFunctionRole(address(d.rollup), selectors, GUARDIAN_ROLE);
            selectors[0] = IEnclaveRegistry.removePolicy.selector;
            d.manager.setTargetFunctionRole(address(d.enclaves), selectors, GUARDIAN_ROLE);
            d.manager.grantRole(GUARDIAN_ROLE, config.guardian, 0);
        }
        if (!_has(d, admin, address(d.timelock))) d.manager.grantRole(admin, address(d.timelock), 0);
        bool lacksGovernance = config.development && !_has(d, admin, config.governance);
        if (lacksGovernance) d.manager.grantRole(admin, config.governance, 0);
        if (!config.development || config.governance != deployer) d.manager.renounceRole(admin, deployer);
    }

    function _has(Deployment memory d, uint64 role, address account) private view returns (bool member) {
        (member,) = d.manager.hasRole(role, account);
    }

    /// @dev The judge of the deployment; tests put a double here.
    function _judge() internal virtual returns (IJudge) {
        return new JudgeV1();
    }

    /// @dev The validator of the deployment; tests put a double here.
    function _validator() internal virtual returns (IProgramValidator) {
        return new ProgramValidatorV1();
    }

    function _timelock(Config memory config) private returns (TimelockController) {
        address[] memory governance = new address[](1);
        governance[0] = config.governance;
        return new TimelockController(config.timelockDelay, governance, governance, address(0));
    }

    function _proxy(address implementation, bytes memory initialization) private returns (address) {
        return address(new ERC1967Proxy(implementation, initialization));
    }

    function _exitDelay(Config memory config) private pure returns (Duration) {
        if (config.exitDelay.inSeconds() != 0) return config.exitDelay;
        uint256 turn = config.turnDuration.inSeconds();
        // A demand in the first half of the window, its answer a turn later, and half a window after it.
        uint256 window = config.challengeWindow.inSeconds() + turn;
        uint256 liability = Math.max(window + WalkLib.MAX_TURNS * turn, _longestDraws(config));
        return Duration.wrap(uint32(config.expiryCap.inSeconds() + liability));
    }

    /// @dev As `SpotChecks.longestDraws`, before there is one.
    function _longestDraws(Config memory config) private pure returns (uint256) {
        if (!_hasDraws(config)) return 0;
        uint256 due = config.drawDelta.inSeconds() + config.drawEpoch.inSeconds() + Evmnet.PERIOD.inSeconds();
        return 3 * (due + _roundTimeout(config).inSeconds() + config.turnDuration.inSeconds());
    }

    function _roundTimeout(Config memory config) private pure returns (Duration) {
        if (config.roundTimeout.inSeconds() != 0) return config.roundTimeout;
        uint256 replacing = config.drand ? config.deadAfter.inSeconds() + config.lostAfter.inSeconds() : 0;
        return Duration.wrap(uint32(replacing + config.turnDuration.inSeconds()));
    }

    function _duration(string memory name, uint256 otherwise) private view returns (Duration) {
        return Duration.wrap(uint32(vm.envOr(name, otherwise)));
    }

    function _find(string memory name) private view returns (address) {
        string memory key = string.concat(".", name);
        if (bytes(_known).length == 0 || !vm.keyExistsJson(_known, key)) return address(0);
        address at = vm.parseJsonAddress(_known, key);
        return at.code.length == 0 ? address(0) : at;
    }

    function _write(Deployment memory d) private {
        string memory json = "deployment";
        vm.serializeAddress(json, "AccessManager", address(d.manager));
        vm.serializeAddress(json, "TimelockController", address(d.timelock));
        vm.serializeAddress(json, "StakeVault", address(d.vault));
        vm.serializeAddress(json, "ModelRegistry", address(d.models));
        vm.serializeAddress(json, "EnclaveRegistry", address(d.enclaves));
        vm.serializeAddress(json, "OtrRollup", address(d.rollup));
        vm.serializeAddress(json, "JudgeV1", address(d.judge));
        vm.serializeAddress(json, "ProgramValidatorV1", address(d.validator));
        if (address(d.devVerifier) != address(0)) {
            vm.serializeAddress(json, "DevEvidenceVerifier", address(d.devVerifier));
        }
        if (address(d.spotChecks) != address(0)) {
            vm.serializeAddress(json, "ElementVerifier", address(d.elementVerifier));
            vm.serializeAddress(json, "Randomness", address(d.randomness));
            vm.serializeAddress(json, "SpotChecks", address(d.spotChecks));
        }
        _writeAttestation(json, d.attestation);
        vm.serializeAddress(json, "SequencerUptime", address(d.uptime));
        vm.serializeAddress(json, "FraudProofs", address(d.frauds));
        vm.serializeAddress(json, "Availability", address(d.availability));
        vm.serializeAddress(json, "OtrRequests", address(d.requests));
        vm.writeJson(vm.serializeAddress(json, "DisputeGame", address(d.game)), _path);
    }

    function _writeAttestation(string memory json, AttestationDeployment memory d) private {
        vm.serializeAddress(json, "EnclaveSessions", address(d.sessions));
        vm.serializeAddress(json, "EnclaveVerifier", address(d.enclaveVerifier));
        if (address(d.governanceVerifier) != address(0)) {
            vm.serializeAddress(json, "GovernanceVerifier", address(d.governanceVerifier));
        }
        if (address(d.dcap) != address(0)) {
            vm.serializeAddress(json, "IntelCertificates", address(d.intelCertificates));
            vm.serializeAddress(json, "IntelCollateral", address(d.intelCollateral));
            vm.serializeAddress(json, "DcapVerifier", address(d.dcap));
            vm.serializeAddress(json, "DcapVerifierSgx", address(d.dcapSgx));
        }
        if (address(d.nvidia) != address(0)) {
            vm.serializeAddress(json, "P384Verifier", address(d.signatures));
            vm.serializeAddress(json, "NvidiaCertificates", address(d.certificates));
            vm.serializeAddress(json, "NvidiaVerifier", address(d.nvidia));
            vm.serializeAddress(json, "NvidiaOcsp", address(d.ocsp));
        }
        if (address(d.resolver) != address(0)) vm.serializeAddress(json, "TeeResolver", address(d.resolver));
    }
}
