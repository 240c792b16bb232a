// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/sha256/sha256.circom";
include "numbers.circom";
include "row.circom";
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
    signal input children[2][3][16];
    signal input above[3][16];

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

    // SHA-256 takes and gives the most significant bit of a byte first.
    component sha = Sha256(256);
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
                sha.in[8 * at + k] <== byte[at].out[7 - k];
            }
            half += bytes[at] * (1 << (8 * i));
        }
        digest.halves[h] <== half;
    }
    digest.out === chunk;
    var high = 0;
    var low = 0;
    for (var i = 0; i < 128; i++) {
        high += sha.out[i] * (1 << (127 - i));
        low += sha.out[128 + i] * (1 << (127 - i));
    }
    high === shaHigh;
    low === shaLow;

    component row = RowBytes32();
    row.used <== inStep;
    row.salt <== salt;
    row.type <== rows.type[0];
    row.length <== rows.length[0];
    row.offset <== 32 * rows.first[0];
    row.limbs <== limbs;
    row.children <== children;
    component root = StepRoot();
    root.used <== inStep;
    root.row <== rows.row[0];
    root.digest <== row.digest;
    root.children <== above;
    inStep * (root.root - stepRoot) === 0;
    for (var i = 0; i < 32; i++) {
        inStep * (row.bytes[i] - bytes[i]) === 0;
    }
}
