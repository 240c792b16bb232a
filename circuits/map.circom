// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "numbers.circom";
include "row.circom";

// 2^b - 1 for the saturation bits b of an element type, given by its code's two bits: 7, 15, 31, 63.
template TypeBound() {
    signal input type[2];
    signal output out;
    signal half <== (1 + type[0] * 255) * 128;
    // 2^7, 2^15 times 1 or 2^24: 2^31; times 2^56 - 2^... for 63: chosen apart.
    signal wide <== type[0] * type[1];
    out <== half - 1 + type[1] * ((1 << 31) - (1 << 7)) + wide * ((1 << 63) - (1 << 31) - (1 << 15) + (1 << 7));
}

// The maps of docs/machine.md, section 3, but for embed and rope: out = f(a, b, c, p). `is` is the opcode - 0x20, one-hot.
// a, b, c are elements of the types that the instruction table allows, parameters within the validator's limits. Of
// add, b is the bias where there is one. weigh has the temperature as p3; draw has the random word as p0 + 2^32 p1, the
// element as p2 and the temperature as p3.
//
// Three rounding shifts in a row: `index` finds the entry of a table (exp2, gate, weigh), `inner` makes the inner factor
// (norm, dequant, gate), `outer` the result.
template MapElement() {
    signal input is[13];
    signal input outType[2];
    // Bits of p0..p4, least significant first.
    signal input p[5][32];
    // Elements of the weight row c.
    signal input entries;
    signal input a;
    signal input b;
    signal input c;
    // Which entry c is, for exp2, gate and weigh; else 0.
    signal output index;
    signal output out;

    var RMS = 1;
    var NORM = 2;
    var QUANTIZE = 3;
    var DEQUANT = 4;
    var ADD = 5;
    var RESCALE = 7;
    var EXP2 = 8;
    var DIVIDE = 9;
    var GATE = 10;
    var WEIGH = 11;
    var DRAW = 12;

    var number[5];
    for (var k = 0; k < 5; k++) {
        number[k] = 0;
        for (var i = 0; i < 32; i++) {
            number[k] += p[k][i] * (1 << i);
        }
    }
    component typeBound = TypeBound();
    typeBound.type <== outType;
    component cold = IsZero();
    cold.in <== number[3];

    // max(a, 0)
    component aSign = Signed(63);
    aSign.in <== a;
    signal aPositive <== a * (1 - aSign.negative);
    // max(b, 1) and half of it. b - 1 + 2^64 has the parity of b - 1.
    component bBits = Num2Bits(65);
    bBits.in <== b - 1 + (1 << 64);
    signal divisor <== 1 + bBits.out[64] * (b - 1);
    signal odd <== 1 - bBits.out[64] * bBits.out[0];
    // max(b - a, 0)
    component gapSign = Signed(64);
    gapSign.in <== b - a;
    signal gap <== (b - a) * (1 - gapSign.negative);
    component noGap = IsZero();
    noGap.in <== gap;

    // The division of rms, quantize, divide, weigh and draw.
    component scale = PowerOfTwo(6);
    for (var i = 0; i < 6; i++) {
        scale.bits[i] <== p[0][i];
    }
    signal scaled <== a * scale.out;
    signal lot <== (number[0] + (1 << 32) * number[1]) * aPositive;
    component quotient = FloorDivide(126, 66);
    component dividend = Choose(5);
    component divisors = Choose(5);
    var dividers[5] = [RMS, QUANTIZE, DIVIDE, WEIGH, DRAW];
    var others = 1;
    for (var k = 0; k < 5; k++) {
        dividend.chosen[k] <== is[dividers[k]];
        divisors.chosen[k] <== is[dividers[k]];
        others -= is[dividers[k]];
    }
    dividend.values[0] <== aPositive;
    dividend.values[1] <== typeBound.out * (1 << 47);
    dividend.values[2] <== scaled + (divisor - odd) / 2;
    dividend.values[3] <== number[0] * (1 << 16);
    dividend.values[4] <== lot;
    divisors.values[0] <== number[0];
    divisors.values[1] <== divisor;
    divisors.values[2] <== divisor;
    divisors.values[3] <== number[3] + cold.out;
    divisors.values[4] <== 1 << 64;
    quotient.a <== dividend.out;
    quotient.d <== divisors.out + others;

    // rms: 2^c / sqrt((a / n + eps) 2^2u)
    component unit = PowerOfTwo(5);
    for (var i = 0; i < 5; i++) {
        unit.bits[i] <== p[2][i];
    }
    signal unitSquare <== unit.out * unit.out;
    signal mean <== is[RMS] * (quotient.out + number[1]);
    component root = SquareRoot(63);
    // 1 where there is no root to take: eps >= 1 makes that of rms positive.
    root.x <== mean * unitSquare + 1 - is[RMS];
    component numerator = PowerOfTwo(6);
    for (var i = 0; i < 6; i++) {
        numerator.bits[i] <== p[3][i];
    }
    component reciprocal = FloorDivide(64, 64);
    reciprocal.a <== numerator.out;
    reciprocal.d <== root.out;

    // min(mul 2^16 / temperature, 2^31 - 1), of weigh: below 2^49.
    signal inverse <== is[WEIGH] * quotient.out;
    component fits = AtMost(50);
    fits.a <== inverse;
    fits.b <== (1 << 31) - 1;
    component slope = If();
    slope.condition <== fits.out;
    slope.yes <== inverse;
    slope.no <== (1 << 31) - 1;

    // Which entry of a table: octave and place of exp2 and weigh, place of gate.
    signal lookup <== is[EXP2] + is[WEIGH];
    signal steep <== gap * slope.out;
    component indexIn = Choose(3);
    indexIn.chosen <== [is[EXP2], is[WEIGH], is[GATE]];
    indexIn.values <== [gap, steep, a];
    component indexShift = Choose(3);
    indexShift.chosen <== [is[EXP2], is[WEIGH], is[GATE]];
    indexShift.values <== [number[0] - number[1], 16, number[0]];
    component indexBits = Num2Bits(6);
    indexBits.in <== indexShift.out;
    component rounded = RoundingShift(64);
    rounded.x <== indexIn.out;
    rounded.s <== indexBits.out;

    component octave = PowerOfTwo(5);
    for (var i = 0; i < 5; i++) {
        octave.bits[i] <== p[1][i] * lookup;
    }
    signal fine <== rounded.out * lookup;
    signal place <-- fine % octave.out;
    signal octaves <-- fine \ octave.out;
    fine === octaves * octave.out + place;
    component octavesRange = Unsigned(65);
    octavesRange.in <== octaves;
    component placeLow = Unsigned(16);
    placeLow.in <== place;
    component placeHigh = Unsigned(16);
    placeHigh.in <== octave.out - 1 - place;
    // rshr by more than 62 is 0.
    signal decay <== lookup * (octaves + number[2]);
    component inReach = AtMost(66);
    inReach.a <== decay;
    inReach.b <== 62;

    signal centred <== is[GATE] * (rounded.out + entries / 2);
    component centredSign = Signed(66);
    centredSign.in <== centred;
    component inTable = AtMost(66);
    inTable.a <== centred;
    inTable.b <== entries - 1;
    component top = If();
    top.condition <== inTable.out;
    top.yes <== centred;
    top.no <== entries - 1;
    signal clamped <== top.out * (1 - centredSign.negative);
    index <== place + is[GATE] * clamped;

    // norm, dequant, gate: the inner factor.
    component width = PowerOfTwo(6);
    for (var i = 0; i < 6; i++) {
        width.bits[i] <== p[1][i];
    }
    signal ab <== a * b;
    signal bc <== b * c;
    signal ac <== a * c;
    component innerIn = Choose(3);
    innerIn.chosen <== [is[NORM], is[DEQUANT], is[GATE]];
    innerIn.values <== [ab, bc, ac];
    component innerShift = Choose(3);
    innerShift.chosen <== [is[NORM], is[DEQUANT], is[GATE]];
    innerShift.values <== [number[0], number[0], number[1]];
    component innerBits = Num2Bits(6);
    innerBits.in <== innerShift.out;
    component innerRounded = RoundingShift(96);
    innerRounded.x <== innerIn.out;
    innerRounded.s <== innerBits.out;
    component inner = Saturate(96);
    inner.x <== innerRounded.out;
    inner.negative <== innerRounded.negative;
    inner.bound <== (1 << 31) - 1 + is[DEQUANT] * (width.out - (1 << 31));

    // dequant: sat(a, abits)
    component aWidth = PowerOfTwo(6);
    for (var i = 0; i < 6; i++) {
        aWidth.bits[i] <== p[2][i];
    }
    component aBounded = Saturate(64);
    aBounded.x <== a;
    aBounded.negative <== aSign.negative;
    aBounded.bound <== aWidth.out - 1;

    signal normed <== inner.out * c;
    signal quantized <== a * quotient.out;
    signal dequantized <== aBounded.out * inner.out;
    signal rescaled <== a * number[0];
    signal gated <== inner.out * b;
    component addWidth = PowerOfTwo(5);
    component dequantWidth = PowerOfTwo(5);
    for (var i = 0; i < 5; i++) {
        addWidth.bits[i] <== p[0][i];
        dequantWidth.bits[i] <== p[4][i];
    }
    component outerIn = Choose(13);
    component outerShift = Choose(13);
    component bound = Choose(13);
    outerIn.chosen <== is;
    outerShift.chosen <== is;
    bound.chosen <== is;
    var bound31 = (1 << 31) - 1;
    var bound63 = (1 << 63) - 1;
    outerIn.values <== [
        0, reciprocal.out, normed, quantized, dequantized, a + b, 0, rescaled, c, quotient.out, gated, c, quotient.out
    ];
    signal reach <== inReach.out * decay;
    outerShift.values <== [0, 0, number[1], 47, number[3], 0, 0, number[1], reach, 0, number[2], reach, 0];
    bound.values <== [
        0, bound63, bound31, typeBound.out, dequantWidth.out - 1, addWidth.out - 1, 0, typeBound.out, typeBound.out,
        bound31, bound31, typeBound.out, bound63
    ];
    component outerBits = Num2Bits(6);
    outerBits.in <== outerShift.out;
    component outerRounded = RoundingShift(127);
    outerRounded.x <== outerIn.out;
    outerRounded.s <== outerBits.out;
    component outer = Saturate(128);
    outer.x <== outerRounded.out;
    outer.negative <== outerRounded.negative;
    outer.bound <== bound.out;

    // What is not the result of the shifts: entries out of reach, temperature 0, the first element of draw.
    signal far <== lookup * (1 - inReach.out);
    signal frozen <== is[WEIGH] * cold.out;
    signal drawn <== number[2] * (1 - cold.out);
    signal fixed <== is[DRAW] * (1 - drawn);
    signal near <== outer.out * (1 - far);
    signal warm <== near * (1 - frozen);
    signal regular <== warm * (1 - fixed);
    signal maximum <== frozen * noGap.out;
    out <== regular + maximum - is[DRAW] * (1 - number[2]);
}

