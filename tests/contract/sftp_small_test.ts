import { openTestSftp } from "../support/sftp_target.ts";
import { startSmallSftp } from "../support/servers/small_sftp.ts";
import { conform } from "./suite.ts";

const noLinks = "this server knows no SYMLINK";
const account = { user: "demo", password: "Canary-4711" };

// A server without posix-rename, without a shell, that answers requests side by side.
conform({
  name: "sftp without extensions",
  lacks: ["copy", "walk"],
  gives: ["disk"],
  known: {
    "write() never goes through a link planted under its temporary name": noLinks,
    "write() never goes through a link at its path": noLinks,
    "write() below a folder that is a link never reaches what it points to": noLinks,
    "remove() of a link removes the link, never what it points to": noLinks,
    "remove() of a file where a link is now rejects with changed": noLinks,
    "remove() below a folder that is a link never reaches what it points to": noLinks,
    "makeLink() makes a link that stat() and list() tell with its target": noLinks,
  },
  async fresh() {
    await using stack = new AsyncDisposableStack();
    const disk = await Deno.makeTempDir({ prefix: "tandem-small-" });
    stack.defer(() => Deno.remove(disk, { recursive: true }));
    const server = stack.use(await startSmallSftp({ folder: disk, ...account }));
    const backend = stack.use(
      await openTestSftp({ ...server, ...account, root: "/", home: disk }, {
        password: account.password,
        options: { Timeout: "10000", ReconnectTime: "2000" },
      }),
    );
    const life = stack.move();
    return {
      backend,
      disk,
      secret: account.password,
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  },
});
