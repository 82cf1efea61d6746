import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  type RecordedRequest,
  type SmallDav,
  startSmallDav,
} from "../../support/servers/small_dav.ts";
import { counts, type RunResult, tandem } from "../../support/tandem.ts";

const SECONDS = 1_600_000_000;

type Trouble = (asked: RecordedRequest) => ReturnType<Answers> | undefined;

/** A Nextcloud, as far as a run looks at it. `trouble`: what it answers instead. */
function nextcloud(trouble: Trouble): Answers {
  const files = new Map<string, string>();
  const time = `<D:getlastmodified>${new Date(SECONDS * 1000).toUTCString()}</D:getlastmodified>`;
  const props = (content: string) => {
    const sum = createHash("sha1").update(content).digest("hex");
    return fileProps(content.length, `${time}<O:checksums><O:checksum>SHA1:${sum}</O:checksum></O:checksums>`);
  };
  return (asked) => {
    const { method, path, headers, body } = asked;
    const instead = trouble(asked);
    if (instead !== undefined) return instead;
    switch (method) {
      case "PUT":
        files.set(path, body);
        return { status: 201, headers: { "x-oc-mtime": "accepted" } };
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
  trouble: Trouble,
  work: (sync: () => Promise<RunResult>, server: SmallDav) => Promise<void>,
  files: Readonly<Record<string, string>> = { "a.txt": "content" },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startSmallDav(nextcloud(trouble)));
  const home = await Deno.makeTempDir({ prefix: "tandem-cloud-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  await Deno.mkdir(`${home}/local`);
  await fill(`${home}/local`, files);
  for (const name of Object.keys(files)) await Deno.utime(`${home}/local/${name}`, SECONDS, SECONDS);
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
    /^ *Cannot write "a\.txt": the server accepts no file of this size \(413\): raise its limit/m,
    "Full",
  ],
  [
    423,
    /^ *Cannot write "a\.txt": another client holds a lock on it \(423\); a later run tries again/m,
    "Busy",
  ],
] as const;

for (const [status, words, kind] of troubles) {
  Deno.test(`Sync-Path to a Nextcloud that answers ${status} says so in one sentence, and the next run brings the file`, async () => {
    let isTroubled = true;
    const trouble: Trouble = ({ method }) =>
      isTroubled && method === "PUT" ? { status, body: "<d:error/>" } : undefined;
    await withNextcloud(trouble, async (sync, { requests: asked }) => {
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

Deno.test("IN-08 Sync-Path to a Nextcloud that is busy every third time comes through, and writes each file once", async () => {
  const passing = [429, 502, 503, 504];
  const met = new Set<string>();
  const trouble: Trouble = ({ method, path }) => {
    const request = `${method} ${path}`;
    const hash = createHash("md5").update(request).digest();
    if (met.has(request) || (hash[0] ?? 0) % 3 > 0) return undefined;
    met.add(request);
    return { status: passing[met.size % passing.length] ?? 503, headers: { "retry-after": "0" } };
  };
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`f${index}`, `content ${index}`]));
  await withNextcloud(trouble, async (sync, { requests: asked }) => {
    const ran = await sync();
    assertCode(ran, 0);
    assert.deepEqual(counts(ran), [20, 0, 0, 0, 0]);
    assert.ok(met.size > 10, `it was busy ${met.size} times`);
    const done = asked.filter(({ method, path }) => method === "MOVE" && !met.delete(`MOVE ${path}`));
    assert.equal(done.length, 20);
    const again = await sync();
    assertCode(again, 0);
    assert.deepEqual(counts(again), [0, 0, 0, 0, 0]);
  }, files);
});

Deno.test("IN-08 Sync-Path waits for a Nextcloud that is in maintenance as it opens, and gives up in one sentence where it stays so", async () => {
  let left = 2;
  const trouble: Trouble = () => left-- > 0 ? { status: 503, headers: { "retry-after": "0" } } : undefined;
  await withNextcloud(trouble, async (sync) => {
    assertCode(await sync(), 0);
    left = 1_000;
    const ran = await sync();
    assertCode(ran, 4);
    assert.match(ran.stderr, /^Cannot open dav:.*the server is overloaded or in maintenance \(503\)$/m);
  });
});
