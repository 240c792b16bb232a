// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";

// SHA-256 (FIPS 180-4) of 32 bytes, which is one block. Words are 32 bits, least significant first.
//
// Exclusive or and majority of three bits take one constraint each. With s = a + b + c, one of 0..3:
//   xor: s (s - 2 x) = 2 s - 3 x, which is x (2 s - 3) = s (s - 2): x = 0, 1, 0, 1; 2 s - 3 is never 0.
//   majority: s (s - 4 m) = s - 6 m, which is m (4 s - 6) = s (s - 1): m = 0, 0, 1, 1; 4 s - 6 is never 0.

template ShaXor() {
    signal input a;
    signal input b;
    signal input c;
    signal output out;
    var s = a + b + c;
    out <-- s % 2;
    s * (s - 2 * out) === 2 * s - 3 * out;
}

template ShaMajority() {
    signal input a;
    signal input b;
    signal input c;
    signal output out;
    var s = a + b + c;
    out <-- s \ 2;
    s * (s - 4 * out) === s - 6 * out;
}

// rotr(x, r0) xor rotr(x, r1) xor rotr(x, r2), or with shift = 1 a shift instead of the last rotation; as a number.
template ShaSigma(r0, r1, r2, shift) {
    signal input in[32];
    signal output value;
    component bit[32];
    var sum = 0;
    for (var i = 0; i < 32; i++) {
        bit[i] = ShaXor();
        bit[i].a <== in[(i + r0) % 32];
        bit[i].b <== in[(i + r1) % 32];
        if (shift == 1 && i + r2 > 31) {
            bit[i].c <== 0;
        } else {
            bit[i].c <== in[(i + r2) % 32];
        }
        sum += bit[i].out * (1 << i);
    }
    value <== sum;
}

// The low 32 bits of a sum below 2^(32 + carries), and as a number.
template ShaWord(carries) {
    signal input in;
    signal output out[32];
    signal output value;
    component bits = Num2Bits(32 + carries);
    bits.in <== in;
    var sum = 0;
    for (var i = 0; i < 32; i++) {
        out[i] <== bits.out[i];
        sum += bits.out[i] * (1 << i);
    }
    value <== sum;
}

// Initial state and round constants: the first 32 bits of the fractional parts of square and cube roots of primes.
function shaStart(i) {
    var h[8] = [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    ];
    return h[i];
}

function shaConstant(i) {
    var k[64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
    ];
    return k[i];
}

// One round: the new first word (`a`) and fifth word (`e`) of the state.
template ShaRound(constant) {
    signal input state[8][32];
    signal input word;
    signal output a[32];
    signal output e[32];
    component sigma1 = ShaSigma(6, 11, 25, 0);
    sigma1.in <== state[4];
    component sigma0 = ShaSigma(2, 13, 22, 0);
    sigma0.in <== state[0];
    signal choice[32];
    component majority[32];
    var choices = 0;
    var majorities = 0;
    var fourth = 0;
    var last = 0;
    for (var i = 0; i < 32; i++) {
        choice[i] <== state[4][i] * (state[5][i] - state[6][i]);
        choices += (choice[i] + state[6][i]) * (1 << i);
        majority[i] = ShaMajority();
        majority[i].a <== state[0][i];
        majority[i].b <== state[1][i];
        majority[i].c <== state[2][i];
        majorities += majority[i].out * (1 << i);
        fourth += state[3][i] * (1 << i);
        last += state[7][i] * (1 << i);
    }
    // Five terms, each below 2^32; with the rest seven.
    var first = last + sigma1.value + choices + constant + word;
    component newE = ShaWord(3);
    newE.in <== fourth + first;
    component newA = ShaWord(3);
    newA.in <== first + sigma0.value + majorities;
    a <== newA.out;
    e <== newE.out;
}

// Digest of 256 bits: eight words, in order.
template Sha256Of32Bytes() {
    signal input words[8][32];
    signal output out[8][32];
    signal schedule[64][32];
    signal values[64];
    component small0[64];
    component small1[64];
    component next[64];
    for (var t = 0; t < 16; t++) {
        // Padding: a one behind the message, its length in bits at the end.
        var padding = 0;
        if (t == 8) {
            padding = 1 << 31;
        }
        if (t == 15) {
            padding = 256;
        }
        var value = 0;
        for (var i = 0; i < 32; i++) {
            if (t < 8) {
                schedule[t][i] <== words[t][i];
            } else {
                schedule[t][i] <== (padding >> i) & 1;
            }
            value += schedule[t][i] * (1 << i);
        }
        values[t] <== value;
    }
    for (var t = 16; t < 64; t++) {
        small0[t] = ShaSigma(7, 18, 3, 1);
        small0[t].in <== schedule[t - 15];
        small1[t] = ShaSigma(17, 19, 10, 1);
        small1[t].in <== schedule[t - 2];
        next[t] = ShaWord(2);
        next[t].in <== small1[t].value + values[t - 7] + small0[t].value + values[t - 16];
        schedule[t] <== next[t].out;
        values[t] <== next[t].value;
    }

    signal state[65][8][32];
    for (var k = 0; k < 8; k++) {
        for (var i = 0; i < 32; i++) {
            state[0][k][i] <== (shaStart(k) >> i) & 1;
        }
    }
    component round[64];
    for (var t = 0; t < 64; t++) {
        round[t] = ShaRound(shaConstant(t));
        round[t].state <== state[t];
        round[t].word <== values[t];
        for (var k = 0; k < 8; k++) {
            if (k == 0) {
                state[t + 1][k] <== round[t].a;
            } else if (k == 4) {
                state[t + 1][k] <== round[t].e;
            } else {
                state[t + 1][k] <== state[t][k - 1];
            }
        }
    }
    component digest[8];
    for (var k = 0; k < 8; k++) {
        digest[k] = ShaWord(1);
        var end = 0;
        for (var i = 0; i < 32; i++) {
            end += state[64][k][i] * (1 << i);
        }
        digest[k].in <== shaStart(k) + end;
        out[k] <== digest[k].out;
    }
}
