import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "npm:@aws-sdk/client-s3@3.1169.0";
import { sharedServer } from "../../contract/shared.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { collect, pattern, wholeBody } from "../../support/content.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { startProxy } from "../../support/proxy.ts";
import { openTestS3 } from "../../support/targets/s3_target.ts";
import { startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { counts } from "../../support/tandem.ts";

const server = "s3";
const MiB = 1 << 20;
const running = sharedServer(skipsServer(server), startS3Store);

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

serverTest("Sync-Path, killed amid an upload of 128 MiB, sends only the missing parts, and the time is right", {
  server,
}, async () => {
  await using proxy = await startProxy(running().server.port);
  await using pair = await startS3Pair(running(), { port: proxy.port });
  const bytes = pattern(128 * MiB, 5);
  await fill(pair.local, { "big": bytes });
  const child = pair.start("-Mode Remote");
  proxy.after(96 * MiB, () => child.kill("SIGKILL"));
  assert.equal((await child.output()).signal, "SIGKILL");
  assert.deepEqual([await pair.objects(), await pair.unfinished()], [{}, ["big"]]);
  // Its content is the same: the parts are still good, the time that the upload began with is not.
  await Deno.utime(`${pair.local}/big`, 1_600_000_000, 1_600_000_000);
  const before = proxy.sent;
  assertCode(await pair.sync("-Mode Remote"), 0);
  const again = (proxy.sent - before) / MiB;
  // Eight parts of 8 MiB may have been on their way.
  assert.ok(again < 32 + 64 + 1, `${again} MiB were sent once more`);
  assert.deepEqual(await pair.unfinished(), []);
  const copy = `${pair.dir}/copy`;
  assertCode(await pair.sync("-Mode Local", { local: copy, home: `${pair.dir}/other` }), 0);
  assert.equal(hash(await Deno.readFile(`${copy}/big`)), hash(bytes));
  assert.equal((await Deno.stat(`${copy}/big`)).mtime?.getTime(), 1_600_000_000_000);
  assertCode(await pair.sync("-Mode Remote -FailIfNothing"), 6);
});

serverTest(
  "Sync-Path, killed amid an upload whose source changes then, mixes no two versions",
  { server },
  async () => {
    await using proxy = await startProxy(running().server.port);
    await using pair = await startS3Pair(running(), { port: proxy.port });
    await fill(pair.local, { "big": pattern(48 * MiB, 1) });
    const child = pair.start("-Mode Remote");
    proxy.after(40 * MiB, () => child.kill("SIGKILL"));
    assert.equal((await child.output()).signal, "SIGKILL");
    const changed = pattern(48 * MiB, 1);
    changed.set(pattern(MiB, 2), 20 * MiB);
    await Deno.writeFile(`${pair.local}/big`, changed);
    assertCode(await pair.sync("-Mode Remote"), 0);
    assert.equal(hash(Buffer.from((await pair.objects())["big"] ?? "", "latin1")), hash(changed));
  },
);

const part = 5 * MiB;
for (const size of [part - 1, part, part + 1, 2 * part]) {
  serverTest(`UP-15 ${size} bytes in parts of 5 MiB come back the same, leave no upload behind, and are known then`, {
    server,
  }, async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, { "f": pattern(size, 3) });
    assertCode(await pair.sync("-Mode Remote -PartSize 5"), 0);
    assert.equal(hash(Buffer.from((await pair.objects())["f"] ?? "", "latin1")), hash(pattern(size, 3)));
    assert.deepEqual(await pair.unfinished(), []);
    assertCode(await pair.sync("-Mode Remote -PartSize 5 -FailIfNothing"), 6);
  });
}

serverTest("UP-12 a reader sees the whole old or the whole new object while it is replaced", { server }, async () => {
  const { server: store, bucket } = running();
  const path = `/${crypto.randomUUID()}`;
  await using backend = await openTestS3(store, { bucket: bucket.name, path });
  await using reader = await openTestS3(store, { bucket: bucket.name, path });
  const [signal, f] = [new AbortController().signal, toRelPath("f")];
  const versions = [pattern(20 * MiB, 1), pattern(21 * MiB, 2)];
  const known = versions.map(hash);
  const write = (bytes: Uint8Array<ArrayBuffer>) =>
    backend.write(f, wholeBody(bytes), { signal, size: bytes.length, modified: 1_600_000_000_000 });
  await write(versions[0] ?? new Uint8Array());
  const replaced = write(versions[1] ?? new Uint8Array());
  let isOver = false;
  replaced.finally(() => (isOver = true)).catch(() => undefined);
  const seen = new Set<number>();
  while (!isOver) seen.add(known.indexOf(hash(await collect(await reader.read(f, { signal })))));
  await replaced;
  seen.add(known.indexOf(hash(await collect(await reader.read(f, { signal })))));
  assert.deepEqual([...seen], [0, 1]);
});

