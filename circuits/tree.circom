// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "poseidon.circom";
include "numbers.circom";

// Poseidon trees of docs/protocol.md, section 1, and docs/spotchecks.md: the fast TypeScript of the same is
// ts/commit/poseidon.ts. A node has 16 children, given with the place of the one below: a digit of base 16, one-hot. Of what a
// proof opens twice in the same tree the highest level is hashed once.

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
