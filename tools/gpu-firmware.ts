// Firmware that governance may accept: tsx tools/gpu-firmware.ts DRIVER.swidtag VBIOS.swidtag REPORT.hex
// Verifies NVIDIA's signed manifests (from rim.attestation.nvidia.com) now, and prints what `EnclaveSessions.setFirmware` takes for boards
// and the mode of the report (hexadecimal, of any such machine; it need not be trusted, see `acceptedFirmware`).
import { readFileSync } from "node:fs";
import { acceptedFirmware } from "../ts/attestation/gpu-firmware.ts";
import { verifyRim } from "../ts/attestation/nvidia/rim.ts";
import { fromHex } from "../ts/commit/bytes.ts";

const [driverPath, vbiosPath, reportPath] = process.argv.slice(2);
if (driverPath === undefined || vbiosPath === undefined || reportPath === undefined) {
  console.error("usage: tsx tools/gpu-firmware.ts DRIVER.swidtag VBIOS.swidtag REPORT.hex");
  process.exit(2);
}
const time = Math.floor(Date.now() / 1000);
const driver = verifyRim(readFileSync(driverPath, "utf8"), { time });
const vbios = verifyRim(readFileSync(vbiosPath, "utf8"), { time });
const report = fromHex(`0x${readFileSync(reportPath, "utf8").trim().replace(/^0x/, "")}`);
const { chosen, ids: firmware, notAfter, differs } = acceptedFirmware({ driver, vbios }, report);
const versions = { driver: driver.version, vbios: vbios.version };
console.log(JSON.stringify({ ...versions, chosen: `0x${chosen.toString(16)}`, notAfter, differs, firmware }, null, 2));
