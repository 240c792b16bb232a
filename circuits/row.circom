// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "poseidon.circom";
include "numbers.circom";
include "tree.circom";
include "bytes.circom";

// Openings of rows: their elements, and the packed words that say which. A row is a tree of groups. `levels` is how many levels
// above the groups a template has room for: 3 take rows of up to 16^3 groups, 2,031,616 bytes, 2 take 126,976 bytes.

// What follows from a row's type (0..3, two bits) and length: the bytes of an element, and which levels its tree has above
// the groups. A row that is not there has length 0, and no level.
template RowShape(levels) {
    signal input type[2];
    signal input length;
    signal output size;
    signal output active[levels];
    // Number of the last group: below 16^levels.
    signal output last;
    size <== (1 + type[0]) * (1 + 3 * type[1]);
    // The last byte: 496 last + rest, rest < 496.
    component empty = IsZero();
    empty.in <== length;
    signal end <== length * size - 1 + empty.out;
    signal rest <-- end % 496;
    last <-- end \ 496;
    end === 496 * last + rest;
    component low = Unsigned(9);
    low.in <== rest;
    component high = Unsigned(9);
    high.in <== 495 - rest;
    component bits = Num2Bits(4 * levels);
    bits.in <== last;
    component none[levels];
    for (var k = 0; k < levels; k++) {
        // 16^k groups or fewer have no level k + 1.
        var sum = 0;
        for (var i = 4 * k; i < 4 * levels; i++) {
            sum += bits.out[i];
        }
        none[k] = IsZero();
        none[k].in <== sum;
        active[k] <== 1 - none[k].out;
    }
}

// P(row) from its top.
template RowDigest() {
    signal input type[2];
    signal input length;
    signal input salt;
    signal input top;
    signal output out;
    component start = Poseidon(2);
    start.inputs[0] <== type[0] + 2 * type[1] + 4 * length;
    start.inputs[1] <== salt;
    component digest = Poseidon(2);
    digest.inputs[0] <== start.out;
    digest.inputs[1] <== top;
    out <== digest.out;
}

// n reads out of a public word, 83 bits each from the least significant on: row 24, type 2, length 29, first element 28.
template Reads(n) {
    signal input word;
    signal output row[n][24];
    signal output type[n][2];
    signal output length[n];
    signal output first[n];
    component bits = Num2Bits(83 * n);
    bits.in <== word;
    for (var r = 0; r < n; r++) {
        for (var i = 0; i < 24; i++) {
            row[r][i] <== bits.out[83 * r + i];
        }
        for (var i = 0; i < 2; i++) {
            type[r][i] <== bits.out[83 * r + 24 + i];
        }
        var length_ = 0;
        for (var i = 0; i < 29; i++) {
            length_ += bits.out[83 * r + 26 + i] * (1 << i);
        }
        length[r] <== length_;
        var first_ = 0;
        for (var i = 0; i < 28; i++) {
            first_ += bits.out[83 * r + 55 + i] * (1 << i);
        }
        first[r] <== first_;
    }
}

// `count` bytes of a row from element `element` on, within its group, and P(row). Of a row that is not used (length 0) they
// may be anything.
template RowBytes(levels, count) {
    signal input salt;
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[levels][16];
    signal output bytes[count];
    signal output digest;

    component shape = RowShape(levels);
    shape.type <== type;
    shape.length <== length;
    component position = Position(levels);
    position.offset <== element * shape.size;
    component group = Poseidon(16);
    group.inputs <== limbs;
    component climb = Climb(levels);
    climb.digits <== position.digits;
    climb.active <== shape.active;
    climb.children <== children;
    climb.node <== group.out;
    component opened = GroupBytes(count);
    opened.limbs <== limbs;
    opened.limb <== position.limb;
    opened.byte <== position.byte;
    bytes <== opened.bytes;
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== climb.top;
    digest <== row.out;
}

// An element of a row of the step. An unused row (used = 0, length 0) opens anything and has value 0.
template StepElement(levels) {
    signal input used;
    signal input salt;
    signal input row[24];
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[levels][16];
    signal input above[2][16];
    signal input top[16];
    signal output value;
    component opened = RowBytes(levels, 8);
    opened.salt <== salt;
    opened.type <== type;
    opened.length <== length;
    opened.element <== element;
    opened.limbs <== limbs;
    opened.children <== children;
    component step = StepRow();
    step.used <== used;
    step.row <== row;
    step.digest <== opened.digest;
    step.children <== above;
    step.top <== top;
    component signed = SignedElement();
    signed.bytes <== opened.bytes;
    signed.type <== type;
    value <== used * signed.value;
}

