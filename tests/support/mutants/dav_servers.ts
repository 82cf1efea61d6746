import type { Mutant } from "./list.ts";

const patient = "tests/unit/backends/webdav/patient_put_test.ts";
const moves = "tests/unit/backends/webdav/move_test.ts";
const odd = "tests/unit/backends/webdav/odd_listings_test.ts";
const unasked = "tests/unit/backends/webdav/unasked_login_test.ts";
const altered = "tests/e2e/webdav/altered_test.ts";
const chunked = "tests/unit/backends/webdav/chunked_upload_test.ts";
const redirects = "tests/unit/backends/webdav/redirects_test.ts";

/** Sabotages of how WebDAV bears odd servers: redirects, late replies, MOVE, odd listings, hidden logins, altered files, chunks. */
export const mutantsOfDavServers: readonly Mutant[] = [
  {
    name: "dav: a redirect to another origin is followed",
    file: "lib/backends/webdav/redirects.ts",
    old: "if (!isMoved || url.origin !== own.origin) return undefined;",
    new: "if (!isMoved) return undefined;",
    tests: [redirects],
  },
  {
    name: "dav: a redirect to another name is followed",
    file: "lib/backends/webdav/redirects.ts",
    old: "return lastName(url.pathname) === lastName(uri) && url.pathname !== uri ?",
    new: "return url.pathname !== uri ?",
    tests: [redirects],
  },
  {
    name: "dav: a file that became a folder is removed as one",
    file: "lib/backends/webdav/redirects.ts",
    old: "return url.hostname === own.hostname && LOOKS.includes(method) ?",
    new: "return url.hostname === own.hostname ?",
    tests: [redirects],
  },
  {
    name: "dav: an upload whose reply is late is sent again without a look",
    file: "lib/backends/webdav/patient_put.ts",
    old: 'isThere ? "done" : "absent", () =>',
    new: 'isThere ? "absent" : "absent", () =>',
    tests: [patient],
  },
  {
    name: "dav: an upload whose reply is late is sent five times",
    file: "lib/backends/webdav/patient_put.ts",
    old: "if (count < 2) return error;",
    new: "if (count < 20) return error;",
    tests: [patient],
  },
  {
    name: "dav: the version before is taken for the new one if a reply is lost",
    file: "lib/backends/webdav/put.ts",
    old: "return is.modified === undefined ? is.etag !== was.etag : is.modified !== was.modified;",
    new: "return is !== was;",
    tests: [patient],
  },
  {
    name: "dav: a file is replaced though it cannot be renamed",
    file: "lib/backends/webdav/write.ts",
    old: "return await directWrites.write(target, pending.options, (options) =>",
    new: "return await directWrites.write(target, { ...pending.options, inPlace: true }, (options) =>",
    tests: [moves],
  },
  {
    name: "dav: one refused MOVE turns temporary names off",
    file: "lib/backends/webdav/write.ts",
    old: "if (probed === undefined) {",
    new: "if (probed === null) {",
    tests: [moves],
  },
  {
    name: "dav: a new file on a server without MOVE replaces what came up meanwhile",
    file: "lib/backends/webdav/write.ts",
    old: 'const isNew = options.expect === "absent";',
    new: "const isNew = false;",
    tests: [moves],
  },
  {
    name: "dav: a file without a size counts as empty",
    file: "lib/backends/webdav/file_size.ts",
    old: "if (length !== undefined && Number(length) > 0) {",
    new: "if (length === null) {",
    tests: [odd],
  },
  {
    name: "dav: a listing of another folder counts as that of one whose name it leaves out",
    file: "lib/backends/webdav/list.ts",
    old: "if (self === undefined && hasForeign) {",
    new: "if (self === null && hasForeign) {",
    tests: [odd],
  },
  {
    name: "dav: an empty listing that names no folder allows its removal",
    file: "lib/backends/webdav/changes.ts",
    old: "if (observed.showsDots !== undefined && observed.omitsSelf !== true) return observed.showsDots;",
    new: "if (observed.showsDots !== undefined || observed.omitsSelf === true) return observed.showsDots ?? true;",
    tests: [odd],
  },
  {
    name: "dav: a login that nobody asked for goes over clear HTTP",
    file: "lib/backends/webdav/authenticated_http.ts",
    old: "if (scheme !== undefined || user === undefined || !secure) return false;",
    new: "if (scheme !== undefined || user === undefined) return false;",
    tests: [unasked],
  },
  {
    name: "dav: a login that nobody asked for is sent again and again",
    file: "lib/backends/webdav/authenticated_http.ts",
    old: "this.#unasked ??= (async () => {",
    new: "this.#unasked = (async () => {",
    tests: [unasked],
  },
  {
    name: "dav: an altered file hides every later edit",
    file: "lib/sync/plan/doubt.ts",
    old: "return !comparesChecksum(context) &&",
    new: "return !comparesChecksum(context) ||",
    tests: [altered],
  },
  {
    name: "dav: a file of another size is accepted though nobody said so",
    file: "lib/backends/webdav/put.ts",
    old: "(found.entry.size === options.size || client.acceptsAltered)",
    new: "(found.entry.size === options.size || client.acceptsAltered !== undefined)",
    tests: [altered],
  },
  {
    name: "dav: a chunk of another size is taken for a right one",
    file: "lib/backends/webdav/chunked_upload.ts",
    old: "if (kept.get(String(chunk.number)) === bytes)",
    new: "if (kept.has(String(chunk.number)))",
    tests: [chunked],
  },
  {
    name: "dav: chunks are put together over a file that came up meanwhile",
    file: "lib/backends/webdav/chunked_upload.ts",
    old: 'overwrite: existing === undefined ? "F" : "T",',
    new: 'overwrite: existing === null ? "F" : "T",',
    tests: [chunked],
  },
  {
    name: "dav: the chunks of a refused upload stay",
    file: "lib/backends/webdav/chunked_upload.ts",
    old: "await removeUpload(client, pending, folder);",
    new: "",
    tests: [chunked],
  },
  {
    name: "dav: a Subversion repository gets temporary files, whose MOVE removes what it replaces",
    file: "lib/backends/webdav/server_profile.ts",
    old: 'if (dav.includes("http://subversion.tigris.org/xmlns/dav/svn/")) {',
    new: 'if (dav.includes("http://subversion.tigris.org/none/")) {',
    tests: ["tests/unit/backends/webdav/real_servers_test.ts"],
  },
];
