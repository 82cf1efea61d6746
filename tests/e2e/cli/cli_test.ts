import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { pattern } from "../../support/content.ts";
import { countArrived, watchManyFiles, writeManyFiles } from "../../support/trees/many_files.ts";
import {
  assertCode,
  assertSame,
  fill,
  leftoversOf,
  readFolder,
  startProxiedSftpPair,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

const server = "sftp";
const MiB = 1 << 20;

const ways = [
  { mode: "Remote", from: "local", to: "remote", direction: "up" },
  { mode: "Local", from: "remote", to: "local", direction: "down" },
] as const;

/** What a run that was interrupted said, and ms from the first signal to its end. */
interface Stopped extends Pick<RunResult, "code" | "stdout" | "stderr"> {
  readonly ms: number;
}

async function interrupt(
  child: Deno.ChildProcess,
  signals: readonly Deno.Signal[],
  ready: Promise<void>,
): Promise<Stopped> {
  const output = child.output();
  await ready;
  const began = performance.now();
  for (const signal of signals) {
    child.kill(signal);
    // It may have ended before it could be told twice.
    const pause = new Promise<false>((resolve) => setTimeout(resolve, 50, false));
    if (await Promise.race([child.status.then(() => true), pause])) break;
  }
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return { code, ms: performance.now() - began, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const { mode, from, to, direction } of ways) {
  serverTest(
    `Sync-Path -Mode ${mode}, interrupted once, ends in order with exit 130, removes nothing and is finished by the next run`,
    {
      server,
    },
    async () => {
      await using pair = await startProxiedSftpPair({ requestLog: false, delay: 20 });
      const many = writeManyFiles(pair[from], 2000);
      await fill(pair[to], { "obsolete": "o" });
      const amid = Promise.withResolvers<void>();
      pair.proxy.after(900_000, amid.resolve, direction);
      const child = pair.start(`-Mode ${mode} -Remove`);
      const watch = watchManyFiles(pair[to], many);
      const { code, ms, stdout, stderr } = await interrupt(child, ["SIGINT"], amid.promise);
      await watch.stop();
      assert.equal(code, 130, stderr);
      assert.ok(ms < 10_000, `it took ${ms} ms`);
      assert.equal(readFolder(pair[to])["obsolete"], "o");
      await Deno.remove(`${pair[to]}/obsolete`);
      const { arrived } = countArrived(pair[to], many);
      const result = JSON.parse(stdout.split("\n")[0] ?? "");
      const told = mode === "Remote" ? result.UploadCount : result.DownloadCount;
      assert.deepEqual([result.Type, result.ExitCode, result.RemovalCount], ["SyncResult", 130, 0]);
      assert.ok(told <= arrived && arrived < 2000, `${told} told, ${arrived} arrived`);
      assertCode(await pair.sync(`-Mode ${mode} -Remove`), 0);
      assertSame(pair);
    },
  );

  serverTest(`Sync-Path -Mode ${mode}, interrupted twice amid a large file, ends at once and leaves the old version`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false, delay: 20 });
    await fill(pair[from], { "big": pattern(64 * MiB) });
    await fill(pair[to], { "big": "old" });
    const amid = Promise.withResolvers<void>();
    pair.proxy.after(4 * MiB, amid.resolve, direction);
    const child = pair.start(`-Mode ${mode} -Mirror`);
    const { code, ms } = await interrupt(child, ["SIGINT", "SIGINT"], amid.promise);
    assert.equal(code, 130);
    assert.ok(ms < 10_000, `it took ${ms} ms`);
    assert.equal(readFolder(pair[to])["big"], "old");
    assertCode(await pair.sync(`-Mode ${mode} -Mirror`), 0);
    assertSame(pair);
    assert.deepEqual(leftoversOf(readFolder(pair[to])), []);
  });
}

for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  serverTest(`Sync-Path ends in order with exit 130 at a ${signal}, also while the server says nothing`, {
    server,
    ignore: Deno.build.os === "windows",
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    await fill(pair.local, { "big": pattern(8 * MiB) });
    const amid = Promise.withResolvers<void>();
    pair.proxy.after(2 * MiB, () => {
      pair.proxy.silence();
      amid.resolve();
    });
    const { code, ms, stderr } = await interrupt(pair.start("-Mode Remote"), [signal], amid.promise);
    assert.equal(code, 130, stderr);
    assert.ok(ms < 10_000, `it took ${ms} ms`);
    assert.deepEqual(Object.keys(readFolder(pair.remote)).filter((path) => path === "big"), []);
  });
}

