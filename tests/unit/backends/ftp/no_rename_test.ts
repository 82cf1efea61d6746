import assert from "node:assert/strict";
import { type Backend, SMALL_FILE_BYTES, type WriteOptions } from "../../../../lib/core/backend.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempTag } from "../../../../lib/core/temp_name.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, type SmallFtpOptions, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const noDots = (command: string) => /^STOR \/\./.test(command) ? "553 Prohibited file name\r\n" : undefined;

function stored({ told }: SmallFtp): readonly string[] {
  return told.filter((one) => one.startsWith("STOR")).map((one) => one.slice(6));
}

/** A server, a session with it, and what the session said, remembered and counted. */
async function open(options: SmallFtpOptions, more: Readonly<Record<string, string>> = {}) {
  const [warnings, facts] = [[] as string[], new Map<string, string>()];
  const server = await startSmallFtp(options);
  const login = {
    options: more,
    warn: (one: string) => void warnings.push(one),
    serverMemory: {
      get: (fact: string) => facts.get(fact),
      remember: (fact: string, value: string) => void facts.set(fact, value),
    },
  };
  const backend = await openSmallFtp(server, login);
  return {
    server,
    backend,
    warnings,
    facts,
    reopen: () => openSmallFtp(server, login),
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function write(backend: Backend, name: string, content: string, options: Partial<WriteOptions> = {}) {
  const bytes = new TextEncoder().encode(content);
  const body = (from = 0, to = bytes.length) => {
    const part = bytes.slice(from, to);
    return Promise.resolve(part.length <= SMALL_FILE_BYTES ? part : new Blob([part]).stream());
  };
  return await backend.write(toRelPath(name), body, { ...call, expect: "absent", size: bytes.length, ...options });
}

const old = { kind: "file", path: toRelPath("a"), size: 3 } as const;

for (const size of [0, 5, 3 * SMALL_FILE_BYTES]) {
  Deno.test(`a server that refuses dot names gets ${size} bytes under a temporary name without a dot, and is remembered`, async () => {
    await using far = await open({ reply: noDots });
    let sent = 0;
    const options = { tag: "0123456789abcdef", onBytes: (bytes: number) => void (sent += bytes) };
    await write(far.backend, "a", "x".repeat(size), options);
    await write(far.backend, "b", "y");
    assert.deepEqual([far.server.files.get("/a")?.length, far.server.files.get("/b")], [size, "y"]);
    assert.equal(far.server.files.size, 2);
    assert.equal(sent, size);
    const names = stored(far.server);
    assert.equal(names.length, 3);
    assert.deepEqual(names.slice(0, 2).map(tempTag), ["0123456789abcdef", "0123456789abcdef"]);
    assert.deepEqual(names.map((name) => name.startsWith(".")), [true, false, false]);
    await using again = await far.reopen();
    await write(again, "c", "z");
    assert.equal(stored(far.server).length, 4);
  });
}

Deno.test("a folder that takes no name at all is refused with the server's words, and nothing is remembered", async () => {
  await using far = await open({ reply: (one) => one.startsWith("STOR") ? "553 No way\r\n" : undefined });
  const error = await assertRejects(write(far.backend, "a", "x"), "denied");
  assert.match(error.message, /^Cannot write "a": STOR was refused: the server answered "553 No way"$/);
  assert.deepEqual([far.facts.size, far.backend.traits.directWrites], [0, false]);
});

const refusals = [
  ["RNFR", "553 Can't rename file."],
  ["RNFR", "550 Permission denied"],
  ["RNFR", "502 not implemented"],
  ["RNFR", "500 unknown"],
  ["RNTO", "553 no"],
  ["RNTO", "550 Permission denied"],
  ["RNTO", "502 not implemented"],
] as const;

for (const [verb, answer] of refusals) {
  Deno.test(`where ${verb} is refused (${answer}) new files go under their final names, others are kept`, async () => {
    const reply = (command: string) => command.startsWith(verb) ? `${answer}\r\n` : undefined;
    await using far = await open({ reply, holds: { "/a": "old" } });
    const noted: string[] = [];
    const onDirectWrite = () => Promise.resolve(void noted.push(stored(far.server).join()));
    for (const name of ["b", "c"]) await write(far.backend, name, `new ${name}`, { onDirectWrite });
    assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "old", "/b": "new b", "/c": "new c" });
    assert.deepEqual(stored(far.server).map((name) => tempTag(name) === undefined), [false, true, true]);
    assert.equal(noted.length, 2);
    assert.ok(!noted[0]?.includes(",b"), "history knows of it before the first byte");
    assert.equal(far.backend.traits.directWrites, true);
    const said = far.warnings.filter((one) => one.includes(`${verb} was refused: ${answer}`));
    assert.equal(said.length, 1);

    const refused = await assertRejects(write(far.backend, "a", "other", { expect: old }), "unsupported");
    assert.match(refused.message, new RegExp(`${verb} was refused: .*-InPlace`));
    assert.equal(far.server.files.get("/a"), "old");
    await write(far.backend, "a", "other", { expect: old, inPlace: true });
    assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "other", "/b": "new b", "/c": "new c" });

    await using again = await far.reopen();
    assert.equal(again.traits.directWrites, true);
  });

  Deno.test(`where ${verb} is refused (${answer}) an existing file is kept whole, and nothing is left beside it`, async () => {
    const reply = (command: string) => command.startsWith(verb) ? `${answer}\r\n` : undefined;
    await using far = await open({ reply, holds: { "/a": "old" } });
    const error = await assertRejects(write(far.backend, "a", "other", { expect: old }));
    assert.match(error.message, new RegExp(`${verb} was refused`));
    assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "old" });
  });
}

