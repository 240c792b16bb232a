// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "poseidon.circom";
include "numbers.circom";

// A fold is proven by segments. Between two of them stands a state: the accumulator, hidden by the step's salt, at its
// place. The segment at `place` goes from `before` at that place to `after` at the next one. The first segment starts
// from `initial`, the last one's `after` is finished to the element: they ignore the commitment that they do not need.
template States() {
    signal input salt;
    // Which element of which row: the same word in all segments of a fold. `attention` takes its read of out, others all of their reads.
    signal input reads;
    signal input place;
    signal input isFirst;
    signal input isLast;
    signal input stateIn;
    signal input stateOut;
    signal input initial[2];
    signal input before[2];
    signal input after[2];
    component state[2];
    for (var k = 0; k < 2; k++) {
        isFirst * (before[k] - initial[k]) === 0;
        state[k] = Poseidon(5);
        state[k].inputs[2] <== salt;
        state[k].inputs[3] <== place + k;
        state[k].inputs[4] <== reads;
    }
    state[0].inputs[0] <== before[0];
    state[0].inputs[1] <== before[1];
    state[1].inputs[0] <== after[0];
    state[1].inputs[1] <== after[1];
    (1 - isFirst) * (state[0].out - stateIn) === 0;
    (1 - isLast) * (state[1].out - stateOut) === 0;
}

// sat(x, 31 or 63) by the bound of the output's type, for |x| < 2^80.
template Finish() {
    signal input x;
    // 1 for i64, 0 for i32
    signal input wide;
    signal output out;
    component sign = Signed(80);
    sign.in <== x;
    component bounded = Saturate(80);
    bounded.x <== x;
    bounded.negative <== sign.negative;
    bounded.bound <== (1 << 31) - 1 + wide * ((1 << 63) - (1 << 31));
    out <== bounded.out;
}
