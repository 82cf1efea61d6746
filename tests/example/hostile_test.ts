import assert from "node:assert/strict";
import { root, toRelPath } from "../../lib/core/path.ts";
import { assertRejects, call } from "../contract/assertions.ts";
import { wholeBody } from "../support/content.ts";
import { startHttp } from "../support/servers/http.ts";
import { testTarget } from "../support/targets/test_target.ts";
import { openExample } from "./mod.ts";

/** A backend whose server answers the login truly and everything after it like this. */
async function openAgainst(answer: (request: Request) => Response) {
  await using stack = new AsyncDisposableStack();
  let isOpen = false;
  const server = stack.use(startHttp((request) => isOpen ? answer(request) : Response.json({ kind: "dir" })));
  const backend = stack.use(await openExample(testTarget({ scheme: "example", port: server.port }), call));
  isOpen = true;
  const life = stack.move();
  return { backend, server, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

const file = { name: "f", kind: "file", size: 1, modified: 1, version: 1 };

for (
  const [what, listing] of [
    ["no list", {}],
    ["a list of something else", [file, "f"]],
    ["a name that is no text", [file, { ...file, name: 1 }]],
    ["a size below zero", [file, { ...file, size: -1 }]],
    ["a size that no number can hold", [file, { ...file, size: 1e300 }]],
    ["a time that is none", [file, { ...file, modified: "yesterday" }]],
    ["a kind of its own", [file, { ...file, kind: "socket" }]],
  ] as const
) {
  Deno.test(`example: a listing with ${what} rejects as a whole`, async () => {
    await using server = await openAgainst(() => Response.json(listing));
    await assertRejects(server.backend.list(root, call), "unexpected");
  });
}

Deno.test("example: a listing that is cut short rejects", async () => {
  const text = JSON.stringify([file, file]);
  await using cut = await openAgainst(() => new Response(text.slice(0, -1)));
  await assertRejects(cut.backend.list(root, call), "unexpected");
});

Deno.test("example: a reply without end is left after 16 MiB", async () => {
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(32)) });
  await using server = await openAgainst(() => new Response(endless()));
  const error = await assertRejects(server.backend.list(root, call), "unexpected");
  assert.match(error.message, /longer than/);
});

Deno.test("example: no redirect is followed, and the other server hears nothing", async () => {
  await using other = startHttp(() => Response.json([]));
  const to = `http://127.0.0.1:${other.port}/`;
  await using server = await openAgainst(() => new Response(null, { status: 307, headers: { location: to } }));
  await assertRejects(server.backend.list(root, call), "refused");
  await assertRejects(server.backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1 }), "refused");
  assert.deepEqual(other.requests, []);
});
