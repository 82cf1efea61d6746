import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { isSame, pattern, streamBody, wholeBody } from "../../../support/content.ts";
import { type Proxy, startProxy } from "../../../support/proxy.ts";
import { serverTest } from "../../../support/servers/install.ts";
import { type Sshd, startSshd } from "../../../support/servers/sftp.ts";
import { openTestSftp } from "../../../support/targets/sftp_target.ts";

const call = { signal: new AbortController().signal };
const tag = "00112233445566aa";
const WINDOW = 16 << 20;
/** For servers that fall silent: no shorter, a busy machine may take seconds to start a session. */
const silent = { Timeout: "8000", ReconnectTime: "0" };

interface Rig {
  readonly server: Sshd;
  readonly proxy: Proxy;
  readonly backend: Backend;
}

interface Options {
  readonly delay?: number;
  readonly Timeout?: string;
  readonly ReconnectTime?: string;
}

/** `delay`: ms each way, so that further connections are worth their while. */
function test(
  name: string,
  { delay = 0, ...options }: Options,
  run: (rig: Rig) => Promise<void>,
): void {
  serverTest(name, { server: "sftp" }, async () => {
    await using server = await startSshd();
    await using proxy = await startProxy(server.port, { delay });
    await using backend = await openTestSftp(server, { port: proxy.port, options: { Timeout: "60000", ...options } });
    await run({ server, proxy, backend });
  });
}

async function rejects(work: Promise<unknown>, ...kinds: readonly string[]): Promise<SyncError> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof SyncError, `${error}`);
  assert.ok(kinds.includes(error.kind), `${error.kind}: ${error.message}`);
  return error;
}

/** As the retry layer does: a further connection may break a moment later than the first. */
async function retried<T>(work: () => Promise<T>, attempts = 5): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (attempts === 1 || !(error instanceof SyncError && error.facts.transient === true)) throw error;
    return await retried(work, attempts - 1);
  }
}

async function listed(backend: Backend): Promise<readonly string[]> {
  return (await backend.list(root, call)).map((entry): string => entry.path).sort();
}

test("openSftp() connects anew after the link broke, and the next call works", {}, async ({ proxy, backend }) => {
  await backend.write(toRelPath("f"), wholeBody("before"), { ...call, size: 6 });
  proxy.cut();
  // The call that meets the break rejects as transient; those after it are served again.
  const first = await backend.stat(root, call).then(() => undefined, (error: unknown) => error);
  assert.ok(first === undefined || (first instanceof SyncError && first.facts.transient === true), `${first}`);
  assert.deepEqual(await listed(backend), ["f"]);
  assert.equal(proxy.made, 2);
});

test("openSftp() with ReconnectTime 0 never connects again", { ReconnectTime: "0" }, async ({ proxy, backend }) => {
  proxy.refuse(true);
  const made = proxy.made;
  await rejects(backend.stat(root, call), "connection");
  proxy.refuse(false);
  await rejects(backend.stat(root, call), "connection");
  assert.equal(proxy.made, made);
});

test("openSftp() keeps dialling within ReconnectTime", { ReconnectTime: "20000" }, async ({ proxy, backend }) => {
  proxy.refuse(true);
  await rejects(backend.stat(root, call), "connection").catch(() => undefined);
  setTimeout(() => proxy.refuse(false), 600);
  assert.equal((await backend.stat(root, call))?.kind, "dir");
});

test("list() from a server that falls silent ends with timeout", silent, async ({ proxy, backend }) => {
  proxy.silence();
  const error = await rejects(listed(backend), "timeout");
  assert.equal(error.facts.transient, true);
  assert.match(error.message, /^Cannot list "\.": no answer in [\d.]+ s \(-Timeout\)$/);
});

test("read() from a server that falls silent half way ends with timeout", silent, async (rig) => {
  const { proxy, backend } = rig;
  const bytes = pattern(12 << 20);
  await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
  const content = await backend.read(toRelPath("f"), call);
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  proxy.silence();
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  await rejects(drain(), "timeout", "connection");
});

test("write() to a server that falls silent half way ends with timeout", silent, async (rig) => {
  const { proxy, backend } = rig;
  const bytes = pattern(12 << 20);
  proxy.after(2 << 20, () => proxy.silence());
  const write = backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
  await rejects(write, "timeout", "connection");
});

