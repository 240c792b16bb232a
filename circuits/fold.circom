// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";
include "state.circom";

// mask[i] = 1 for lo <= i < hi, else 0, for lo <= hi. No witness exists for a bound beyond 0..n.
template Between(n) {
    signal input lo;
    signal input hi;
    signal output mask[n];
    // below[k][i] = 1 for i < bound k: it falls from 1 to 0 at the bound, and nowhere else.
    signal below[2][n];
    for (var k = 0; k < 2; k++) {
        var bound = lo;
        if (k == 1) {
            bound = hi;
        }
        for (var i = 0; i <= n; i++) {
            var before = 1;
            var here = 0;
            if (i > 0) {
                before = below[k][i - 1];
            }
            if (i < n) {
                below[k][i] <-- i < bound;
                here = below[k][i];
            }
            (before - here) * (i - bound) === 0;
        }
    }
    for (var i = 0; i < n; i++) {
        mask[i] <== below[1][i] - below[0][i];
    }
}

// A segment of fold_pick: walks weights (max(a, 0), 0 outside the mask) and picks the first at which their running sum
// exceeds the threshold. Running sums never fall, so it is enough to look at two of them: before and at the choice.
// token and threshold are any 64-bit integers; elements lo / 2 .. of n are in the mask.
template Pick(n) {
    // 0: token and threshold are 0, and so is everything else.
    signal input isPick;
    signal input weights[n];
    signal input mask[n];
    signal input first;
    // The token of element 0.
    signal input base;
    signal input token;
    signal input threshold;
    signal output tokenOut;
    signal output thresholdOut;

    component open = Signed(63);
    open.in <== token;
    component low = Signed(63);
    low.in <== threshold;
    // 1 if the walk goes on here.
    signal walks <== isPick * open.negative;

    // done[k] = 1 from the choice on.
    signal done[n];
    var left = threshold;
    var chosen = 0;
    for (var k = 0; k < n; k++) {
        if (chosen == 0 && mask[k] == 1 && walks == 1) {
            // Compared as integers: both are below 2^64 in magnitude.
            if (weights[k] + (1 << 70) > left + (1 << 70)) {
                chosen = 1;
            } else {
                left -= weights[k];
            }
        }
        done[k] <-- chosen;
    }
    signal skipped[n];
    signal taken[n];
    var passed = 0;
    var weight = 0;
    var place = 0;
    for (var k = 0; k < n; k++) {
        done[k] * (1 - done[k]) === 0;
        if (k == 0) {
            done[k] * (1 - mask[k]) === 0;
            taken[k] <== weights[k] * done[k];
            place += k * done[k];
        } else {
            done[k - 1] * (1 - done[k]) === 0;
            (done[k] - done[k - 1]) * (1 - mask[k]) === 0;
            taken[k] <== weights[k] * (done[k] - done[k - 1]);
            place += k * (done[k] - done[k - 1]);
        }
        skipped[k] <== weights[k] * (1 - done[k]);
        passed += skipped[k];
        weight += taken[k];
    }
    // Nothing is picked where the walk is over, or in another fold.
    signal picked <== done[n - 1];
    picked * (1 - walks) === 0;
    // What is left of the threshold before the choice, or after all.
    signal rest <== walks * (threshold - passed);
    component restSign = Signed(70);
    restSign.in <== rest;
    // Not negative, but at the first weight of all: max(a, 0) exceeds any negative threshold.
    signal negative <== walks * low.negative;
    signal atFirst <== picked * (place - first);
    negative * (1 - picked) === 0;
    negative * atFirst === 0;
    (1 - negative) * restSign.negative === 0;
    // The choice exceeds what is left.
    component exceeds = Unsigned(71);
    exceeds.in <== picked * (weight - rest - 1);

    signal found <== picked * (base + place - token);
    tokenOut <== token + found;
    thresholdOut <== threshold + walks * (rest - threshold);
}

