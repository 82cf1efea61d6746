import { openTestSftp } from "../support/targets/sftp_target.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { ownFolder, type ServedFolder, sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const noLinks = "this server knows no SYMLINK";
const running = sharedServer(false, startApart);
const account = { user: "demo", password: "Canary-4711" };

// A server without posix-rename, without a shell, that answers requests side by side and in any order.
play("sftp without extensions", {});
play("sftp over one connection", { Connections: "1" });

function play(name: string, more: Readonly<Record<string, string>>): void {
  conform({
    name,
    lacks: ["copy", "hardLink", "flush", "walk"],
    gives: ["cut", "silence", "disk"],
    known: {
      "write() never goes through a link planted under its temporary name": noLinks,
      "write() never goes through a link at its path": noLinks,
      "write() below a folder that is a link never reaches what it points to": noLinks,
      "remove() of a link removes the link, never what it points to": noLinks,
      "remove() of a file where a link is now rejects with changed": noLinks,
      "remove() below a folder that is a link never reaches what it points to": noLinks,
      "makeLink() makes a link that stat() and list() tell with its target": noLinks,
    },
    async fresh({ timeout = 10_000 } = {}) {
      await using stack = new AsyncDisposableStack();
      const server = running();
      const { disk, root } = await ownFolder(server, stack);
      const options = { Timeout: String(timeout), ReconnectTime: "2000", ...more };
      const { password } = account;
      const open = (port: number) =>
        openTestSftp({ ...server, ...account, home: disk }, { port, path: root, password, options });
      return { ...await throughProxy(server.port, open, { stack }), disk, secret: password };
    },
  });
}

/** The small server as a process of its own: what it still does when a link breaks is not this test's. */
async function startApart(): Promise<AsyncDisposable & ServedFolder & { port: number; fingerprint: string }> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-small-" });
  const code = `
    import { startSmallSftp } from ${JSON.stringify(import.meta.resolve("../support/servers/small_sftp.ts"))};
    const { port, fingerprint } = await startSmallSftp(${JSON.stringify({ folder, ...account })});
    console.log(JSON.stringify({ port, fingerprint }));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", "--no-check", code],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await lines.read();
  const told: { port: number; fingerprint: string } = JSON.parse(value ?? "");
  return {
    ...told,
    disk: folder,
    root: "/",
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await lines.cancel();
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