serverTest("-Command runs statements in order, with variables, and keeps a named session until it is closed", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  const run = (...statements: string[]) =>
    pair.run(["-Command", [`$l = '${pair.local}'; $r = "${pair.remote}"`, ...statements].join("; ")]);
  const ran = await run(
    `$s = New-Session ${pair.address}`,
    "$first = Sync-Path $l $r -Mode Remote -Session $s",
    "Compare-Path $l $r -Mode Both -Session $s",
    "$first.UploadCount",
    "Close-Session $s",
  );
  assertCode(ran, 0);
  const [plan, count] = ran.stdout.trim().split("\n");
  assert.deepEqual([JSON.parse(plan ?? "").Type, count], ["Plan", "1"]);
  const again = "Sync-Path $l $r -Mode Remote -Session $s";
  const closed = await run(`$s = New-Session ${pair.address}`, "Close-Session $s", again);
  assertCode(closed, 2);
  assert.match(closed.stderr, /is closed/);
  const open = `$s = New-Session ${pair.address}`;
  assert.match((await run(open, "$s | Sync-Path $l $r -Mode Remote", again)).stderr, /is closed/);
  assertCode(await run(open, "$s | Sync-Path $l $r -Mode Remote -KeepOpen", again), 0);
});

serverTest("-Command - and -File read the commands from elsewhere", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  const script = `# a comment\nNew-Session ${pair.address} |\n  Sync-Path '${pair.local}' -Mode Remote\n`;
  assertCode(await pair.run(["-Command", "-"], { stdin: script }), 0);
  assertSame(pair);
  await fill(pair.local, { "b": "2" });
  await Deno.writeTextFile(`${pair.sshd.dir}/job.ps1`, `\ufeff${script.replaceAll("\n", "\r\n")}`);
  assertCode(await pair.run(["-File", `${pair.sshd.dir}/job.ps1`]), 0);
  assertSame(pair);
});

Deno.test("-HostName takes a name alone, shows nothing of what else was written, and takes IPv6 with brackets or without", async () => {
  for (const name of ["ann:secret@web1", "web1:22", "web1/www", "web 1"]) {
    const ran = await tandem(["New-Session", "-HostName", name]);
    assertCode(ran, 2);
    assert.match(ran.stderr, /-UserName and -PortNumber/);
    assert.ok(!ran.stderr.includes("secret"));
  }
  for (const name of ["::1", "[::1]", "127.0.0.1"]) {
    const ran = await tandem(["New-Session", "-HostName", name, "-PortNumber", "1", "-UserName", "ann"]);
    assertCode(ran, 4);
    assert.match(ran.stderr, /nothing listens there|cannot be reached/);
  }
});

serverTest("A run that changed something and then fails never ends with a code that promises nothing was changed", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a": "1" });
  const first = `New-Session ${pair.address} | Sync-Path '${pair.local}' -Mode Remote`;
  const wrong = "Sync-Path /nowhere sftp://u@127.0.0.1:1/x -Mode Remote";
  const ran = await pair.run(["-Command", `${first}; ${wrong}`]);
  assertSame(pair);
  assertCode(ran, 1);
});

Deno.test("tandem goes on when a rejection reaches nobody, says it in one sentence and ends with exit 1", async () => {
  const dir = await Deno.makeTempDir({ prefix: "tandem-stray-" });
  try {
    // As soon as the program listens.
    const stray = `const { addEventListener: add } = globalThis;
      globalThis.addEventListener = (name, ...rest) => {
        add.call(globalThis, name, ...rest);
        if (name === "unhandledrejection") queueMicrotask(() => void Promise.reject(new Error("lost thread")));
      };`;
    await fill(dir, { "from/a": "1", "stray.ts": stray });
    const main = fileURLToPath(new URL("../../../mod.ts", import.meta.url));
    const preload = ["run", "-q", "-A", "--no-check", "--preload", `${dir}/stray.ts`, main];
    const words = ["Sync-Path", `${dir}/from`, `file://${dir}/to`, "-Mode", "Remote"];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...preload, ...words],
      env: { TANDEM_STATE: `${dir}/state` },
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.deepEqual([code, said.split("\n").filter((line) => line.includes("lost thread")).length], [1, 1], said);
    assert.equal(await Deno.readTextFile(`${dir}/to/a`), "1");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
