const { extendEnvironment } = require("hardhat/config");
require("@nomiclabs/hardhat-ethers");
require("@foundry-rs/hardhat-forge");

// Foundry's build infos have not all that Hardhat's have, and its network does not start with them. Without any it only shows no Solidity
// stack traces.
extendEnvironment(({ artifacts }) => {
  artifacts.getBuildInfoPaths = async () => [];
});

/** `hardhat compile` is `forge build`, and Hardhat's artifacts are what Foundry wrote: one compiler, one set of settings (foundry.toml). */
module.exports = {
  solidity: { compilers: [] },
  paths: { sources: "./src" },
  networks: { hardhat: { hardfork: "prague" } },
};
