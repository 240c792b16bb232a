// SPDX-License-Identifier: GPL-3.0-only
pragma circom 2.1.6;

include "circomlib/circuits/poseidon_constants.circom";

// Poseidon of up to 16 elements with circomlib's parameters: the same function as circomlib's template of this name, in as
// many constraints (three a power of five), but sparse ones. Wires are the inputs of the powers, x, and what leaves them, x^5, is
// written as what the linear layers make the next inputs of: an equation x^4 x = (sum of next inputs), whose long side is
// the third factor of a rank-1 constraint. That one costs a prover nothing; with wires for x^5 the sums would stand in the other
// two, twenty times as many terms, which fill the proving key and are evaluated for each proof.
//
// The linear layers are regular, so the next inputs follow from what leaves the powers, and the other way round.
template Poseidon(nInputs) {
    signal input inputs[nInputs];
    signal output out;

    var PARTIAL[16] = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];
    var t = nInputs + 1;
    var partials = PARTIAL[t - 2];
    var C[8 * t + partials] = POSEIDON_C(t);
    var S[partials * (2 * t - 1)] = POSEIDON_S(t);
    // The layer after a full round, and the one after the fourth; y[i] = sum of layers[l][j][i] x[j].
    var layers[2][t][t] = [POSEIDON_M(t), POSEIDON_P(t)];
    var inverses[2][t][t];
    for (var l = 0; l < 2; l++) {
        // Gauss and Jordan. Leading minors of these matrices are not 0, so the rows need no exchange.
        var rows[t][t] = layers[l];
        for (var i = 0; i < t; i++) {
            for (var j = 0; j < t; j++) {
                inverses[l][i][j] = i == j ? 1 : 0;
            }
        }
        for (var k = 0; k < t; k++) {
            var pivot = 1 / rows[k][k];
            for (var j = 0; j < t; j++) {
                rows[k][j] *= pivot;
                inverses[l][k][j] *= pivot;
            }
            for (var i = 0; i < t; i++) {
                var factor = rows[i][k];
                if (i != k) {
                    for (var j = 0; j < t; j++) {
                        rows[i][j] -= factor * rows[k][j];
                        inverses[l][i][j] -= factor * inverses[l][k][j];
                    }
                }
            }
        }
    }

    signal squares[8][t];
    signal fourths[8][t];
    // Inputs of the powers of full rounds: of the second to fourth, of the first partial round with the rest of the state, of the
    // sixth to eighth full round.
    signal states[7][t];
    signal partialSquares[partials];
    signal partialFourths[partials];
    // Inputs of the powers of partial rounds from the second on, and of the first one of the fifth full round.
    signal next[partials];
    signal last[t];

    // Inputs of the powers of this round, as sums of wires.
    var x[t];
    for (var j = 0; j < t; j++) {
        x[j] = C[j];
        if (j > 0) {
            x[j] += inputs[j - 1];
        }
    }
    for (var f = 0; f < 8; f++) {
        for (var j = 0; j < t; j++) {
            squares[f][j] <== x[j] * x[j];
            fourths[f][j] <== squares[f][j] * squares[f][j];
        }
        if (f < 7) {
            // Constants are added behind the powers.
            var constants = f < 4 ? (f + 1) * t : (f + 1) * t + partials;
            var l = f == 3 ? 1 : 0;
            for (var i = 0; i < t; i++) {
                var sum = 0;
                for (var j = 0; j < t; j++) {
                    sum += layers[l][j][i] * (fourths[f][j] * x[j] + C[constants + j]);
                }
                states[f][i] <-- sum;
            }
            for (var j = 0; j < t; j++) {
                var power = -C[constants + j];
                for (var i = 0; i < t; i++) {
                    power += inverses[l][i][j] * states[f][i];
                }
                fourths[f][j] * x[j] === power;
            }
            for (var j = 0; j < t; j++) {
                x[j] = states[f][j];
            }
        }
        if (f == 3) {
            for (var r = 0; r < partials; r++) {
                // The layer of a partial round: y[0] = sum of S[j] x[j], y[i] = x[i] + S[t + i - 1] x[0].
                var at = r * (2 * t - 1);
                var constant = C[5 * t + r];
                partialSquares[r] <== x[0] * x[0];
                partialFourths[r] <== partialSquares[r] * partialSquares[r];
                var rest = 0;
                for (var i = 1; i < t; i++) {
                    rest += S[at + i] * x[i];
                }
                next[r] <-- S[at] * (partialFourths[r] * x[0] + constant) + rest;
                var leaving = (next[r] - rest) * (1 / S[at]);
                partialFourths[r] * x[0] === leaving - constant;
                for (var i = 1; i < t; i++) {
                    x[i] += S[at + t + i - 1] * leaving;
                }
                x[0] = next[r];
            }
        }
    }
    var sum = 0;
    for (var j = 0; j < t; j++) {
        last[j] <== fourths[7][j] * x[j];
        sum += layers[0][j][0] * last[j];
    }
    out <== sum;
}
