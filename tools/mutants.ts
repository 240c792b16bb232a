// Mutants of a Solidity file: small faults, each made in one place of the syntax tree. `tools/mutate.ts` runs the tests on them.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export interface Mutant {
  file: string;
  line: number;
  operator: string;
  /** Byte range that is replaced, and by what. */
  from: number;
  to: number;
  before: string;
  after: string;
}

interface Node {
  nodeType: string;
  src: string;
  [key: string]: unknown;
}

/** What each operator of Solidity becomes: a near miss first, then the opposite. */
const BINARY: Record<string, [operator: string, kind: string][]> = {
  "<": [
    ["<=", "boundary"],
    [">=", "negated comparison"],
  ],
  "<=": [
    ["<", "boundary"],
    [">", "negated comparison"],
  ],
  ">": [
    [">=", "boundary"],
    ["<=", "negated comparison"],
  ],
  ">=": [
    [">", "boundary"],
    ["<", "negated comparison"],
  ],
  "==": [["!=", "negated comparison"]],
  "!=": [["==", "negated comparison"]],
  "+": [["-", "arithmetic"]],
  "-": [["+", "arithmetic"]],
  "*": [["/", "arithmetic"]],
  "/": [["*", "arithmetic"]],
  "%": [["/", "arithmetic"]],
  "<<": [[">>", "arithmetic"]],
  ">>": [["<<", "arithmetic"]],
  "&": [["|", "bitwise"]],
  "|": [["&", "bitwise"]],
  "^": [["|", "bitwise"]],
  "&&": [["||", "logical"]],
  "||": [["&&", "logical"]],
};
const SWAPPED = new Set(["-", "/", "%", "<<", ">>"]);
const ASSIGNED: Record<string, string> = { "+=": "-=", "-=": "+=", "*=": "/=", ">>=": "<<=", "<<=": ">>=", "|=": "&=" };

/** The same for assembly: functions by name. */
const YUL: Record<string, [name: string, kind: string][]> = {
  lt: [["gt", "negated comparison"]],
  gt: [["lt", "negated comparison"]],
  add: [["sub", "arithmetic"]],
  sub: [["add", "arithmetic"]],
  mul: [["div", "arithmetic"]],
  and: [["or", "bitwise"]],
  or: [["and", "bitwise"]],
  xor: [["or", "bitwise"]],
  shl: [["shr", "arithmetic"]],
  shr: [["shl", "arithmetic"]],
};

