import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["ts/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: chain tests start their own anvil, so more workers only make them wait for each other.
    maxWorkers: 2,
  },
});
