import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentLogger } from "../config/logger.ts";
import { HandedBundles } from "./handed-bundles.ts";

it("bundles that were handed over hold up no check: links to nothing, what is no bundle, and a folder that is gone", () => {
  const folder = mkdtempSync(join(tmpdir(), "otr-handed-"));
  const handed = new HandedBundles(folder, { chainId: 1, rollup: `0x${"aa".repeat(20)}` }, silentLogger());
  symlinkSync(join(folder, "nowhere"), join(folder, "link.json"));
  writeFileSync(join(folder, "other.json"), "{}");
  expect(handed.takeUp()).toEqual([]);
  rmSync(folder, { recursive: true });
  expect(handed.takeUp()).toEqual([]);
});
