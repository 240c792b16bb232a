// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";

// rope and embed of docs/machine.md, section 3: sat(rshr(x[0] y[0] + sign x[1] y[1], shift), bits), two elements of a row
// x and two of a weight row y. rope: x is the row a of the step (the element and its partner), y the table's row (cosine,
// sine), sign -1 or 1. embed: x is the embedding's row, a weight row, y the scales', sign 0 and both elements of x and of
// y the same.
template GatherElement() {
    signal input x[2];
    signal input y[2];
    // -1, 0, 1
    signal input sign;
    signal input shift[6];
    signal input width[5];
    signal output out;
    signal products[2];
    products[0] <== x[0] * y[0];
    products[1] <== x[1] * y[1];
    component rounded = RoundingShift(64);
    rounded.x <== products[0] + sign * products[1];
    rounded.s <== shift;
    component power = PowerOfTwo(5);
    power.bits <== width;
    component bounded = Saturate(65);
    bounded.x <== rounded.out;
    bounded.negative <== rounded.negative;
    bounded.bound <== power.out - 1;
    out <== bounded.out;
}

// One element of a row that rope or embed made. Public: see docs/spotchecks.md.
//
// reads: out, x, y. params, from the least significant bit: second element of x (28), of y (28), shift (6), bits (5),
// embed (1), minus (1).
template Gather() {
    signal input stepRoot;
    signal input weightsRoot;
    signal input reads;
    signal input params;
    signal input salt;
    signal input outLimbs[16];
    signal input outChildren[2][16];
    signal input outAbove[2][16];
    signal input top[16];
    // Of x and y.
    signal input limbs[2][2][16];
    signal input children[2][2][1][16];
    signal input highest[2][16];
    // x, a row of the step.
    signal input above[2][16];
    // x, a weight row, and y.
    signal input weightRows;
    signal input siblings[2][24];

    component rows = Reads(3);
    rows.word <== reads;
    component bits = Num2Bits(69);
    bits.in <== params;
    signal embed <== bits.out[67];

    component stepTop = StepTop();
    stepTop.nodes <== top;
    stepTop.root === stepRoot;
    component result = StepElement(2);
    result.used <== 1;
    result.salt <== salt;
    result.row <== rows.row[0];
    result.type <== rows.type[0];
    result.length <== rows.length[0];
    result.element <== rows.first[0];
    result.limbs <== outLimbs;
    result.children <== outChildren;
    result.above <== outAbove;
    result.top <== top;

    component pair[2];
    component weights[2];
    component gather = GatherElement();
    for (var r = 0; r < 2; r++) {
        var second = 0;
        for (var i = 0; i < 28; i++) {
            second += bits.out[28 * r + i] * (1 << i);
        }
        pair[r] = RowPair(2);
        if (r == 0) {
            pair[r].salt <== salt * (1 - embed);
        } else {
            pair[r].salt <== 0;
        }
        pair[r].type <== rows.type[r + 1];
        pair[r].length <== rows.length[r + 1];
        pair[r].element[0] <== rows.first[r + 1];
        pair[r].element[1] <== second;
        pair[r].limbs <== limbs[r];
        pair[r].children <== children[r];
        pair[r].highest <== highest[r];
        weights[r] = WeightsRoot();
        weights[r].row <== rows.row[r + 1];
        weights[r].digest <== pair[r].digest;
        weights[r].count <== weightRows;
        weights[r].siblings <== siblings[r];
    }
    component step = StepRow();
    step.used <== 1 - embed;
    for (var i = 0; i < 24; i++) {
        step.row[i] <== rows.row[1][i] * (1 - embed);
    }
    step.digest <== pair[0].digest;
    step.children <== above;
    step.top <== top;
    embed * (weights[0].root - weightsRoot) === 0;
    weights[1].root === weightsRoot;

    gather.x <== pair[0].value;
    gather.y <== pair[1].value;
    gather.sign <== (1 - embed) * (1 - 2 * bits.out[68]);
    for (var i = 0; i < 6; i++) {
        gather.shift[i] <== bits.out[56 + i];
    }
    for (var i = 0; i < 5; i++) {
        gather.width[i] <== bits.out[62 + i];
    }
    result.value === gather.out;
}
