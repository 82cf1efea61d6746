import assert from "node:assert/strict";
import { file, paths, put, text } from "../../contract/assertions.ts";
import { tree } from "../../support/trees/tree.ts";
import { atMost, listOnce, noRemove, noWrite } from "../../support/backend_assertions.ts";

Deno.test("noRemove(), noWrite(), listOnce() and atMost() fail the call and the dispose", async () => {
  const place = () => tree({ "d/a": "1" }).memory();
  const attempts = [
    async () => {
      const backend = noRemove(place());
      await put(backend, "ok", "x");
      return { backend, work: backend.remove(await file(backend, "d/a"), { signal: new AbortController().signal }) };
    },
    () => {
      const backend = noWrite(place());
      return { backend, work: put(backend, "f", "x") };
    },
    async () => {
      const backend = listOnce(place());
      await paths(backend);
      return { backend, work: paths(backend) };
    },
    () => {
      const backend = atMost(1, place());
      return { backend, work: Promise.all([text(backend, "d/a"), text(backend, "d/a")]) };
    },
  ];
  for (const attempt of attempts) {
    const { backend, work } = await attempt();
    await assert.rejects(work, assert.AssertionError);
    await assert.rejects(async () => await backend[Symbol.asyncDispose](), assert.AssertionError);
  }
});
