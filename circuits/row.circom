// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";
include "numbers.circom";

// Openings of rows under the Poseidon commitments of docs/protocol.md, section 1, and docs/spotchecks.md: the fast
// TypeScript of the same is ts/commit/poseidon.ts.
//
// A row is a tree: 16 limbs of 31 bytes under a node (a group, 496 bytes: no element lies in two groups), 16 nodes under
// a node. Three levels above the groups: rows of up to 16^3 groups, 2,031,616 bytes. A position in a row is a group, given
// by three digits of base 16, a limb in it and a byte in the limb.

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

// One level up: `below` is the child that `chosen` (one-hot) says, `above` the node over the children. Where the tree
// has no such level (active = 0), above = below.
template Level() {
    signal input children[16];
    signal input chosen[16];
    signal input below;
    signal input active;
    signal output above;
    component child = Choose(16);
    child.chosen <== chosen;
    child.values <== children;
    active * (child.out - below) === 0;
    component node = Poseidon(16);
    node.inputs <== children;
    component result = If();
    result.condition <== active;
    result.yes <== node.out;
    result.no <== below;
    above <== result.out;
}

// From a node of a row's lowest level to its top.
template Climb() {
    signal input digits[3][16];
    signal input active[3];
    signal input children[3][16];
    signal input node;
    signal output top;
    component levels[3];
    for (var k = 0; k < 3; k++) {
        levels[k] = Level();
        levels[k].children <== children[k];
        levels[k].chosen <== digits[k];
        levels[k].active <== active[k];
        if (k == 0) {
            levels[k].below <== node;
        } else {
            levels[k].below <== levels[k - 1].above;
        }
    }
    top <== levels[2].above;
}

// What follows from a row's type (0..3, two bits) and length: the bytes of an element, and which levels its tree has above
// the groups. A row that is not there has length 0, and no level.
template RowShape() {
    signal input type[2];
    signal input length;
    signal output size;
    signal output active[3];
    // Number of the last group.
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
    component bits = Num2Bits(12);
    bits.in <== last;
    component none[3];
    for (var k = 0; k < 3; k++) {
        // 16^k groups or fewer have no level k + 1.
        var sum = 0;
        for (var i = 4 * k; i < 12; i++) {
            sum += bits.out[i];
        }
        none[k] = IsZero();
        none[k].in <== sum;
        active[k] <== 1 - none[k].out;
    }
}

