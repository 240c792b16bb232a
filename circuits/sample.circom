// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";

// No circuit of the spot-check: a small one, of which the keys and proofs are that the verifier contract is tested with
// (ts/circuits/groth16-vectors.ts). Bytes and their salted digest.
template Sample(count) {
    signal input salt;
    signal input limb;
    signal output digest;
    signal output bytes[count];
    component bits = Num2Bits(8 * count);
    bits.in <== limb;
    for (var i = 0; i < count; i++) {
        var byte = 0;
        for (var k = 0; k < 8; k++) {
            byte += bits.out[8 * i + k] * (1 << k);
        }
        bytes[i] <== byte;
    }
    component hash = Poseidon(2);
    hash.inputs[0] <== salt;
    hash.inputs[1] <== limb;
    digest <== hash.out;
}
