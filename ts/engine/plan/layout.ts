/*
 * Records that the host writes and the machine reads, as offsets in bytes. All of them compile this file or include a header made from it:
 * the host as TypeScript, the wasm machine as AssemblyScript, the native one as C++. Fields are 32-bit; addresses and places are 64-bit.
 */

/** One instruction of a plan. */
export const OP_OPCODE = 0;
/** 1 if a step whose token nobody wants needs it too: the cached rows depend on it. */
export const OP_NEEDED = 4;
/** 1 if all threads must have done everything before it. */
export const OP_BARRIER = 8;
/** How threads share it: see `SHARE_LANES` and the others. */
export const OP_SHARE = 12;
export const OP_OUT_TYPE = 16;
export const OP_OUT_MODE = 20;
export const OP_OUT_LENGTH = 24;
/** Heads that threads share, of `SHARE_HEADS`. */
export const OP_HEADS = 28;
/** Place of its row in a lane's arena. */
export const OP_OUT = 32;
/** Place of the copies of the row that dot products read: of i8 as i16, and what else a machine wants. -1 if there are none. */
export const OP_COPIES = 40;
/** Bytes of a cached row, 0 if the row is not cached. */
export const OP_CACHED_BYTES = 48;
/** Where its slot of the cache begins, in bytes for each position of capacity. */
export const OP_CACHED_PREFIX = 56;
export const OP_A = 64;
export const OP_B = 104;
export const OP_C = 144;
/** Eight parameters. */
export const OP_P = 184;
/** 1 if only the next instruction, a `dequant`, reads its row: threads share both alike, do both at once, and need not store the row. */
export const OP_FUSED = 216;
export const OP_BYTES = 224;

/** One operand: kind and type by their codes of the instruction table. */
export const ARG_KIND = 0;
export const ARG_TYPE = 4;
export const ARG_MODE = 8;
export const ARG_LENGTH = 12;
export const ARG_COUNT = 16;
/** Row: place in the arena. Weights: address. Cache: where its slot begins, in bytes for each position of capacity. */
export const ARG_AT = 24;
/** Row: place of its copies in the arena. */
export const ARG_COPIES = 32;

/** Lanes are dealt out to threads. */
export const SHARE_LANES = 0;
/** Output elements are. */
export const SHARE_ELEMENTS = 1;
/** Heads are, if there are fewer lanes than threads; else lanes. */
export const SHARE_HEADS = 2;

/** One step of one sequence. Address of the rows of this step. */
export const LANE_ARENA = 0;
/** Address of the sequence's cache. */
export const LANE_CACHE = 8;
/** Address of 32 bytes for each cache slot, for row leaves: the first 32 become the cache root. 0: nobody wants it. */
export const LANE_LEAVES = 16;
/** The 64 random bits of `draw`. */
export const LANE_RANDOM = 24;
/** Positions that the cache has room for. */
export const LANE_CAPACITY = 32;
export const LANE_T = 36;
export const LANE_TOKEN = 40;
export const LANE_TEMPERATURE = 44;
export const LANE_BYTES = 48;

/** One cached row of a step. */
export const SLOT_TYPE = 0;
export const SLOT_LENGTH = 4;
export const SLOT_PREFIX = 8;
export const SLOT_ROW_BYTES = 16;
export const SLOT_BYTES = 24;

/** A batch of steps, the same instructions for all. */
export const JOB_OPS = 0;
/** Address of the lanes; those whose token is wanted come first. */
export const JOB_LANES = 8;
export const JOB_SLOTS = 16;
/** Address of scratch for each thread, one block after the other. */
export const JOB_SCRATCH = 24;
export const JOB_OP_COUNT = 32;
export const JOB_LANE_COUNT = 36;
export const JOB_FULL_COUNT = 40;
export const JOB_SLOT_COUNT = 44;
/** Bytes of scratch of one thread. */
export const JOB_SCRATCH_BYTES = 48;
/** Threads that have arrived at a barrier, and how often all had. */
export const JOB_ARRIVED = 52;
export const JOB_ROUND = 56;
/** Tags of row leaves and of cache roots: 32 bytes each. */
export const JOB_ROW_TAG = 64;
export const JOB_CACHE_TAG = 96;
export const JOB_BYTES = 128;

/** Scratch of a thread besides twice the tree nodes of the longest cached row: hash states. */
export const SCRATCH_BASE = 1280;
/** Of the scratch while WebAssembly multiplies: weights of 8 rows of up to 1024 elements as i16, then 8 elements that nobody wants. */
export const SCRATCH_SINK = 16_384;
/** Least scratch of a thread. */
export const SCRATCH_LEAST = 16_448;
