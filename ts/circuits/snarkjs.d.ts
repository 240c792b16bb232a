/** What is used of snarkjs, which comes without declarations. */
declare module "snarkjs" {
  /** A file kept in memory: `data` is there once it has been written. */
  type MemoryFile = { type: "mem"; data?: Uint8Array };
  type Signals = { [name: string]: bigint | number | string | readonly (bigint | number | string)[] };
  export const wtns: {
    calculate(input: Signals, wasm: string | Uint8Array | MemoryFile, to: MemoryFile): Promise<void>;
    exportJson(file: MemoryFile): Promise<bigint[]>;
    check(r1cs: string | Uint8Array | MemoryFile, file: MemoryFile): Promise<boolean>;
  };
}
