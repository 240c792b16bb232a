// A compiler that stays: hundreds of small compilations in a row (`tools/mutate.ts`) pay for loading and warming up solc only once.
// Listens on the socket named by its argument, takes one standard JSON input a connection, and ends when its standard input does.
const net = require("node:net");
const solc = require("solc");

const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  const chunks = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  // Forge was killed: its answer has no reader.
  socket.on("error", () => {});
  socket.on("end", () => socket.end(solc.compile(Buffer.concat(chunks).toString())));
});
server.listen(process.argv[2], () => process.stdout.write(`${solc.version()}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
