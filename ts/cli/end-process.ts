/**
 * Ends the process with its exit code when everything it has written is out. What verifies proofs leaves snarkjs's threads behind, which would
 * keep the process for ever; on some systems pipes are written to later.
 */
export function endProcess(): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit()));
}