for (const [when, earlier] of [["absent", undefined], ["the expected one", "before"]] as const) {
  serverTest(
    `FL-08 a writer that comes in the last moment keeps its bytes where the object was ${when}`,
    { server },
    async () => {
      const { server: store, bucket } = running();
      const prefix = crypto.randomUUID();
      await using backend = await openTestS3(store, { bucket: bucket.name, path: `/${prefix}` });
      const signal = new AbortController().signal;
      const write = async (name: string, then: () => Promise<void> = () => Promise.resolve()) => {
        const path = toRelPath(name);
        if (earlier !== undefined) await bucket.put(`${prefix}/${name}`, earlier);
        const found = await backend.stat(path, { signal });
        // A listing tells no time; with one the object would be looked at once more.
        const expect = found?.kind === "file"
          ? { kind: found.kind, path, size: found.size, revision: found.revision ?? "" }
          : "absent";
        const body = async () => {
          await then();
          return new TextEncoder().encode("ours");
        };
        return await backend.write(path, body, { signal, size: 4, modified: 0, expect });
      };
      // The first write finds out what the store makes of conditions.
      await write("first");
      await assert.rejects(write("f", () => bucket.put(`${prefix}/f`, "theirs")), { kind: "changed" });
      const content = await collect(await backend.read(toRelPath("f"), { signal }));
      assert.equal(new TextDecoder().decode(content), "theirs");
    },
  );
}

serverTest("write() leaves an unfinished upload alone that somebody else is at work on", { server }, async () => {
  const { server: store, bucket } = running();
  const prefix = crypto.randomUUID();
  const place = { Bucket: bucket.name, Key: `${prefix}/f` };
  const { UploadId } = await bucket.client.send(new CreateMultipartUploadCommand(place));
  await bucket.client.send(new UploadPartCommand({ ...place, UploadId, PartNumber: 1, Body: pattern(part, 9) }));
  await using backend = await openTestS3(store, {
    bucket: bucket.name,
    path: `/${prefix}`,
    options: { PartSize: "5" },
  });
  const bytes = pattern(2 * part, 3);
  const options = { signal: new AbortController().signal, size: bytes.length, tag: "00112233445566aa" };
  await backend.write(toRelPath("f"), wholeBody(bytes), options);
  const theirs = { ...place, UploadId, PartNumber: 2, Body: pattern(10, 9) };
  await bucket.client.send(new UploadPartCommand(theirs));
  assert.equal(hash(await collect(await backend.read(toRelPath("f"), options))), hash(bytes));
});

serverTest("Sync-Path -Criteria Checksum proves an object in parts by its ETag, and reads no byte of it", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "ours": pattern(part + 1, 3), "default": pattern(8 * MiB + 1, 4) });
  assertCode(await pair.sync("-Mode Remote -PartSize 5"), 0);
  await pair.requests();
  for (const mode of ["Remote", "Both"]) {
    await Deno.mkdir(`${pair.dir}/${mode}`);
    const ran = await pair.sync(`-Mode ${mode} -Criteria Checksum -NoReadBack -FailIfNothing`, {
      home: `${pair.dir}/${mode}`,
    });
    assertCode(ran, 6);
    assert.equal((await pair.requests())["HEAD"] ?? 0, 0, mode);
  }
  // History knows them now: a time that moved alone sends nothing.
  await Deno.utime(`${pair.local}/ours`, 1_600_000_000, 1_600_000_000);
  assertCode(await pair.sync("-Mode Remote -Criteria Checksum -NoReadBack -FailIfNothing"), 6);
});

serverTest("Sync-Path -Criteria Checksum reads back an object whose ETag proves nothing, and sends what differs", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  const bytes = pattern(16 * MiB, 3);
  const changed = bytes.slice();
  changed[9 * MiB] = (changed[9 * MiB] ?? 0) ^ 1;
  await fill(pair.local, { "odd": bytes, "changed": changed });
  await putInParts(`${pair.prefix}odd`, bytes, 6 * MiB);
  await putInParts(`${pair.prefix}changed`, bytes, 8 * MiB);
  const forbidden = await pair.sync("-Mode Remote -Criteria Checksum -NoReadBack");
  assertCode(forbidden, 1);
  assert.match(JSON.stringify(forbidden.result()["Failures"]), /could not be compared/);
  const ran = await pair.sync("-Mode Remote -Criteria Checksum");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
  assert.equal(hash(Buffer.from((await pair.objects())["changed"] ?? "", "latin1")), hash(changed));
});

/** An object as another tool would send it. */
async function putInParts(key: string, bytes: Uint8Array, partSize: number): Promise<void> {
  const { client, name } = running().bucket;
  const place = { Bucket: name, Key: key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const Parts: CompletedPart[] = [];
  for (let at = 0; at < bytes.length; at += partSize) {
    const PartNumber = Parts.length + 1;
    const Body = bytes.subarray(at, at + partSize);
    const { ETag } = await client.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ...(ETag === undefined ? {} : { ETag }) });
  }
  await client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }));
}
