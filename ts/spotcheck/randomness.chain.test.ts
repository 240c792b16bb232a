import { readFileSync } from "node:fs";
import { type Abi, type Address, encodeAbiParameters, type Hex, keccak256, sha256, stringToHex } from "viem";
import { deployContract, readContract, waitForTransactionReceipt, writeContract } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Anvil, anvilAddress, startAnvil } from "../chain/anvil.ts";
import { type ChainClient, connect } from "../chain/client.ts";
import { encodeHeader, type RpcHeader } from "./block-header.ts";
import { blockMixProof } from "./block-mix-proof.ts";
import { BlocksOutOfReachError, HeaderEncodingError } from "./errors.ts";

const START = 1_800_000_000;
const PERIOD = 600;

describe("rounds on a real chain", () => {
  let anvil: Anvil;
  let client: ChainClient;
  const rpc = <T>(method: string, params: unknown[] = []) => client.request({ method, params } as never) as Promise<T>;
  const headerOf = (block: bigint | "latest") =>
    rpc<RpcHeader>("eth_getBlockByNumber", [block === "latest" ? block : `0x${block.toString(16)}`, false]);
  const mine = (blocks: number, seconds: number) =>
    rpc("anvil_mine", [`0x${blocks.toString(16)}`, `0x${seconds.toString(16)}`]);
  const sender = { account: anvilAddress(0), chain: null } as const;

  async function deploy(name: string, args: readonly unknown[]): Promise<{ address: Address; abi: Abi }> {
    const { abi, bytecode } = JSON.parse(readFileSync(`out/${name}.sol/${name}.json`, "utf8")) as {
      abi: Abi;
      bytecode: { object: Hex };
    };
    const hash = await deployContract(client, { ...sender, abi, bytecode: bytecode.object, args });
    const { contractAddress } = await waitForTransactionReceipt(client, { hash });
    return { address: contractAddress!, abi };
  }

  async function deliver(source: { address: Address; abi: Abi }, round: bigint, proof: Hex): Promise<Hex> {
    const hash = await writeContract(client, { ...sender, ...source, functionName: "deliver", args: [round, proof] });
    expect((await waitForTransactionReceipt(client, { hash })).status).toBe("success");
    return (await readContract(client, { ...source, functionName: "valueOf", args: [round] })) as Hex;
  }

  beforeAll(async () => {
    anvil = await startAnvil({ timestamp: START });
    client = await connect({ url: anvil.url, pollMs: 20 });
  });
  afterAll(() => anvil.stop());

  it("proves a round by the chain's own headers, from the history that the chain keeps", async () => {
    const source = await deploy("BlockMix", [START, PERIOD]);
    const round = 2n;
    const due = BigInt(START + PERIOD);
    await expect(blockMixProof(headerOf, due)).rejects.toThrow(BlocksOutOfReachError);
    await mine(260, 7);
    const proof = await blockMixProof(headerOf, due);
    const value = await deliver(source, round, proof);
    // The first block that is not before the round, found by looking at them all.
    let first = 1n;
    while (BigInt((await headerOf(first)).timestamp) < due) first++;
    let bits = 0n;
    for (let i = 0n; i < 128n; i++) bits = 2n * bits + (BigInt((await headerOf(first + i)).hash) & 1n);
    const types = [{ type: "bytes32" }, { type: "uint256" }, { type: "uint64" }, { type: "uint256" }] as const;
    const tag = keccak256(stringToHex("OTR/block-mix/1"));
    expect(value).toBe(keccak256(encodeAbiParameters(types, [tag, 31337n, round, bits])));
    // Of the next round some blocks are there.
    await expect(blockMixProof(headerOf, due + 1000n)).rejects.toThrow(BlocksOutOfReachError);
    await expect(blockMixProof(headerOf, 1n)).rejects.toThrow(BlocksOutOfReachError);
  });

  it("delivers a round of drand's evmnet", async () => {
    const key = [
      0x07e1d1d335df83fa98462005690372c643340060d205306a9aa8106b6bd0b382n,
      0x0557ec32c2ad488e4d4f6008f89a346f18492092ccc0d594610de2732c8b808fn,
      0x0095685ae3a85ba243747b1b2f426049010f6b73a0cf1d389351d5aaaa1047f6n,
      0x297d3a4f9749b33eb2d904c9d9ebf17224150ddd7abd7567a9bec6c74480ee0bn,
    ];
    const { rounds } = JSON.parse(readFileSync("test/vectors/drand.json", "utf8")) as {
      rounds: { round: number[]; signature: Hex[]; randomness: Hex[] };
    };
    const source = await deploy("DrandEvmnet", [key, 1_727_521_075, 3]);
    expect(await deliver(source, BigInt(rounds.round[1]!), rounds.signature[1]!)).toBe(rounds.randomness[1]);
    expect(sha256(rounds.signature[1]!)).toBe(rounds.randomness[1]);
  });

  it("refuses headers of another form instead of proving nothing", async () => {
    const header = await headerOf("latest");
    expect(keccak256(encodeHeader(header))).toBe(header.hash);
    expect(() => encodeHeader({ ...header, extraData: "0x01" })).toThrow(HeaderEncodingError);
    const { requestsHash: _, ...older } = header;
    expect(() => encodeHeader(older)).toThrow(HeaderEncodingError);
  });
});
