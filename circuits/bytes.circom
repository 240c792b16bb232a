// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";

// Bytes of a group: 16 limbs of 31 bytes, 496 in all, so that no element lies in two groups. A position in a row is a group, given
// by digits of base 16, a limb in it and a byte in the limb.

// The bytes of a limb, least significant first, and their highest bits; no witness exists for a limb of 2^248 or more.
template LimbBytes() {
    signal input limb;
    signal output bytes[31];
    signal output high[31];
    component bits = Num2Bits(248);
    bits.in <== limb;
    for (var i = 0; i < 31; i++) {
        var byte = 0;
        for (var k = 0; k < 8; k++) {
            byte += bits.out[8 * i + k] * (1 << k);
        }
        bytes[i] <== byte;
        high[i] <== bits.out[8 * i + 7];
    }
}

// A byte offset below 2^32 as group digits, limb (both one-hot) and bits of the byte in the limb.
template Position(levels) {
    signal input offset;
    signal output digits[levels][16];
    signal output limb[16];
    signal output byte[5];
    var rest = offset \ 496;
    component digit[levels];
    var group = 0;
    for (var k = 0; k < levels; k++) {
        digit[k] = OneHot(16);
        digit[k].in <-- rest % 16;
        rest = rest \ 16;
        digits[k] <== digit[k].out;
        group += digit[k].in * (1 << (4 * k));
    }
    component limbs = OneHot(16);
    limbs.in <-- (offset % 496) \ 31;
    limb <== limbs.out;
    component bits = Num2Bits(5);
    bits.in <-- offset % 31;
    byte <== bits.out;
    // byte <= 30: with 16 limbs of 31 bytes every offset has one position.
    component range = Unsigned(5);
    range.in <== 30 - bits.in;
    offset === 496 * group + 31 * limbs.in + bits.in;
}

// `count` bytes from byte `shift` (bits, below 31) on, of n >= count + 31 bytes.
template ShiftBytes(n, count) {
    signal input bytes[n];
    signal input shift[5];
    signal output out[count];
    signal stages[5][n];
    var width = n;
    for (var s = 4; s >= 0; s--) {
        width = count + (1 << s) - 1;
        for (var i = 0; i < n; i++) {
            if (i < width) {
                var far = i + (1 << s);
                if (s == 4) {
                    stages[s][i] <== bytes[i] + shift[s] * (bytes[far] - bytes[i]);
                } else {
                    stages[s][i] <== stages[s + 1][i] + shift[s] * (stages[s + 1][far] - stages[s + 1][i]);
                }
            } else {
                stages[s][i] <== 0;
            }
        }
    }
    for (var i = 0; i < count; i++) {
        out[i] <== stages[0][i];
    }
}

// The signed element of `type` (two bits) whose bytes come first among the 8.
template SignedElement() {
    signal input bytes[8];
    signal input type[2];
    signal output value;
    signal wide <== type[0] * type[1];
    signal is[4];
    is[0] <== 1 - type[0] - type[1] + wide;
    is[1] <== type[0] - wide;
    is[2] <== type[1] - wide;
    is[3] <== wide;
    component magnitude = Choose(4);
    component last = Choose(4);
    magnitude.chosen <== is;
    last.chosen <== is;
    var sum = 0;
    for (var i = 0; i < 8; i++) {
        sum += bytes[i] * (1 << (8 * i));
        for (var t = 0; t < 4; t++) {
            if (i == (1 << t) - 1) {
                magnitude.values[t] <== sum;
                last.values[t] <== bytes[i];
            }
        }
    }
    component bits = Num2Bits(8);
    bits.in <== last.out;
    var modulus = 0;
    for (var t = 0; t < 4; t++) {
        modulus += is[t] * (1 << (8 << t));
    }
    value <== magnitude.out - bits.out[7] * modulus;
}

// `count` bytes of a group from a position on, of the limb with the first of them and its successor.
template GroupBytes(count) {
    signal input limbs[16];
    signal input limb[16];
    signal input byte[5];
    signal output bytes[count];
    component chosen[2];
    component all[2];
    component shift = ShiftBytes(62, count);
    for (var k = 0; k < 2; k++) {
        chosen[k] = Choose(16);
        chosen[k].chosen <== limb;
        for (var i = 0; i < 16; i++) {
            if (i + k < 16) {
                chosen[k].values[i] <== limbs[i + k];
            } else {
                chosen[k].values[i] <== 0;
            }
        }
        all[k] = LimbBytes();
        all[k].limb <== chosen[k].out;
        for (var i = 0; i < 31; i++) {
            shift.bytes[31 * k + i] <== all[k].bytes[i];
        }
    }
    shift.shift <== byte;
    bytes <== shift.out;
}
