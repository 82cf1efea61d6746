import { openLocal } from "../../lib/backends/local.ts";
import { call } from "./rig.ts";
import { conform } from "./suite.ts";

conform({
  name: "local",
  lacks: ["walk"],
  gives: ["disk"],
  async fresh() {
    const disk = await Deno.makeTempDir({ prefix: "tandem-local-" });
    const backend = await openLocal(disk, call);
    return {
      backend,
      disk,
      async [Symbol.asyncDispose]() {
        await backend[Symbol.asyncDispose]();
        await Deno.remove(disk, { recursive: true });
      },
    };
  },
});
