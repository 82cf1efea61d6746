import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, paths, put } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const MLST = "MLST type*;size*;modify*;";
const then = "20231114221320";
const THEN = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What sets or asks times, without the question that finds out whether MDTM sets them. */
function timesIn({ told }: SmallFtp): readonly string[] {
  return told.filter((one) => /^(?:MFMT|MDTM|SITE UTIME) /.test(one) && !one.endsWith("/.tandem-is-not-there"));
}

/** A line of ls -l, as a clock that is ahead of UTC by `zone` ms writes it. */
function lsLine(name: string, time: number, zone: number): string {
  const date = new Date(time + zone);
  const two = (value: number) => String(value).padStart(2, "0");
  const when = `${months[date.getUTCMonth()]} ${two(date.getUTCDate())} ${two(date.getUTCHours())}:${
    two(date.getUTCMinutes())
  }`;
  return `-rw-r--r--   1 ftp ftp   5 ${when} ${name}\r\n`;
}

for (const hours of [-5, 0, 5.75, 13]) {
  Deno.test(`list() takes ${hours} hours off the times of a server whose clock shows them, by one question`, async () => {
    const time = Math.floor(Date.now() / MINUTE) * MINUTE - 72 * HOUR;
    const told = new Date(time + 7_000).toISOString().replace(/\D/g, "").slice(0, 14);
    await using server = await startSmallFtp({
      features: ["SIZE", "MDTM", "UTF8"],
      listing: ["a", "b"].map((name) => lsLine(name, time, hours * HOUR)).join(""),
      reply: (command) => /^MDTM \/(?:d\/)?[ab]$/.test(command) ? `213 ${told}\r\n` : undefined,
    });
    await using backend = await openSmallFtp(server);
    for (const dir of [root, toRelPath("d")]) {
      const entries = await backend.list(dir, call) as FileEntry[];
      assert.deepEqual(entries.map(({ modified, timeStep }) => [modified, timeStep]), [[time, MINUTE], [time, MINUTE]]);
    }
    assert.deepEqual(timesIn(server), ["MDTM /a"]);
  });
}

/** So many lines of MLSD. */
function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `type=file;size=1;modify=${then}; f${index}\r\n`).join("");
}

const setters = [
  ["MFMT", ["MFMT", "SITE UTIME"], () => undefined, [`MFMT ${then}`]],
  [
    "MDTM with a time",
    [],
    (one: string) => one.startsWith("MDTM 2020") ? "550 Could not set file modification time.\r\n" : undefined,
    [`MDTM ${then}`],
  ],
  ["SITE UTIME", ["SITE UTIME"], () => undefined, [`SITE UTIME ${then}`]],
  [
    "SITE UTIME after a refused MFMT",
    ["MFMT", "SITE UTIME"],
    (one: string) => one.startsWith("MFMT") ? "550 no\r\n" : one.startsWith("MDTM /") ? `213 ${then}\r\n` : undefined,
    [`MFMT ${then}`, `SITE UTIME ${then}`, "MDTM"],
  ],
] as const;

for (const [name, more, reply, wanted] of setters) {
  Deno.test(`write() sets the time by ${name}`, async () => {
    await using server = await startSmallFtp({ features: [MLST, "UTF8", "SIZE", "MDTM", ...more], reply });
    await using backend = await openSmallFtp(server);
    const body = () => Promise.resolve(new TextEncoder().encode("bytes"));
    const entry = await backend.write(toRelPath("a"), body, { ...call, size: 5, modified: THEN, expect: "absent" });
    assert.equal(entry.modified, THEN);
    const asked = timesIn(server).map((one) => one.replace(/ \/\.a\.tandem-[0-9a-f]{16}$/, ""));
    assert.deepEqual(asked, wanted);
    assert.ok(backend.setModified !== undefined && backend.traits.timeStep !== undefined);
  });
}

Deno.test("a server that sets no times is asked for none, and says so in its traits: they are remembered", async () => {
  await using server = await startSmallFtp({ features: [MLST, "UTF8", "SIZE", "MDTM"] });
  await using backend = await openSmallFtp(server);
  await put(backend, "a", "bytes");
  assert.deepEqual(timesIn(server), []);
  assert.equal(backend.traits.timeStep, undefined);
  assert.equal(backend.setModified, undefined);
});

const hex = createHash("sha256").update("bytes").digest("hex");
const entry: FileEntry = { kind: "file", path: toRelPath("a"), size: 5 };
const hashes = [
  ["XSHA256", [`XSHA256`], `250 ${hex}`, ["XSHA256 /a"]],
  ["HASH", ["HASH SHA-1*;SHA-256"], `213 SHA-256 0-5 ${hex} a`, ["OPTS HASH SHA-256", "HASH /a"]],
] as const;

