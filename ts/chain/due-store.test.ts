import { beforeEach, describe, expect, it } from "vitest";
import { Database } from "../store/database.ts";
import { DUE_ENDS_SQL, DUES_SQL, DueStore } from "./due-store.ts";
import { CHAIN_SQL } from "./sqlite.ts";

const COURT = `0x${"aa".repeat(20)}` as const;

describe("what is to be collected, after a reorganisation", () => {
  let dues: DueStore;
  const find = (key: string) => dues.open().find((due) => due.key === key);
  beforeEach(() => {
    dues = new DueStore(
      Database.open(":memory:", { applicationId: 1, migrations: [CHAIN_SQL + DUES_SQL + DUE_ENDS_SQL] }),
    );
    for (const [key, block] of [
      ["old", 10n],
      ["recent", 20n],
      ["gone", 990n],
    ] as const)
      dues.add({ kind: "batch", address: COURT, key, block });
  });

  it("is looked at again only if its end may be gone: not all that was ever settled", () => {
    dues.settle(find("old")!, "released", 500n);
    dues.settle(find("recent")!, "released", 985n);
    dues.rewind(980n);
    expect(dues.result("batch", "old")).toBe("released");
    expect(dues.open().map(({ key }) => key)).toEqual(["recent"]);
  });

  it("is looked at again if it ended shortly before: the block of its end is one that some node had", () => {
    dues.settle(find("recent")!, "released", 979n);
    dues.rewind(980n);
    expect(find("recent")).toMatchObject({ dueAt: 0n });
  });

  it("keeps the time before which a batch's locks cannot be freed: its commitment stands", () => {
    dues.add({ kind: "game", address: COURT, key: "7", block: 30n });
    for (const key of ["old", "7"]) dues.postpone(find(key)!, 5000n);
    dues.rewind(980n);
    expect([find("old"), find("7")]).toMatchObject([{ dueAt: 5000n }, { dueAt: 0n }]);
  });
});
