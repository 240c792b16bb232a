import { describe, expect, it } from "vitest";
import { prng } from "../compiler/prng.ts";
import { ProcessMemory } from "./native/memory.ts";
import { Arena, padded } from "./plan/arena.ts";
import type { MachineMemory } from "./plan/plan-machine.ts";
import { SharedMemory } from "./wasm/memory.ts";

type Place = { readonly at: number; readonly bytes: number };

/** Takes and gives at random; `taken` looks at everything that is held, each time. */
function exercise(
  take: (bytes: number) => number,
  give: (place: Place) => void,
  taken: (held: readonly Place[]) => void,
) {
  const random = prng(5);
  let held: Place[] = [];
  for (let n = 0; n < 600; n++) {
    if (held.length > 0 && random.int(0, 2) === 0) {
      const place = random.pick(held);
      held = held.filter((other) => other !== place);
      give(place);
    } else {
      const bytes = random.pick([1, 15, 16, 17, 64, 1000, random.int(1, 5000)]);
      held.push({ at: take(bytes), bytes });
    }
    taken(held);
  }
  for (const place of held) give(place);
}

function expectApart(held: readonly Place[], size: (bytes: number) => number): void {
  const sorted = held.toSorted((x, y) => x.at - y.at);
  sorted.forEach(({ at, bytes }, i) => {
    const next = sorted[i + 1];
    if (next !== undefined && at + size(bytes) > next.at) expect({ at, bytes, next }).toBe("apart");
  });
}

describe("memory of machines", () => {
  it("an arena's places never overlap, and what was given back is taken again", () => {
    const arena = new Arena();
    const give = ({ at, bytes }: Place) => arena.give(at, bytes);
    exercise(
      (bytes) => arena.take(bytes),
      give,
      (held) => expectApart(held, padded),
    );
    const { size } = arena;
    expect(arena.take(size)).toBe(0);
    expect(arena.size).toBe(size);
  });

  it.each<[string, () => MachineMemory]>([
    ["shared", () => new SharedMemory(65_536)],
    ["the process's", () => new ProcessMemory()],
  ])("%s memory keeps what is in it apart", (_, open) => {
    const memory = open();
    let stamp = 0;
    const stamps = new Map<number, number>();
    exercise(
      (bytes) => {
        const at = memory.take(bytes);
        expect(at % 64).toBe(0);
        expect(at).toBeGreaterThan(0);
        stamps.set(at, ++stamp % 251);
        memory.bytes(at, bytes).fill(stamp % 251);
        return at;
      },
      ({ at }) => memory.give(at),
      (held) => {
        expectApart(held, (bytes) => bytes);
        const { at, bytes } = held[stamp % Math.max(held.length, 1)] ?? { at: 0, bytes: 0 };
        if (bytes > 0) expect(memory.bytes(at, bytes).every((byte) => byte === stamps.get(at))).toBe(true);
      },
    );
  });
});
