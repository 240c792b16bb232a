// Checks that the contracts behind proxies can be upgraded safely, with OpenZeppelin's validator:
//   tsx tools/upgrades.ts [--write] [--json]
// 1. Each implementation is a safe UUPS one: no state or code in its constructor that a proxy would miss, no selfdestruct, no
//    delegatecall, an upgrade function, initializers that run each parent's once.
// 2. Its storage continues that of snapshots/upgrades/: nothing moved, renamed, retyped or removed. What is new comes behind it.
// 3. The slot of each ERC-7201 namespace is the one its formula gives.
// `--write` takes the layouts of today as the ones that later versions must continue. Do so at a release, not to silence an error.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { concat, type Hex, keccak256, numberToHex, toBytes } from "viem";
import {
  compile,
  SETTINGS,
  SOLC_VERSION,
  type SolcInput,
  type SolcOutput,
  solidityFiles,
  sourcesOf,
} from "./solidity.ts";

const FOLDER = "snapshots/upgrades";
const { values: options } = parseArgs({
  options: { write: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});

type Layout = { storage: unknown[]; types: Record<string, unknown>; namespaces?: Record<string, unknown[]> };
/** The part of @openzeppelin/upgrades-core that is used here. */
interface UpgradesCore {
  validate(output: SolcOutput, decode: unknown, version: string, input: SolcInput, namespaced: SolcOutput): object;
  solcInputOutputDecoder(input: SolcInput, output: SolcOutput): unknown;
  makeNamespacedInput(input: SolcInput, output: SolcOutput, version: string): SolcInput;
  getContractVersion(data: object, name: string): object;
  assertUpgradeSafe(data: object, version: object, options: { kind: "uups"; unsafeAllowLinkedLibraries: true }): void;
  getStorageLayout(data: object, version: object): Layout;
  assertStorageUpgradeSafe(original: Layout, updated: Layout, options: { kind: "uups" }): void;
}

function load(): UpgradesCore {
  const require = createRequire(import.meta.url);
  try {
    return require("@openzeppelin/upgrades-core") as UpgradesCore;
  } catch (error) {
    if ((error as { code?: string }).code !== "MODULE_NOT_FOUND") throw error;
    console.error("@openzeppelin/upgrades-core is not installed. Run: npm ci");
    process.exit(1);
  }
}

/** Contracts of src/ that stand behind a proxy. */
function implementations(): { file: string; name: string; source: string }[] {
  return solidityFiles("src")
    .map((file) => ({ file, name: basename(file, ".sol"), source: readFileSync(file, "utf8") }))
    .filter(({ name, source }) => new RegExp(`^contract ${name} is [^{]*UUPSUpgradeable`, "m").test(source));
}

/** keccak256(abi.encode(uint256(keccak256(id)) - 1)) & ~bytes32(uint256(0xff)) */
function slotOf(id: string): Hex {
  const inner = BigInt(keccak256(toBytes(id))) - 1n;
  const outer = BigInt(keccak256(concat([numberToHex(inner, { size: 32 })])));
  return numberToHex(outer & ~0xffn, { size: 32 });
}

const core = load();
const contracts = implementations();
/**
 * The validator knows namespaces of contracts only. Where a library declares one, a contract with the same declarations stands in for it: the
 * library's text up to the end of the namespace's struct.
 */
function standIns(): { name: string; file: string; content: string; namespace: string; source: string }[] {
  return solidityFiles("src").flatMap((file) => {
    const source = readFileSync(file, "utf8");
    const struct = /@custom:storage-location (erc7201:\S+)\s+struct \w+ \{[^}]*\}/.exec(source);
    if (struct === null || !/^library /m.test(source)) return [];
    const name = `${basename(file, ".sol")}Namespace`;
    const head = source.slice(0, struct.index + struct[0].length).replace(/^library \w+/m, `contract ${name}`);
    return [{ name, file: join(dirname(file), `${name}.sol`), content: `${head}\n}\n`, namespace: struct[1], source }];
  });
}
const stood = standIns();
// Only implementations are compiled to code.
const outputSelection: Record<string, Record<string, string[]>> = { "*": { "": ["ast"], "*": ["storageLayout"] } };
for (const { file, name } of [...contracts, ...stood])
  outputSelection[file] = { [name]: ["evm.bytecode.object", "evm.bytecode.linkReferences"] };