for (const [name, more, answer, wanted] of hashes) {
  Deno.test(`checksum() asks the server by ${name}`, async () => {
    await using server = await startSmallFtp({
      holds: { "/a": "bytes" },
      features: [MLST, "UTF8", ...more],
      reply: (command) => /^(?:XSHA256|HASH) /.test(command) ? `${answer}\r\n` : undefined,
    });
    await using backend = await openSmallFtp(server);
    assert.equal(await backend.checksum?.(entry, ["sha256", "sha1"], call), `sha256:${hex}`);
    assert.deepEqual(server.told.filter((one) => /HASH|XSHA/.test(one)), wanted);
    await assertRejects(Promise.resolve(backend.checksum?.({ ...entry, size: 6 }, ["sha256"], call)), "changed");
  });
}

for (const count of [98, 1_000, 10_000]) {
  for (
    const last of [`226-Options: -a\r\n226 ${count + 1} matches total`, `226 Output truncated to ${count} matches`]
  ) {
    Deno.test(`MD-13 a listing of ${count} entries is none with "${last.slice(-28)}" behind it`, async () => {
      await using server = await startSmallFtp({ listing: lines(count), afterListing: last });
      await using backend = await openSmallFtp(server);
      await assertRejects(backend.list(root, call), "connection");
    });
  }
}

for (const count of [98, 1_000, 10_000]) {
  Deno.test(`MD-13 a listing of ${count} entries is none where the connection breaks before the last word`, async () => {
    await using server = await startSmallFtp({ listing: lines(count), breaksOff: true });
    await using backend = await openSmallFtp(server);
    await assertRejects(backend.list(root, call), "connection");
  });
}

Deno.test("a listing whose count of matches is right is one", async () => {
  await using server = await startSmallFtp({ listing: lines(2), afterListing: "226 2 matches total" });
  await using backend = await openSmallFtp(server);
  assert.deepEqual(await paths(backend), ["f0", "f1"]);
});

for (const [security, clear] of [["Auto", true], ["Explicit", false]] as const) {
  Deno.test(`-FtpSecure ${security} with a server that offers no TLS ${clear ? "warns" : "sends no password"}`, async () => {
    const warnings: string[] = [];
    const answers = new Map([["AUTH", "502 no"], ["USER", "331 and?"], ["PASS", "230 in"]]);
    const reply = (command: string) => {
      const answer = answers.get(command.slice(0, 4));
      return answer === undefined ? undefined : `${answer}\r\n`;
    };
    await using server = await startSmallFtp({ reply });
    const opened = openSmallFtp(server, {
      user: "me",
      options: { FtpSecure: security },
      warn: (message) => void warnings.push(message),
    });
    if (clear) await (await opened)[Symbol.asyncDispose]();
    else await assertRejects(opened, "connection");
    assert.deepEqual(server.told.slice(0, 2), clear ? ["AUTH TLS", "USER me"] : ["AUTH TLS"]);
    assert.equal(warnings.filter((one) => /in clear/.test(one)).length, clear ? 1 : 0);
  });
}

Deno.test("each connection asks for just the facts that are used, where a server offers to choose", async () => {
  const features = ["MLST type*;size*;modify*;UNIX.mode*;UNIX.groupname*;", "UTF8"];
  await using server = await startSmallFtp({ features, listing: lines(2) });
  await using backend = await openSmallFtp(server, { options: { Connections: "3" } });
  await Promise.all(["a", "b", "c"].map((dir) => backend.list(toRelPath(dir), call)));
  const asked = (command: string) => server.told.filter((one) => one.startsWith(command)).length;
  assert.equal(asked("OPTS MLST type;size;modify;UNIX.mode;"), asked("USER "));
  assert.equal(asked("FEAT"), 1);
});

Deno.test("a server that refuses to choose facts is asked once", async () => {
  const features = ["MLST type*;size*;modify*;UNIX.groupname*;"];
  const reply = (command: string) => command.startsWith("OPTS MLST") ? "501 no\r\n" : undefined;
  await using server = await startSmallFtp({ features, reply, listing: lines(2) });
  await using backend = await openSmallFtp(server, { options: { Connections: "3" } });
  await Promise.all(["a", "b", "c"].map((dir) => backend.list(toRelPath(dir), call)));
  assert.equal(server.told.filter((one) => one.startsWith("OPTS MLST")).length, 1);
});

Deno.test("list() over FTP goes on with LIST where LIST -a is refused", async () => {
  const reply = (command: string) => command === "LIST -a" ? "550 Couldn't open the file or directory\r\n" : undefined;
  await using server = await startSmallFtp({ features: ["SIZE", "UTF8"], reply, listing: lsLine("a", THEN, 0) });
  await using backend = await openSmallFtp(server);
  assert.deepEqual(await paths(backend), ["a"]);
});

