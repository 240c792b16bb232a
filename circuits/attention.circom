// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";
include "state.circom";

// The digest of a 32-byte chunk that links proofs about it: Poseidon of its halves (16 bytes each, little-endian) and the
// step's salt.
template ChunkDigest() {
    signal input halves[2];
    signal input salt;
    signal output out;
    component hash = Poseidon(3);
    hash.inputs[0] <== halves[0];
    hash.inputs[1] <== halves[1];
    hash.inputs[2] <== salt;
    out <== hash.out;
}

// 32 bytes of a row from byte `offset` on, which may begin in one group and end in the next. Bytes beyond the row's last
// group are 0.
template RowBytes32(levels) {
    signal input used;
    signal input salt;
    signal input type[2];
    signal input length;
    signal input offset;
    signal input limbs[2][16];
    signal input children[2][levels - 1][16];
    signal input highest[16];
    signal output bytes[32];
    signal output digest;

    component shape = RowShape(levels);
    shape.type <== type;
    shape.length <== length;
    component position[2];
    position[0] = Position(levels);
    position[0].offset <== offset;
    // The next group, if there is one; else the same again.
    component more = AtMost(33);
    var at = 0;
    for (var k = 0; k < levels; k++) {
        for (var i = 0; i < 16; i++) {
            at += i * (1 << (4 * k)) * position[0].digits[k][i];
        }
    }
    more.a <== at + 1;
    more.b <== shape.last;
    position[1] = Position(levels);
    position[1].offset <== offset + 496 * more.out;
    component climb = ClimbBoth(levels);
    climb.used <== used;
    climb.active <== shape.active;
    climb.children <== children;
    climb.highest <== highest;
    component group[2];
    for (var g = 0; g < 2; g++) {
        group[g] = Poseidon(16);
        group[g].inputs <== limbs[g];
        climb.digits[g] <== position[g].digits;
        climb.nodes[g] <== group[g].out;
    }

    // Limb, successor and the one after it, of 32 limbs. Unless there is a next group its limbs count as 0.
    component limb[3];
    component bytes_[3];
    component shift = ShiftBytes(93, 32);
    signal next[16];
    for (var i = 0; i < 16; i++) {
        next[i] <== more.out * limbs[1][i];
    }
    for (var k = 0; k < 3; k++) {
        limb[k] = Choose(16);
        limb[k].chosen <== position[0].limb;
        for (var i = 0; i < 16; i++) {
            if (i + k < 16) {
                limb[k].values[i] <== limbs[0][i + k];
            } else {
                limb[k].values[i] <== next[i + k - 16];
            }
        }
        bytes_[k] = LimbBytes();
        bytes_[k].limb <== limb[k].out;
        for (var i = 0; i < 31; i++) {
            shift.bytes[31 * k + i] <== bytes_[k].bytes[i];
        }
    }
    shift.shift <== position[0].byte;
    bytes <== shift.out;
    component row = RowDigest();
    row.type <== type;
    row.length <== length;
    row.salt <== salt;
    row.top <== climb.top;
    digest <== row.out;
}

// Signed i16 elements of 32 bytes, 0..255 each.
template Lanes() {
    signal input bytes[32];
    signal output lanes[16];
    component high[16];
    for (var i = 0; i < 16; i++) {
        high[i] = Num2Bits(8);
        high[i].in <== bytes[2 * i + 1];
        lanes[i] <== bytes[2 * i] + 256 * bytes[2 * i + 1] - 65536 * high[i].out[7];
    }
}

// Takes up to 16 lanes of a chunk into an accumulator, and finishes it. Elements are i16; bytes are checked here but for
// the even ones of `cached`.
template AttentionBlock() {
    signal input query[32];
    signal input cached[32];
    // Bits of the lane of the chunk that lane 0 of the query meets.
    signal input skip[4];
    // Lanes that count.
    signal input count;
    signal input mix;
    signal input masked;
    signal input mul;
    signal input shift[6];
    signal input before;
    signal output after;
    // The element, if this was the last segment.
    signal output out;
    component queries = Lanes();
    queries.bytes <== query;
    component key = Lanes();
    key.bytes <== cached;

    // Lane i of the query meets lane skip + i of the chunk.
    signal stages[5][16];
    stages[4] <== key.lanes;
    for (var s = 3; s >= 0; s--) {
        for (var i = 0; i < 16; i++) {
            if (i + (1 << s) < 16) {
                stages[s][i] <== stages[s + 1][i] + skip[s] * (stages[s + 1][i + (1 << s)] - stages[s + 1][i]);
            } else {
                stages[s][i] <== stages[s + 1][i] * (1 - skip[s]);
            }
        }
    }
    component counted = OneHot(17);
    counted.in <== count;
    signal products[16];
    signal terms[16];
    var sum = 0;
    var open = 1;
    for (var i = 0; i < 16; i++) {
        open -= counted.out[i];
        products[i] <== queries.lanes[i] * stages[0][i];
        terms[i] <== open * products[i];
        sum += terms[i];
    }
    signal added <== (1 - masked) * sum;
    after <== before + added;

    // fold_mix: sat 63. fold_scores: the score, or that of a position outside the window.
    component range = Signed(80);
    range.in <== after;
    signal factor <== mix + (1 - mix) * mul;
    component rounded = RoundingShift(110);
    rounded.x <== after * factor;
    for (var i = 0; i < 6; i++) {
        rounded.s[i] <== shift[i] * (1 - mix);
    }
    component bounded = Saturate(111);
    bounded.x <== rounded.out;
    bounded.negative <== rounded.negative;
    bounded.bound <== (1 << 31) - 1 + mix * ((1 << 63) - (1 << 31));
    component score = If();
    score.condition <== masked;
    score.yes <== 1 - (1 << 31);
    score.no <== bounded.out;

    out <== score.out;
}

