// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/comparators.circom";

// The arithmetic of docs/machine.md, section 1, over field elements that stand for signed integers: x is the integer of
// smallest magnitude congruent to it. Every template states the range that its inputs must have; whoever uses it shows
// why they have it. Sums and products below stay under 2^252 in magnitude, so that an equation of field elements is one
// of integers.

// out[i] = 1 if in = i, else 0. No witness exists for an `in` beyond 0..n-1.
template OneHot(n) {
    signal input in;
    signal output out[n];
    var sum = 0;
    for (var i = 0; i < n; i++) {
        out[i] <-- in == i;
        out[i] * (in - i) === 0;
        sum += out[i];
    }
    // Where `in` is not i, out[i] is 0: so one of them is 1, and it is the one at `in`.
    sum === 1;
}

// out = values[k] for a one-hot `chosen`; 0 if all of it is 0.
template Choose(n) {
    signal input chosen[n];
    signal input values[n];
    signal output out;
    signal terms[n];
    var sum = 0;
    for (var i = 0; i < n; i++) {
        terms[i] <== chosen[i] * values[i];
        sum += terms[i];
    }
    out <== sum;
}

// out = condition ? yes : no, for a condition of 0 or 1.
template If() {
    signal input condition;
    signal input yes;
    signal input no;
    signal output out;
    out <== no + condition * (yes - no);
}

// 0 <= in < 2^n, n <= 252.
template Unsigned(n) {
    signal input in;
    component bits = Num2Bits(n);
    bits.in <== in;
}

// -2^n <= in < 2^n, n <= 251; negative = 1 if in < 0, else 0.
template Signed(n) {
    signal input in;
    signal output negative;
    component bits = Num2Bits(n + 1);
    bits.in <== in + (1 << n);
    negative <== 1 - bits.out[n];
}

// out = 1 if a <= b, else 0, for |a - b| < 2^n.
template AtMost(n) {
    signal input a;
    signal input b;
    signal output out;
    component difference = Signed(n);
    difference.in <== b - a;
    out <== 1 - difference.negative;
}

// out = 2^exponent, exponent given as bits.
template PowerOfTwo(n) {
    signal input bits[n];
    signal output out;
    signal products[n + 1];
    products[0] <== 1;
    for (var i = 0; i < n; i++) {
        products[i + 1] <== products[i] * (1 + bits[i] * ((1 << (1 << i)) - 1));
    }
    out <== products[n];
}

// rshr(x, s) for |x| < 2^n, s given by its 6 bits, n <= 187. Not saturated: |out| <= 2^n.
template RoundingShift(n) {
    signal input x;
    signal input s[6];
    signal output out;
    // 1 if out < 0.
    signal output negative;

    component power = PowerOfTwo(6);
    power.bits <== s;
    component isZero = IsZero();
    isZero.in <== power.out - 1;
    // 2^(s-1), or 0 for s = 0: 1 / 2 of 2^s is an integer then, and the 1 is taken away.
    var half = (power.out - isZero.out) / 2;

    // x + half = out 2^s + rest, 0 <= rest < 2^s: floor division. |out 2^s| < 2^(n + 1 + 63).
    signal rest <-- (x + (1 << 251) + half) % power.out;
    out <-- (x + (1 << 251) + half - rest) / power.out - (1 << 251) / power.out;
    x + half === out * power.out + rest;
    component quotient = Signed(n + 1);
    quotient.in <== out;
    negative <== quotient.negative;
    component low = Unsigned(63);
    low.in <== rest;
    component high = Unsigned(63);
    high.in <== power.out - 1 - rest;
}

// sat(x, b) for |x| < 2^n, n <= 250; bound = 2^b - 1 is below 2^n, and negative = 1 if x < 0.
template Saturate(n) {
    signal input x;
    signal input negative;
    signal input bound;
    signal output out;
    // x = magnitude or -magnitude.
    signal magnitude <== x * (1 - 2 * negative);
    component within = AtMost(n);
    within.a <== magnitude;
    within.b <== bound;
    component least = If();
    least.condition <== within.out;
    least.yes <== magnitude;
    least.no <== bound;
    out <== least.out * (1 - 2 * negative);
}

// floor(a / d) for |a| < 2^n and 1 <= d < 2^m, n + m <= 250: |out| <= 2^n.
template FloorDivide(n, m) {
    signal input a;
    signal input d;
    signal output out;
    signal output negative;
    // a = out d + rest, 0 <= rest < d. The offset is a multiple of d, below the field's order.
    signal rest <-- (a + (1 << n) * d) % d;
    out <-- (a + (1 << n) * d - rest) / d - (1 << n);
    a === out * d + rest;
    component quotient = Signed(n);
    quotient.in <== out;
    negative <== quotient.negative;
    component low = Unsigned(m);
    low.in <== rest;
    component high = Unsigned(m);
    high.in <== d - 1 - rest;
}

// floor(sqrt(x)) for 1 <= x < 2^(2 n), n <= 120.
template SquareRoot(n) {
    signal input x;
    signal output out;
    // Newton from above, which falls until it is at the floor.
    var root = 1 << n;
    for (var i = 0; i < 2 * n; i++) {
        var next = (root + x \ root) \ 2;
        if (next < root) {
            root = next;
        }
    }
    out <-- root;
    component range = Unsigned(n);
    range.in <== out;
    // out^2 <= x <= out^2 + 2 out.
    signal rest <== x - out * out;
    component low = Unsigned(n + 1);
    low.in <== rest;
    component high = Unsigned(n + 1);
    high.in <== 2 * out - rest;
}