Deno.test("a server that refuses dot names and renames gets new files under their final names", async () => {
  const reply = (command: string) => noDots(command) ?? (command.startsWith("RNFR") ? "553 no\r\n" : undefined);
  await using far = await open({ reply });
  for (const name of ["a", "b"]) await write(far.backend, name, name);
  assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "a", "/b": "b" });
});

Deno.test("a final name that is refused is no reason to write others without a temporary name", async () => {
  const isPhp = (command: string) => /^(?:RNTO|STOR) \/a\.php$/.test(command);
  await using far = await open({ reply: (command) => isPhp(command) ? "553 Prohibited file name\r\n" : undefined });
  await assertRejects(write(far.backend, "a.php", "x"), "denied");
  await write(far.backend, "b", "y");
  assert.deepEqual(Object.fromEntries(far.server.files), { "/b": "y" });
  assert.deepEqual([far.facts.size, far.warnings.length, far.backend.traits.directWrites], [0, 0, false]);
});

/** A server that renames over no file, and refuses what `more` refuses. */
async function openCareful(more: (command: string) => string | undefined) {
  const holds = new Map([["/a", "old"]]);
  const reply = (command: string) => {
    const exists = command.startsWith("RNTO ") && holds.has(command.slice(5));
    return more(command) ?? (exists ? "553 File exists\r\n" : undefined);
  };
  return await open({ reply, holds });
}

for (const dots of [true, false]) {
  Deno.test(`where no file can be renamed over another the old one makes room, ${dots ? "" : "also "}on a server that ${dots ? "takes" : "refuses"} dot names`, async () => {
    const more = (command: string) => !dots && /^(?:STOR|RNTO) \/\./.test(command) ? "553 no dots\r\n" : undefined;
    await using far = await openCareful(more);
    await write(far.backend, "a", "other", { expect: old });
    assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "other" });
    assert.equal(far.backend.traits.directWrites, false);
  });
}

Deno.test("an old version that cannot be removed is named, and lost as little as the new one", async () => {
  await using far = await openCareful((command) =>
    command.startsWith("DELE") ? "550 Permission denied\r\n" : undefined
  );
  const said: string[] = [];
  await write(far.backend, "a", "other", { expect: old, onWarning: (one) => void said.push(one) });
  assert.equal(far.server.files.get("/a"), "other");
  assert.deepEqual([...far.server.files.values()].toSorted(), ["old", "other"]);
  assert.match(said.join(), /old version of "a" was left behind as .*DELE was refused: .*550 Permission denied/);
});

Deno.test("the old file has its name again when the new one does not get it", async () => {
  let renames = 0;
  const more = (command: string) => command === "RNTO /a" && ++renames < 3 ? "553 no\r\n" : undefined;
  await using far = await openCareful(more);
  const error = await assertRejects(write(far.backend, "a", "other", { expect: old }));
  assert.match(error.message, /RNTO was refused/);
  assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "old" });
});

Deno.test("a temporary file that cannot be removed is named", async () => {
  const reply = (command: string) => /^(?:RNFR|DELE)/.test(command) ? "550 Permission denied\r\n" : undefined;
  await using far = await open({ reply });
  const said: string[] = [];
  await write(far.backend, "a", "x", { onWarning: (one) => void said.push(one) });
  assert.equal(far.server.files.get("/a"), "x");
  assert.match(said.join(), /A temporary file "\.a\.tandem-[0-9a-f]{16}" was left behind: .*DELE was refused/);
});

Deno.test("an old version of the same size is not taken for the new one after a lost final reply", async () => {
  const holds = new Map([["/a", "old"]]);
  const lastWord = () => (holds.set("/a", "old"), "cut");
  await using far = await open({ holds, lastWord }, { FinalReplyTime: "300" });
  const work = write(far.backend, "a", "new", { expect: old, inPlace: true });
  await assertRejects(work, "connection");
});

Deno.test("-InPlace writes into a file as it is expected, and into nothing else", async () => {
  await using far = await open({ holds: { "/a": "older" } });
  await assertRejects(write(far.backend, "a", "new", { expect: old, inPlace: true }), "changed");
  assert.deepEqual(Object.fromEntries(far.server.files), { "/a": "older" });
  await write(far.backend, "a", "new", { expect: { ...old, size: 5 }, inPlace: true });
  assert.deepEqual(stored(far.server), ["a"]);
});

Deno.test("-NoTemp writes new files under their final names from the start", async () => {
  await using far = await open({ holds: { "/a": "old" } }, { NoTemp: "true" });
  await write(far.backend, "b", "new");
  assert.deepEqual(stored(far.server), ["b"]);
  await assertRejects(write(far.backend, "a", "new", { expect: old }), "unsupported");
  assert.equal(far.facts.size, 0);
});