// One element of a row that a map (but embed and rope) made. Public: see docs/spotchecks.md.
//
// reads: out, a, b (rows of the step). params, from the least significant bit: read of c (83 bits), p0..p4 (32 each),
// opcode - 0x20 (4), type of out (2), bias (1): add takes b from the weight row c.
template Map() {
    signal input stepRoot;
    signal input weightsRoot;
    signal input reads;
    signal input params;
    signal input salt;
    signal input limbs[3][16];
    signal input children[3][3][16];
    signal input above[3][2][16];
    signal input top[16];
    signal input weightLimbs[16];
    signal input weightChildren[3][16];
    signal input weightRows;
    signal input weightSiblings[24];
    // The entry that the weight row's opening gives: where it lies depends on a and b.
    signal input c;

    component rows = Reads(3);
    rows.word <== reads;
    component bits = Num2Bits(250);
    bits.in <== params;
    var weightRead = 0;
    for (var i = 0; i < 83; i++) {
        weightRead += bits.out[i] * (1 << i);
    }
    component weight = Reads(1);
    weight.word <== weightRead;

    component opcode = OneHot(13);
    opcode.in <== bits.out[243] + 2 * bits.out[244] + 4 * bits.out[245] + 8 * bits.out[246];
    // embed and rope have a circuit of their own.
    opcode.out[0] === 0;
    opcode.out[6] === 0;

    component map = MapElement();
    map.is <== opcode.out;
    map.outType[0] <== bits.out[247];
    map.outType[1] <== bits.out[248];
    for (var k = 0; k < 5; k++) {
        for (var i = 0; i < 32; i++) {
            map.p[k][i] <== bits.out[83 + 32 * k + i];
        }
    }

    signal bias <== opcode.out[5] * bits.out[249];
    // norm, quantize, dequant, add, exp2, divide, gate, weigh
    var hasB = opcode.out[2] + opcode.out[3] + opcode.out[4] + opcode.out[5] + opcode.out[8] + opcode.out[9]
        + opcode.out[10] + opcode.out[11] - bias;
    // norm, dequant, exp2, gate, weigh
    var hasC = opcode.out[2] + opcode.out[4] + opcode.out[8] + opcode.out[10] + opcode.out[11] + bias;
    var used[3] = [1, 1, hasB];
    component step = StepTop();
    step.nodes <== top;
    step.root === stepRoot;
    component element[3];
    for (var r = 0; r < 3; r++) {
        element[r] = StepElement(3);
        element[r].used <== used[r];
        element[r].salt <== salt;
        element[r].row <== rows.row[r];
        element[r].type <== rows.type[r];
        element[r].length <== rows.length[r];
        element[r].element <== rows.first[r];
        element[r].limbs <== limbs[r];
        element[r].children <== children[r];
        element[r].above <== above[r];
        element[r].top <== top;
    }
    map.entries <== weight.length[0];
    map.a <== element[1].value;
    map.b <== element[2].value + bias * c;
    map.c <== c;
    component entry = WeightElement(3);
    entry.used <== hasC;
    entry.root <== weightsRoot;
    entry.row <== weight.row[0];
    entry.type <== weight.type[0];
    entry.length <== weight.length[0];
    entry.element <== weight.first[0] + map.index;
    entry.limbs <== weightLimbs;
    entry.children <== weightChildren;
    entry.count <== weightRows;
    entry.siblings <== weightSiblings;

    c === entry.value;
    element[0].value === map.out;
}
