import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Backend, Body, Content, WriteOptions } from "../../../../lib/core/backend.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { inMemory } from "../../../support/targets/remote_server.ts";
import { ensureServer, serverTest } from "../../../support/servers/install.ts";
import { type DavKind, davRecipe, type DavServer, startDav } from "../../../support/servers/webdav.ts";
import { openTestDav } from "../../../support/targets/webdav_target.ts";

const MiB = 1 << 20;
const SIZE = 40 * MiB + 123;
const source = Buffer.alloc(SIZE).map((_, index) => index * 31 + (index >> 8));
const f = toRelPath("f");
const tag = "0123456789abcdef";
const temp = tempPath(f, tag);
const partial = ['webdav.opts = ("partial-put-copy-modify" => "enable")'];

interface Rig {
  readonly server: DavServer;
  readonly backend: Backend;
  /** The ranges that were asked for. */
  readonly asked: (readonly [from: number, to: number])[];
  /** Bytes that the caller was told of, taken back ones too. */
  told: number;
  write(more?: Partial<WriteOptions>): Promise<unknown>;
  /** Puts a file there as an earlier run left it; its first byte is not the source's. */
  leave(size: number): Promise<void>;
  /** What lies there, without Apache's own. */
  names(): readonly string[];
  /** Requests of the log that change something. */
  log(): Promise<readonly string[]>;
}

const kinds: Readonly<Record<string, { readonly kind: DavKind; readonly config?: readonly string[] }>> = {
  "Apache": { kind: "apache" },
  "lighttpd with partial PUT": { kind: "lighttpd", config: partial },
};

function davTest(
  name: string,
  { kind, config = [] }: { readonly kind: DavKind; readonly config?: readonly string[] },
  run: (rig: Rig) => Promise<void>,
): void {
  serverTest(name, { server: davRecipe(kind) }, async () => {
    await using server = await startDav({ kind, ...inMemory, config: config.map(withModules) });
    await using backend = await openTestDav(server);
    const asked: (readonly [number, number])[] = [];
    const body: Body = (from = 0, to = SIZE) => {
      asked.push([from, to]);
      return Promise.resolve(streamOf(source.subarray(from, to)));
    };
    const rig: Rig = {
      server,
      backend,
      asked,
      told: 0,
      write: (more) =>
        backend.write(f, body, {
          ...call,
          size: SIZE,
          modified: 1_700_000_000_123,
          tag,
          expect: "absent",
          onBytes: (bytes) => rig.told += bytes,
          ...more,
        }),
      async leave(size) {
        const left = Buffer.concat([source, Buffer.alloc(Math.max(0, size - SIZE))]).subarray(0, size);
        left[0] = 255;
        await Deno.writeFile(`${server.disk}/${temp}`, left);
        const { uid, gid } = await Deno.stat(server.disk);
        if (Deno.uid() === 0) await Deno.chown(`${server.disk}/${temp}`, uid, gid);
      },
      names: () => Array.from(Deno.readDirSync(server.disk), ({ name }) => name).filter((name) => name !== ".DAV"),
      log: () => server.mutations(),
    };
    await run(rig);
  });
}

/** Module names stand for where the server's package has them. */
function withModules(line: string): string {
  const found = ensureServer("webdav");
  const root = "place" in found ? found.place.root : "";
  return line.replace(/^module (\w+)$/, `LoadModule $1_module ${root}/usr/lib/apache2/modules/mod_$1.so`);
}

function streamOf(bytes: Uint8Array): Content {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at += MiB)));
    },
  });
}

/** Fails unless the file is the source, but for its first byte where that is what an earlier run left. */
async function assertWritten({ server, names }: Rig, first = source[0]): Promise<void> {
  const there = Buffer.from((await Deno.readFile(`${server.disk}/${f}`)).buffer);
  assert.equal(there[0], first);
  assert.ok(there.subarray(1).equals(source.subarray(1)), "other bytes than the source's");
  assert.deepEqual(names(), [f]);
}

/** Waits until the server is done with so many uploads, broken ones too. */
async function ended({ log }: Rig, uploads: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await log()).filter((line) => line.startsWith("PUT")).length >= uploads) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the server's log does not show the broken upload");
}