function syntaxTree(source: string): Node {
  const solc = require("solc") as { compile(input: string): string };
  const input = {
    language: "Solidity",
    sources: { file: { content: source } },
    settings: { stopAfter: "parsing", outputSelection: { "*": { "": ["ast"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as {
    errors?: { severity: string; formattedMessage: string }[];
    sources?: Record<string, { ast: Node }>;
  };
  const error = output.errors?.find(({ severity }) => severity === "error");
  if (error !== undefined) throw new Error(error.formattedMessage);
  return output.sources!.file.ast;
}

/** All mutants of a file, in the order of the source. Strings are left alone: error names and tags are compared by name. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const bytes = Buffer.from(source);
  const mutants: Mutant[] = [];
  const range = (node: Node): [number, number] => {
    const [start, length] = node.src.split(":").map(Number);
    return [start, start + length];
  };
  const text = (from: number, to: number) => bytes.subarray(from, to).toString();
  const textOf = (node: Node) => text(...range(node));
  const replace = (operator: string, from: number, to: number, after: string) => {
    const line = text(0, from).split("\n").length;
    mutants.push({ file, line, operator, from, to, before: text(from, to), after });
  };
  const replaceNode = (operator: string, node: Node, after: string) => replace(operator, ...range(node), after);

  const literal = (node: Node) => {
    const before = textOf(node);
    const value = /^(0x[0-9a-fA-F_]+|[0-9_]+)$/.test(before) ? BigInt(before.replaceAll("_", "")) : undefined;
    // A unit (1 days), or an address, which has a checksum.
    if (value === undefined || before.length === 42) return;
    const show = (n: bigint) => {
      if (!before.startsWith("0x")) return n.toString();
      // 20 bytes would be read as an address.
      const digits = n.toString(16).padStart(before.length - 2, "0");
      return `0x${digits}`;
    };
    replaceNode("constant", node, show(value + 1n));
    if (value > 0n) replaceNode("constant", node, show(value - 1n));
  };

  const enter: Record<string, (node: Node, parent: Node | undefined) => void> = {
    BinaryOperation(node) {
      const left = node.leftExpression as Node;
      const right = node.rightExpression as Node;
      const operator = node.operator as string;
      const gap = text(range(left)[1], range(right)[0]);
      const from = range(left)[1] + Buffer.byteLength(gap.slice(0, gap.indexOf(operator)));
      for (const [other, kind] of BINARY[operator] ?? []) replace(kind, from, from + operator.length, other);
      if (SWAPPED.has(operator)) replaceNode("swapped operands", node, `${textOf(right)}${gap}${textOf(left)}`);
    },
    UnaryOperation(node) {
      const operator = node.operator as string;
      const inner = textOf(node.subExpression as Node);
      if (operator === "!" || operator === "-" || operator === "~") replaceNode("dropped operator", node, inner);
      if (operator === "++") replaceNode("arithmetic", node, node.prefix ? `--${inner}` : `${inner}--`);
      if (operator === "delete") replaceNode("deleted statement", node, inner);
    },
    Assignment(node) {
      const operator = node.operator as string;
      const left = node.leftHandSide as Node;
      const other = ASSIGNED[operator];
      if (other === undefined) return;
      const [from, to] = [range(left)[1], range(node.rightHandSide as Node)[0]];
      replace("arithmetic", from, to, text(from, to).replace(operator, other));
    },
    IfStatement(node) {
      const condition = node.condition as Node;
      replaceNode("condition", condition, "false");
      // A guard that always refuses is noticed by every test: only other branches are forced.
      const body = node.trueBody as Node;
      const only = body.nodeType === "Block" ? (body.statements as Node[]) : [body];
      if (!(only.length === 1 && only[0].nodeType === "RevertStatement")) replaceNode("condition", condition, "true");
    },
    ForStatement(node) {
      if (node.condition) replaceNode("condition", node.condition as Node, "false");
    },
    Conditional(node) {
      const [yes, no] = [node.trueExpression as Node, node.falseExpression as Node];
      replaceNode("branch", yes, textOf(no));
      replaceNode("branch", no, textOf(yes));
    },
    Literal(node, parent) {
      if (parent?.nodeType === "ArrayTypeName") return;
      if (node.kind === "bool") replaceNode("constant", node, node.value === "true" ? "false" : "true");
      if (node.kind === "number") literal(node);
    },
    ExpressionStatement(node) {
      deleted(node);
    },
    EmitStatement(node) {
      deleted(node);
    },
    RevertStatement(node, parent) {
      if (parent?.nodeType !== "IfStatement") deleted(node);
    },
    Return(node) {
      if (node.expression) deleted(node);
    },
    FunctionDefinition(node) {
      if (node.kind === "constructor") return;
      for (const modifier of node.modifiers as Node[]) replaceNode("dropped modifier", modifier, "");
    },
    YulFunctionCall(node) {
      const name = node.functionName as Node & { name: string };
      for (const [other, kind] of YUL[name.name] ?? []) replaceNode(kind, name, other);
      const args = node.arguments as Node[];
      if (name.name === "lt") replaceNode("boundary", node, `iszero(gt(${args.map(textOf).join(", ")}))`);
      if (name.name === "gt") replaceNode("boundary", node, `iszero(lt(${args.map(textOf).join(", ")}))`);
      if (name.name === "eq") replaceNode("negated comparison", node, `iszero(${textOf(node)})`);
      if (name.name === "iszero" || name.name === "not") replaceNode("dropped operator", node, textOf(args[0]));
      if (name.name === "sub" || name.name === "shl" || name.name === "shr")
        replaceNode("swapped operands", node, `${name.name}(${textOf(args[1])}, ${textOf(args[0])})`);
    },
    YulLiteral(node) {
      if (node.kind === "number") literal(node);
    },
    YulIf(node) {
      replaceNode("condition", node.condition as Node, "0");
      replaceNode("condition", node.condition as Node, "1");
    },
    YulExpressionStatement(node) {
      replaceNode("deleted statement", node, "");
    },
    YulAssignment(node) {
      replaceNode("deleted statement", node, "");
    },
  };

  /** An empty block in place of a statement; solc's range ends before the semicolon. The step of a `for` has none and stays. */
  function deleted(node: Node) {
    const [from, to] = range(node);
    const closed = text(from, to).endsWith(";");
    if (closed || text(to, to + 1) === ";") replace("deleted statement", from, closed ? to : to + 1, "{}");
  }

  const visit = (value: unknown, parent: Node | undefined) => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, parent);
    } else if (value !== null && typeof value === "object") {
      const node = value as Node;
      if (typeof node.nodeType === "string") enter[node.nodeType]?.(node, parent);
      const next = typeof node.nodeType === "string" ? node : parent;
      for (const child of Object.values(node)) visit(child, next);
    }
  };
  visit(syntaxTree(source), undefined);
  const unique = new Map(mutants.map((m) => [`${m.from}:${m.to}:${m.after}`, m]));
  return [...unique.values()].sort((a, b) => a.from - b.from || a.to - b.to);
}

/** The file with the fault in it. */
export function apply(source: string, mutant: Mutant): string {
  const bytes = Buffer.from(source);
  return Buffer.concat([
    bytes.subarray(0, mutant.from),
    Buffer.from(mutant.after),
    bytes.subarray(mutant.to),
  ]).toString();
}

/** The first `count` of a shuffle that seed and name decide; the same seed gives the same sample, and a larger one contains it. */
export function sample<T>(items: readonly T[], count: number, seed: string): T[] {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x01000193);
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  const shuffled = [...items];
  for (let i = 0; i < Math.min(count, shuffled.length); i++) {
    const j = i + Math.floor(random() * (shuffled.length - i));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled.slice(0, count);
}
