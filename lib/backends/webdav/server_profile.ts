/**
 * A server's behaviour, as far as a single reply does not show it. Each value was observed on the server itself: Apache
 * 2.4 mod_dav_fs and mod_dav_svn, nginx 1.22 with dav-ext, lighttpd 1.4, rclone 1.60 (Go's x/net/webdav).
 */
export interface ServerProfile {
  /**
   * "direct": PUT itself is atomic and conditional, while MOVE over a file is not; "staged": PUT to a temporary name,
   * then MOVE.
   */
  readonly writes: "direct" | "staged";
  /** The storage of a file's time: a property of Tandem's own, a header of PUT, or none. */
  readonly times: "property" | "header" | "none";
  readonly atomic: boolean;
  /** Whether MOVE leaves ETag and time unchanged. */
  readonly keepsEtags: boolean;
  readonly checksums: boolean;
  /**
   * The effect of PUT with Content-Range: the file "grows" as bytes arrive, the server accepts complete "pieces" (if it
   * was seen to allow that), or "none".
   */
  readonly ranges: "grows" | "pieces" | "none";
  readonly maxNameBytes: number;
  /** The setting that a server lacks which refuses every change. */
  readonly refusalAdvice?: string;
}

/** The results of OPTIONS and the first PROPFIND. Header values as sent, "" for none. */
export interface ServerFacts {
  readonly dav: string;
  readonly allow: string;
  readonly server: string;
  readonly isOwncloud: boolean;
}

/**
 * Returns the profile of a server. Unknown servers are assumed to keep no times and to replace files in two steps;
 * nothing is written to find out.
 */
export function profileOf({ dav, allow, server, isOwncloud }: ServerFacts): ServerProfile {
  if (isOwncloud) {
    return {
      writes: "staged",
      times: "header",
      atomic: true,
      keepsEtags: false,
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
      keepsEtags: true,
      checksums: false,
      ranges: "grows",
      maxNameBytes: 255,
    };
  }
  if (dav.includes("http://subversion.tigris.org/xmlns/dav/svn/")) {
    // Each change is a revision: no temporary files, no properties. MOVE over a file removes it before it fails.
    return {
      writes: "direct",
      times: "none",
      atomic: true,
      keepsEtags: false,
      checksums: false,
      ranges: "none",
      maxNameBytes: 255,
      refusalAdvice: 'a Subversion repository takes changes over WebDAV only with "SVNAutoversioning on"',
    };
  }
  const patches = /\bPROPPATCH\b/.test(allow);
  const isLighttpd = server.startsWith("lighttpd/");
  const isNginx = server.startsWith("nginx") && !patches && dav.trim() === "2";
  const renames = isLighttpd || isNginx;
  const times = isLighttpd && patches ? "property" : "none";
  // lighttpd receives into a temporary file whose name is one byte longer.
  const maxNameBytes = isLighttpd ? 254 : 255;
  return {
    writes: "staged",
    times,
    atomic: renames,
    keepsEtags: renames,
    checksums: false,
    ranges: isLighttpd ? "pieces" : "none",
    maxNameBytes,
  };
}
