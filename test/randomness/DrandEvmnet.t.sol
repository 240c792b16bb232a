// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IRandomness} from "src/interfaces/IRandomness.sol";
import {Bn254} from "src/libraries/Bn254.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {DrandEvmnet} from "src/randomness/DrandEvmnet.sol";
import {Evmnet} from "src/randomness/Evmnet.sol";

/// @notice Real rounds of evmnet, and everything that is none.
contract DrandEvmnetTest is Test {
    DrandEvmnet private _drand;
    uint256[] private _rounds;
    bytes[] private _signatures;
    bytes32[] private _values;

    function setUp() public {
        string memory json = vm.readFile("test/vectors/drand.json");
        _rounds = vm.parseJsonUintArray(json, ".rounds.round");
        _signatures = vm.parseJsonBytesArray(json, ".rounds.signature");
        _values = vm.parseJsonBytes32Array(json, ".rounds.randomness");
        _drand = new DrandEvmnet(Evmnet.key(), Evmnet.GENESIS, Evmnet.PERIOD);
        vm.warp(1_900_000_000);
    }

    function test_deliver_realRounds_succeeds() public {
        assertEq(_rounds.length, 4);
        for (uint256 i; i < _rounds.length; ++i) {
            uint64 round = uint64(_rounds[i]);
            assertEq(_drand.valueOf(round), 0);
            vm.expectEmit(address(_drand));
            emit IRandomness.RoundDelivered(round, _values[i]);
            assertEq(_drand.deliver(round, _signatures[i]), _values[i]);
            assertEq(_drand.valueOf(round), _values[i], "drand's randomness");
            assertEq(_drand.newest(), round);
            assertEq(Timestamp.unwrap(_drand.deliveredAt(round)), block.timestamp);
        }
        // An earlier round than the newest one: known, not newest.
        DrandEvmnet other = new DrandEvmnet(Evmnet.key(), Evmnet.GENESIS, Evmnet.PERIOD);
        other.deliver(uint64(_rounds[2]), _signatures[2]);
        other.deliver(uint64(_rounds[0]), _signatures[0]);
        assertEq(other.newest(), _rounds[2]);
        assertEq(_drand.kind(), "DRAND");
    }

    /// @dev Who comes second finds it done: no transaction can be made to fail by sending its own call first.
    function test_deliver_again_changesNothing_succeeds() public {
        _drand.deliver(uint64(_rounds[1]), _signatures[1]);
        vm.recordLogs();
        assertEq(_drand.deliver(uint64(_rounds[1]), _signatures[1]), _values[1]);
        vm.warp(block.timestamp + 5);
        assertEq(_drand.deliver(uint64(_rounds[1]), "no signature"), _values[1]);
        assertEq(Timestamp.unwrap(_drand.deliveredAt(uint64(_rounds[1]))), block.timestamp - 5);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_deliver_anotherRoundsSignature_reverts() public {
        for (uint256 i; i < _rounds.length; ++i) {
            for (uint256 j; j < _rounds.length; ++j) {
                if (i != j) _refuse(uint64(_rounds[i]), _signatures[j]);
            }
            _refuse(uint64(_rounds[i]) + 1, _signatures[i]);
            _refuse(uint64(_rounds[i]) - 1, _signatures[i]);
        }
    }

    function test_deliver_anotherKey_reverts() public {
        // Any other point of the group: here its generator, so that everybody knows the secret key, one.
        uint256[4] memory key = _generator();
        DrandEvmnet other = new DrandEvmnet(key, Evmnet.GENESIS, Evmnet.PERIOD);
        vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, uint64(_rounds[0])));
        other.deliver(uint64(_rounds[0]), _signatures[0]);
    }

    function test_deliver_length_reverts() public {
        bytes memory signature = _signatures[0];
        _refuse(uint64(_rounds[0]), "");
        _refuse(uint64(_rounds[0]), bytes.concat(signature, hex"00"));
        assembly {
            mstore(signature, 63)
        }
        _refuse(uint64(_rounds[0]), signature);
    }

    function testFuzz_deliver_anyBytes_reverts(uint64 round, bytes calldata proof) public {
        _refuse(uint64(bound(round, 1, 50_000_000)), proof);
    }

    function testFuzz_deliver_flippedBit_reverts(uint256 which, uint256 bit) public {
        which = bound(which, 0, _rounds.length - 1);
        bit = bound(bit, 0, 511);
        bytes memory signature = _signatures[which];
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refuse(uint64(_rounds[which]), signature);
    }

    /// @dev Points of the curve that are not the signature: its negative, its double, the generator, infinity, the hashed point.
    function test_deliver_otherPoints_reverts() public {
        uint64 round = uint64(_rounds[0]);
        (uint256 x, uint256 y) = abi.decode(_signatures[0], (uint256, uint256));
        _refuse(round, abi.encode(x, Bn254.P - y));
        (, bytes memory double) = address(6).staticcall(abi.encode(x, y, x, y));
        _refuse(round, double);
        _refuse(round, abi.encode(1, 2));
        _refuse(round, abi.encode(0, 0));
        // The same point with coordinates that are not reduced: a second encoding would be a second value.
        _refuse(round, abi.encode(x + Bn254.P, y));
        _refuse(round, abi.encode(x, y + Bn254.P));
    }

    function test_deliver_roundZero_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRandomness.NoSuchRound.selector, uint64(0)));
        _drand.deliver(0, _signatures[0]);
    }

    /// @dev Even a true signature is not taken before the round is due by the chain's clock.
    function test_deliver_early_reverts() public {
        uint64 round = uint64(_rounds[3]);
        Timestamp due = _drand.dueAt(round);
        vm.warp(Timestamp.unwrap(due) - 1);
        vm.expectRevert(abi.encodeWithSelector(IRandomness.NotDue.selector, round, due));
        _drand.deliver(round, _signatures[3]);
        vm.warp(Timestamp.unwrap(due));
        assertEq(_drand.deliver(round, _signatures[3]), _values[3]);
    }

    function test_dueAt_evmnet_succeeds() public view {
        assertEq(Timestamp.unwrap(_drand.dueAt(1)), 1_727_521_075);
        assertEq(Timestamp.unwrap(_drand.dueAt(10_000_000)), 1_757_521_072);
        assertEq(Timestamp.unwrap(_drand.dueAt(type(uint64).max)), type(uint40).max);
    }

    /// @dev The round drawn from is the first that is due later, so that its value is not known at `time`.
    function testFuzz_roundAfter_isFirstLater(uint40 time) public view {
        time = uint40(bound(time, 0, type(uint40).max - 1000));
        uint64 round = _drand.roundAfter(Timestamp.wrap(time));
        assertGt(Timestamp.unwrap(_drand.dueAt(round)), time);
        if (round > 1) assertLe(Timestamp.unwrap(_drand.dueAt(round - 1)), time);
    }

    /// @dev A block that a sequencer stamps up to Delta before the real time: the round drawn from is not published when it is made.
    function testFuzz_roundAfter_backdatedByDelta_isNotPublished(uint40 real, uint32 delta, uint32 lag) public view {
        real = uint40(bound(real, 1_800_000_000, 3_000_000_000));
        delta = uint32(bound(delta, 0, 7 days));
        lag = uint32(bound(lag, 0, delta));
        Timestamp stamped = Timestamp.wrap(real - lag);
        uint64 round = _drand.roundAfter(stamped.plus(Duration.wrap(delta)));
        assertGt(Timestamp.unwrap(_drand.dueAt(round)), real);
    }

    /// @dev prevrandao and the block, whatever they are, do not enter a value.
    function testFuzz_deliver_blockHasNoPart(uint256 prevrandao, uint64 number, address coinbase) public {
        vm.prevrandao(prevrandao);
        vm.roll(number);
        vm.coinbase(coinbase);
        assertEq(_drand.deliver(uint64(_rounds[0]), _signatures[0]), _values[0]);
    }

    function test_constructor_badKeys_reverts() public {
        uint256[4] memory key = Evmnet.key();
        for (uint256 i; i < 4; ++i) {
            uint256[4] memory bad = Evmnet.key();
            bad[i] ^= 1;
            _refuseKey(bad);
            bad[i] = key[i] + Bn254.P;
            _refuseKey(bad);
        }
        _refuseKey([uint256(0), 0, 0, 0]);
        // Real and imaginary parts exchanged.
        _refuseKey([key[1], key[0], key[3], key[2]]);
        // A point of the twist beside the group: x = 1.
        _refuseKey(_besideTheGroup());
    }

    function test_constructor_periodZero_reverts() public {
        vm.expectRevert(IRandomness.PeriodZero.selector);
        new DrandEvmnet(Evmnet.key(), Evmnet.GENESIS, Duration.wrap(0));
    }

    function test_deliver_snapshot_succeeds() public {
        _drand.deliver(uint64(_rounds[0]), _signatures[0]);
        vm.snapshotGasLastCall("draws", "deliver a drand round, the first");
        _drand.deliver(uint64(_rounds[1]), _signatures[1]);
        vm.snapshotGasLastCall("draws", "deliver a drand round");
        assertLe(vm.lastCallGas().gasTotalUsed, 230_000);
        _drand.deliver(uint64(_rounds[1]), _signatures[1]);
        vm.snapshotGasLastCall("draws", "deliver a drand round that is known");
    }

    function _refuse(uint64 round, bytes memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IRandomness.ProofRejected.selector, round));
        _drand.deliver(round, proof);
    }

    function _refuseKey(uint256[4] memory key) private {
        vm.expectRevert(DrandEvmnet.PublicKeyInvalid.selector);
        // The precompile takes all the gas it is given for a point that is none.
        this.deployWith{gas: 10_000_000}(key);
    }

    function deployWith(uint256[4] calldata key) external {
        new DrandEvmnet(key, Evmnet.GENESIS, Evmnet.PERIOD);
    }

    function _generator() private pure returns (uint256[4] memory) {
        return [
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        ];
    }

    /// @dev A point of `y^2 = x^3 + 3 / (9 + i)` whose order is not R.
    function _besideTheGroup() private pure returns (uint256[4] memory) {
        return [
            uint256(0),
            1,
            0x0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4,
            0x2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bb
        ];
    }
}
