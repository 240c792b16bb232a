// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P384Table} from "./P384Table.sol";

/// @title ECDSA over P-384 (FIPS 186-5), verified with hints
/// @notice The prover computes the verification; the contract checks it at one random modulus. About 120,000 gas and 16 kB of hints
///         (`ts/attestation/p384-hints.ts`), which cost 250,000 more as calldata.
/// @dev What is shown. With the hinted odd-digit expansions, the sum `w G + v Q + z R` is computed from the point OFFSET over 192 doublings,
///      and ends in `2^192 OFFSET`: so it is infinity. As `v s + z r = w s + z h = 0 (mod n)` and z is no multiple of n, R is
///      `h/s G + r/s Q`. The half-size v and z (`w` is split at 2^192) halve the doublings.
///
///      How it is shown. The only hints of a group operation are its slope's 384 bits. Coordinates are never reduced modulo p: each is an
///      integer, a polynomial of hints, of which only the residue modulo m is kept. Each slope has to fulfil a relation `D = 0 (mod p)`,
///      and so do the curve's equation for Q and R, and the end point. Of the integers D one combination with weights of 128 bits
///      must be p times a hinted quotient; again checked modulo m.
///
///      Why it is sound (in the random oracle model, per hash that an attacker computes).
///      1. The weights are hashes of everything that determines the D's. If some D is no multiple of p, then their combination is
///         one for at most 2^-127 of the weights: it is bilinear in the steps' and the operations' weights, and p has 384 bits.
///      2. m is a hash of all of this and of the quotients. A wrong quotient leaves an integer other than 0 that m divides. It is
///         below 2^2432, for |x| < 2^974 and |y| < 2^1368: each operation adds at most a bit to 2^768, of additions there are at
///         most 269. At most 9 primes of 252 bits divide it, of more than 2^243. Composites hardly pass the test on m, and even if
///         all did: no integer of this size has more than 2^137 divisors below 2^252 (Rankin's bound), while m is one of 2^250.
///      3. Additions are complete but for infinity. Either relation alone lets the slope be anything where it degenerates, the
///         first for equal points, the second for opposite y. Both together leave one slope for every pair of points, the
///         tangent's for equal ones, and none for a sum of infinity. Doubling has no exception, for the order is odd.
///
///      Hints that fail prove nothing about the signature; nothing but acceptance is ever returned. Signatures have twins (s and
///      n - s): both verify, so a signature is no identity. Identify evidence by what is signed.
///
///      Hints: 1 byte, whether R's x is r + n instead of r; R's y; the number of steps, 1 byte; 2 bytes a step: doublings before it, then
///      what is added, bit 7 its sign, bit 6 family: `P384Table` (bits 5 to 0) or odd multiples of Q (0 to 7) and R (8 to 15, bits 3 to 0);
///      slopes, 48 bytes each: of the multiples of Q, of those of R, of the steps, of the doublings behind them; the quotients by p (256
///      bytes) and by n (96), two's complement; 2 bytes of nonce that make m a probable prime.
library P384 {
    /// @notice Digest, signature and key have 48, 96 and 96 bytes.
    error P384Lengths(uint256 digest, uint256 signature, uint256 key);
    /// @notice r or s is 0, or not below the group's order.
    error P384Scalar();
    /// @notice A coordinate of the key is not below the field's modulus.
    error P384Key();
    /// @notice R's x would not be below the field's modulus, or its flag is neither 0 nor 1.
    error P384PointR();
    /// @notice The hints have not the length that their steps demand.
    error P384HintsLength(uint256 expected, uint256 got);
    /// @notice The steps do not double 192 times, or one doubles more than 32 times.
    error P384Doublings(uint256 left, uint256 asked);
    /// @notice R does not occur in the sum.
    error P384WithoutR();
    /// @notice The nonce gives a composite modulus.
    error P384Modulus(uint256 m);
    /// @notice The points do not add up: the signature is wrong, or the hints are.
    error P384Sum();
    /// @notice The summed multiples are not the ones that r, s and the digest demand.
    error P384Multiples();

    /// @dev The field's modulus and the group's order: the upper 256 bits and the lower 128.
    uint256 private constant P_HIGH = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe;
    uint256 private constant P_LOW = 0xffffffff0000000000000000ffffffff;
    uint256 private constant N_HIGH = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf;
    uint256 private constant N_LOW = 0x581a0db248b0a77aecec196accc52973;
    /// @dev p - n.
    uint256 private constant GAP_HIGH = 0x389cb27e0bc8d21f;
    uint256 private constant GAP_LOW = 0xa7e5f24cb74f58851313e696333ad68c;
    /// @dev The curve's b.
    uint256 private constant B_HIGH = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a;
    uint256 private constant B_LOW = 0xc656398d8a2ed19d2a85c8edd3ec2aef;

    uint256 private constant DOUBLINGS = 192;
    uint256 private constant MOST_DOUBLINGS = 32;
    /// @dev Bytes of a number, of the statement (digest, r, s, x, y), of the hints before the steps, and behind the slopes.
    uint256 private constant NUMBER = 48;
    uint256 private constant STATEMENT = 240;
    uint256 private constant HEAD = 50;
    uint256 private constant TAIL = 354;
    /// @dev Slopes of 3, 5, .. 15 times Q and R, and of twice each.
    uint256 private constant TABLE_SLOPES = 16;
    bytes32 private constant DOMAIN = keccak256("OTR/p384/1");

    // Offsets within the frame, bytes. m, the step's sum, the sum over steps.
    uint256 private constant SUM = 0x20;
    uint256 private constant TOTAL = 0x40;
    // What has been added: multiples of G, 2^192 G, Q, R.
    uint256 private constant MULTIPLES = 0x60;
    // The running point, the next slope's address, the doublings left.
    uint256 private constant X = 0xe0;
    uint256 private constant Y = 0x100;
    uint256 private constant SLOPE = 0x120;
    uint256 private constant LEFT = 0x140;
    // Seed and number of the next weight, hashed as one.
    uint256 private constant SEED = 0x160;
    uint256 private constant NEXT = 0x180;
    // Weights of operations within a step: of each doubling, of an addition's two relations.
    uint256 private constant WEIGHTS = 0x1a0;
    uint256 private constant WEIGHT_ADD = 0x5a0;
    uint256 private constant WEIGHT_ADD_TOO = 0x5c0;
    // Odd multiples of Q, then of R, residues of x and y. Behind them the address of P384Table's points.
    uint256 private constant NEAR = 0x5e0;
    uint256 private constant FAR = 0x9e0;
    uint256 private constant FRAME = 0xa00;

    /// @notice Returns if the signature is valid, and reverts otherwise.
    /// @param digest SHA-384 of the message.
    /// @param signature r and s, 48 bytes big-endian each.
    /// @param key x and y, 48 bytes big-endian each.
    function verify(bytes memory digest, bytes memory signature, bytes memory key, bytes calldata hints) internal view {
        if (digest.length != NUMBER || signature.length != 2 * NUMBER || key.length != 2 * NUMBER) {
            revert P384Lengths(digest.length, signature.length, key.length);
        }
        uint256 steps = hints.length < HEAD ? 0 : uint8(hints[HEAD - 1]);
        uint256 slopes = TABLE_SLOPES + DOUBLINGS + steps;
        uint256 length = HEAD + 2 * steps + NUMBER * slopes + TAIL;
        if (hints.length != length) revert P384HintsLength(length, hints.length);

        // What is claimed, and all hints.
        bytes memory statement = bytes.concat(DOMAIN, digest, signature, key, hints);
        uint256 at;
        uint256 frame;
        // SAFETY: allocates the frame behind the statement, and zeroes it.
        assembly ("memory-safe") {
            at := add(statement, 0x40)
            frame := mload(0x40)
            mstore(0x40, add(frame, FRAME))
            calldatacopy(frame, calldatasize(), FRAME)
        }
        _checkRanges(at);
        _challenge(frame, statement, length);
        _sum(frame, at, steps);
        uint256 quotients = at + STATEMENT + length - TAIL;
        _checkSum(frame, quotients);
        _checkMultiples(frame, at, quotients + 256);
    }

    /// @dev INVARIANT: r, s, and the coordinates of Q and R are the canonical numbers.
    function _checkRanges(uint256 at) private pure {
        for (uint256 k = 1; k < 3; ++k) {
            (uint256 high, uint256 low) = _number(at + k * NUMBER);
            if (high | low == 0 || !_below(high, low, N_HIGH, N_LOW)) revert P384Scalar();
            (high, low) = _number(at + (k + 2) * NUMBER);
            if (!_below(high, low, P_HIGH, P_LOW)) revert P384Key();
        }
        (uint256 rHigh, uint256 rLow) = _number(at + NUMBER);
        uint256 flag = _byte(at + STATEMENT);
        // INVARIANT: r + n is a coordinate only if it is below p.
        if (flag > 1 || (flag == 1 && !_below(rHigh, rLow, GAP_HIGH, GAP_LOW))) revert P384PointR();
    }

    /// @dev Seed and weights from all but the quotients; then m from those too.
    function _challenge(uint256 frame, bytes memory statement, uint256 length) private view {
        bytes32 seed;
        uint256 m;
        // SAFETY: reads the statement (domain, statement, hints) and writes the frame's own words; behind the frame is free memory.
        assembly ("memory-safe") {
            let start := add(statement, 0x20)
            let size := sub(add(add(0x20, STATEMENT), length), TAIL)
            seed := keccak256(start, size)
            mstore(add(frame, SEED), seed)
            let free := mload(0x40)
            mstore(free, seed)
            mcopy(add(free, 0x20), add(start, size), TAIL)
            m := or(or(shr(4, keccak256(free, add(0x20, TAIL))), shl(251, 1)), 1)
            mstore(frame, m)
            let seeded := add(frame, SEED)
            let next := add(frame, NEXT)
            let k := 0
            for { let w := add(frame, WEIGHTS) } lt(w, add(frame, NEAR)) { w := add(w, 0x20) } {
                mstore(next, k)
                mstore(w, shr(128, keccak256(seeded, 0x40)))
                k := add(k, 1)
            }
            mstore(next, k)
        }
        if (!_isProbablePrime(m)) revert P384Modulus(m);
    }

    /// @dev Fermat's test to the base 2, by the MODEXP precompile.
    function _isProbablePrime(uint256 m) private view returns (bool isPrime) {
        // SAFETY: free memory and scratch space only.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, 0x20)
            mstore(add(free, 0x20), 0x20)
            mstore(add(free, 0x40), 0x20)
            mstore(add(free, 0x60), 2)
            mstore(add(free, 0x80), sub(m, 1))
            mstore(add(free, 0xa0), m)
            let success := staticcall(gas(), 0x05, free, 0xc0, 0x00, 0x20)
            // A chain without the precompile returns nothing.
            isPrime := and(and(success, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }

    /// @dev Makes the multiples of Q and R, then runs the steps.
    function _sum(uint256 frame, uint256 at, uint256 steps) private pure {
        uint256 program = at + STATEMENT + HEAD;
        _set(frame, SLOPE, program + 2 * steps);
        _set(frame, LEFT, DOUBLINGS);
        uint256 m = _get(frame, 0);

        _setPoint(frame, NEAR, _residue(at + 3 * NUMBER, m), _residue(at + 4 * NUMBER, m));
        uint256 xR = addmod(_residue(at + NUMBER, m), _byte(at + STATEMENT) * _reduce(N_HIGH, N_LOW, m), m);
        _setPoint(frame, NEAR + 0x200, xR, _residue(at + STATEMENT + 1, m));
        _checkOnCurve(frame, NEAR);
        _checkOnCurve(frame, NEAR + 0x200);
        _multiply(frame, NEAR);
        _multiply(frame, NEAR + 0x200);

        _setAddress(frame, P384Table.multiples());
        bytes memory offset = P384Table.OFFSET;
        _setPoint(frame, X, _residueOf(offset, 0, m), _residueOf(offset, NUMBER, m));
        for (uint256 end = program + 2 * steps; program < end; program += 2) {
            _double(frame, _byte(program));
            _addEntry(frame, _byte(program + 1));
            _endStep(frame);
        }
        _double(frame, _get(frame, LEFT));
        _endStep(frame);
    }

    /// @dev Adds `y^2 - x^3 + 3x - b` of the point at this offset to the relations.
    function _checkOnCurve(uint256 frame, uint256 offset) private pure {
        uint256 m = _get(frame, 0);
        uint256 x = _get(frame, offset);
        uint256 y = _get(frame, offset + 0x20);
        // SAFETY: all are below 2^252 (`_challenge`), so that a few of them do not overflow.
        unchecked {
            // x (x^2 - 3) + b
            uint256 cubic = mulmod(x, mulmod(x, x, m) + m - 3, m) + _reduce(B_HIGH, B_LOW, m);
            _set(frame, SUM, mulmod(_get(frame, WEIGHTS), mulmod(y, y, m) + 2 * m - cubic, m));
        }
        _endStep(frame);
    }

    /// @dev 3, 5, .. 15 times the point at this offset, behind it.
    function _multiply(uint256 frame, uint256 offset) private pure {
        uint256 x = _get(frame, offset);
        uint256 y = _get(frame, offset + 0x20);
        _setPoint(frame, X, x, y);
        _set(frame, LEFT, DOUBLINGS + 1);
        _double(frame, 1);
        _endStep(frame);
        uint256 twiceX = _get(frame, X);
        uint256 twiceY = _get(frame, Y);
        _setPoint(frame, X, x, y);
        for (uint256 k = 1; k < 8; ++k) {
            _add(frame, twiceX, twiceY);
            _endStep(frame);
            _setPoint(frame, offset + 64 * k, _get(frame, X), _get(frame, Y));
        }
    }

    /// @dev Doubles the running point: `2 y l = 3 x^2 - 3`, then `x' = l^2 - 2x` and `y' = l (x - x') - y`.
    function _double(uint256 frame, uint256 count) private pure {
        uint256 left = _get(frame, LEFT);
        // INVARIANT: a doubling has a weight of its own, and a digit's place is what is left.
        if (count > left || count > MOST_DOUBLINGS) revert P384Doublings(left, count);
        // SAFETY: the frame's memory; `verify` has checked that there is a slope for each of the 192 doublings. With m < 2^252, x and y
        // below m and l below m + 2^128 no sum overflows, and no difference is negative.
        assembly ("memory-safe") {
            mstore(add(frame, LEFT), sub(left, count))
            let m := mload(frame)
            let x := mload(add(frame, X))
            let y := mload(add(frame, Y))
            let sum := mload(add(frame, SUM))
            let weight := add(frame, WEIGHTS)
            let at := mload(add(frame, SLOPE))
            for { let end := add(at, mul(NUMBER, count)) } lt(at, end) { at := add(at, NUMBER) } {
                let l := add(mulmod(mload(at), shl(128, 1), m), shr(128, mload(add(at, 0x20))))
                sum := addmod(
                    sum,
                    mulmod(mload(weight), add(mulmod(l, shl(1, y), m), mul(3, sub(add(m, 1), mulmod(x, x, m)))), m),
                    m
                )
                weight := add(weight, 0x20)
                let next := addmod(mulmod(l, l, m), shl(1, sub(m, x)), m)
                y := addmod(mulmod(l, add(x, sub(m, next)), m), sub(m, y), m)
                x := next
            }
            mstore(add(frame, X), x)
            mstore(add(frame, Y), y)
            mstore(add(frame, SUM), sum)
            mstore(add(frame, SLOPE), at)
        }
    }

    /// @dev Adds the entry that a step names, with its sign, and notes its multiple at the place that the doublings left give it.
    function _addEntry(uint256 frame, uint256 index) private pure {
        uint256 m = _get(frame, 0);
        uint256 x;
        uint256 y;
        // SAFETY: reads entry 0 to 63 of the 64 of the table, or 0 to 15 of the 16 in the frame. A noted digit is below 2^6 times
        // 2^192, and 255 of them are below 2^207.
        assembly ("memory-safe") {
            let note
            let digit
            switch and(index, 0x40)
            case 0 {
                let entry := add(mload(add(frame, FAR)), mul(96, and(index, 0x3f)))
                x := addmod(mulmod(mload(entry), shl(128, 1), m), shr(128, mload(add(entry, 0x20))), m)
                entry := add(entry, NUMBER)
                y := addmod(mulmod(mload(entry), shl(128, 1), m), shr(128, mload(add(entry, 0x20))), m)
                digit := or(shl(1, and(index, 0x1f)), 1)
                note := add(add(frame, MULTIPLES), and(index, 0x20))
            }
            default {
                let entry := add(add(frame, NEAR), shl(6, and(index, 0x0f)))
                x := mload(entry)
                y := mload(add(entry, 0x20))
                digit := or(shl(1, and(index, 0x07)), 1)
                note := add(add(frame, add(MULTIPLES, 0x40)), shl(2, and(index, 0x08)))
            }
            digit := shl(mload(add(frame, LEFT)), digit)
            if and(index, 0x80) {
                y := sub(m, y)
                digit := sub(0, digit)
            }
            mstore(note, add(mload(note), digit))
        }
        _add(frame, x, y);
    }

    /// @dev Adds the point (u, v), coordinates at most m: `l (x - u) = y - v` and `l (y + v) = x^2 + xu + u^2 - 3`, then
    ///      `x' = l^2 - x - u` and `y' = l (x - x') - y`.
    function _add(uint256 frame, uint256 u, uint256 v) private pure {
        // SAFETY: as in `_double`; one slope per step and seven per table are there.
        assembly ("memory-safe") {
            let m := mload(frame)
            let x := mload(add(frame, X))
            let y := mload(add(frame, Y))
            let at := mload(add(frame, SLOPE))
            mstore(add(frame, SLOPE), add(at, NUMBER))
            let l := add(mulmod(mload(at), shl(128, 1), m), shr(128, mload(add(at, 0x20))))
            let chord := add(mulmod(l, add(x, sub(m, u)), m), add(sub(m, y), v))
            let squares := add(mulmod(x, add(x, u), m), mulmod(u, u, m))
            let tangent := add(mulmod(l, add(y, v), m), sub(add(shl(1, m), 3), squares))
            mstore(
                add(frame, SUM),
                addmod(
                    mload(add(frame, SUM)),
                    add(
                        mulmod(mload(add(frame, WEIGHT_ADD)), chord, m),
                        mulmod(mload(add(frame, WEIGHT_ADD_TOO)), tangent, m)
                    ),
                    m
                )
            )
            let next := addmod(mulmod(l, l, m), sub(shl(1, m), add(x, u)), m)
            mstore(add(frame, X), next)
            mstore(add(frame, Y), addmod(mulmod(l, add(x, sub(m, next)), m), sub(m, y), m))
        }
    }

    /// @dev Weighs the step's relations with a weight of the step's own.
    function _endStep(uint256 frame) private pure {
        // SAFETY: the frame's memory.
        assembly ("memory-safe") {
            let m := mload(frame)
            let sum := add(frame, SUM)
            let total := add(frame, TOTAL)
            let next := add(frame, NEXT)
            let weight := shr(128, keccak256(add(frame, SEED), 0x40))
            mstore(next, add(mload(next), 1))
            mstore(total, addmod(mload(total), mulmod(weight, mload(sum), m), m))
            mstore(sum, 0)
        }
    }

    /// @dev The sum ends in TARGET, and all relations hold modulo p.
    function _checkSum(uint256 frame, uint256 quotient) private pure {
        uint256 m = _get(frame, 0);
        bytes memory target = P384Table.TARGET;
        // SAFETY: residues are below 2^252.
        unchecked {
            uint256 dx = _get(frame, X) + m - _residueOf(target, 0, m);
            uint256 dy = _get(frame, Y) + m - _residueOf(target, NUMBER, m);
            _set(frame, SUM, _weighted(frame, dx, dy, m));
        }
        _endStep(frame);
        if (_get(frame, TOTAL) != mulmod(_reduce(P_HIGH, P_LOW, m), _signed(quotient, 8, m), m)) revert P384Sum();
    }

    /// @dev The multiples that were summed: `v s + z r = 0` and `w s + z h = 0` modulo n, and z is not 0.
    function _checkMultiples(uint256 frame, uint256 at, uint256 quotient) private pure {
        uint256 m = _get(frame, 0);
        // INVARIANT: without R, infinity says nothing about it. In magnitude z is below 2^207, so it is no other multiple of n.
        if (_get(frame, MULTIPLES + 0x60) == 0) revert P384WithoutR();
        uint256 z = _multiple(frame, 0x60, m);
        uint256 w = addmod(_multiple(frame, 0, m), mulmod(_multiple(frame, 0x20, m), 1 << DOUBLINGS, m), m);
        uint256 s = _residue(at + 2 * NUMBER, m);
        uint256 ofR = addmod(mulmod(_multiple(frame, 0x40, m), s, m), mulmod(z, _residue(at + NUMBER, m), m), m);
        uint256 ofDigest = addmod(mulmod(w, s, m), mulmod(z, _residue(at, m), m), m);
        uint256 sum = _weighted(frame, ofR, ofDigest, m);
        if (sum != mulmod(_reduce(N_HIGH, N_LOW, m), _signed(quotient, 3, m), m)) revert P384Multiples();
    }

    /// @dev Both values with the first two weights.
    function _weighted(uint256 frame, uint256 a, uint256 b, uint256 m) private pure returns (uint256) {
        return addmod(mulmod(_get(frame, WEIGHTS), a, m), mulmod(_get(frame, WEIGHTS + 0x20), b, m), m);
    }

    /// @dev Residue of a noted multiple. Its magnitude is below 2^207 and so below m.
    function _multiple(uint256 frame, uint256 offset, uint256 m) private pure returns (uint256 residue) {
        residue = _get(frame, MULTIPLES + offset);
        // SAFETY: m added to a negative number, two's complement, wraps to its residue.
        unchecked {
            if (int256(residue) < 0) residue += m;
        }
    }

    /// @dev Residue of `words` words at this address, big-endian two's complement.
    function _signed(uint256 at, uint256 words, uint256 m) private pure returns (uint256 residue) {
        uint256 word = addmod(type(uint256).max, 1, m);
        bool negative = _byte(at) >= 0x80;
        for (uint256 end = at + 32 * words; at < end; at += 32) {
            uint256 value;
            // SAFETY: reads memory.
            assembly ("memory-safe") {
                value := mload(at)
            }
            residue = addmod(mulmod(residue, word, m), value, m);
            if (negative) {
                // The sign counts -2^256 in the first word.
                residue = addmod(residue, m - word, m);
                negative = false;
            }
        }
    }

    function _set(uint256 frame, uint256 offset, uint256 value) private pure {
        // SAFETY: callers stay within the frame.
        assembly ("memory-safe") {
            mstore(add(frame, offset), value)
        }
    }

    function _get(uint256 frame, uint256 offset) private pure returns (uint256 value) {
        // SAFETY: reads memory.
        assembly ("memory-safe") {
            value := mload(add(frame, offset))
        }
    }

    function _setPoint(uint256 frame, uint256 offset, uint256 x, uint256 y) private pure {
        _set(frame, offset, x);
        _set(frame, offset + 0x20, y);
    }

    function _setAddress(uint256 frame, bytes memory table) private pure {
        // SAFETY: the frame's memory.
        assembly ("memory-safe") {
            mstore(add(frame, FAR), add(table, 0x20))
        }
    }

    function _byte(uint256 at) private pure returns (uint256 value) {
        // SAFETY: reads memory.
        assembly ("memory-safe") {
            value := byte(0, mload(at))
        }
    }

    /// @dev The number of 48 bytes at this address: its upper 256 bits and its lower 128.
    function _number(uint256 at) private pure returns (uint256 high, uint256 low) {
        // SAFETY: reads memory.
        assembly ("memory-safe") {
            high := mload(at)
            low := shr(128, mload(add(at, 0x20)))
        }
    }

    function _below(uint256 high, uint256 low, uint256 boundHigh, uint256 boundLow) private pure returns (bool) {
        return high < boundHigh || (high == boundHigh && low < boundLow);
    }

    function _reduce(uint256 high, uint256 low, uint256 m) private pure returns (uint256) {
        return addmod(mulmod(high, 1 << 128, m), low, m);
    }

    function _residue(uint256 at, uint256 m) private pure returns (uint256) {
        (uint256 high, uint256 low) = _number(at);
        return _reduce(high, low, m);
    }

    function _residueOf(bytes memory data, uint256 offset, uint256 m) private pure returns (uint256) {
        uint256 at;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            at := add(add(data, 0x20), offset)
        }
        return _residue(at, m);
    }
}
