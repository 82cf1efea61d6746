import assert from "node:assert/strict";
import { SftpClient } from "../../../../lib/backends/sftp/client.ts";
import { commit } from "../../../../lib/backends/sftp/commit.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { RawError, SftpRequests } from "../../../../lib/ssh/channels.ts";

/** A test of a client whose check of deadlines is still due at its end. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

const attributes = { mode: 0o100644, size: 1, mtime: 1 };

/** A client of a server that announces posix-rename, and answers it with `status`; `sent` receives its renames. */
function clientOf(status: number, sent: string[], files: Set<string>): SftpClient {
  const refusal = Object.assign(new Error("Failure"), { code: status });
  const absent = Object.assign(new Error("No such file"), { code: 2 });
  const move = (from: string, to: string): RawError => {
    sent.push(`${from} ${to}`);
    files.delete(from);
    files.add(to);
    return undefined;
  };
  const requests: Partial<SftpRequests> = {
    lstat: (path, done) => files.has(path) ? done(undefined, attributes) : done(absent, attributes),
    ext_openssh_rename: (_from, _to, done) => done(refusal, undefined),
    rename: (from, to, done) => done(move(from, to), undefined),
    unlink: (path, done) => done(files.delete(path) ? undefined : absent, undefined),
  };
  const channel = {
    requests: requests as SftpRequests,
    extensions: new Set(["posix-rename@openssh.com"]),
    maxRead: 1 << 15,
    maxWrite: 1 << 15,
    maxOpenFiles: undefined,
    software: "fake",
    closed: new AbortController().signal,
    lastReceived: () => performance.now(),
  };
  return new SftpClient(channel, { timeout: 10_000, abort: () => {} });
}

function pendingOf(client: SftpClient) {
  const { signal } = new AbortController();
  return {
    signal,
    operation: "write",
    path: toRelPath("a"),
    serverPath: "/a",
    temp: `/${client.profile.tempName(toRelPath("a"), "00112233445566aa")}`,
    mode: undefined,
    options: { signal, size: 1 },
    checkParent: () => Promise.resolve(),
  };
}

for (const status of [8, 5]) {
  for (const exists of [false, true]) {
    test(`commit() renames ${exists ? "over a file" : "a new file"} where posix-rename is announced and answered with ${status}`, async () => {
      const sent: string[] = [];
      const files = new Set(exists ? ["/a"] : []);
      const client = clientOf(status, sent, files);
      const pending = pendingOf(client);
      files.add(pending.temp);
      await commit(client, pending);
      assert.deepEqual([...files], ["/a"]);
      assert.equal(sent.length, exists ? 2 : 1);
      assert.equal(client.profile.posixRenames, false);
    });
  }
}

test("commit() keeps the old file where posix-rename fails for another reason", async () => {
  const sent: string[] = [];
  const files = new Set(["/a"]);
  const client = clientOf(3, sent, files);
  const pending = pendingOf(client);
  files.add(pending.temp);
  await assert.rejects(commit(client, pending), /the server refused RENAME: permission denied/);
  assert.ok(files.has("/a"));
  assert.deepEqual(sent, []);
});
