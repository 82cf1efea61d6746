import assert from "node:assert/strict";
import type { Backend, Body } from "../../../../lib/core/backend.ts";
import { parseSums } from "../../../../lib/backends/sftp/checksum.ts";
import { parseStat } from "../../../../lib/backends/sftp/stat.ts";
import { sftpOptions } from "../../../../lib/backends/sftp/options.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { wholeBody } from "../../../support/content.ts";
import { serverTest } from "../../../support/servers/install.ts";
import { type Sshd, type SshdOptions, startSshd } from "../../../support/servers/sftp.ts";
import { openTestSftp } from "../../../support/targets/sftp_target.ts";
import type { ProtocolOption } from "../../../../lib/core/protocol.ts";

const call = { signal: new AbortController().signal };
const name = toRelPath("f");

interface Rig {
  readonly server: Sshd;
  readonly backend: Backend;
}

function test(title: string, options: SshdOptions, run: (rig: Rig) => Promise<void>): void {
  serverTest(title, { server: "sftp" }, async () => {
    await using server = await startSshd(options);
    const { password } = options;
    await using backend = await openTestSftp(server, {
      ...(password === undefined ? {} : { password }),
      options: { Timeout: "60000" },
    });
    await run({ server, backend });
  });
}

async function entries(backend: Backend) {
  return await backend.list(root, call);
}

test("withRoot() takes absolute, relative and login-folder forms", {}, async ({ server, backend }) => {
  const login = (await backend.withRoot("~", call)).root.path;
  assert.equal((await backend.withRoot("/~/", call)).root.path, login);
  assert.equal((await backend.withRoot("~/no/such", call)).root.path, `${login === "/" ? "" : login}/no/such`);
  assert.equal((await backend.withRoot(`/${server.root}/`, call)).root.path, server.root);
  assert.equal((await backend.withRoot("sub/../other", call)).root.path, `${server.root}/other`);
  assert.equal((await backend.withRoot("", call)).root.path, server.root);
});

test("withRoot() follows links to the real path, also above what is absent", {}, async ({ server, backend }) => {
  await Deno.mkdir(`${server.disk}/real`);
  await Deno.symlink("real", `${server.disk}/door`);
  assert.equal((await backend.withRoot("door", call)).root.path, `${server.root}/real`);
  assert.equal((await backend.withRoot("door/new", call)).root.path, `${server.root}/real/new`);
});

test("place.broad names the login folder and the root above it", {}, async ({ backend }) => {
  assert.equal((await backend.withRoot("~", call)).root.risk, "the login folder");
  assert.equal((await backend.withRoot("/", call)).root.risk, "the server's root folder");
  assert.equal(backend.root.risk, undefined);
});

test(
  "checksum() gives undefined where the account has no shell",
  { password: "pw-4711", chroot: true },
  async (rig) => {
    const { backend } = rig;
    const entry = await backend.write(name, wholeBody("abc"), { ...call, size: 3 });
    assert.equal(await backend.checksum?.(entry, ["sha256"], call), undefined);
    assert.equal((await backend.withRoot("/", call)).root.risk, undefined);
    assert.deepEqual((await entries(backend)).map(({ path }) => path), ["f"]);
  },
);

test("checksum() carries names that a shell or a list would take apart", {}, async ({ backend }) => {
  const names = ["a b", "$(touch pwned)", "quote'\"", "back\\slash", "-rf", "*"];
  for (const one of names) {
    const entry = await backend.write(toRelPath(one), wholeBody(one), { ...call, size: one.length });
    assert.match(await backend.checksum?.(entry, ["sha256"], call) ?? "", /^sha256:[0-9a-f]{64}$/, one);
  }
  assert.equal((await entries(backend)).length, names.length);
});

test("list() shows a name that is no Unicode as opaque, and lists the others", {}, async ({ server, backend }) => {
  const made = await new Deno.Command("sh", { args: ["-c", "touch \"$(printf 'bad-\\377')\" good"], cwd: server.disk })
    .output();
  assert.ok(made.success);
  const all = await entries(backend);
  assert.deepEqual(all.map(({ kind }) => kind).sort(), ["file", "opaque"]);
  assert.deepEqual(all.flatMap((one) => (one.kind === "opaque" ? [one.cause] : [])), ["name"]);
});

