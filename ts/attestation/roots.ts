import type { Hex } from "../commit/bytes.ts";

/** SHA-256 of vendors' root certificates, DER: what verifiers pin unless they are told another root. */
export const ROOTS = {
  /** Intel SGX Root CA, valid until 2049-12-31. */
  intel: "0x44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
  /** NVIDIA Device Identity CA, valid until 9999-12-31. */
  nvidiaDevice: "0x102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
  /** NVIDIA CoRIM signing Root CA, valid until 2053-03-08. */
  nvidiaRim: "0x12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
  /** ARK-Milan, ARK-Genoa and ARK-Turin of AMD. */
  amd: {
    Milan: "0x69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    Genoa: "0x4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    Turin: "0x1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
  },
} as const satisfies Record<string, Hex | Record<string, Hex>>;
