// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";
include "state.circom";

// The dot product of 992 elements: a as i16 (wide = 1) or as i8, b as i8. Bytes with their highest bits. The second group of b
// counts if it is there.
template DotBlock() {
    signal input wide;
    signal input aBytes[1984];
    signal input aHigh[1984];
    signal input bBytes[992];
    signal input bHigh[992];
    signal input second;
    signal output out;
    signal factors[992];
    signal products[992];
    var sums[2] = [0, 0];
    for (var e = 0; e < 992; e++) {
        var narrow = aBytes[e] - 256 * aHigh[e];
        var pair = aBytes[2 * e] + 256 * aBytes[2 * e + 1] - 65536 * aHigh[2 * e + 1];
        factors[e] <== narrow + wide * (pair - narrow);
        products[e] <== factors[e] * (bBytes[e] - 256 * bHigh[e]);
        sums[e \ 496] += products[e];
    }
    signal more <== second * sums[1];
    out <== sums[0] + more;
}

// One segment of an element of a row that fold_dot made: 992 elements, two groups of the weight row b; of a two groups
// (i8) or four (i16). Public: see docs/spotchecks.md.
//
// reads: out, a, b. params: segment (12 bits), isFirst (1), isLast (1).
//
// Bytes of b beyond the row are zero in weightsRootP, which whoever adopts a model recomputes, so elements of a beyond it
// do not count, whatever the executor committed to there.
template Dot() {
    signal input stepRoot;
    signal input weightsRoot;
    signal input reads;
    signal input params;
    signal input stateIn;
    signal input stateOut;
    signal input salt;
    // Accumulator before the segment.
    signal input before;
    signal input limbs[16];
    signal input children[2][16];
    signal input above[2][16];
    signal input aLimbs[4][16];
    signal input aChildren[2][16];
    signal input aAbove[2][16];
    signal input top[16];
    signal input bLimbs[2][16];
    signal input bChildren[2][16];
    signal input weightRows;
    signal input siblings[24];

    component rows = Reads(3);
    rows.word <== reads;
    component bits = Num2Bits(14);
    bits.in <== params;
    var segment = 0;
    for (var i = 0; i < 12; i++) {
        segment += bits.out[i] * (1 << i);
    }
    signal isFirst <== bits.out[12];
    signal isLast <== bits.out[13];
    // a is i8 or i16.
    rows.type[1][1] === 0;
    signal wide <== rows.type[1][0];
    rows.type[2][0] === 0;
    rows.type[2][1] === 0;

    component a = RowGroups(4, 2);
    a.salt <== salt;
    a.type <== rows.type[1];
    a.length <== rows.length[1];
    a.first <== segment * (2 + 2 * wide);
    a.used[0] <== 1;
    a.used[1] <== 1;
    a.used[2] <== wide;
    a.used[3] <== wide;
    a.limbs <== aLimbs;
    a.children <== aChildren;
    component step = StepTop();
    step.nodes <== top;
    step.root === stepRoot;
    component aRow = StepRow();
    aRow.used <== 1;
    aRow.row <== rows.row[1];
    aRow.digest <== a.digest;
    aRow.children <== aAbove;
    aRow.top <== top;

    component b = RowGroups(2, 2);
    b.salt <== 0;
    b.type <== rows.type[2];
    b.length <== rows.length[2];
    b.first <== 2 * segment;
    b.used <== [1, 1];
    b.limbs <== bLimbs;
    b.children <== bChildren;
    component bRoot = WeightsRoot();
    bRoot.row <== rows.row[2];
    bRoot.digest <== b.digest;
    bRoot.count <== weightRows;
    bRoot.siblings <== siblings;
    bRoot.root === weightsRoot;

    component block = DotBlock();
    block.wide <== wide;
    block.aBytes <== a.bytes;
    block.aHigh <== a.high;
    block.bBytes <== b.bytes;
    block.bHigh <== b.high;
    block.second <== b.exists[1];

    component states = States();
    states.salt <== salt;
    states.reads <== reads;
    states.place <== segment;
    states.isFirst <== isFirst;
    states.isLast <== isLast;
    states.stateIn <== stateIn;
    states.stateOut <== stateOut;
    states.initial <== [0, 0];
    states.before <== [before, 0];
    signal after <== before + block.out;
    states.after <== [after, 0];

    component finish = Finish();
    finish.x <== after;
    finish.wide <== rows.type[0][0];
    component result = StepElement(2);
    result.used <== isLast;
    result.salt <== salt;
    result.row <== rows.row[0];
    result.type <== rows.type[0];
    result.length <== rows.length[0];
    result.element <== rows.first[0];
    result.limbs <== limbs;
    result.children <== children;
    result.above <== above;
    result.top <== top;
    isLast * (result.value - finish.out) === 0;
}
