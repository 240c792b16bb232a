// Golden files of what deployed contracts promise: ABI, storage layout and size, in snapshots/. `--check` fails on drift; without it
// the files are written. Reads Foundry's output, so build first.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { format } from "node:util";

const CODE_LIMIT = 24_576; // EIP-170, bytes of runtime code
const check = process.argv.includes("--check");

interface Parameter {
  name: string;
  type: string;
  indexed?: boolean;
  components?: Parameter[];
}
interface Item {
  type: string;
  name?: string;
  inputs?: Parameter[];
  outputs?: Parameter[];
  stateMutability?: string;
}
interface Artifact {
  abi: Item[];
  deployedBytecode: { object: string };
  storageLayout?: {
    storage: { label: string; slot: string; offset: number; type: string }[];
    types: Record<
      string,
      { label: string; members?: { label: string; slot: string; offset: number; type: string }[] } | undefined
    > | null;
  };
}

/** Solidity files below a folder. */
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".sol"))
    .map((file) => join(folder, file));
}

/** Artifacts of the contracts that a source file declares. */
function artifacts(file: string): [name: string, artifact: Artifact][] {
  const folder = join("out", basename(file));
  const names = [...readFileSync(file, "utf8").matchAll(/^(?:abstract )?contract (\w+)/gm)].map((match) => match[1]);
  return names.map((name) => [name, JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Artifact]);
}

function typeOf(parameter: Parameter): string {
  if (!parameter.type.startsWith("tuple")) return parameter.type;
  return `(${parameter.components?.map(typeOf).join(",")})${parameter.type.slice(5)}`;
}

/** One sorted line per function, event and error. */
function abiLines(abi: Item[]): string[] {
  const list = (parameters: Parameter[] = []) =>
    parameters.map((p) => `${typeOf(p)}${p.indexed ? " indexed" : ""}${p.name ? ` ${p.name}` : ""}`).join(", ");
  return abi
    .map((item) => {
      const head = `${item.type}${item.name ? ` ${item.name}` : ""}(${list(item.inputs)})`;
      const mutability = item.stateMutability ? ` ${item.stateMutability}` : "";
      return `${head}${mutability}${item.outputs?.length ? ` returns (${list(item.outputs)})` : ""}`;
    })
    .sort();
}

/** One line per state variable; structs are unfolded, so that a moved member shows. */
function layoutLines(layout: NonNullable<Artifact["storageLayout"]>): string[] {
  const plain = (type: string) => type.replaceAll(/\)\d+_storage/g, ")").replaceAll(/\)\d+/g, ")");
  const unfold = (prefix: string, type: string, slot: number, offset: number): string[] => {
    const members = layout.types?.[type]?.members;
    if (members === undefined) return [format("%s: slot %d offset %d %s", prefix, slot, offset, plain(type))];
    return members.flatMap((m) => unfold(`${prefix}.${m.label}`, m.type, slot + Number(m.slot), m.offset));
  };
  const structs = Object.entries(layout.types ?? {})
    .filter(([, type]) => type?.members !== undefined)
    .flatMap(([name, type]) =>
      type!.members!.map((m) =>
        format("%s.%s: slot %d offset %d %s", plain(name), m.label, Number(m.slot), m.offset, plain(m.type)),
      ),
    );
  return [...layout.storage.flatMap((v) => unfold(v.label, v.type, Number(v.slot), v.offset)), ...structs.sort()];
}

const files = new Map<string, string>();
const sizes: Record<string, number> = {};
for (const file of sources("src")) {
  for (const [name, artifact] of artifacts(file)) {
    const size = (artifact.deployedBytecode.object.length - 2) / 2;
    if (size > 0) sizes[name] = size;
    files.set(`snapshots/abi/${name}.txt`, `${abiLines(artifact.abi).join("\n")}\n`);
  }
}
for (const file of sources("test").filter((path) => basename(path) === "StorageLayouts.sol"))
  for (const [name, artifact] of artifacts(file))
    files.set(`snapshots/storage/${name}.txt`, `${layoutLines(artifact.storageLayout!).join("\n")}\n`);
const sorted = Object.fromEntries(Object.entries(sizes).sort(([a], [b]) => a.localeCompare(b)));
files.set("snapshots/size.json", `${JSON.stringify(sorted, null, 2)}\n`);

let failures = 0;
for (const [name, size] of Object.entries(sizes)) {
  if (size <= CODE_LIMIT) continue;
  failures++;
  console.error(`${name} has ${size} bytes of runtime code; the limit is ${CODE_LIMIT}.`);
}
for (const [path, content] of files) {
  const old = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (old === content) continue;
  if (check) {
    failures++;
    console.error(`${path} is out of date. If the change is meant, run: npm run golden`);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    console.log(`wrote ${path}`);
  }
}
process.exitCode = failures > 0 ? 1 : 0;