const sources = sourcesOf(contracts.map(({ file }) => file));
for (const { file, content } of stood) sources[file] = { content };
const input: SolcInput = { language: "Solidity", sources, settings: { ...SETTINGS, outputSelection } };
const output = compile(input);
// The validator takes a contract without code for an abstract one.
for (const file of Object.values(output.contracts))
  for (const contract of Object.values(file)) contract.evm ??= { bytecode: { object: "", linkReferences: {} } };
const namespaced = compile(core.makeNamespacedInput(input, output, SOLC_VERSION));
const data = core.validate(output, core.solcInputOutputDecoder(input, output), SOLC_VERSION, input, namespaced);

const problems: string[] = [];
const checked: Record<string, { fields: number; namespaces: string[] }> = {};
const attempt = (name: string, check: () => void) => {
  try {
    check();
  } catch (error) {
    problems.push(`${name}: ${(error as Error).message}`);
  }
};
/** The layout continues the one that was written at the last release. */
function checkLayout(name: string) {
  const layout = core.getStorageLayout(data, core.getContractVersion(data, name));
  if (layout.storage.length > 0) problems.push(`${name}: has state outside of its namespaces`);
  const plain = stable(layout);
  const file = join(FOLDER, `${name}.json`);
  if (options.write) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, `${JSON.stringify(plain, null, 2)}\n`);
  } else if (!existsSync(file)) {
    problems.push(`${name}: no layout to continue in ${FOLDER}; at a release run: npm run upgrades -- --write`);
  } else {
    const original = JSON.parse(readFileSync(file, "utf8")) as Layout;
    attempt(name, () => core.assertStorageUpgradeSafe(original, plain, { kind: "uups" }));
  }
  const namespaces = Object.entries(layout.namespaces ?? {});
  const fields = namespaces.reduce((n, [, members]) => n + members.length, 0);
  checked[name] = { fields, namespaces: namespaces.map(([id]) => id) };
}

function checkSlot(name: string, source: string) {
  const own = [...source.matchAll(/@custom:storage-location erc7201:(\S+)/g)].map((match) => match[1]);
  const slots = [...source.matchAll(/LAYOUT_SLOT =\s*(0x[0-9a-f]{64});/g)].map((match) => match[1]);
  if (own.length !== 1 || slots.length !== 1 || slotOf(own[0]) !== slots[0])
    problems.push(`${name}: its slot is not that of ${own.join(", ") || "any namespace"}`);
}

for (const { name, source } of contracts) {
  attempt(name, () =>
    core.assertUpgradeSafe(data, core.getContractVersion(data, name), {
      kind: "uups",
      unsafeAllowLinkedLibraries: true,
    }),
  );
  checkLayout(name);
  if (source.includes("@custom:storage-location")) checkSlot(name, source);
}
for (const { name, source } of stood) {
  checkLayout(name);
  checkSlot(name, source);
}
const declared = new Set(
  Object.values(checked).flatMap(({ namespaces }) => namespaces.filter((id) => id.startsWith("erc7201:otr."))),
);
if (declared.size < 4)
  problems.push(`only ${declared.size} namespaces of the protocol were found; its proxies have four`);
if (contracts.length < 4)
  problems.push(`only ${contracts.length} implementations found; the protocol has four proxies`);

if (options.json) console.log(JSON.stringify({ passed: problems.length === 0, checked, problems }));
else {
  for (const [name, { fields, namespaces }] of Object.entries(checked))
    console.log(`${name}: ${fields} fields in ${namespaces.join(", ")}`);
  for (const problem of problems) console.error(problem);
  console.log(
    problems.length === 0 ? `${contracts.length} implementations can be upgraded safely` : `FAILED: ${problems.length}`,
  );
}
process.exitCode = problems.length === 0 ? 0 : 1;

/** The layout without what changes from one compilation to the next: numbers of syntax nodes, and where a field was declared. */
function stable(layout: Layout): Layout {
  const text = JSON.stringify(layout, (key, value: unknown) => (key === "src" ? undefined : value));
  return JSON.parse(text.replaceAll(/\)\d+(_storage)?(?=[),"_])/g, ")$1")) as Layout;
}
