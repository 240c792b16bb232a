// A sender in a process of its own, to be killed by the test: arguments are the RPC URL and the database.
import { parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Database } from "../../store/database.ts";
import { anvilAddress, anvilKey } from "../anvil.ts";
import { connect } from "../client.ts";
import { CHAIN_SQL, SqliteIntentStore } from "../sqlite.ts";
import { Transactor } from "../transactor.ts";

const [url, path] = process.argv.slice(2);
const database = Database.open(path!, { applicationId: 1, migrations: [CHAIN_SQL] });
const transactor = new Transactor({
  client: await connect({ url: url! }),
  account: privateKeyToAccount(anvilKey(6)),
  store: new SqliteIntentStore(database),
  onEvent: (event) => process.stdout.write(`${event.kind}\n`),
});
await Promise.all([
  transactor.send(
    { to: anvilAddress(9), data: "0x", value: parseEther("1"), abi: [], name: "payment" },
    { id: "once" },
  ),
  new Promise((resolve) => setTimeout(resolve, 200)).then(() => process.stdout.write("waiting\n")),
]);