for (const [name, kind] of Object.entries(kinds)) {
  davTest(`write() to ${name} goes on behind what a broken upload left, but for its end`, kind, async (rig) => {
    await rig.leave(30 * MiB);
    await rig.write();
    await assertWritten(rig, 255);
    assert.deepEqual(rig.asked, [[29 * MiB, SIZE]]);
    assert.equal(rig.told, SIZE);
  });

  davTest(
    `write() to ${name} begins anew what is too short to be worth it, or longer than its source`,
    kind,
    async (rig) => {
      for (const size of [2 * MiB, SIZE + 1]) {
        await rig.leave(size);
        await rig.write();
        await assertWritten(rig);
        assert.equal(rig.asked[0]?.[0], 0);
        rig.asked.length = 0;
        await Deno.remove(`${rig.server.disk}/${f}`);
      }
    },
  );

  davTest(`write() to ${name} keeps what came when it is broken off, and goes on with it`, kind, async (rig) => {
    const stop = new AbortController();
    const onBytes = (bytes: number) => {
      rig.told += bytes;
      if (rig.told > 38 * MiB) stop.abort();
    };
    await assertRejects(rig.write({ signal: stop.signal, onBytes }), "cancelled");
    if (kind.kind === "apache") await ended(rig, 2);
    assert.deepEqual(rig.names(), [temp]);
    rig.asked.length = 0;
    await rig.write();
    await assertWritten(rig);
    const [[from] = [0]] = rig.asked;
    assert.ok(from >= 23 * MiB, `it went on from byte ${from}`);
  });

  davTest(`write() to ${name} leaves a file alone that came up meanwhile`, kind, async (rig) => {
    let isThere = false;
    const onBytes = () => {
      if (!isThere) Deno.writeTextFileSync(`${rig.server.disk}/${f}`, "somebody else's");
      isThere = true;
    };
    await assertRejects(rig.write({ onBytes }), "changed");
    assert.equal(await Deno.readTextFile(`${rig.server.disk}/${f}`), "somebody else's");
    assert.deepEqual(rig.names(), [f]);
    rig.asked.length = 0;
    await assertRejects(rig.write(), "changed");
    assert.equal(await Deno.readTextFile(`${rig.server.disk}/${f}`), "somebody else's");
  });
}

davTest("write() to Apache makes no file with a hole where what was left goes away in the last moment", {
  kind: "apache",
}, async (rig) => {
  await rig.leave(30 * MiB);
  const body: Body = (from = 0, to = SIZE) => {
    rig.asked.push([from, to]);
    if (rig.asked.length === 1) Deno.removeSync(`${rig.server.disk}/${temp}`);
    return Promise.resolve(streamOf(source.subarray(from, to)));
  };
  const options = {
    ...call,
    size: SIZE,
    tag,
    expect: "absent",
    onBytes: (bytes: number) => rig.told += bytes,
  } as const;
  await rig.backend.write(f, body, options);
  await assertWritten(rig);
  assert.deepEqual(rig.asked, [[29 * MiB, SIZE], [0, SIZE]]);
  assert.equal(rig.told, SIZE);
});

davTest("write() to Apache replaces a large file by PUT alone: its MOVE would remove the old one first", {
  kind: "apache",
}, async (rig) => {
  const old = await rig.backend.write(f, () => Promise.resolve(new Uint8Array([1])), { ...call, size: 1 });
  await rig.write({ expect: old });
  await assertWritten(rig);
  assert.deepEqual((await rig.log()).filter((line) => !line.startsWith("PROPPATCH")), ["PUT /f 201", "PUT /f 204"]);
});

davTest("write() begins anew on a server that makes a part the whole file, and asks it for no other", {
  kind: "apache",
  config: ["module headers", "RequestHeader unset Content-Range early"],
}, async (rig) => {
  await rig.leave(30 * MiB);
  await rig.write();
  await assertWritten(rig);
  assert.deepEqual(rig.asked, [[29 * MiB, SIZE], [0, SIZE]]);
  assert.equal(rig.told, SIZE);
  await Deno.remove(`${rig.server.disk}/${f}`);
  await rig.leave(30 * MiB);
  await rig.write();
  assert.deepEqual(rig.asked.slice(2), [[0, SIZE]]);
});

for (
  const [what, line] of [
    ["refuses parts", "<If \"-n req('Content-Range')\">\nRedirect 501 /\n</If>"],
    ["forbids MOVE", '<Location "/">\n<Limit MOVE>\nRequire all denied\n</Limit>\n</Location>'],
  ] as const
) {
  davTest(
    `write() sends the file as a whole to a server that ${what}`,
    { kind: "apache", config: [line] },
    async (rig) => {
      await rig.write();
      await assertWritten(rig);
      assert.equal(rig.told, SIZE);
      const before = (await rig.log()).length;
      await Deno.remove(`${rig.server.disk}/${f}`);
      await rig.write();
      await assertWritten(rig);
      assert.deepEqual((await rig.log()).slice(before), ["PUT /f 201", "PROPPATCH /f 207"]);
    },
  );
}

davTest("write() sends nothing in vain to a lighttpd that takes no parts", { kind: "lighttpd" }, async (rig) => {
  await rig.write();
  await assertWritten(rig);
  assert.deepEqual(rig.asked, [[0, SIZE]]);
});