// One step of the folds over groups of docs/machine.md, section 3, over 248 elements (i32) or 496 lanes (i16): `is` is
// fold_sumsq, fold_amax, fold_max, fold_sum, fold_pick, one-hot. Lanes are of two bytes; those in lo..hi - 1 count.
template FoldBlock() {
    signal input is[5];
    // a is i16: fold_sum only.
    signal input narrow;
    signal input bytes[992];
    signal input high[992];
    signal input lo;
    signal input hi;
    // Token of the first lane's element, of fold_pick.
    signal input base;
    signal input before[2];
    signal output after[2];

    component between = Between(496);
    between.lo <== lo;
    between.hi <== hi;

    signal lanes[496];
    var laneSum = 0;
    for (var i = 0; i < 496; i++) {
        lanes[i] <== between.mask[i] * (bytes[2 * i] + 256 * bytes[2 * i + 1] - 65536 * high[2 * i + 1]);
        laneSum += lanes[i];
    }

    signal values[248];
    signal squares[248];
    signal positive[248];
    signal magnitude[248];
    signal shifted[248];
    component distance[248];
    signal reached[249];
    var sum = 0;
    var squareSum = 0;
    // The new maximum, and an element that has it: hints. Both are 0 if this is no maximum.
    signal top;
    var best = is[1] * before[0] + is[2] * (before[0] + (1 << 31));
    var at = 248;
    component pick = Pick(248);
    for (var k = 0; k < 248; k++) {
        var value = 0;
        for (var i = 0; i < 4; i++) {
            value += bytes[4 * k + i] * (1 << (8 * i));
        }
        values[k] <== between.mask[2 * k] * (value - (1 << 32) * high[4 * k + 3]);
        squares[k] <== values[k] * values[k];
        positive[k] <== values[k] * (1 - high[4 * k + 3]);
        // |x| for fold_amax, x + 2^31 for fold_max; 0 for others and outside the mask.
        magnitude[k] <== is[1] * (2 * positive[k] - values[k]);
        shifted[k] <== is[2] * (values[k] + (1 << 31) * between.mask[2 * k]);
        sum += values[k];
        squareSum += squares[k];
        if (magnitude[k] + shifted[k] > best) {
            best = magnitude[k] + shifted[k];
            at = k;
        }
        pick.weights[k] <== is[4] * positive[k];
        pick.mask[k] <== between.mask[2 * k];
    }
    top <-- best;
    signal start[2];
    start[0] <== is[1] * before[0];
    start[1] <== is[2] * (before[0] + (1 << 31));
    // top is at least each of them, and is one of them. All are below 2^32.
    component ahead = Unsigned(33);
    ahead.in <== top - start[0] - start[1];
    var reaches = 0;
    for (var k = 0; k < 248; k++) {
        distance[k] = Unsigned(32);
        distance[k].in <== top - magnitude[k] - shifted[k];
        reached[k] <-- at == k;
        reached[k] * (top - magnitude[k] - shifted[k]) === 0;
        reaches += reached[k];
    }
    reached[248] <-- at == 248;
    reached[248] * (top - start[0] - start[1]) === 0;
    // A weight on an element that is not the top would have to be 0; so there is one that is.
    reaches + reached[248] === 1;

    signal pickState[2];
    pickState[0] <== is[4] * before[0];
    pickState[1] <== is[4] * before[1];
    pick.isPick <== is[4];
    signal firstPlace <== is[4] * lo;
    pick.first <== firstPlace / 2;
    pick.base <== base;
    pick.token <== pickState[0];
    pick.threshold <== pickState[1];

    signal added[4];
    added[0] <== is[0] * (before[0] + squareSum);
    signal wideOrNarrow <== sum + narrow * (laneSum - sum);
    added[1] <== is[3] * (before[0] + wideOrNarrow);
    added[2] <== (is[1] + is[2]) * top;
    after[0] <== added[0] + added[1] + added[2] - is[2] * (1 << 31) + pick.tokenOut;
    added[3] <== is[4] * pick.thresholdOut;
    after[1] <== added[3];
}

