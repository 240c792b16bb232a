import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const files = (folder: string, end: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name));

/** Pages for people: every Markdown file of the repository that we write. */
const PAGES = ["README.md", ...files("docs", ".md")];
/** Names of forge's test functions. */
const FUNCTIONS = files("test", ".t.sol").flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(/function ((?:test|invariant|check)\w*)/g)].map((match) => match[1]!),
);

describe("the pages", () => {
  it.each(PAGES)("%s names no test that does not exist", (page) => {
    const named = [...readFileSync(page, "utf8").matchAll(/`((?:test(?:Fuzz|Diff)?|invariant)_[\w*]+)`/g)];
    const missing = named
      .map((match) => match[1]!)
      .filter((name) => {
        const pattern = new RegExp(`^${name.replaceAll("*", "\\w*")}$`);
        return !FUNCTIONS.some((known) => pattern.test(known));
      });
    expect(missing).toEqual([]);
  });

  it.each(PAGES)("%s names no file of ours that does not exist", (page) => {
    const named = [
      ...readFileSync(page, "utf8").matchAll(/`((?:src|test|ts|script|tools|docs|circuits|models)\/[\w./-]+\.\w+)`/g),
    ];
    const known = new Set(
      ["src", "test", "ts", "script", "tools", "docs", "circuits", "models"].flatMap((f) => files(f, "")),
    );
    expect(named.map((match) => match[1]!).filter((name) => !known.has(name))).toEqual([]);
  });
});
