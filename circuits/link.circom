// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";
include "sha256.circom";
include "attention.circom";

// A chunk of 32 bytes has this SHA-256 leaf and this digest; if inStep = 1, it is also chunk `first` of a row of the
// step. Public: see docs/spotchecks.md.
//
// target, from the least significant bit: the high half of the SHA-256 digest (128 bits), the row's read, whose first
// element counts chunks here (83), inStep (1). shaLow: the low half.
template Link() {
    signal input stepRoot;
    signal input chunk;
    signal input target;
    signal input shaLow;
    signal input salt;
    signal input bytes[32];
    signal input limbs[2][16];
    signal input children[2][1][16];
    signal input highest[16];
    signal input above[2][16];
    signal input top[16];

    component bits = Num2Bits(212);
    bits.in <== target;
    var shaHigh = 0;
    for (var i = 0; i < 128; i++) {
        shaHigh += bits.out[i] * (1 << i);
    }
    var read = 0;
    for (var i = 0; i < 83; i++) {
        read += bits.out[128 + i] * (1 << i);
    }
    signal inStep <== bits.out[211];
    component rows = Reads(1);
    rows.word <== read;

    // Words of SHA-256 have their most significant byte first.
    component sha = Sha256Of32Bytes();
    component byte[32];
    component digest = ChunkDigest();
    digest.salt <== salt;
    for (var h = 0; h < 2; h++) {
        var half = 0;
        for (var i = 0; i < 16; i++) {
            var at = 16 * h + i;
            byte[at] = Num2Bits(8);
            byte[at].in <== bytes[at];
            for (var k = 0; k < 8; k++) {
                sha.words[at \ 4][24 - 8 * (at % 4) + k] <== byte[at].out[k];
            }
            half += bytes[at] * (1 << (8 * i));
        }
        digest.halves[h] <== half;
    }
    digest.out === chunk;
    var high = 0;
    var low = 0;
    for (var k = 0; k < 4; k++) {
        for (var i = 0; i < 32; i++) {
            high += sha.out[k][i] * (1 << (32 * (3 - k) + i));
            low += sha.out[4 + k][i] * (1 << (32 * (3 - k) + i));
        }
    }
    high === shaHigh;
    low === shaLow;

    component row = RowBytes32(2);
    row.used <== inStep;
    row.salt <== salt;
    row.type <== rows.type[0];
    row.length <== rows.length[0];
    row.offset <== 32 * rows.first[0];
    row.limbs <== limbs;
    row.children <== children;
    row.highest <== highest;
    component step = StepTop();
    step.nodes <== top;
    inStep * (step.root - stepRoot) === 0;
    component under = StepRow();
    under.used <== inStep;
    under.row <== rows.row[0];
    under.digest <== row.digest;
    under.children <== above;
    under.top <== top;
    for (var i = 0; i < 32; i++) {
        inStep * (row.bytes[i] - bytes[i]) === 0;
    }
}
