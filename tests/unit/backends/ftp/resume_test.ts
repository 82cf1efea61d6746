import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { call } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const tag = "00112233445566aa";
const path = toRelPath("large");
const leftover = `/${tempPath(path, tag)}`;
const size = 26 << 20;
const content = Buffer.alloc(size, "0123456789abcdef\n");
const right = content.subarray(0, 25 << 20).toString("latin1");
const wrong = `${"x".repeat(1 << 20)}${right.slice(1 << 20)}`;

/** Uploads the large file beside a leftover of it. Returns what the server holds in the end, and where the upload began. */
async function resume(held: string, { features, refuses }: { features: readonly string[]; refuses?: boolean }) {
  const holds = new Map([[leftover, held]]);
  const reply = (command: string) => {
    const [, verb = "", name = ""] = /^(XSHA256|HASH) (.+)$/.exec(command) ?? [];
    if (verb === "") return undefined;
    if (refuses === true) return "502 no\r\n";
    return `250 ${createHash("sha256").update(holds.get(name) ?? "", "latin1").digest("hex")}\r\n`;
  };
  const all = ["MLST type*;size*;modify*;", "SIZE", "REST STREAM", ...features];
  await using server = await startSmallFtp({ features: all, holds, reply });
  await using backend = await openSmallFtp(server);
  const body = (from = 0, to = size) => Promise.resolve(new Uint8Array(content.subarray(from, to)));
  await backend.write(path, body, { ...call, size, tag, expect: "absent" });
  const rest = server.told.find((one) => one.startsWith("REST "));
  return { isRight: holds.get("/large") === content.toString("latin1"), isResumed: rest !== undefined };
}

for (const features of [["XSHA256"], ["HASH SHA-1*;SHA-256"]]) {
  Deno.test(`write() over FTP with ${features[0]} goes on only after what the server proves to be its own`, async () => {
    assert.deepEqual(await resume(wrong, { features }), { isRight: true, isResumed: false });
    assert.deepEqual(await resume(right, { features }), { isRight: true, isResumed: true });
  });
}

Deno.test("write() over FTP goes on after a leftover of its secret name where the server hashes nothing", async () => {
  assert.deepEqual(await resume(right, { features: [] }), { isRight: true, isResumed: true });
  assert.deepEqual(await resume(right, { features: ["XSHA256"], refuses: true }), { isRight: true, isResumed: true });
});
