// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {Test} from "forge-std/Test.sol";
import {Config, Deploy, Deployment} from "script/Deploy.s.sol";
import {SameCode} from "script/SameCode.sol";
import {DeployWithDouble} from "./utils/Deployer.sol";
import {ElementVerifierDouble} from "./utils/ElementVerifierDouble.sol";
import {RawFeed} from "./utils/MockFeed.sol";
import {DisputeGame} from "src/DisputeGame.sol";
import {OtrRollup} from "src/OtrRollup.sol";
import {StakeVault} from "src/StakeVault.sol";
import {IOtrRollup, Rules, RulesVersion} from "src/interfaces/IOtrRollup.sol";
import {Duration} from "src/libraries/Clock.sol";
import {Demands} from "src/rollup/Demands.sol";
import {Settlement} from "src/rollup/Settlement.sol";

contract DeployTest is Test {
    address private _governance = makeAddr("governance");
    address private _guardian = makeAddr("guardian");

    function _deploy(bool development) private returns (Deployment memory d, Deploy script) {
        script = new Deploy();
        Config memory config = script.configFromEnvironment(address(script));
        config.development = development;
        config.governance = _governance;
        config.guardian = _guardian;
        d = script.deploy(config, address(script));
    }

    function _isAdmin(Deployment memory d, address account) private view returns (bool is_) {
        (is_,) = d.manager.hasRole(d.manager.ADMIN_ROLE(), account);
    }

    function test_deploy_production_handsOver_succeeds() public {
        (Deployment memory d, Deploy script) = _deploy(false);
        assertTrue(_isAdmin(d, address(d.timelock)));
        assertFalse(_isAdmin(d, address(script)));
        assertFalse(_isAdmin(d, _governance));
        assertEq(d.timelock.getMinDelay(), 7 days);
        assertEq(address(d.devVerifier), address(0));
        assertFalse(d.enclaves.development());
        assertEq(address(d.enclaves.verifierOf("DEV")), address(0));
        Rules memory rules = d.rollup.rulesOf(d.rollup.currentRules());
        assertEq(rules.game, address(d.game));
        assertEq(rules.judge, address(d.judge));
        assertEq(rules.machineVersion, 1);
        assertEq(rules.turnDuration.inSeconds(), 1 days);
        assertEq(address(d.models.validatorOf(1)), address(d.validator));
        assertEq(d.vault.rollup(), address(d.rollup));
        assertEq(d.vault.exitDelay().inSeconds(), 1 days + 7 days + 1 days + 42 days);
        vm.prank(_governance);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _governance));
        d.rollup.unpause();
    }

    function test_deploy_timelockGoverns_succeeds() public {
        (Deployment memory d,) = _deploy(false);
        bytes memory call = abi.encodeCall(d.vault.setExitDelay, (Duration.wrap(365 days)));
        vm.startPrank(_governance);
        d.timelock.schedule(address(d.vault), 0, call, 0, 0, 7 days);
        vm.warp(block.timestamp + 7 days);
        d.timelock.execute(address(d.vault), 0, call, 0, 0);
        assertEq(d.vault.exitDelay().inSeconds(), 365 days);
    }

    function test_deploy_guardianPausesOnly_succeeds() public {
        (Deployment memory d,) = _deploy(false);
        vm.startPrank(_guardian);
        d.rollup.pause();
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _guardian);
        vm.expectRevert(unauthorised);
        d.rollup.unpause();
        vm.expectRevert(unauthorised);
        d.enclaves.revokeByGovernance(address(1));
        vm.expectRevert(unauthorised);
        d.vault.setExitDelay(Duration.wrap(365 days));
        vm.expectRevert(unauthorised);
        d.rollup.upgradeToAndCall(address(1), "");
    }

    function test_deploy_development_succeeds() public {
        (Deployment memory d,) = _deploy(true);
        assertTrue(_isAdmin(d, _governance));
        assertTrue(d.enclaves.development());
        assertEq(address(d.enclaves.verifierOf("DEV")), address(d.devVerifier));
        assertEq(d.timelock.getMinDelay(), 7 days);
    }

    /// @dev Writes `deployments/<chainId>.json`, finds everything in it again, and deploys nothing twice.
    function test_run_twice_isIdempotent_succeeds() public {
        vm.chainId(4_202_026);
        string memory path = "deployments/4202026.json";
        if (vm.exists(path)) vm.removeFile(path);
        Deployment memory first = new Deploy().run();
        Deployment memory second = new Deploy().run();
        assertEq(keccak256(abi.encode(first)), keccak256(abi.encode(second)));
        string memory json = vm.readFile(path);
        assertEq(vm.parseJsonAddress(json, ".OtrRollup"), address(first.rollup));
        assertEq(vm.parseJsonAddress(json, ".StakeVault"), address(first.vault));
        assertEq(vm.parseJsonAddress(json, ".ModelRegistry"), address(first.models));
        assertEq(vm.parseJsonAddress(json, ".EnclaveRegistry"), address(first.enclaves));
        assertEq(vm.parseJsonAddress(json, ".DisputeGame"), address(first.game));
        assertEq(vm.parseJsonAddress(json, ".JudgeV1"), address(first.judge));
        assertEq(vm.parseJsonAddress(json, ".ProgramValidatorV1"), address(first.validator));
        assertEq(vm.parseJsonAddress(json, ".AccessManager"), address(first.manager));
        assertEq(vm.parseJsonAddress(json, ".TimelockController"), address(first.timelock));
        assertEq(vm.parseJsonAddress(json, ".IntelCertificates"), address(first.attestation.intelCertificates));
        assertEq(vm.parseJsonAddress(json, ".IntelCollateral"), address(first.attestation.intelCollateral));
        assertEq(vm.parseJsonAddress(json, ".DcapVerifier"), address(first.attestation.dcap));
        assertEq(vm.parseJsonAddress(json, ".DcapVerifierSgx"), address(first.attestation.dcapSgx));
        assertEq(address(second.enclaves.verifierOf("TDX_DCAP")), address(first.attestation.dcap));
        assertEq(address(second.enclaves.verifierOf("SGX_DCAP")), address(first.attestation.dcapSgx));
        assertEq(RulesVersion.unwrap(second.rollup.currentRules()), 1);
        vm.removeFile(path);
    }

    // ---------------------------------------------------------------- an address file that is wrong

    /// @dev A deployment whose address file tests falsify. Each test has a chain, and so a file, of its own.
    function _fileOf(uint256 chainId) private returns (Deployment memory d, string memory path) {
        vm.chainId(chainId);
        path = string.concat("deployments/", vm.toString(chainId), ".json");
        if (vm.exists(path)) vm.removeFile(path);
        d = new Deploy().run();
    }

    function _name(string memory path, string memory name, address at) private {
        vm.writeJson(vm.toString(at), path, string.concat(".", name));
    }

    function _refused(string memory name, address at, string memory path) private {
        Deploy script = new Deploy();
        vm.expectRevert(abi.encodeWithSelector(Deploy.UnknownCode.selector, name, at, path));
        script.run();
    }

    function test_run_otherContract_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_027);
        _name(path, "FraudProofs", address(d.availability));
        _refused("FraudProofs", address(d.availability), path);
        _name(path, "FraudProofs", address(d.frauds));
        _name(path, "StakeVault", address(d.models));
        _refused("StakeVault", address(d.models), path);
        // An implementation is not the proxy in front of it.
        address implementation = address(new StakeVault());
        _name(path, "StakeVault", implementation);
        _refused("StakeVault", implementation, path);
        vm.removeFile(path);
    }

    /// @dev The same contract, tied to other contracts or with other parameters.
    function test_run_otherImmutables_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_028);
        address game = address(new DisputeGame(d.rollup, d.vault, d.judge, d.models, d.uptime, Duration.wrap(1 hours)));
        _name(path, "DisputeGame", game);
        _refused("DisputeGame", game, path);
        game = address(new DisputeGame(d.rollup, d.vault, d.judge, d.models, d.uptime, Duration.wrap(1 days)));
        _name(path, "DisputeGame", game);
        new Deploy().run();
        address rollup = address(new OtrRollup(StakeVault(address(d.models)), d.models, d.enclaves));
        vm.store(address(d.rollup), ERC1967Utils.IMPLEMENTATION_SLOT, bytes32(uint256(uint160(rollup))));
        _refused("OtrRollup", address(d.rollup), path);
        vm.removeFile(path);
    }

    function test_run_otherManager_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_029);
        AccessManager manager = new AccessManager(address(this));
        _name(path, "AccessManager", address(manager));
        Deploy script = new Deploy();
        bytes4 selector = Deploy.OtherManager.selector;
        vm.expectRevert(
            abi.encodeWithSelector(selector, "StakeVault", address(d.vault), address(d.manager), address(manager))
        );
        script.run();
        vm.removeFile(path);
    }

    /// @dev One byte of any contract.
    function test_run_changedByte_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_030);
        _spoil("JudgeV1", address(d.judge), address(d.judge), path);
        _spoil("SequencerUptime", address(d.uptime), address(d.uptime), path);
        _spoil("OtrRequests", address(d.requests), address(d.requests), path);
        address sessions = address(d.attestation.sessions);
        _spoil("EnclaveSessions", sessions, sessions, path);
        vm.removeFile(path);
    }

    /// @dev Those that have the time of their deployment in their code.
    function test_run_changedVerifierOfQuotes_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_034);
        _spoilLater("DcapVerifier", address(d.attestation.dcap), path);
    }

    function test_run_changedVerifierOfSgxQuotes_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_036);
        _spoilLater("DcapVerifierSgx", address(d.attestation.dcapSgx), path);
    }

    function _spoilLater(string memory name, address verifier, string memory path) private {
        vm.warp(block.timestamp + 1 days);
        _spoil(name, verifier, verifier, path);
        new Deploy().run();
        vm.removeFile(path);
    }

    /// @dev The game's extension, and the rollup's libraries.
    function test_run_changedByteBehindAnother_reverts() public {
        (Deployment memory d, string memory path) = _fileOf(4_202_033);
        _spoil("DisputeGame", address(d.game), address(d.game.EXTENSION()), path);
        _spoil("OtrRollup", address(d.rollup), address(d.rollup), path);
        new Deploy().run();
        vm.removeFile(path);
    }

    function _spoil(string memory name, address named, address spoilt, string memory path) private {
        bytes memory code = spoilt.code;
        uint256 at = code.length * 2 / 3;
        code[at] ^= 0x01;
        vm.etch(spoilt, code);
        _refused(name, named, path);
        code[at] ^= 0x01;
        vm.etch(spoilt, code);
    }

    function test_sameCode_libraries() public {
        Linked first = new Linked(address(1));
        Linked second = new Linked(address(1));
        address[] memory libraries = new address[](1);
        libraries[0] = address(Settlement);
        assertTrue(SameCode.isSame(address(first), address(second), libraries));
        assertFalse(SameCode.isSame(address(first), address(new Linked(address(2))), libraries));
        // Linked to the same library at another address, and to another one.
        address copy = makeAddr("copy");
        vm.etch(copy, _replaced(address(Settlement).code, address(Settlement), copy));
        vm.etch(address(first), _replaced(address(first).code, address(Settlement), copy));
        assertTrue(SameCode.isSame(address(first), address(second), libraries));
        assertFalse(SameCode.isSame(address(first), address(second), new address[](0)));
        vm.etch(copy, address(Demands).code);
        assertFalse(SameCode.isSame(address(first), address(second), libraries));
        assertFalse(SameCode.isSame(makeAddr("nothing"), address(second), libraries));
    }

    function _replaced(bytes memory code, address what, address by) private pure returns (bytes memory) {
        for (uint256 at; at + 20 <= code.length; ++at) {
            bool found = true;
            for (uint256 k; found && k < 20; ++k) {
                found = code[at + k] == bytes20(what)[k];
            }
            for (uint256 k; found && k < 20; ++k) {
                code[at + k] = bytes20(by)[k];
            }
        }
        return code;
    }

    // ---------------------------------------------------------------- draws

    /// @dev Without a verifier of proofs there are no draws.
    function test_deploy_withoutVerifier_hasNoDraws_succeeds() public {
        (Deployment memory d,) = _deploy(true);
        assertEq(address(d.spotChecks), address(0));
        assertEq(d.rollup.spotChecksOf(d.rollup.currentRules()), address(0));
    }

    function test_deploy_production_drawsByDrand_succeeds() public {
        // What keeps the hashes of blocks on chains with EIP-2935.
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"00");
        vm.warp(1_800_000_000);
        Deploy script = new DeployWithDraws(new ElementVerifierDouble(), false, 100);
        Deployment memory d = script.deploy(script.configFromEnvironment(address(script)), address(script));
        assertEq(d.rollup.spotChecksOf(d.rollup.currentRules()), address(d.spotChecks));
        assertEq(d.randomness.kind(), bytes32("FALLBACK"));
        assertFalse(d.spotChecks.development());
        assertEq(d.spotChecks.DELTA().inSeconds(), 1 days);
        assertEq(d.spotChecks.EPOCH().inSeconds(), 1 hours);
        assertEq(d.spotChecks.ROUND_TIMEOUT().inSeconds(), 3 days);
        assertEq(d.spotChecks.STRIDE(), 100);
        assertEq(d.spotChecks.PAIRS(), 4);
        assertEq(d.spotChecks.longestDraws().inSeconds(), 3 * (1 days + 1 hours + 3 + 3 days + 1 days));
    }

    /// @dev Keys of a development setup, or values that anybody may choose, are for development deployments.
    function test_deploy_production_forgeableDraws_reverts() public {
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"00");
        ElementVerifierDouble verifier = new ElementVerifierDouble();
        verifier.setDevelopment(true);
        Deploy script = new DeployWithDraws(verifier, false, 100);
        Config memory config = script.configFromEnvironment(address(script));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.InvalidRules.selector, bytes32("development")));
        script.deploy(config, address(script));
        verifier.setDevelopment(false);
        config.drand = false;
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.InvalidRules.selector, bytes32("development")));
        script.deploy(config, address(script));
    }

    /// @dev The exit delay follows whichever takes longer.
    function test_deploy_longDraws_lengthenTheExit_succeeds() public {
        Deploy script = new DeployWithDraws(new ElementVerifierDouble(), true, 100);
        Config memory config = script.configFromEnvironment(address(script));
        config.drawDelta = Duration.wrap(30 days);
        Deployment memory d = script.deploy(config, address(script));
        uint256 longest = d.spotChecks.longestDraws().inSeconds();
        assertEq(d.vault.exitDelay().inSeconds(), config.expiryCap.inSeconds() + longest);
    }

    function test_run_draws_keepsWhatStands_succeeds() public {
        vm.chainId(4_202_032);
        string memory path = "deployments/4202032.json";
        if (vm.exists(path)) vm.removeFile(path);
        ElementVerifierDouble verifier = new ElementVerifierDouble();
        Deployment memory first = new DeployWithDraws(verifier, true, 100).run();
        Deployment memory second = new DeployWithDraws(verifier, true, 100).run();
        assertEq(keccak256(abi.encode(first)), keccak256(abi.encode(second)));
        assertEq(vm.parseJsonAddress(vm.readFile(path), ".SpotChecks"), address(first.spotChecks));
        assertEq(vm.parseJsonAddress(vm.readFile(path), ".Randomness"), address(first.randomness));
        Deploy other = new DeployWithDraws(verifier, true, 50);
        bytes4 selector = Deploy.UnknownCode.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, "SpotChecks", address(first.spotChecks), path));
        other.run();
        // Nor without draws, while the file names a court of draws.
        other = new DeployWithDraws(ElementVerifierDouble(address(0)), true, 100);
        vm.expectRevert(abi.encodeWithSelector(selector, "SpotChecks", address(first.spotChecks), path));
        other.run();
        vm.removeFile(path);
    }

    // ---------------------------------------------------------------- the uptime feed

    /// @dev A price feed, say, has the same functions.
    function test_run_noUptimeFeed_reverts() public {
        vm.chainId(4_202_031);
        RawFeed feed = new RawFeed();
        feed.setLatest(abi.encode(1, 250_000_000_000, 1, 1, 1));
        Deploy script = new DeployWithFeed(address(feed));
        vm.expectRevert(abi.encodeWithSelector(Deploy.NoUptimeFeed.selector, feed, 250_000_000_000, 1));
        script.run();
    }
}

