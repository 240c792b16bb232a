/** What is used of snarkjs, which comes without declarations. */
declare module "snarkjs" {
  /** A file kept in memory: `data` is there once it has been written. */
  type MemoryFile = { type: "mem"; data?: Uint8Array };
  type File = string | Uint8Array | MemoryFile;
  type Signals = { [name: string]: unknown };
  /** Points as decimal strings, projective. */
  type Proof = { pi_a: string[]; pi_b: string[][]; pi_c: string[]; protocol: string; curve: string };
  export const zKey: {
    newZKey(r1cs: File, phase1: File, to: File): Promise<unknown>;
    beacon(from: File, to: File, name: string, beaconHash: string, iterationsExponent: number): Promise<unknown>;
    exportVerificationKey(zkey: File): Promise<{ [field: string]: unknown }>;
  };
  export const groth16: {
    fullProve(input: Signals, wasm: File, zkey: File): Promise<{ proof: Proof; publicSignals: string[] }>;
    verify(key: unknown, publicSignals: readonly string[], proof: Proof): Promise<boolean>;
  };
}