// One segment of an element of a row that fold_scores or fold_mix made: up to 16 elements of one chunk of a cached row, of
// any position. The chunk is named by its digest; a proof of Link ties that to the SHA-256 leaf of the cached row.
// Public: see docs/spotchecks.md.
//
// reads: out, a: the element of the query row, or of the weights, that meets lane `skip` of the chunk. params, from the
// least significant bit: place among the fold's segments (24), skip (4), count (5), isFirst (1), isLast (1), mix (1), masked
// (1), mul (24), shift (6).
template Attention() {
    signal input stepRoot;
    signal input reads;
    signal input params;
    signal input chunk;
    signal input stateIn;
    signal input stateOut;
    signal input salt;
    signal input before;
    signal input limbs[16];
    signal input children[3][16];
    signal input above[2][16];
    signal input aLimbs[2][16];
    signal input aChildren[2][2][16];
    signal input aHighest[16];
    signal input aAbove[2][16];
    signal input top[16];
    // The chunk's bytes.
    signal input cached[32];

    component rows = Reads(2);
    rows.word <== reads;
    component bits = Num2Bits(67);
    bits.in <== params;
    var place = 0;
    for (var i = 0; i < 24; i++) {
        place += bits.out[i] * (1 << i);
    }
    signal isFirst <== bits.out[33];
    signal isLast <== bits.out[34];
    signal mix <== bits.out[35];
    signal masked <== bits.out[36];
    var mul = 0;
    for (var i = 0; i < 24; i++) {
        mul += bits.out[37 + i] * (1 << i);
    }

    // a is i16.
    rows.type[1][0] === 1;
    rows.type[1][1] === 0;
    component a = RowBytes32(3);
    a.used <== 1;
    a.salt <== salt;
    a.type <== rows.type[1];
    a.length <== rows.length[1];
    a.offset <== 2 * rows.first[1];
    a.limbs <== aLimbs;
    a.children <== aChildren;
    a.highest <== aHighest;
    component step = StepTop();
    step.nodes <== top;
    step.root === stepRoot;
    component aRow = StepRow();
    aRow.used <== 1;
    aRow.row <== rows.row[1];
    aRow.digest <== a.digest;
    aRow.children <== aAbove;
    aRow.top <== top;
    component digest = ChunkDigest();
    digest.salt <== salt;
    for (var h = 0; h < 2; h++) {
        var half = 0;
        for (var i = 0; i < 16; i++) {
            half += cached[16 * h + i] * (1 << (8 * i));
        }
        digest.halves[h] <== half;
    }
    // AttentionBlock checks the odd bytes.
    component even[16];
    for (var i = 0; i < 16; i++) {
        even[i] = Unsigned(8);
        even[i].in <== cached[2 * i];
    }
    (1 - masked) * (digest.out - chunk) === 0;

    component block = AttentionBlock();
    block.query <== a.bytes;
    block.cached <== cached;
    for (var i = 0; i < 4; i++) {
        block.skip[i] <== bits.out[24 + i];
    }
    var count = 0;
    for (var i = 0; i < 5; i++) {
        count += bits.out[28 + i] * (1 << i);
    }
    block.count <== count;
    block.mix <== mix;
    block.masked <== masked;
    block.mul <== mul;
    for (var i = 0; i < 6; i++) {
        block.shift[i] <== bits.out[61 + i];
    }
    block.before <== before;

    component states = States();
    states.salt <== salt;
    // A state is one element's, whichever part of a its segments read: the read of out alone.
    var element = (1 << 24) * (rows.type[0][0] + 2 * rows.type[0][1]) + (1 << 26) * rows.length[0]
        + (1 << 55) * rows.first[0];
    for (var i = 0; i < 24; i++) {
        element += rows.row[0][i] * (1 << i);
    }
    states.reads <== element;
    states.place <== place;
    states.isFirst <== isFirst;
    states.isLast <== isLast;
    states.stateIn <== stateIn;
    states.stateOut <== stateOut;
    states.initial <== [0, 0];
    states.before <== [before, 0];
    states.after <== [block.after, 0];

    component result = StepElement(3);
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
    isLast * (result.value - block.out) === 0;
}
