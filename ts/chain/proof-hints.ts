/** What to do about refusals of the contracts that prove enclave keys, by the name of their error. */
const HINTS: Readonly<Record<string, string>> = {
  CertificateMissing: "Certificates go from the root down: add the issuer's first.",
  CertificateExpired: "The machine needs new certificates of its vendor.",
  CertificateRevoked: "The vendor has revoked this machine or an authority above it: it registers no keys any more.",
  CrlMissing: "Add the revocation lists of root and platform authority: they are in the collateral.",
  CrlExpired: "Hand over collateral with current revocation lists.",
  CollateralMissing: "Hand over collateral of this platform and TCB evaluation data number.",
  CollateralExpired: "Hand over current collateral.",
  CollateralTooOld: "Hand over collateral that was issued since: this chain asks for younger one than Intel does.",
  CollateralNotNewer: "The chain has the same or a newer one: nothing is to be done.",
  CrlNotNewer: "The chain has the same or a newer one: nothing is to be done.",
  CollateralNotYetIssued: "It is issued after the chain's last block: wait a moment.",
  CrlNotYetIssued: "It is issued after the chain's last block: wait a moment.",
  TcbOutOfDate: "Update the machine's microcode, TDX module and quoting enclave.",
  TcbRevoked: "Intel has revoked this security version: update the machine.",
  TcbConfigurationNeeded:
    "Intel asks for another configuration of the machine, which this chain does not accept unseen.",
  TcbEvaluationTooOld:
    "Hand over collateral with a newer TCB evaluation data number (the service's parameter tcbEvaluationDataNumber).",
  TcbEvaluationUnknown: "Submit Intel's current list of TCB evaluation data numbers (submitTcbEvaluation).",
  TcbLevelMissing: "Intel's TCB info has no level as old as this machine: update it.",
  QuoteDebug: "Start the guest without debugging.",
  QuoteSeptVe: "Start the guest with SEPT_VE_DISABLE.",
  UnknownSession: "The session is over, or the policy's terms have changed since: begin again.",
  SessionExpired: "The session's hour is over: begin again.",
  NotProved: "A verifier was replaced meanwhile: begin again.",
  FirmwareNotAccepted: "Governance has to accept the GPUs' firmware: otr enclave firmware accept.",
  MeasurementNotAccepted: "Governance has to accept the measurement: otr enclave policy set.",
  SameGpu: "Two reports are of one GPU: check the tool that collects them.",
  NotExecutor: "Send with the executor's account or a delegate's: otr executor delegate add.",
  KeyTaken: "The key is registered otherwise, or a renewal would shorten its life.",
  TooLittleGas: "Send it with more gas: the receipt of the key needs a million besides.",
};

/** What to do about an error of a contract; undefined if its name says all. */
export function hintOf(errorName: string | undefined): string | undefined {
  return errorName === undefined || !Object.hasOwn(HINTS, errorName) ? undefined : HINTS[errorName];
}
