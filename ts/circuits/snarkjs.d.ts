/** What is used of snarkjs, which comes without declarations. */
declare module "snarkjs" {
  /** A file kept in memory: `data` is there once it has been written. */
  export type MemoryFile = { type: "mem"; data?: Uint8Array };
  export type File = string | Uint8Array | MemoryFile;
  type Signals = { [name: string]: unknown };
  export const wtns: {
    calculate(input: Signals, wasm: File, to: MemoryFile): Promise<void>;
    exportJson(file: MemoryFile): Promise<bigint[]>;
    check(r1cs: File, file: MemoryFile): Promise<boolean>;
  };
  /** Points in projective coordinates, as decimal numbers; of G2 the real part first. */
  export type Groth16Proof = {
    readonly pi_a: readonly string[];
    readonly pi_b: readonly (readonly string[])[];
    readonly pi_c: readonly string[];
    readonly protocol: "groth16";
    readonly curve: "bn128";
  };
  export type Groth16Key = {
    readonly vk_alpha_1: readonly string[];
    readonly vk_beta_2: readonly (readonly string[])[];
    readonly vk_gamma_2: readonly (readonly string[])[];
    readonly vk_delta_2: readonly (readonly string[])[];
    readonly IC: readonly (readonly string[])[];
  };
  type Proven = { proof: Groth16Proof; publicSignals: string[] };
  export const groth16: {
    prove(key: MemoryFile, witness: MemoryFile): Promise<Proven>;
    fullProve(input: Signals, wasm: File, zkey: File): Promise<Proven>;
    verify(key: Groth16Key, publicSignals: readonly string[], proof: Groth16Proof): Promise<boolean>;
  };
  export const powersOfTau: {
    newAccumulator(curve: import("ffjavascript").Curve, power: number, to: File): Promise<unknown>;
    contribute(from: File, to: File, name: string, entropy: string): Promise<unknown>;
    preparePhase2(from: File, to: File): Promise<unknown>;
  };
  export const zKey: {
    newZKey(r1cs: File, phase1: File, to: File): Promise<unknown>;
    contribute(from: MemoryFile, to: MemoryFile, name: string, entropy: string): Promise<unknown>;
    beacon(from: File, to: File, name: string, beaconHash: string, iterationsExponent: number): Promise<unknown>;
    exportVerificationKey(zkey: File): Promise<Groth16Key>;
  };
}

/** What is used of ffjavascript, snarkjs's arithmetic: points are bytes in its own form. */
declare module "ffjavascript" {
  /** A step of what a thread is told to do. */
  export type Task =
    | { cmd: "ALLOCSET"; var: number; buff: Uint8Array }
    | { cmd: "ALLOC"; var: number; len: number }
    | { cmd: "CALL"; fnName: string; params: ({ var: number } | { val: number })[] }
    | { cmd: "GET"; out: number; var: number; len: number };
  export type Group<Coordinate> = {
    /** Bytes of a coordinate. */
    readonly F: { readonly n8: number };
    readonly g: Uint8Array;
    readonly zero: Uint8Array;
    fromObject(coordinates: readonly Coordinate[]): Uint8Array;
    toObject(point: Uint8Array): readonly Coordinate[];
    toAffine(point: Uint8Array): Uint8Array;
    isZero(point: Uint8Array): boolean;
    neg(point: Uint8Array): Uint8Array;
    add(a: Uint8Array, b: Uint8Array): Uint8Array;
    timesFr(point: Uint8Array, scalar: Uint8Array): Uint8Array;
    double(point: Uint8Array): Uint8Array;
    /** Sum of affine points times scalars (32 bytes each, little-endian), on all threads. */
    multiExpAffine(points: Uint8Array, scalars: Uint8Array): Promise<Uint8Array>;
  };
  export type Curve = {
    readonly G1: Group<bigint>;
    readonly G2: Group<readonly bigint[]>;
    readonly Fr: {
      /** Roots of unity, by the power of 2 that is their order. */
      readonly w: readonly Uint8Array[];
      e(value: bigint): Uint8Array;
      inv(value: Uint8Array): Uint8Array;
      toObject(value: Uint8Array): bigint;
      random(): Uint8Array;
      mul(a: Uint8Array, b: Uint8Array): Uint8Array;
      neg(value: Uint8Array): Uint8Array;
      /** Of a polynomial's values at the roots of unity, or back. */
      ifft(values: Uint8Array): Promise<Uint8Array>;
      fft(values: Uint8Array): Promise<Uint8Array>;
      /** Element i times `first * factor^i`. */
      batchApplyKey(values: Uint8Array, first: Uint8Array, factor: Uint8Array): Promise<Uint8Array>;
    };
    /** Order of the field of coordinates. */
    readonly q: bigint;
    /** The instance of this thread: functions over pointers into its memory, of which it has two views. */
    readonly tm: {
      readonly memory: WebAssembly.Memory;
      readonly instance: { readonly exports: Record<string, (...pointers: number[]) => void> };
      u8: Uint8Array;
      u32: Uint32Array;
      /** Threads, and what one of them gives for a list of steps. */
      readonly concurrency: number;
      queueAction(task: Task[]): Promise<Uint8Array[]>;
    };
  };
  export function buildBn128(singleThread?: boolean): Promise<Curve>;
}