const plain = ["UTF8", "SIZE", "MDTM", "MFMT"];
const body = () => Promise.resolve(new TextEncoder().encode("bytes"));

/** What a small server answers to MFMT and MDTM, with the warnings of so many uploads in a row and what they gave. */
async function upload(count: number, reply: (command: string) => string | undefined, features = [MLST, ...plain]) {
  await using server = await startSmallFtp({ features, reply, keeps: 5 });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  const warnings: string[] = [];
  const shown: (number | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const options = {
      size: 5,
      modified: THEN,
      expect: "absent",
      onWarning: (one: string) => void warnings.push(one),
    } as const;
    shown.push((await backend.write(toRelPath(`f${i}`), body, { ...call, ...options })).modified);
  }
  return { warnings, shown, asked: server.told.filter((one) => one.startsWith("MFMT")).length };
}

for (const [code, most] of [["550 Operation not permitted", 3], ["502 no such command", 1], ["500 what", 1]] as const) {
  Deno.test(`write() asks a server that answers MFMT with ${code.slice(0, 3)} for ${most} files, and tells it of each`, async () => {
    const other = THEN + 86_400_000;
    const { warnings, shown, asked } = await upload(
      6,
      (one) => {
        if (one.startsWith("MFMT")) return `${code}\r\n`;
        if (!one.startsWith("MLST /.")) return undefined;
        return `250-\r\n type=file;size=5;modify=${
          new Date(other).toISOString().replace(/\D/g, "").slice(0, 14)
        }; x\r\n250 End\r\n`;
      },
    );
    assert.deepEqual([asked, warnings.length], [most, 6]);
    assert.deepEqual(shown, Array(6).fill(other), "what the server shows, not what was asked for");
  });
}

Deno.test("write() ignores MDTM that answers one time whatever was set", async () => {
  const sizes = (one: string) =>
    one.startsWith("SIZE /.") ? "213 5\r\n" : one.startsWith("SIZE") ? "550 no\r\n" : undefined;
  const reply = (one: string) => one.startsWith("MDTM") ? "213 19800101000000\r\n" : sizes(one);
  const { warnings, shown } = await upload(3, reply, plain);
  assert.deepEqual([shown, warnings.length], [[undefined, undefined, undefined], 3]);
});

Deno.test("list() over FTP takes no zone from MDTM that answers one time for all files", async () => {
  const time = Math.floor(Date.now() / MINUTE) * MINUTE - 72 * HOUR;
  const always = new Date(time + 5 * HOUR).toISOString().replace(/\D/g, "").slice(0, 14);
  const listing = lsLine("a", time, 0) + lsLine("b", time - 24 * HOUR, 0);
  const reply = (one: string) =>
    one.startsWith("MDTM") ? `213 ${always}\r\n` : one.startsWith("SIZE") ? "213 5\r\n" : undefined;
  await using server = await startSmallFtp({ features: plain, listing, reply });
  await using backend = await openSmallFtp(server);
  const entries = await backend.list(root, call) as FileEntry[];
  assert.deepEqual(entries.map(({ modified }) => modified), [time, time - 24 * HOUR]);
  const found = await backend.stat(toRelPath("a"), call);
  assert.equal(found?.kind === "file" ? found.modified : null, undefined);
});

Deno.test("list() over FTP ignores MDTM that is further from the time of a lone file than any zone", async () => {
  const time = Math.floor(Date.now() / MINUTE) * MINUTE - 72 * HOUR;
  const reply = (one: string) =>
    one.startsWith("MDTM") ? "213 19800101000000\r\n" : one.startsWith("SIZE") ? "213 5\r\n" : undefined;
  await using server = await startSmallFtp({ features: plain, listing: lsLine("a", time, 0), reply });
  await using backend = await openSmallFtp(server);
  const [entry] = await backend.list(root, call) as FileEntry[];
  assert.equal(entry?.modified, time);
  const found = await backend.stat(toRelPath("a"), call);
  assert.equal(found?.kind === "file" ? found.modified : null, undefined);
});

Deno.test("setModified() rejects with unsupported where the server takes a time and keeps its own", async () => {
  await using server = await startSmallFtp({ features: [MLST, ...plain], holds: { "/a": "bytes", "/b": "bytes" } });
  await using backend = await openSmallFtp(server);
  await backend.setModified?.(toRelPath("a"), THEN + 300, call);
  await using liar = await openSmallFtp(server);
  await assertRejects(Promise.resolve(liar.setModified?.(toRelPath("b"), THEN - HOUR, call)), "unsupported");
});
