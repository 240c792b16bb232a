// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";

// P(row) of docs/protocol.md, section 1, the same as `poseidonChain` in ts/commit/poseidon.ts:
//
//   acc = Poseidon2(domain, salt); for each 15 limbs (missing ones 0): acc = Poseidon16(acc, limbs)
//
// Each limb is constrained to 31 bytes, and the bytes are outputs: a circuit that opens a row this way has its elements
// range checked at no further cost. 248 bits are below the field's 254, so a limb has one decomposition only.
//
// limbs: number of limbs of the row, at least 1. A circuit for rows of one shape fixes `domain` (see RowOpening).
template RowDigest(limbs) {
    // type + 4 * length
    signal input domain;
    // 0 for weights
    signal input salt;
    signal input limb[limbs];
    signal output digest;
    // bytes[31 * i + j]: byte j, from the least significant, of limb i; each in 0..255
    signal output bytes[31 * limbs];

    component bits[limbs];
    for (var i = 0; i < limbs; i++) {
        bits[i] = Num2Bits(248);
        bits[i].in <== limb[i];
        for (var j = 0; j < 31; j++) {
            var byte = 0;
            for (var k = 0; k < 8; k++) {
                byte += bits[i].out[8 * j + k] * (1 << k);
            }
            bytes[31 * i + j] <== byte;
        }
    }

    var links = (limbs + 14) \ 15;
    component head = Poseidon(2);
    head.inputs[0] <== domain;
    head.inputs[1] <== salt;
    component link[links];
    for (var i = 0; i < links; i++) {
        link[i] = Poseidon(16);
        if (i == 0) {
            link[i].inputs[0] <== head.out;
        } else {
            link[i].inputs[0] <== link[i - 1].out;
        }
        for (var j = 0; j < 15; j++) {
            var at = 15 * i + j;
            if (at < limbs) {
                link[i].inputs[j + 1] <== limb[at];
            } else {
                link[i].inputs[j + 1] <== 0;
            }
        }
    }
    digest <== link[links - 1].out;
}

// Opens a row of one shape: `length` elements of `2^type` bytes. The domain is a constant, the bytes beyond the row are
// zero, as the format says, and `bytes` holds the row and nothing else.
template RowOpening(type, length) {
    var size = length * (1 << type);
    var limbs = (size + 30) \ 31;

    signal input salt;
    signal input limb[limbs];
    signal output digest;
    signal output bytes[size];

    component row = RowDigest(limbs);
    row.domain <== type + 4 * length;
    row.salt <== salt;
    for (var i = 0; i < limbs; i++) {
        row.limb[i] <== limb[i];
    }
    for (var i = 0; i < size; i++) {
        bytes[i] <== row.bytes[i];
    }
    for (var i = size; i < 31 * limbs; i++) {
        row.bytes[i] === 0;
    }
    digest <== row.digest;
}
