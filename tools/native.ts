/** Compiles the native backend for this machine; says which of its libraries this processor can run. */
import { buildNative } from "../ts/engine/native/build.ts";
import { nativeKinds } from "../ts/engine/native/native-machine.ts";

console.log(`Built in ${await buildNative()}`);
console.log(`Runs here: ${(await nativeKinds()).join(", ")}`);