// An element of a weight row.
template WeightElement(levels) {
    signal input used;
    signal input root;
    signal input row[24];
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[levels][16];
    signal input count;
    signal input siblings[24];
    signal output value;
    component opened = RowBytes(levels, 8);
    opened.salt <== 0;
    opened.type <== type;
    opened.length <== length;
    opened.element <== element;
    opened.limbs <== limbs;
    opened.children <== children;
    component weights = WeightsRoot();
    weights.row <== row;
    weights.digest <== opened.digest;
    weights.count <== count;
    weights.siblings <== siblings;
    used * (weights.root - root) === 0;
    component signed = SignedElement();
    signed.bytes <== opened.bytes;
    signed.type <== type;
    value <== used * signed.value;
}

// Two elements of one row, and P(row).
template RowPair(levels) {
    signal input salt;
    signal input type[2];
    signal input length;
    signal input element[2];
    signal input limbs[2][16];
    signal input children[2][levels - 1][16];
    signal input highest[16];
    signal output value[2];
    signal output digest;

    component shape = RowShape(levels);
    shape.type <== type;
    shape.length <== length;
    component position[2];
    component group[2];
    component climb = ClimbBoth(levels);
    climb.used <== 1;
    climb.active <== shape.active;
    climb.children <== children;
    climb.highest <== highest;
    component opened[2];
    component signed[2];
    for (var k = 0; k < 2; k++) {
        position[k] = Position(levels);
        position[k].offset <== element[k] * shape.size;
        group[k] = Poseidon(16);
        group[k].inputs <== limbs[k];
        climb.digits[k] <== position[k].digits;
        climb.nodes[k] <== group[k].out;
        opened[k] = GroupBytes(8);
        opened[k].limbs <== limbs[k];
        opened[k].limb <== position[k].limb;
        opened[k].byte <== position[k].byte;
        signed[k] = SignedElement();
        signed[k].bytes <== opened[k].bytes;
        signed[k].type <== type;
        value[k] <== signed[k].value;
    }
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== climb.top;
    digest <== row.out;
}

// `count` groups of a row from group `first` on, which is a multiple of `count` (2 or 4), so that they lie under one node.
// Groups beyond the last, and those with used = 0, are not opened: their limbs may be anything.
template RowGroups(count, levels) {
    signal input salt;
    signal input used[count];
    signal input type[2];
    signal input length;
    signal input first;
    signal input limbs[count][16];
    signal input children[levels][16];
    signal output exists[count];
    signal output bytes[count * 496];
    signal output high[count * 496];
    signal output digest;

    component shape = RowShape(levels);
    shape.type <== type;
    shape.length <== length;
    component digit[levels];
    component climb = Climb(levels);
    var sum = 0;
    var rest = first;
    for (var k = 0; k < levels; k++) {
        digit[k] = OneHot(16);
        digit[k].in <-- rest % 16;
        rest = rest \ 16;
        sum += digit[k].in * (1 << (4 * k));
        climb.digits[k] <== digit[k].out;
    }
    sum === first;
    climb.active <== shape.active;
    climb.children <== children;

    component group[count];
    component present[count];
    component child[count];
    component limb[count][16];
    for (var g = 0; g < count; g++) {
        present[g] = AtMost(13);
        present[g].a <== first + g;
        present[g].b <== shape.last;
        exists[g] <== present[g].out * used[g];
        group[g] = Poseidon(16);
        group[g].inputs <== limbs[g];
        child[g] = Choose(16);
        for (var i = 0; i < 16; i++) {
            child[g].chosen[i] <== digit[0].out[i];
            if (i + g < 16) {
                child[g].values[i] <== children[0][i + g];
            } else {
                child[g].values[i] <== 0;
            }
        }
        if (g == 0) {
            exists[g] === 1;
        } else {
            // A second group is there only where the row has a level above its groups.
            exists[g] * (child[g].out - group[g].out) === 0;
        }
        for (var l = 0; l < 16; l++) {
            limb[g][l] = LimbBytes();
            limb[g][l].limb <== limbs[g][l];
            for (var i = 0; i < 31; i++) {
                bytes[496 * g + 31 * l + i] <== limb[g][l].bytes[i];
                high[496 * g + 31 * l + i] <== limb[g][l].high[i];
            }
        }
    }
    climb.node <== group[0].out;
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== climb.top;
    digest <== row.out;
}
