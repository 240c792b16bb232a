// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";

/// @title StakeVault
contract StakeVault is IStakeVault, AccessManagedUpgradeable, UUPSUpgradeable {
    using Checkpoints for Checkpoints.Trace208;
    using SafeCast for uint256;

    /// @dev Bonds of a holder. `used` stays set: a bond put up while no other is held writes no fresh slot.
    struct Bucket {
        uint128 held;
        bool used;
    }

    /// @custom:storage-location erc7201:otr.storage.StakeVault
    struct Layout {
        mapping(address executor => Executor) executors;
        mapping(address executor => mapping(address account => bool)) delegates;
        mapping(address account => uint256) claimable;
        mapping(address holder => Bucket) bonds;
        uint128 liabilities;
        uint128 burnt;
        address rollup;
        Duration exitDelay;
        // When each executor was leaving (1) and when it stayed (0).
        mapping(address executor => Checkpoints.Trace208) leaving;
    }

    // keccak256(abi.encode(uint256(keccak256("otr.storage.StakeVault")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant LAYOUT_SLOT = 0xd5dba9702bd2e6b19143d33544e6135497817d90918fadf382203aca104cc200;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets authority and exit delay. Once, by the proxy's construction.
    function initialize(address authority, Duration exitDelay_) external initializer {
        __AccessManaged_init(authority);
        _layout().exitDelay = exitDelay_;
        emit ExitDelaySet(exitDelay_);
    }

    // ---------------------------------------------------------------- executors

    /// @inheritdoc IStakeVault
    function deposit(address executor) external payable {
        Layout storage $ = _layout();
        if (executor == address(0)) revert ZeroAddress();
        if (msg.value == 0) revert NothingToMove();
        $.executors[executor].stake += msg.value.toUint88();
        $.liabilities += msg.value.toUint128();
        emit Deposited(executor, msg.sender, msg.value);
    }

    /// @inheritdoc IStakeVault
    function requestExit() external {
        Layout storage $ = _layout();
        Executor storage account = $.executors[msg.sender];
        if (account.exitRequestedAt.isSet()) revert ExitState(account.exitRequestedAt);
        Timestamp dueAt = Clock.current().plus($.exitDelay);
        account.exitRequestedAt = Clock.current();
        account.exitDueAt = dueAt;
        $.leaving[msg.sender].push(Timestamp.unwrap(Clock.current()), 1);
        emit ExitRequested(msg.sender, dueAt);
    }

    /// @inheritdoc IStakeVault
    function cancelExit() external {
        Layout storage $ = _layout();
        Executor storage account = $.executors[msg.sender];
        if (!account.exitRequestedAt.isSet()) revert ExitState(account.exitRequestedAt);
        account.exitRequestedAt = Timestamp.wrap(0);
        account.exitDueAt = Timestamp.wrap(0);
        $.leaving[msg.sender].push(Timestamp.unwrap(Clock.current()), 0);
        emit ExitCancelled(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function withdraw(address to) external {
        Layout storage $ = _layout();
        Executor storage account = $.executors[msg.sender];
        if (!account.exitRequestedAt.isSet()) revert ExitState(account.exitRequestedAt);
        // INVARIANT: stake outlives liability, including receipts signed but not yet committed.
        if (!account.exitDueAt.hasCome()) revert ExitNotDue(account.exitDueAt);
        if (account.locked != 0) revert StakeLocked(account.locked);
        if (to == address(0)) revert ZeroAddress();
        uint256 amount = account.stake;
        if (amount == 0) revert NothingToMove();
        account.stake = 0;
        $.liabilities -= uint128(amount);
        emit Withdrawn(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IStakeVault
    function setDelegate(address delegate, bool allowed) external {
        if (delegate == address(0)) revert ZeroAddress();
        _layout().delegates[msg.sender][delegate] = allowed;
        emit DelegateSet(msg.sender, delegate, allowed);
    }

    /// @inheritdoc IStakeVault
    function setEndpoint(string calldata url) external {
        emit EndpointSet(msg.sender, url);
    }

    // ---------------------------------------------------------------- claims and bonds

    /// @inheritdoc IStakeVault
    function claim(address to) external {
        Layout storage $ = _layout();
        if (to == address(0)) revert ZeroAddress();
        uint256 amount = $.claimable[msg.sender];
        if (amount == 0) revert NothingToMove();
        $.claimable[msg.sender] = 0;
        $.liabilities -= uint128(amount);
        emit Claimed(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IStakeVault
    function depositBond() external payable {
        Layout storage $ = _layout();
        $.bonds[msg.sender] = Bucket($.bonds[msg.sender].held + msg.value.toUint128(), true);
        $.liabilities += msg.value.toUint128();
    }

    /// @inheritdoc IStakeVault
    function payBond(address to, uint256 amount, uint256 burn) external {
        Layout storage $ = _layout();
        uint256 held = $.bonds[msg.sender].held;
        // INVARIANT: a holder spends its own bucket only.
        if (held < amount + burn) revert InsufficientBond(amount + burn, held);
        $.bonds[msg.sender].held = uint128(held - amount - burn);
        $.claimable[to] += amount;
        emit BondPaid(msg.sender, to, amount);
        if (burn != 0) {
            _burn($, burn);
            emit BondPaid(msg.sender, address(0), burn);
        }
    }

    /// @inheritdoc IStakeVault
    function sweepBurnt() external {
        Layout storage $ = _layout();
        uint256 amount = $.burnt;
        if (amount == 0) revert NothingToMove();
        $.burnt = 0;
        emit BurntSwept(amount);
        _send(address(0), amount);
    }

    // ---------------------------------------------------------------- rollup

    /// @inheritdoc IStakeVault
    function lock(address executor, uint256 amount, uint256 reserve) external returns (bool first) {
        Layout storage $ = _onlyRollup();
        Executor storage account = $.executors[executor];
        // INVARIANT: a convicted executor takes on nothing new.
        if (account.convictedAt.isSet()) revert Suspended(executor, account.convictedAt);
        uint256 free = account.stake - account.locked;
        // INVARIANT: the sum of locks never exceeds the stake, and gas of challengers can be repaid from what is left.
        if (amount + reserve > free) revert InsufficientFreeStake(amount + reserve, free);
        first = account.locked == 0;
        account.locked += uint88(amount);
        emit Locked(executor, amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address executor, uint256 amount) external {
        _onlyRollup().executors[executor].locked -= amount.toUint88();
        emit Unlocked(executor, amount);
    }

    /// @inheritdoc IStakeVault
    function convict(address executor) external {
        Executor storage account = _onlyRollup().executors[executor];
        // INVARIANT: an executor is convicted once, for good.
        if (account.convictedAt.isSet()) revert Suspended(executor, account.convictedAt);
        account.convictedAt = Clock.current();
        emit Convicted(executor);
    }

    /// @inheritdoc IStakeVault
    function takeFree(address executor, address to, uint256 amount) external returns (uint256 taken) {
        Layout storage $ = _onlyRollup();
        Executor storage account = $.executors[executor];
        // INVARIANT: only a convicted executor pays gas, and never from what its receipts lock.
        if (!account.convictedAt.isSet()) return 0;
        taken = Math.min(amount, account.stake - account.locked);
        account.stake -= uint88(taken);
        $.claimable[to] += taken;
        emit FreeStakeTaken(executor, to, taken);
    }

    /// @inheritdoc IStakeVault
    function slash(address executor, address to, uint256 amount) external {
        Layout storage $ = _onlyRollup();
        Executor storage account = $.executors[executor];
        uint88 total = amount.toUint88();
        account.stake -= total;
        account.locked -= total;
        if (to == address(0)) _burn($, amount);
        else $.claimable[to] += amount;
        emit Slashed(executor, to, amount);
    }

    // ---------------------------------------------------------------- governance

    /// @inheritdoc IStakeVault
    function setRollup(address rollup_) external restricted {
        Layout storage $ = _layout();
        if (rollup_ == address(0)) revert ZeroAddress();
        if ($.rollup != address(0)) revert RollupAlreadySet($.rollup);
        $.rollup = rollup_;
        emit RollupSet(rollup_);
    }

    /// @inheritdoc IStakeVault
    function setExitDelay(Duration delay) external restricted {
        Layout storage $ = _layout();
        if (delay.inSeconds() < $.exitDelay.inSeconds()) revert ExitDelayShortened($.exitDelay, delay);
        $.exitDelay = delay;
        emit ExitDelaySet(delay);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IStakeVault
    function executorOf(address executor) external view returns (Executor memory) {
        return _layout().executors[executor];
    }

    /// @inheritdoc IStakeVault
    function freeStakeOf(address executor) external view returns (uint256) {
        Executor storage account = _layout().executors[executor];
        return account.stake - account.locked;
    }

    /// @inheritdoc IStakeVault
    function convictedAt(address executor) external view returns (Timestamp) {
        return _layout().executors[executor].convictedAt;
    }

    /// @inheritdoc IStakeVault
    function mayActFor(address executor, address account) external view returns (bool) {
        return account == executor || _layout().delegates[executor][account];
    }

    /// @inheritdoc IStakeVault
    function wasServing(address executor, Timestamp time) external view returns (bool) {
        Layout storage $ = _layout();
        Timestamp convictedAt_ = $.executors[executor].convictedAt;
        if (convictedAt_.isSet() && !time.isBefore(convictedAt_)) return false;
        // INVARIANT: staying after all does not change the past, else receipts that did not stand would become final.
        return $.leaving[executor].upperLookupRecent(Timestamp.unwrap(time)) == 0;
    }

    /// @inheritdoc IStakeVault
    function claimableOf(address account) external view returns (uint256) {
        return _layout().claimable[account];
    }

    /// @inheritdoc IStakeVault
    function bondsOf(address holder) external view returns (uint256) {
        return _layout().bonds[holder].held;
    }

    /// @inheritdoc IStakeVault
    function liabilities() external view returns (uint256) {
        return _layout().liabilities;
    }

    /// @inheritdoc IStakeVault
    function burnt() external view returns (uint256) {
        return _layout().burnt;
    }

    /// @inheritdoc IStakeVault
    function exitDelay() external view returns (Duration) {
        return _layout().exitDelay;
    }

    /// @inheritdoc IStakeVault
    function rollup() external view returns (address) {
        return _layout().rollup;
    }

    // ---------------------------------------------------------------- internals

    function _burn(Layout storage $, uint256 amount) private {
        $.liabilities -= amount.toUint128();
        $.burnt += amount.toUint128();
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to);
    }

    function _onlyRollup() private view returns (Layout storage $) {
        $ = _layout();
        if (msg.sender != $.rollup) revert NotRollup(msg.sender);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _layout() private pure returns (Layout storage $) {
        // SAFETY: a namespaced slot (ERC-7201); nothing else is written.
        assembly ("memory-safe") {
            $.slot := LAYOUT_SLOT
        }
    }
}
