import type { Mutant } from "./list.ts";

const redirects = "tests/unit/backends/webdav/redirects_test.ts";

/** Sabotages of how WebDAV bears odd servers: redirects. */
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
];
