import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { assertCode, fill } from "../support/pair.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  type SmallDav,
  startSmallDav,
} from "../support/servers/small_dav.ts";
import { type Ran, tandem } from "../support/tandem.ts";

const SECONDS = 1_600_000_000;

/** A Nextcloud, as far as a run looks at it. `put`: what it answers to an upload. */
function nextcloud(put: () => ReturnType<Answers>): Answers {
  const files = new Map<string, string>();
  const time = `<D:getlastmodified>${new Date(SECONDS * 1000).toUTCString()}</D:getlastmodified>`;
  const props = (content: string) => {
    const sum = createHash("sha1").update(content).digest("hex");
    return fileProps(content.length, `${time}<O:checksums><O:checksum>SHA1:${sum}</O:checksum></O:checksums>`);
  };
  return ({ method, path, headers, body }) => {
    switch (method) {
      case "PUT": {
        const answer = put();
        if (typeof answer === "object" && answer.status === 201) files.set(path, body);
        return answer;
      }
      case "MOVE":
        files.set(new URL(String(headers.destination)).pathname, files.get(path) ?? "");
        files.delete(path);
        return { status: 201 };
      case "DELETE":
        return { status: files.delete(path) ? 204 : 404 };
      case "PROPFIND": {
        const content = files.get(path);
        if (content !== undefined) return multistatus([path, props(content)]);
        if (path !== "/") return { status: 404 };
        const children = headers.depth === "1" ? Array.from(files, ([name, text]) => [name, props(text)] as const) : [];
        return multistatus(["/", `${folderProps}<O:id>7</O:id>`], ...children);
      }
      default:
        return { status: 200, headers: { dav: "1, 3" } };
    }
  };
}

async function withNextcloud(
  put: () => ReturnType<Answers>,
  work: (sync: () => Promise<Ran>, server: SmallDav) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startSmallDav(nextcloud(put)));
  const home = await Deno.makeTempDir({ prefix: "tandem-cloud-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  await Deno.mkdir(`${home}/local`);
  await fill(`${home}/local`, { "a.txt": "content" });
  await Deno.utime(`${home}/local/a.txt`, SECONDS, SECONDS);
  const address = `dav://127.0.0.1:${server.port}/`;
  await work(
    () => tandem(["Sync-Path", `${home}/local`, address, "-Mode", "Remote"], { home, env: {} }),
    server,
  );
}

const troubles = [
  [507, /^ *Cannot write "a\.txt": the disk or the quota of the server is full \(507\)$/m, "Full"],
  [
    413,
    /^ *Cannot write "a\.txt": the server takes no file of this size \(413\); its limit for uploads/m,
    "Full",
  ],
  [
    423,
    /^ *Cannot write "a\.txt": it is locked by somebody who works on it \(423\); a later run tries again/m,
    "Busy",
  ],
] as const;

for (const [status, words, kind] of troubles) {
  Deno.test(`Sync-Path to a Nextcloud that answers ${status} says so in one sentence, and the next run brings the file`, async () => {
    let isTroubled = true;
    const answer = () =>
      isTroubled ? { status, body: "<d:error/>" } : { status: 201, headers: { "x-oc-mtime": "accepted" } };
    await withNextcloud(answer, async (sync, { asked }) => {
      const ran = await sync();
      assertCode(ran, 1);
      assert.match(ran.stderr, words);
      const [failure] = ran.result().Failures as { Path: string; Kind: string }[];
      assert.deepEqual([failure?.Path, failure?.Kind], ["a.txt", kind]);
      isTroubled = false;
      assertCode(await sync(), 0);
      const put = asked.findLast(({ method }) => method === "PUT");
      const sum = createHash("sha1").update("content").digest("hex");
      assert.equal(put?.headers["oc-checksum"], `SHA1:${sum}`);
      assert.equal(put?.headers["x-oc-mtime"], String(SECONDS));
      const before = asked.length;
      assertCode(await sync(), 0);
      assert.ok(!asked.slice(before).some(({ method }) => /PUT|MOVE|DELETE|PROPPATCH/.test(method)));
    });
  });
}
