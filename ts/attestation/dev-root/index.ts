/**
 * Development roots: evidence with the structure of Intel's and NVIDIA's, under roots of one's own.
 *
 * Real quotes and reports need machines that few have. These roots issue the same bytes: TDX quotes (versions 4 and 5), SGX quotes, PCK chain
 * with Intel's extension, TCB info, QE identity, revocation lists; H100 chains of five certificates and SPDM reports. Demo, tests
 * and development chains run the verifiers of real evidence on them, and only the pinned root differs. Everything is determined by the seed
 * (RFC 6979 signatures, no clock): the same seed gives the same bytes on every machine.
 *
 * INVARIANT: nothing here proves anything. Whoever knows the seed can state anything: no chain with money at stake may pin such a root.
 */
export { DevIntel, type QuoteOptions, type SgxFields, type TdFields } from "./intel.ts";
export type { CollateralOptions } from "./intel-collateral.ts";
export { type Curve, DevKey } from "./key.ts";
export { type DevGpu, DevNvidia, type ReportFields } from "./nvidia.ts";
export { DevRims, type RimFields } from "./rim.ts";
