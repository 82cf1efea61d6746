/**
 * How a server behaves, as far as it cannot be seen from a single reply. `writes`: "direct" where PUT itself is atomic and conditional,
 * while MOVE over a file is not; else "staged" (PUT to a name of our own, then MOVE). `times`: where a file's time is kept: in a
 * property of our own, by a header of PUT, or not at all. `keepsTags`: MOVE leaves ETag and time alone. `ranges`: what PUT with Content-Range may do to a file: it
 * "grows" as the bytes come, takes "pieces" that came whole (where the server was seen to allow it), or "none". Each line was seen on the server itself: Apache 2.4 mod_dav_fs, nginx 1.22 with dav-ext, lighttpd 1.4, rclone 1.60 (Go's x/net/webdav).
 */
export interface Dialect {
  readonly writes: "direct" | "staged";
  readonly times: "property" | "header" | "none";
  readonly atomic: boolean;
  readonly keepsTags: boolean;
  readonly checksums: boolean;
  readonly ranges: "grows" | "pieces" | "none";
  readonly maxNameBytes: number;
}

/** What OPTIONS and the first PROPFIND tell. Header values as sent, "" for none. */
export interface ServerFacts {
  readonly dav: string;
  readonly allow: string;
  readonly server: string;
  readonly isOwncloud: boolean;
}

/** Unknown servers are taken to keep no times and to replace in two steps: nothing is written to find out. */
export function dialectOf({ dav, allow, server, isOwncloud }: ServerFacts): Dialect {
  if (isOwncloud) {
    return {
      writes: "staged",
      times: "header",
      atomic: true,
      keepsTags: false,
      checksums: true,
      ranges: "none",
      maxNameBytes: 250,
    };
  }
  if (dav.includes("<http://apache.org/dav/propset/fs/1>")) {
    return {
      writes: "direct",
      times: "property",
      atomic: true,
      keepsTags: true,
      checksums: false,
      ranges: "grows",
      maxNameBytes: 255,
    };
  }
  const patches = /\bPROPPATCH\b/.test(allow);
  const isLighttpd = server.startsWith("lighttpd/");
  const isNginx = server.startsWith("nginx") && !patches && dav.trim() === "2";
  const renames = isLighttpd || isNginx;
  const times = isLighttpd && patches ? "property" : "none";
  // lighttpd receives into a file of its own whose name is one byte longer.
  const maxNameBytes = isLighttpd ? 254 : 255;
  return {
    writes: "staged",
    times,
    atomic: renames,
    keepsTags: renames,
    checksums: false,
    ranges: isLighttpd ? "pieces" : "none",
    maxNameBytes,
  };
}