test("write() of a time that SFTP cannot carry sets the nearest and warns", {}, async ({ backend }) => {
  const warnings: string[] = [];
  const write = (modified: number) =>
    backend.write(name, wholeBody("x"), { ...call, size: 1, modified, onWarning: (text) => void warnings.push(text) });
  assert.equal((await write(-86_400_000)).modified, 0);
  assert.equal((await write(1e13)).modified, 0xffff_ffff * 1000);
  assert.equal(warnings.length, 2);
});

test("write() makes its temporary file no wider than the final one", {}, async ({ server, backend }) => {
  await backend.write(name, wholeBody("x"), { ...call, size: 1, mode: 0o600 });
  await backend.write(name, wholeBody("y"), { ...call, size: 1 });
  const opened = (await server.mutations()).filter((line) => line.startsWith("open "));
  assert.equal(opened.length, 2);
  for (const line of opened) assert.match(line, /CREATE.*EXCL.* mode 0600$/);
});

test("write() replaces by one rename, and sends nothing else that changes", {}, async ({ server, backend }) => {
  const expect = await backend.write(name, wholeBody("x"), { ...call, size: 1, expect: "absent", modified: 1e12 });
  await backend.write(name, wholeBody("yy"), { ...call, size: 2, expect, modified: 1e12 });
  const verbs = (await server.mutations()).map((line) => line.split(" ")[0]);
  assert.deepEqual(verbs.filter((verb) => verb === "rename" || verb === "posix-rename"), ["rename", "posix-rename"]);
  assert.ok(!verbs.includes("remove"));
});

Deno.test("toSeen() masks the mode and refuses impossible sizes and unknown types", () => {
  assert.deepEqual(parseStat(name, { mode: 0o106755, size: 3, mtime: 5 }), {
    kind: "file",
    path: "f",
    size: 3,
    modified: 5000,
    mode: 0o755,
  });
  assert.equal(parseStat(name, { mode: 0o100644, size: 2 ** 60 }).kind, "opaque");
  assert.equal(parseStat(name, { mode: 0o100644 }).kind, "opaque");
  assert.equal(parseStat(name, { size: 3 }).kind, "opaque");
  const pipe = parseStat(name, { mode: 0o010644, size: 0 });
  assert.ok(pipe.kind === "opaque" && pipe.cause === "special");
});

Deno.test("parseSums() reads names with line breaks and blanks, and skips what is no sum", () => {
  const hash = "ab".repeat(32);
  const sums = parseSums(`${hash} */a b\nc\0noise\0${hash} */d\0`);
  assert.deepEqual([...sums], [["/a b\nc", `sha256:${hash}`], ["/d", `sha256:${hash}`]]);
});

Deno.test("sftpOptions have unique names and aliases", () => {
  const options: readonly ProtocolOption[] = sftpOptions;
  const names = options.flatMap((option) => [option.name, ...(option.aliases ?? [])]);
  assert.equal(new Set(names.map((one) => one.toLowerCase())).size, names.length);
});

test("write() in place leaves an edit that came after the listing, up to the first byte of its source", {}, async ({
  server,
  backend,
}) => {
  const edits: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "another size": (path) => Deno.writeTextFile(path, "edited meanwhile"),
    "the same size": (path) => Deno.writeTextFile(path, "new"),
    "a rename over it": async (path) => {
      await Deno.writeTextFile(`${path}~`, "new");
      await Deno.rename(`${path}~`, path);
    },
  };
  for (const [how, edit] of Object.entries(edits)) {
    for (const content of ["their version", ""]) {
      await Deno.writeTextFile(`${server.disk}/f`, "old");
      await Deno.utime(`${server.disk}/f`, 1_600_000_000, 1_600_000_000);
      const expect = await backend.stat(name, call);
      assert.ok(expect?.kind === "file");
      let now = "";
      const body: Body = async () => {
        await edit(`${server.disk}/f`);
        now = await Deno.readTextFile(`${server.disk}/f`);
        return new TextEncoder().encode(content);
      };
      const writing = backend.write(name, body, { ...call, size: content.length, expect, inPlace: true });
      await assert.rejects(writing, (error) => error instanceof SyncError && error.kind === "changed");
      assert.equal(await Deno.readTextFile(`${server.disk}/f`), now, how);
    }
  }
});
