// The plugin makes `hardhat test` run `forge test`: JavaScript tests run on Node's own runner.
const assert = require("node:assert/strict");
const { before, describe, it } = require("node:test");
const { artifacts, ethers, run } = require("hardhat");

const MODEL = ethers.utils.id("model");
/** `RequestState.Final` of IOtrRequests.sol. */
const FINAL = 3;

describe("OTR's contracts in a Hardhat project", () => {
  before(async () => {
    await run("compile");
  });

  it("are compiled by Foundry, and found as Hardhat's artifacts", async () => {
    for (const name of ["YesOrNo", "MockOtrRequests"]) {
      const { contractName, sourceName, abi, bytecode } = await artifacts.readArtifact(name);
      assert.equal(contractName, name);
      assert.match(sourceName, new RegExp(`${name}\\.sol$`));
      assert.ok(abi.length > 0 && bytecode.length > 1000);
    }
  });

  it("run on Hardhat's network: a consumer asks, and is told the final answer", async () => {
    const otr = await (await ethers.getContractFactory("MockOtrRequests")).deploy();
    const consumer = await (await ethers.getContractFactory("YesOrNo")).deploy(otr.address, MODEL);
    await (await consumer.ask([1, 2, 3], { value: ethers.utils.parseEther("1") })).wait();
    await (await otr.answer(await consumer.asked(), [7], FINAL)).wait();
    assert.equal(await consumer.answer(), 7);
  });
});
