// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config} from "script/Deploy.s.sol";
import {OtrTest} from "./OtrTest.sol";
import {BatchId} from "src/interfaces/IOtrRollup.sol";
import {Duration} from "src/libraries/Clock.sol";
import {Receipt as OtrReceipt, ReceiptHash} from "src/types/OtrTypes.sol";

/// @title Random walks of several executors, the first of which is honest: who they are, and what of its actions a walk has reached
abstract contract ActorsTest is OtrTest {
    uint256 internal constant ACTORS = 3;

    struct Actor {
        address executor;
        uint256 key;
        address enclave;
        uint256 enclaveKey;
    }

    Actor[] internal _actors;
    mapping(bytes32 action => uint256) internal _count;

    function setUp() public virtual override {
        super.setUp();
        _actors.push(Actor(executor, executorKey, enclave, enclaveKey));
        for (uint256 i = 1; i < ACTORS; ++i) {
            _actors.push(_newActor(vm.toString(i)));
        }
        _use(0);
        vm.warp(block.timestamp + 1);
    }

    /// @dev What an executor stakes that is not the first.
    function _stakeOfOthers() internal pure virtual returns (uint256) {
        return STAKE;
    }

    /// @dev A walk takes months: keys must not run out in it.
    function _config(address devRoot) internal view virtual override returns (Config memory config) {
        config = super._config(devRoot);
        config.keyLifetime = Duration.wrap(3650 days);
    }

    function _makeProgram() internal virtual override {
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    // ---------------------------------------------------------------- actors

    function _newActor(string memory name) internal returns (Actor memory actor) {
        (actor.executor, actor.key) = makeAddrAndKey(string.concat("executor", name));
        (actor.enclave, actor.enclaveKey) = makeAddrAndKey(string.concat("enclave", name));
        (executor, executorKey, enclave, enclaveKey) = (actor.executor, actor.key, actor.enclave, actor.enclaveKey);
        _registerEnclave();
        vm.deal(executor, _stakeOfOthers());
        vm.prank(executor);
        vault.deposit{value: _stakeOfOthers()}(executor);
    }

    /// @dev Convicted executors are replaced, by one seed in so many, or nothing would be left to happen.
    function _replaceConvicted(uint256 seed, uint256 oneIn) internal {
        for (uint256 i = 1; i < ACTORS; ++i) {
            if (!vault.convictedAt(_actors[i].executor).isSet() || seed % oneIn != 0) continue;
            _actors[i] = _newActor(string.concat(vm.toString(i), "-", vm.toString(seed)));
            _replaced(i);
        }
    }

    function _replaced(uint256 i) internal virtual {}

    function _use(uint256 seed) internal {
        Actor memory actor = _actors[seed % ACTORS];
        (executor, executorKey, enclave, enclaveKey) = (actor.executor, actor.key, actor.enclave, actor.enclaveKey);
    }

    function _useExecutor(address account) internal {
        for (uint256 i; i < ACTORS; ++i) {
            if (_actors[i].executor == account) return _use(i);
        }
        executor = account;
    }

    // ---------------------------------------------------------------- commits

    /// @dev Whether the executor in use may not commit so many receipts.
    function _cannotLock(uint256 n) internal view returns (bool) {
        return vault.convictedAt(executor).isSet() || vault.freeStakeOf(executor) < n * LOCK + RESERVE;
    }

    /// @dev A stranger commits a receipt that the executor in use signed.
    function _commitSigned(OtrReceipt memory receipt) internal returns (BatchId) {
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(receipt));
        vm.prank(stranger);
        return rollup.commitReceipt(receipt, _sign(enclaveKey, digest), _sign(executorKey, digest));
    }

    // ---------------------------------------------------------------- walks

    /// @dev Makes the fuzzer call these functions of the test.
    function _target(bytes4[] memory selectors) internal {
        targetContract(address(this));
        targetSelector(FuzzSelector({addr: address(this), selectors: selectors}));
    }

    /// @dev Actions that were counted, their names separated by spaces. An invariant that cannot fail is a defect.
    function _assertReached(string memory actions) internal {
        string[] memory names = vm.split(actions, " ");
        for (uint256 i; i < names.length; ++i) {
            emit log_named_uint(names[i], _count[bytes32(bytes(names[i]))]);
        }
        for (uint256 i; i < names.length; ++i) {
            assertGt(_count[bytes32(bytes(names[i]))], 0, names[i]);
        }
    }
}
