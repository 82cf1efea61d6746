import type { Mutant } from "./list.ts";

const oneConnection = "tests/contract/one_connection_test.ts";
const link = "tests/unit/backends/webdav/authenticated_http_test.ts";
const turns = "tests/unit/net/semaphore_test.ts";
const expecting = "tests/unit/backends/webdav/stat_test.ts";
const hidden = "tests/e2e/cli/hidden_names_test.ts";

/** Sabotages of WebDAV and HTTP: logins, hidden names, waits for connections, ETags, bounds. */
export const mutantsOfDav: readonly Mutant[] = [
  {
    name: "dav: another process is not told how the session logged in",
    file: "lib/backends/webdav/mod.ts",
    old: "return scheme === undefined ? {} : { Auth: scheme };",
    new: "return {};",
    tests: [link],
  },
  {
    name: "a session's line leaves out what its login settled",
    file: "lib/session/session.ts",
    old: "const options = { ...reach.options, ...remote.pinnedOptions?.() };",
    new: "const options = reach.options;",
    tests: [link],
  },
  {
    name: "dav: a session answers another scheme than the one it began with",
    file: "lib/backends/webdav/auth.ts",
    old: "if (now.scheme !== before.scheme) return",
    new: "if (now.scheme === undefined) return",
    tests: [link],
  },
  {
    name: "dav: a session answers a weaker digest than before",
    file: "lib/backends/webdav/auth.ts",
    old: "if (rankOf(now) < rankOf(before)) return",
    new: "if (rankOf(now) === 0) return",
    tests: [link],
  },
  {
    name: "dav: a session answers for any realm",
    file: "lib/backends/webdav/auth.ts",
    old: 'return now.params.get("realm") === before.params.get("realm") ?',
    new: 'return now.params.get("realm") !== undefined ?',
    tests: [link],
  },
  {
    name: "dav: a login is remembered by its last challenge",
    file: "lib/backends/webdav/authenticated_http.ts",
    old: "this.#challenge ??= challenge;",
    new: "this.#challenge = undefined;",
    tests: [link],
  },
  {
    name: "dav: a challenge overrules the answer that another request gave meanwhile",
    file: "lib/backends/webdav/authenticated_http.ts",
    old: "if (this.#authorizer !== used) return;",
    new: "if (this.#authorizer === challenge as unknown) return;",
    tests: [link],
  },
  {
    name: "dav: the version of a small download is looked at while its connection is held",
    file: "lib/backends/webdav/read.ts",
    old: "const whole = await readUpTo(response, skip + take, request);",
    new:
      "if (!request.isProven) await request.check();\n  const whole = await readUpTo(response, skip + take, request);",
    tests: [oneConnection],
  },
  {
    name: "dav: a download whose reply tells no version is believed",
    file: "lib/backends/webdav/read.ts",
    old: "if (!request.isProven) await request.check();",
    new: "",
    tests: [oneConnection, expecting],
  },
  {
    name: "dav: a wait for a connection has no end",
    file: "lib/net/semaphore.ts",
    old: "if (left <= 1) leave(error());",
    new: "if (left <= 1) error();",
    tests: [turns],
  },
  {
    name: "dav: a wait for a connection ends though others get on",
    file: "lib/net/semaphore.ts",
    old: "if (this.#waiting.size > 0) this.#lastProgress = performance.now();",
    new: "",
    tests: [turns],
  },
  {
    name: "dav: the body of an upload waits for a connection like everything else",
    file: "lib/net/nested_calls.ts",
    old: "return this.#storage.getStore() === true;",
    new: "return this.#storage.getStore() !== true && false;",
    tests: [oneConnection],
  },
  {
    name: "dav: a connection that serves the body of an upload counts",
    file: "lib/http/client.ts",
    old: "if (connection !== undefined && isNested) this.#extra.add(connection);",
    new: "",
    tests: [oneConnection],
  },
  {
    name: "dav: no name that may be hidden is looked at",
    file: "lib/sync/scan/hidden_names.ts",
    old: "if (await ignoreHarmless(backend.stat(path, call)) !== undefined) return true;",
    new: "if (await ignoreHarmless(backend.stat(path, call)) === null) return true;",
    tests: [hidden],
  },
  {
    name: "dav: names that may be hidden count as absent where no trial is possible",
    file: "lib/sync/scan/hidden_names.ts",
    old: "else if (shows === undefined && removable.length > 0) {",
    new: "else if (shows === null && removable.length > 0) {",
    tests: [hidden],
  },
  {
    name: "dav: a trial is written in a run that only plans or only reads",
    file: "lib/sync/scan/hidden_names.ts",
    old: "if (!isWritten || planOnly) return undefined;",
    new: "",
    tests: [hidden],
  },
  {
    name: "dav: a trial file that the listing lacks proves nothing",
    file: "lib/backends/webdav/changes.ts",
    old: "observed.showsDots = listed.some(({ path }) => nameOf(path) === name);",
    new: "observed.showsDots = listed.some(({ path }) => nameOf(path) === name) || true;",
    tests: [hidden],
  },
  {
    name: "dav: a folder is removed from a server that may hide what it holds",
    file: "lib/backends/webdav/changes.ts",
    old: "if (await listsDotNames(client, target)) return;",
    new: "if (client !== undefined) return;",
    tests: [hidden],
  },
  {
    name: "dav: an ETag that stays proves a version whose time moved",
    file: "lib/backends/webdav/read.ts",
    old: "if (isServersTime && toSecond(modified) !== toSecond(expect.modified)) return false;",
    new: "",
    tests: [expecting],
  },
  {
    name: "dav: an ETag that is another in each answer is believed",
    file: "lib/backends/webdav/stat.ts",
    old: "client.observed.unstableEtags = true;",
    new: "client.observed.unstableEtags = false;",
    tests: [expecting],
  },
];
