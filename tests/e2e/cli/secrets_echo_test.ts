import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { findSecret, secretCanary } from "../../support/secret_leaks.ts";
import { startRawServer } from "../../support/servers/raw_http.ts";
import { startSmallFtp } from "../../support/servers/small_ftp.ts";
import { assertCode } from "../../support/targets/sftp_pair.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

/** What servers and the proxies before them repeat of a login. */
const echoes: readonly ((password: string) => string)[] = [
  (password) => password,
  (password) => encodeURIComponent(password),
  (password) => Buffer.from(`deploy:${password}`).toString("base64"),
  (password) => JSON.stringify({ password }),
];

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-echo-" });
  try {
    await Deno.mkdir(`${folder}/site`);
    await Deno.writeTextFile(`${folder}/site/a.txt`, "a");
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function assertHidden(ran: RunResult, what: string): void {
  assert.equal(findSecret(ran.stderr), undefined, `${what}: ${ran.stderr}`);
  assert.equal(findSecret(ran.stdout), undefined, `${what}: ${ran.stdout}`);
}

/** A login with user name and password; any password is accepted. */
function logsIn(command: string): string | undefined {
  if (command.startsWith("USER")) return "331 Password required\r\n";
  return command.startsWith("PASS") ? "230 In\r\n" : undefined;
}

for (const [index, echo] of echoes.entries()) {
  Deno.test(`A server that repeats the password gets it hidden in every output (form ${index + 1})`, async () => {
    const said = echo(secretCanary).replace(/[\r\n]/g, " ");
    await inFolder(async (folder) => {
      await using refusing = await startSmallFtp({
        reply: (command) => command.startsWith("PASS") ? `530 No: ${said}\r\n` : logsIn(command),
      });
      await using failing = await startSmallFtp({
        reply: (command) => logsIn(command) ?? (command.startsWith("STOR") ? `553 No: ${said}\r\n` : undefined),
      });
      for (const format of ["Auto", "Text", "Json", "JsonLines"]) {
        for (const [server, code] of [[refusing, 4], [failing, 1]] as const) {
          const address = `ftp://deploy@127.0.0.1:${server.port}/`;
          const words = ["Sync-Path", `${folder}/site`, address, "-Mode", "Remote", "-Verbose", "-ReconnectTime", "0"];
          const ran = await tandem(["-OutputFormat", format, ...words], { env: { TANDEM_PASSWORD: secretCanary } });
          assertCode(ran, code);
          assertHidden(ran, format);
          assert.match(ran.stderr, /\[hidden\]/);
        }
      }
    });
  });
}

Deno.test("A WebDAV server that repeats the password in its status line gets it hidden", async () => {
  await inFolder(async (folder) => {
    await using server = startRawServer(async (connection) => {
      for (;;) {
        if (await connection.request() === undefined) return;
        await connection.send(
          `HTTP/1.1 403 not with ${secretCanary.replace(/[^ -~]/g, "")}\r\nContent-Length: 0\r\n\r\n`,
        );
      }
    });
    const address = `dav://deploy@127.0.0.1:${server.port}/`;
    const ran = await tandem(["Sync-Path", `${folder}/site`, address, "-Mode", "Remote", "-ReconnectTime", "0"], {
      env: { TANDEM_PASSWORD: secretCanary },
    });
    assert.notEqual(ran.code, 0);
    assertHidden(ran, "status line");
  });
});

Deno.test("TANDEM_PASSWORD goes to the server that the command line names, not to one that the pipe names", async () => {
  await inFolder(async (folder) => {
    const run = async (words: readonly string[], env: Readonly<Record<string, string>>, stdin?: string) => {
      const passwords: string[] = [];
      await using server = await startSmallFtp({
        reply(command) {
          if (command.startsWith("PASS")) passwords.push(command.slice(5));
          return logsIn(command);
        },
      });
      const filled = (text: string) => text.replaceAll("HERE", `ftp://deploy@127.0.0.1:${server.port}/`);
      const ran = await tandem(words.map(filled), { env, ...(stdin === undefined ? {} : { stdin: filled(stdin) }) });
      return { ran, passwords: [...new Set(passwords)] };
    };
    const job = JSON.stringify({ LocalPath: `${folder}/site`, RemotePath: "HERE", Mode: "Remote" });
    const general = { TANDEM_PASSWORD: "general one" };

    const piped = await run(["Sync-Path"], general, job);
    assert.deepEqual([piped.ran.code, piped.passwords], [4, []], piped.ran.stderr);
    assert.match(
      piped.ran.stderr,
      /TANDEM_PASSWORD is not sent to "127\.0\.0\.1".*Set TANDEM_PASSWORD_127_0_0_1 for it/,
    );

    const own = await run(["Sync-Path"], { ...general, TANDEM_PASSWORD_127_0_0_1: "its own" }, job);
    assert.deepEqual([own.ran.code, own.passwords], [0, ["its own"]], own.ran.stderr);

    const named = await run(["Sync-Path", `${folder}/site`, "HERE", "-Mode", "Remote"], general);
    assert.deepEqual([named.ran.code, named.passwords], [0, ["general one"]], named.ran.stderr);

    const literal = await run(
      ["-Command", `'HERE' | New-Session | Sync-Path '${folder}/site' / -Mode Remote`],
      general,
    );
    assert.deepEqual([literal.ran.code, literal.passwords], [0, ["general one"]], literal.ran.stderr);
  });
});