// A byte offset below 2^32 as group digits, limb (both one-hot) and bits of the byte in the limb.
template Position() {
    signal input offset;
    signal output digits[3][16];
    signal output limb[16];
    signal output byte[5];
    var rest = offset \ 496;
    component digit[3];
    for (var k = 0; k < 3; k++) {
        digit[k] = OneHot(16);
        digit[k].in <-- rest % 16;
        rest = rest \ 16;
        digits[k] <== digit[k].out;
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
    offset === 496 * (digit[0].in + 16 * digit[1].in + 256 * digit[2].in) + 31 * limbs.in + bits.in;
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

// One element of a row: from the limbs of its group and the nodes above to the row's top.
template OpenElement() {
    signal input type[2];
    // Bytes of an element.
    signal input size;
    signal input active[3];
    // The element's index.
    signal input element;
    signal input limbs[16];
    signal input children[3][16];
    signal output value;
    signal output top;

    component position = Position();
    position.offset <== element * size;
    component group = Poseidon(16);
    group.inputs <== limbs;
    component climb = Climb();
    climb.digits <== position.digits;
    climb.active <== active;
    climb.children <== children;
    climb.node <== group.out;
    top <== climb.top;

    // The limb and its successor: an element may begin in one and end in the next.
    component limb[2];
    component bytes[2];
    component shift = ShiftBytes(62, 8);
    for (var k = 0; k < 2; k++) {
        limb[k] = Choose(16);
        limb[k].chosen <== position.limb;
        for (var i = 0; i < 16; i++) {
            if (i + k < 16) {
                limb[k].values[i] <== limbs[i + k];
            } else {
                limb[k].values[i] <== 0;
            }
        }
        bytes[k] = LimbBytes();
        bytes[k].limb <== limb[k].out;
        for (var i = 0; i < 31; i++) {
            shift.bytes[31 * k + i] <== bytes[k].bytes[i];
        }
    }
    shift.shift <== position.byte;
    component element_ = SignedElement();
    element_.bytes <== shift.out;
    element_.type <== type;
    value <== element_.value;
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

// The root of a step's rows over the digest of row `row` (24 bits; below 4,096). Says nothing if used = 0.
template StepRoot() {
    signal input used;
    signal input row[24];
    signal input digest;
    signal input children[3][16];
    signal output root;
    component digit[3];
    component climb = Climb();
    var high = 0;
    for (var i = 12; i < 24; i++) {
        high += row[i];
    }
    high === 0;
    for (var k = 0; k < 3; k++) {
        digit[k] = OneHot(16);
        digit[k].in <== row[4 * k] + 2 * row[4 * k + 1] + 4 * row[4 * k + 2] + 8 * row[4 * k + 3];
        climb.digits[k] <== digit[k].out;
        climb.active[k] <== used;
    }
    climb.children <== children;
    climb.node <== digest;
    component hash = Poseidon(2);
    hash.inputs[0] <== 3;
    hash.inputs[1] <== climb.top;
    root <== hash.out;
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

// An element of a row and P(row). An unused row (used = 0, length 0) opens anything and has value 0.
template RowElement() {
    signal input used;
    signal input salt;
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[3][16];
    signal output value;
    signal output digest;

    component shape = RowShape();
    shape.type <== type;
    shape.length <== length;
    component opened = OpenElement();
    opened.type <== type;
    opened.size <== shape.size;
    opened.active <== shape.active;
    opened.element <== element;
    opened.limbs <== limbs;
    opened.children <== children;
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== opened.top;
    digest <== row.out;
    value <== used * opened.value;
}

// An element of a row of the step.
template StepElement() {
    signal input used;
    signal input root;
    signal input salt;
    signal input row[24];
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[3][16];
    signal input above[3][16];
    signal output value;
    component opened = RowElement();
    opened.used <== used;
    opened.salt <== salt;
    opened.type <== type;
    opened.length <== length;
    opened.element <== element;
    opened.limbs <== limbs;
    opened.children <== children;
    component step = StepRoot();
    step.used <== used;
    step.row <== row;
    step.digest <== opened.digest;
    step.children <== above;
    used * (step.root - root) === 0;
    value <== opened.value;
}

// An element of a weight row.
template WeightElement() {
    signal input used;
    signal input root;
    signal input row[24];
    signal input type[2];
    signal input length;
    signal input element;
    signal input limbs[16];
    signal input children[3][16];
    signal input count;
    signal input siblings[24];
    signal output value;
    component opened = RowElement();
    opened.used <== used;
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
    value <== opened.value;
}

// Two elements of one row, and P(row).
template RowPair() {
    signal input salt;
    signal input type[2];
    signal input length;
    signal input used;
    signal input element[2];
    signal input limbs[2][16];
    signal input children[2][3][16];
    signal output value[2];
    signal output digest;

    component shape = RowShape();
    shape.type <== type;
    shape.length <== length;
    component opened[2];
    for (var k = 0; k < 2; k++) {
        opened[k] = OpenElement();
        opened[k].type <== type;
        opened[k].size <== shape.size;
        opened[k].active <== shape.active;
        opened[k].element <== element[k];
        opened[k].limbs <== limbs[k];
        opened[k].children <== children[k];
        value[k] <== used * opened[k].value;
    }
    used * (opened[0].top - opened[1].top) === 0;
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== opened[0].top;
    digest <== row.out;
}

// `count` groups of a row from group `first` on, which is a multiple of `count` (2 or 4), so that they lie under one node.
// Groups beyond the last, and those with used = 0, are not opened: their limbs may be anything.
template RowGroups(count) {
    signal input salt;
    signal input used[count];
    signal input type[2];
    signal input length;
    signal input first;
    signal input limbs[count][16];
    signal input children[3][16];
    signal output exists[count];
    signal output bytes[count * 496];
    signal output high[count * 496];
    signal output digest;

    component shape = RowShape();
    shape.type <== type;
    shape.length <== length;
    component digit[3];
    component climb = Climb();
    var sum = 0;
    var rest = first;
    for (var k = 0; k < 3; k++) {
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
