import { join } from "node:path";
import { newSession, pipe, syncPath, type SyncResult } from "../../mod.ts";
import { startSmallSftp } from "./servers/small_sftp.ts";

/** `deno task demo`: a folder and a small SFTP server on this machine, synced up, again, and both ways; nothing is left behind. */
async function demo(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-demo-" });
  // A history of the demo's folders is of no use later.
  Deno.env.set("TANDEM_STATE", join(folder, "state"));
  try {
    await play(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function play(folder: string): Promise<void> {
  const site = join(folder, "site");
  const served = join(folder, "served");
  await fill(site, {
    "index.html": "<h1>Hello</h1>\n",
    "css/site.css": "h1 { color: teal }\n",
    "img/logo.svg": "<svg/>\n",
  });
  await Deno.mkdir(served);
  await using server = await startSmallSftp({ folder: served, user: "demo", password: "demo" });
  say(`An SFTP server listens on 127.0.0.1:${server.port}; ${site} is the local folder.`);

  const run = (mode: "Remote" | "Both") =>
    pipe(
      newSession(`sftp://demo@127.0.0.1:${server.port}`, {
        password: () => Promise.resolve("demo"),
        sshHostKeyFingerprint: [server.fingerprint],
        sshConfigFile: "none",
        sshAgent: "none",
      }),
      syncPath({ localPath: site, remotePath: "/www", mode }),
    );

  say("\n1. Everything is uploaded: New-Session … | Sync-Path ./site /www -Mode Remote");
  show(await run("Remote"));
  say("\n2. Again: nothing has to be done.");
  show(await run("Remote"));
  say("\n3. index.html is edited here, css/site.css there, a file is added on each side: -Mode Both");
  const later = new Date(Date.now() + 5_000);
  await fill(site, { "index.html": "<h1>Hello, world</h1>\n", "new-here.txt": "here\n" }, later);
  await fill(join(served, "www"), { "css/site.css": "h1 { color: crimson }\n", "new-there.txt": "there\n" }, later);
  show(await run("Both"));
  say("\n4. And again: both sides are the same.");
  show(await run("Both"));
}

async function fill(folder: string, files: Readonly<Record<string, string>>, modified?: Date): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, text);
    if (modified !== undefined) await Deno.utime(path, modified, modified);
  }
}

function show(result: SyncResult): void {
  for (const entry of result.Uploads) say(`   uploaded    ${entry.FileName}`);
  for (const entry of result.Downloads) say(`   downloaded  ${entry.FileName}`);
  if (result.UploadCount + result.DownloadCount === 0) say("   nothing to do");
  if (!result.IsSuccess) throw new Error(result.Failures.map((failure) => failure.Message).join("\n"));
}

function say(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

await demo();