test(
  "write() of small files over a link that is cut leaves old or new content",
  {},
  async ({ server, proxy, backend }) => {
    const names = Array.from({ length: 200 }, (_, i) => `f${i}`);
    const put = (name: string, text: string) =>
      backend.write(toRelPath(name), wholeBody(text), { ...call, size: text.length, tag });
    await Promise.all(names.map((name) => put(name, "old content")));
    proxy.after(20_000, () => proxy.cut());
    const done = await Promise.allSettled(names.map((name) => put(name, "the new content")));
    assert.ok(done.some((one) => one.status === "rejected"), "the cut came too late");
    for (const [i, name] of names.entries()) {
      const text = await Deno.readTextFile(`${server.disk}/${name}`);
      assert.ok(text === "the new content" || (text === "old content" && done[i]?.status === "rejected"), text);
    }
    await Promise.all(names.map((name) => retried(() => put(name, "the new content"))));
    assert.deepEqual(await listed(backend), names.toSorted());
  },
);

test("write() goes on behind what a cut link left, and sends only the rest", {}, async ({ proxy, backend, server }) => {
  const bytes = pattern(48 << 20);
  const options = { ...call, size: bytes.length, tag };
  proxy.after(40 << 20, () => proxy.cut());
  await rejects(backend.write(toRelPath("f"), streamBody(bytes), options), "connection", "timeout");
  const left = (await Deno.stat(`${server.disk}/${tempPath(toRelPath("f"), tag)}`)).size;
  const before = proxy.sent;
  await retried(() => backend.write(toRelPath("f"), streamBody(bytes), options));
  const sent = proxy.sent - before;
  assert.ok(sent < bytes.length - (left - WINDOW) + (2 << 20), `${sent} bytes sent with ${left} left over`);
  assert.ok(isSame(await Deno.readFile(`${server.disk}/f`), bytes));
  assert.deepEqual(await listed(backend), ["f"]);
});

test("write() takes over no leftover whose bytes are others", {}, async ({ backend, server }) => {
  const bytes = pattern(20 << 20, 5);
  await Deno.writeFile(`${server.disk}/${tempPath(toRelPath("f"), tag)}`, pattern(19 << 20, 6));
  await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length, tag });
  assert.ok(isSame(await Deno.readFile(`${server.disk}/f`), bytes));
});

test(
  "write() takes over no leftover of another account, and none that others can write to",
  {},
  async ({ backend, server }) => {
    const bytes = pattern(20 << 20, 5);
    const planted = new Uint8Array(bytes);
    planted[17] = (planted[17] ?? 0) ^ 1;
    const left = `${server.disk}/${tempPath(toRelPath("f"), tag)}`;
    const spoil: (() => Promise<void>)[] = [() => Deno.chmod(left, 0o666)];
    if (Deno.uid() === 0) spoil.push(() => Deno.chown(left, 4242, 4242));
    for (const one of spoil) {
      await Deno.writeFile(left, planted.subarray(0, 19 << 20));
      await one();
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length, tag });
      assert.ok(isSame(await Deno.readFile(`${server.disk}/f`), bytes));
      assert.deepEqual(await listed(backend), ["f"]);
      await Deno.remove(`${server.disk}/f`);
    }
  },
);

test(
  "read() of a large file over several connections gives its bytes in order",
  { delay: 5 },
  async ({ proxy, backend, server }) => {
    const bytes = pattern(64 << 20, 7);
    await Deno.writeFile(`${server.disk}/f`, bytes);
    const content = await backend.read(toRelPath("f"), call);
    assert.ok(content instanceof ReadableStream);
    const found = new Uint8Array(bytes.length);
    let at = 0;
    for await (const piece of content) {
      while (proxy.made < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      found.set(piece, at);
      at += piece.length;
    }
    assert.ok(at === bytes.length && isSame(found, bytes));
  },
);

test("read() of a file that shrinks meanwhile rejects with changed", {}, async ({ backend, server }) => {
  const bytes = pattern(40 << 20);
  await Deno.writeFile(`${server.disk}/f`, bytes);
  const content = await backend.read(toRelPath("f"), call);
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  await reader.read();
  await Deno.truncate(`${server.disk}/f`, 1 << 20);
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  await rejects(drain(), "changed");
});
