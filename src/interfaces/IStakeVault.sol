// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";

/// @title Holds every wei of the protocol
/// @notice Stake of executors with the part of it that is locked by unsettled receipts, bonds of games, and what is owed.
///         Value leaves by pull only. Always: `balance >= liabilities + burnt`, where `liabilities` is the sum of all stake, all
///         bonds and everything claimable; and `locked <= stake` for every executor.
interface IStakeVault {
    /// @notice Only the rollup moves locks.
    error NotRollup(address caller);
    /// @notice The rollup is named once.
    error RollupAlreadySet(address rollup);
    /// @notice The address is zero.
    error ZeroAddress();
    /// @notice No value was sent, or nothing is there to take.
    error NothingToMove();
    /// @notice The executor's stake that no receipt locks does not cover this.
    error InsufficientFreeStake(uint256 needed, uint256 free);
    /// @notice The executor was convicted and can take on no new liability.
    error Suspended(address executor, Timestamp convictedAt);
    /// @notice An exit is under way already, or none is.
    error ExitState(Timestamp requestedAt);
    /// @notice Stake leaves only after the exit delay.
    error ExitNotDue(Timestamp dueAt);
    /// @notice Stake that receipts lock cannot leave.
    error StakeLocked(uint256 locked);
    /// @notice The caller's bucket holds less than this.
    error InsufficientBond(uint256 needed, uint256 held);
    /// @notice The exit delay only grows: liabilities were taken on under it.
    error ExitDelayShortened(Duration current, Duration requested);
    /// @notice The receiver refused the ETH.
    error TransferFailed(address to);

    /// @notice Stake was added for `executor`.
    event Deposited(address indexed executor, address indexed from, uint256 amount);
    /// @notice The executor wants to leave: its keys read as inactive from now on.
    event ExitRequested(address indexed executor, Timestamp dueAt);
    /// @notice The executor stays.
    event ExitCancelled(address indexed executor);
    /// @notice The executor's whole stake left.
    event Withdrawn(address indexed executor, address indexed to, uint256 amount);
    /// @notice `delegate` may, or may no longer, act for `executor`.
    event DelegateSet(address indexed executor, address indexed delegate, bool allowed);
    /// @notice Where `executor` serves.
    event EndpointSet(address indexed executor, string url);
    /// @notice Receipts were committed.
    event Locked(address indexed executor, uint256 amount);
    /// @notice Receipts are settled.
    event Unlocked(address indexed executor, uint256 amount);
    /// @notice The executor was convicted: suspended for good.
    event Convicted(address indexed executor);
    /// @notice Free stake of a convicted executor repaid gas.
    event FreeStakeTaken(address indexed executor, address indexed to, uint256 amount);
    /// @notice Locked stake was taken: `amount` for `to`, the zero address meaning burnt.
    event Slashed(address indexed executor, address indexed to, uint256 amount);
    /// @notice `holder` (a game) turned part of its bonds into a claim of `to`, or burnt it (`to` zero).
    event BondPaid(address indexed holder, address indexed to, uint256 amount);
    /// @notice What was owed to `account` was paid to `to`.
    event Claimed(address indexed account, address indexed to, uint256 amount);
    /// @notice Burnt ETH went to the zero address.
    event BurntSwept(uint256 amount);
    /// @notice The rollup that moves locks.
    event RollupSet(address rollup);
    /// @notice The exit delay grew.
    event ExitDelaySet(Duration delay);

    /// @notice One executor's account.
    /// @param stake All its stake in wei.
    /// @param locked The part that unsettled receipts lock.
    /// @param convictedAt When it was convicted; zero if never.
    /// @param exitRequestedAt When it asked to leave; zero if it stays.
    /// @param exitDueAt From when its stake may leave.
    struct Executor {
        uint88 stake;
        uint88 locked;
        Timestamp convictedAt;
        Timestamp exitRequestedAt;
        Timestamp exitDueAt;
    }

    /// @notice Adds the value sent to `executor`'s stake. Anyone may; only the executor can ever take it out.
    function deposit(address executor) external payable;

    /// @notice Starts the caller's exit. Receipts it has signed can be committed and disputed until it is due.
    function requestExit() external;

    /// @notice Ends the caller's exit before it is done.
    function cancelExit() external;

    /// @notice Sends the caller's whole stake to `to`, once its exit is due and nothing is locked.
    function withdraw(address to) external;

    /// @notice Lets `delegate` commit batches and answer games for the caller, or stops it.
    function setDelegate(address delegate, bool allowed) external;

    /// @notice Publishes where the caller serves.
    function setEndpoint(string calldata url) external;

    /// @notice Sends everything owed to the caller to `to`.
    function claim(address to) external;

    /// @notice Puts the value sent into the caller's bond bucket.
    /// @dev Open to all: a bucket can only be spent by its holder, so a faulty game can spend no other game's bonds.
    function depositBond() external payable;

    /// @notice Turns part of the caller's bonds into claims: `amount` for `to`, and `burn` for nobody.
    function payBond(address to, uint256 amount, uint256 burn) external;

    /// @notice Locks part of `executor`'s free stake, of which `reserve` must be left. Rollup only.
    /// @return first Nothing was locked before.
    function lock(address executor, uint256 amount, uint256 reserve) external returns (bool first);

    /// @notice Frees locked stake. Rollup only.
    function unlock(address executor, uint256 amount) external;

    /// @notice Suspends `executor` for good. Rollup only.
    function convict(address executor) external;

    /// @notice Takes up to `amount` of a convicted executor's free stake for `to`. Rollup only.
    function takeFree(address executor, address to, uint256 amount) external returns (uint256 taken);

    /// @notice Takes locked stake for `to`, or burns it if `to` is zero. Rollup only.
    function slash(address executor, address to, uint256 amount) external;

    /// @notice Sends all burnt ETH to the zero address. Anyone may.
    function sweepBurnt() external;

    /// @notice Names the rollup, once. Governance only.
    function setRollup(address rollup) external;

    /// @notice Lengthens the exit delay of exits to come. Governance only.
    function setExitDelay(Duration delay) external;

    /// @notice `executor`'s account.
    function executorOf(address executor) external view returns (Executor memory);

    /// @notice Stake of `executor` that no receipt locks.
    function freeStakeOf(address executor) external view returns (uint256);

    /// @notice When `executor` was convicted; zero if never.
    function convictedAt(address executor) external view returns (Timestamp);

    /// @notice Whether `account` is `executor` or one of its delegates.
    function mayActFor(address executor, address account) external view returns (bool);

    /// @notice Whether `executor`, at `time`, was neither convicted nor leaving.
    function wasServing(address executor, Timestamp time) external view returns (bool);

    /// @notice What `account` can claim.
    function claimableOf(address account) external view returns (uint256);

    /// @notice What `holder` (a game) holds in bonds.
    function bondsOf(address holder) external view returns (uint256);

    /// @notice Sum of all stake, bonds and claims.
    function liabilities() external view returns (uint256);

    /// @notice Burnt ETH that has not been sent to the zero address yet.
    function burnt() external view returns (uint256);

    /// @notice Time from an exit's request until stake may leave.
    function exitDelay() external view returns (Duration);

    /// @notice The contract that moves locks.
    function rollup() external view returns (address);
}