/// @dev The environment is the whole process's: a test must not change it.
contract DeployWithFeed is Deploy {
    address private immutable _feed;

    constructor(address feed) {
        _feed = feed;
    }

    function configFromEnvironment(address deployer) public view override returns (Config memory config) {
        config = super.configFromEnvironment(deployer);
        config.uptimeFeed = _feed;
    }
}

contract DeployWithDraws is DeployWithDouble {
    ElementVerifierDouble private immutable _verifier;
    bool private immutable _development;
    uint32 private immutable _stride;

    constructor(ElementVerifierDouble verifier, bool development, uint32 stride) {
        (_verifier, _development, _stride) = (verifier, development, stride);
    }

    function configFromEnvironment(address deployer) public view override returns (Config memory config) {
        config = super.configFromEnvironment(deployer);
        (config.development, config.drand) = (_development, !_development);
        config.allowAnyChain = _development;
        (config.elementVerifier, config.drawStride) = (address(_verifier), _stride);
        if (_development) return config;
        (config.drawDelta, config.drawEpoch) = (Duration.wrap(1 days), Duration.wrap(1 hours));
    }
}

/// @dev A contract with an immutable, linked to a library.
contract Linked {
    address public immutable TIED_TO;

    constructor(address tiedTo) {
        TIED_TO = tiedTo;
    }

    function linked() external pure returns (address) {
        return address(Settlement);
    }
}
