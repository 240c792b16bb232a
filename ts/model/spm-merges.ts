/**
 * The merges of a SentencePiece BPE vocabulary, best first: every way to make a token of two others, in falling order of
 * the token's score. As `generate_merges` of the Python package transformers, which wrote the `tokenizer.json` of these
 * models.
 */
export function spmMerges(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, i) => [token, i]));
  const merges: { pair: [string, string]; score: number }[] = [];
  for (const [token, whole] of ids) {
    const ways: { pair: [string, string]; left: number; right: number }[] = [];
    for (let cut = 1; cut < token.length; cut++) {
      const pair: [string, string] = [token.slice(0, cut), token.slice(cut)];
      const [left, right] = pair.map((part) => ids.get(part));
      if (left !== undefined && right !== undefined) ways.push({ pair, left, right });
    }
    ways.sort((x, y) => x.left - y.left || x.right - y.right);
    merges.push(...ways.map(({ pair }) => ({ pair, score: scores[whole] })));
  }
  // Of equals the one that was there first, as sorts are stable.
  merges.sort(
    (x, y) => y.score - x.score || y.pair[0].length - x.pair[0].length || y.pair[1].length - x.pair[1].length,
  );
  return merges.map(({ pair }) => pair);
}
