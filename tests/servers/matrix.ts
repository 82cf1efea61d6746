import assert from "node:assert/strict";
import { skipsServer } from "../support/servers/install.ts";
import { jobs } from "./jobs.ts";
import { makeScene } from "./pair.ts";
import { recordJob } from "./record.ts";
import type { Protocol, Row } from "./row.ts";
import { rows } from "./rows.ts";

/** Whether all rows and jobs were asked for: `deno task test servers`, `deno task servers`. */
const isFull = Deno.env.get("TANDEM_SERVERS") === "all";

/** Registers a test for each server of a protocol: the quick ones alone, or all with every job. */
export function testServers(protocol: Protocol): void {
  for (const row of rows.filter((one) => one.protocol === protocol && (isFull || one.isQuick === true))) {
    const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
    const ignore = (row.needsRoot === true && !isRoot) || row.recipes.some((recipe) => skipsServer(recipe));
    Deno.test({
      name: `${protocol} ${row.name}: ${row.expects.kind}`,
      ignore,
      // A child of a server may hold its end of a pipe longer than the server.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: (t) => runRow(t, row),
    });
  }
}

async function runRow(t: Deno.TestContext, row: Row): Promise<void> {
  await using server = await row.start();
  const said: string[] = [];
  const step = async (name: string, work: () => Promise<void>) => {
    const started = performance.now();
    let message = "";
    const isRight = await t.step(name, async () => {
      try {
        await work();
      } catch (error) {
        message = error instanceof Error ? error.message : String(error);
        throw error;
      }
    });
    await recordJob({ row, job: name, isRight, message, seconds: (performance.now() - started) / 1000 });
  };
  const { expects } = row;
  if (expects.kind === "refused") {
    return await step("refusal", async () => {
      await using scene = await makeScene(server);
      await Deno.writeTextFile(`${scene.here.local}/file`, "content");
      const { code, stderr } = await scene.here.sync("-Mode Remote");
      assert.equal(code, expects.code, stderr);
      assert.match(stderr.replace(/\s+/g, " "), expects.says);
      if (scene.disk !== undefined) assert.deepEqual(Object.keys(await scene.remote()), []);
    });
  }
  for (const job of jobs.filter(({ isQuick }) => isFull || isQuick === true)) {
    await step(job.name, () => job.run(server, row, said));
  }
  await step("what is said", () => {
    const says = expects.kind === "degraded" ? expects.says : undefined;
    const others = said.filter((line) => says?.test(line) !== true);
    assert.deepEqual([...new Set(others)], []);
    assert.ok(says === undefined || said.length > 0, "what is less is not said");
    return Promise.resolve();
  });
}
