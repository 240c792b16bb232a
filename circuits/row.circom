// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "poseidon.circom";
include "numbers.circom";

// Openings of rows under the Poseidon commitments of docs/protocol.md, section 1, and docs/spotchecks.md: the fast
// TypeScript of the same is ts/commit/poseidon.ts.
//
// A row is a tree: 16 limbs of 31 bytes under a node (a group, 496 bytes: no element lies in two groups), 16 nodes under
// a node. `levels` is how many levels above the groups a template has room for: 3 take rows of up to 16^3 groups, 2,031,616
// bytes, 2 take 126,976 bytes. A position in a row is a group, given by digits of base 16, a limb in it and a byte in
// the limb. Of what a proof opens twice in the same tree the highest level is hashed once.

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

// One level up, but for its node: `below` is the child that `chosen` (one-hot) says. Where the tree has no such level
// (active = 0), says nothing.
template IsChild() {
    signal input children[16];
    signal input chosen[16];
    signal input below;
    signal input active;
    component child = Choose(16);
    child.chosen <== chosen;
    child.values <== children;
    active * (child.out - below) === 0;
}

// One level up: `above` is the node over the children, of which one is `below`; where the tree has no such level, `below`.
template Level() {
    signal input children[16];
    signal input chosen[16];
    signal input below;
    signal input active;
    signal output above;
    component child = IsChild();
    child.children <== children;
    child.chosen <== chosen;
    child.below <== below;
    child.active <== active;
    component node = Poseidon(16);
    node.inputs <== children;
    component result = If();
    result.condition <== active;
    result.yes <== node.out;
    result.no <== below;
    above <== result.out;
}

// From a node of a row's lowest level to its top.
template Climb(levels) {
    signal input digits[levels][16];
    signal input active[levels];
    signal input children[levels][16];
    signal input node;
    signal output top;
    component level[levels];
    for (var k = 0; k < levels; k++) {
        level[k] = Level();
        level[k].children <== children[k];
        level[k].chosen <== digits[k];
        level[k].active <== active[k];
        if (k == 0) {
            level[k].below <== node;
        } else {
            level[k].below <== level[k - 1].above;
        }
    }
    top <== level[levels - 1].above;
}

// From two nodes of a row's lowest level to their common top, whose children both share. Says nothing if used = 0.
template ClimbBoth(levels) {
    signal input used;
    signal input digits[2][levels][16];
    signal input active[levels];
    // Levels below the highest.
    signal input children[2][levels - 1][16];
    signal input highest[16];
    signal input nodes[2];
    signal output top;
    component level[2][levels - 1];
    component child[2];
    component node = Poseidon(16);
    node.inputs <== highest;
    component result[2];
    for (var i = 0; i < 2; i++) {
        for (var k = 0; k < levels - 1; k++) {
            level[i][k] = Level();
            level[i][k].children <== children[i][k];
            level[i][k].chosen <== digits[i][k];
            level[i][k].active <== active[k];
            if (k == 0) {
                level[i][k].below <== nodes[i];
            } else {
                level[i][k].below <== level[i][k - 1].above;
            }
        }
        child[i] = IsChild();
        child[i].children <== highest;
        child[i].chosen <== digits[i][levels - 1];
        child[i].below <== level[i][levels - 2].above;
        child[i].active <== active[levels - 1];
        result[i] = If();
        result[i].condition <== active[levels - 1];
        result[i].yes <== node.out;
        result[i].no <== level[i][levels - 2].above;
    }
    used * (result[0].out - result[1].out) === 0;
    top <== result[0].out;
}

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

// The root of a step's rows over the nodes of its highest level, which all rows that a circuit opens share.
template StepTop() {
    signal input nodes[16];
    signal output root;
    component top = Poseidon(16);
    top.inputs <== nodes;
    component hash = Poseidon(2);
    hash.inputs[0] <== 3;
    hash.inputs[1] <== top.out;
    root <== hash.out;
}

// The digest of row `row` (24 bits; below 4,096) of a step lies under its highest nodes. Says nothing if used = 0.
template StepRow() {
    signal input used;
    signal input row[24];
    signal input digest;
    signal input children[2][16];
    signal input top[16];
    component digit[3];
    component climb = Climb(2);
    var high = 0;
    for (var i = 12; i < 24; i++) {
        high += row[i];
    }
    high === 0;
    for (var k = 0; k < 3; k++) {
        digit[k] = OneHot(16);
        digit[k].in <== row[4 * k] + 2 * row[4 * k + 1] + 4 * row[4 * k + 2] + 8 * row[4 * k + 3];
    }
    for (var k = 0; k < 2; k++) {
        climb.digits[k] <== digit[k].out;
        climb.active[k] <== used;
    }
    climb.children <== children;
    climb.node <== digest;
    component last = IsChild();
    last.children <== top;
    last.chosen <== digit[2].out;
    last.below <== climb.top;
    last.active <== used;
}

// weightsRootP over the digest of weight row `row` (24 bits) of `count` (at most 2^24).
template WeightsRoot() {
    signal input row[24];
    signal input digest;
    signal input count;
    signal input siblings[24];
    signal output root;
    component last = Num2Bits(24);
    last.in <== count - 1;
    // Level k exists if the last index has a bit at k or above.
    signal active[25];
    active[24] <== 0;
    for (var k = 23; k >= 0; k--) {
        active[k] <== active[k + 1] + last.out[k] - active[k + 1] * last.out[k];
    }
    signal nodes[25];
    nodes[0] <== digest;
    component parent[24];
    component result[24];
    signal left[24];
    for (var k = 0; k < 24; k++) {
        left[k] <== nodes[k] + row[k] * (siblings[k] - nodes[k]);
        parent[k] = Poseidon(2);
        parent[k].inputs[0] <== left[k];
        parent[k].inputs[1] <== nodes[k] + siblings[k] - left[k];
        result[k] = If();
        result[k].condition <== active[k];
        result[k].yes <== parent[k].out;
        result[k].no <== nodes[k];
        nodes[k + 1] <== result[k].out;
    }
    component hash = Poseidon(3);
    hash.inputs[0] <== 2;
    hash.inputs[1] <== count;
    hash.inputs[2] <== nodes[24];
    root <== hash.out;
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
