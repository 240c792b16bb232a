import { defineConfig } from "vitest/config";

/** Folders whose tests need no contracts, unless their names end in `.chain.test.ts`. */
const MACHINE = "ts/{attestation,circuits,commit,compiler,config,engine,machine,metrics,model,spotcheck,store}/**";

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: chain tests start their own anvil, so more workers only make them wait for each other.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "machine", include: [`${MACHINE}/!(*.chain).test.ts`] } },
      {
        extends: true,
        test: { name: "chain", include: ["ts/**/*.test.ts"], exclude: [`${MACHINE}/!(*.chain).test.ts`] },
      },
    ],
  },
});
