import { type Abi, createClient, custom, decodeFunctionData, encodeFunctionResult, type Hex, zeroAddress } from "viem";
import { expect, it } from "vitest";
import { anvilAddress } from "./anvil.ts";
import type { OtrContext } from "./context.ts";
import { GameContracts } from "./game-contracts.ts";
import { otrRollupAbi } from "./generated.ts";

it("courts of new rules are known, however many asked for those of the old ones at once", async () => {
  let current = 1;
  const outputs = otrRollupAbi.find((item) => item.type === "function" && item.name === "rulesOf")!.outputs;
  const [rules] = outputs as unknown as [{ components: { name: string; type: string }[] }];
  const rulesOf = (version: number) =>
    Object.fromEntries(
      rules.components.map(({ name, type }) => [
        name,
        type === "address" ? (name === "game" ? anvilAddress(version) : zeroAddress) : type === "bool" ? false : 0,
      ]),
    );
  const transport = custom({
    async request({ params }: { params: [{ data: Hex }] }) {
      const abi = otrRollupAbi as Abi;
      const { functionName, args } = decodeFunctionData({ abi, data: params[0].data });
      const result = functionName === "currentRules" ? current : rulesOf(Number(args![0]));
      return encodeFunctionResult({ abi, functionName, result });
    },
  });
  const context = { client: createClient({ transport }), addresses: { rollup: zeroAddress } };
  const contracts = new GameContracts(context as unknown as OtrContext);
  await Promise.all([contracts.list(), contracts.availability(), contracts.frauds(), contracts.spotChecks()]);
  current = 2;
  expect(await contracts.list()).toEqual([anvilAddress(1), anvilAddress(2)]);
  expect(await contracts.spotChecks()).toEqual([]);
});