// One segment of an element of a row that a fold over a group made: two groups of the row a. Public: see
// docs/spotchecks.md.
//
// reads: out, a, b. params, from the least significant bit: segment (12 bits; its groups are 2 segment and the next), place
// among the fold's segments (12), lo (9) and hi (9) in lanes of two bytes, base (33), opcode - 1 (3), isFirst (1), isLast
// (1), hasB (1), hasToken (1), token (32): if the step emits a token, the element of its last segment is it.
template Fold() {
    signal input stepRoot;
    signal input reads;
    signal input params;
    signal input stateIn;
    signal input stateOut;
    signal input salt;
    signal input before[2];
    signal input limbs[16];
    signal input children[2][16];
    signal input above[2][16];
    signal input aLimbs[2][16];
    signal input aChildren[3][16];
    signal input aAbove[2][16];
    signal input bLimbs[16];
    signal input bChildren[2][16];
    signal input bAbove[2][16];
    signal input top[16];

    component rows = Reads(3);
    rows.word <== reads;
    component bits = Num2Bits(114);
    bits.in <== params;
    var segment = 0;
    var place = 0;
    for (var i = 0; i < 12; i++) {
        segment += bits.out[i] * (1 << i);
        place += bits.out[12 + i] * (1 << i);
    }
    var lo = 0;
    var hi = 0;
    for (var i = 0; i < 9; i++) {
        lo += bits.out[24 + i] * (1 << i);
        hi += bits.out[33 + i] * (1 << i);
    }
    var base = 0;
    for (var i = 0; i < 33; i++) {
        base += bits.out[42 + i] * (1 << i);
    }
    component opcode = OneHot(5);
    opcode.in <== bits.out[75] + 2 * bits.out[76] + 4 * bits.out[77];
    signal isFirst <== bits.out[78];
    signal isLast <== bits.out[79];
    signal readsB <== bits.out[80] * isFirst;

    component a = RowGroups(2, 3);
    a.salt <== salt;
    a.type <== rows.type[1];
    a.length <== rows.length[1];
    a.first <== 2 * segment;
    a.used <== [1, 1];
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
    // i16 or i32
    rows.type[1][0] + rows.type[1][1] === 1;

    // Of fold_pick both elements, i64, of a row of two: they lie one behind the other.
    component b = RowBytes(2, 16);
    b.salt <== salt;
    b.type <== rows.type[2];
    b.length <== rows.length[2];
    b.element <== rows.first[2];
    b.limbs <== bLimbs;
    b.children <== bChildren;
    component bRow = StepRow();
    bRow.used <== readsB;
    bRow.row <== rows.row[2];
    bRow.digest <== b.digest;
    bRow.children <== bAbove;
    bRow.top <== top;
    component signed[2];
    signal initial[2];
    for (var k = 0; k < 2; k++) {
        signed[k] = SignedElement();
        for (var i = 0; i < 8; i++) {
            signed[k].bytes[i] <== b.bytes[8 * k + i];
        }
        signed[k].type <== rows.type[2];
        initial[k] <== readsB * signed[k].value;
    }

    component block = FoldBlock();
    block.is <== opcode.out;
    block.narrow <== rows.type[1][0];
    block.bytes <== a.bytes;
    block.high <== a.high;
    block.lo <== lo;
    block.hi <== hi;
    block.base <== base;
    block.before <== before;

    component states = States();
    states.salt <== salt;
    states.reads <== reads;
    states.place <== place;
    states.isFirst <== isFirst;
    states.isLast <== isLast;
    states.stateIn <== stateIn;
    states.stateOut <== stateOut;
    // Without b: -(2^31) for fold_max, else 0.
    signal lowest <== opcode.out[2] * (1 - readsB);
    states.initial[0] <== initial[0] - lowest * (1 << 31);
    states.initial[1] <== opcode.out[4] * initial[1];
    states.before <== before;
    states.after <== block.after;

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
    // fold_pick makes two elements, token and threshold.
    component second = IsZero();
    second.in <== rows.first[0] - 1;
    component which = If();
    which.condition <== second.out * opcode.out[4];
    which.yes <== block.after[1];
    which.no <== block.after[0];
    component finish = Finish();
    finish.x <== which.out;
    finish.wide <== rows.type[0][0];
    isLast * (result.value - finish.out) === 0;

    // The token that the receipt names is what the step's last row says: clamp(element, 0, 2^32 - 2).
    signal emits <== isLast * bits.out[81];
    var token = 0;
    for (var i = 0; i < 32; i++) {
        token += bits.out[82 + i] * (1 << i);
    }
    component sign = Signed(63);
    sign.in <== finish.out;
    signal positive <== finish.out * (1 - sign.negative);
    component isToken = AtMost(63);
    isToken.a <== positive;
    isToken.b <== (1 << 32) - 2;
    component clamped = If();
    clamped.condition <== isToken.out;
    clamped.yes <== positive;
    clamped.no <== (1 << 32) - 2;
    emits * (clamped.out - token) === 0;
}
