// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Bn254} from "src/libraries/Bn254.sol";
import {HashToG1} from "src/randomness/HashToG1.sol";

/// @notice Hash to curve against its definition in RFC 9380, and against points that drand's own verifier computed.
contract HashToG1Test is Test {
    uint256 private constant P = Bn254.P;
    uint256 private constant HALF = (P - 1) / 2;

    function test_constants_definition() public view {
        assertEq(HashToG1.C1, 4, "g(1)");
        assertEq(mulmod(HashToG1.C2, 2, P), P - 1, "-1 / 2");
        assertEq(mulmod(HashToG1.C3, HashToG1.C3, P), P - 12, "root of -12");
        assertEq(HashToG1.C3 & 1, 0, "the even root");
        assertEq(mulmod(HashToG1.C4, 3, P), P - 16, "-16 / 3");
        // Z = 1 is the first that RFC 9380, H.1, allows: g(Z) and -3 Z^2 / (4 g(Z)) are not zero, the latter is a square, and so is one
        // of g(Z), g(-Z / 2).
        uint256 minus = mulmod(P - 3, Bn254.power(16, P - 2), P);
        assertEq(Bn254.power(minus, HALF), 1);
        assertEq(Bn254.power(4, HALF), 1);
    }

    /// @dev `power` against multiplication in a loop.
    function testDiff_power_loop(uint256 base, uint16 exponent) public view {
        uint256 expected = 1;
        for (uint256 i; i < exponent; ++i) {
            expected = mulmod(expected, base, P);
        }
        assertEq(Bn254.power(base, exponent), expected);
    }

    function testDiff_hash_drandsVerifier() public view {
        string memory json = vm.readFile("test/vectors/drand.json");
        bytes32[] memory xs = vm.parseJsonBytes32Array(json, ".points.x");
        bytes32[] memory ys = vm.parseJsonBytes32Array(json, ".points.y");
        assertEq(xs.length, 47);
        for (uint64 i; i < xs.length; ++i) {
            uint256[2] memory point = HashToG1.hash(keccak256(abi.encodePacked(i)));
            assertEq(point[0], uint256(xs[i]));
            assertEq(point[1], uint256(ys[i]));
        }
    }

    /// @dev The map as RFC 9380, 6.6.1, writes it in prose, with divisions and squares tested by Euler's criterion.
    function testDiff_map_definition(uint256 u) public view {
        u %= P;
        (uint256 x, uint256 y) = HashToG1.map(u);
        assertEq(mulmod(y, y, P), _g(x), "on the curve");
        assertEq(u & 1, y & 1, "sign");
        (uint256 x1, uint256 x2, uint256 x3) = _candidates(u);
        if (_isSquare(_g(x1))) assertEq(x, x1, "first");
        else if (_isSquare(_g(x2))) assertEq(x, x2, "second");
        else assertEq(x, x3, "third");
    }

    /// @dev Elements whose images are exceptional: 0, and the roots of 1 - 4 u^2, which have no inverse.
    function test_map_exceptionalElements_succeeds() public view {
        uint256 half = (P + 1) / 2;
        testDiff_map_definition(0);
        testDiff_map_definition(half);
        testDiff_map_definition(P - half);
        testDiff_map_definition(1);
        testDiff_map_definition(P - 1);
    }

    function test_map_everyBranch_succeeds() public view {
        bool[3] memory seen;
        for (uint256 u; u < 64; ++u) {
            (uint256 x1, uint256 x2,) = _candidates(u);
            seen[_isSquare(_g(x1)) ? 0 : _isSquare(_g(x2)) ? 1 : 2] = true;
            testDiff_map_definition(u);
        }
        assertTrue(seen[0] && seen[1] && seen[2]);
    }

    function testFuzz_toField_inField(bytes32 message, bytes32 other) public pure {
        (uint256 u0, uint256 u1) = HashToG1.toField(message);
        assertTrue(u0 < P && u1 < P && u0 != u1);
        if (message == other) return;
        (uint256 v0, uint256 v1) = HashToG1.toField(other);
        assertTrue(u0 != v0 && u1 != v1);
    }

    function _candidates(uint256 u) private view returns (uint256 x1, uint256 x2, uint256 x3) {
        uint256 t1 = mulmod(mulmod(u, u, P), 4, P);
        uint256 t2 = addmod(1, t1, P);
        t1 = addmod(1, P - t1, P);
        uint256 t3 = _inverse(mulmod(t1, t2, P));
        // sqrt(-g(Z) (3 Z^2 + 4 A)), even
        uint256 t4 = Bn254.power(P - 12, (P + 1) / 4);
        if (t4 & 1 == 1) t4 = P - t4;
        uint256 t5 = mulmod(mulmod(mulmod(u, t1, P), t3, P), t4, P);
        uint256 t6 = mulmod(P - 16, _inverse(3), P);
        uint256 c2 = mulmod(P - 1, _inverse(2), P);
        x1 = addmod(c2, P - t5, P);
        x2 = addmod(c2, t5, P);
        uint256 q = mulmod(mulmod(t2, t2, P), t3, P);
        x3 = addmod(1, mulmod(t6, mulmod(q, q, P), P), P);
    }

    function _inverse(uint256 a) private view returns (uint256) {
        return Bn254.power(a, P - 2);
    }

    function _isSquare(uint256 a) private view returns (bool) {
        return Bn254.power(a, HALF) <= 1;
    }

    function _g(uint256 x) private pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 3, P);
    }
}
