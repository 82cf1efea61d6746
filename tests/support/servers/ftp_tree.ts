import { posix } from "node:path";
import type { SmallFtpOptions } from "./small_ftp.ts";

/** A tree that a small FTP server shows; `links`: paths to what they point to. */
export interface FtpTreeOptions {
  /** Contents by path; their folders come with them. */
  readonly files: Readonly<Record<string, string>>;
  readonly links: Readonly<Record<string, string>>;
  /** Facts of every line of MLSD, behind type, size and modify. */
  readonly facts?: string;
  /** UNIQUE facts in MLSD. */
  readonly unique?: boolean;
  /** LIST shows links as links; as what they point to by default. */
  readonly listShowsLinks?: boolean;
  /** Whether MLSD and MLST have the modify fact: "announced" by FEAT, and never sent. */
  readonly modify?: "sent" | "announced" | "none";
  /** MDTM and MFMT; with modify facts neither by default. */
  readonly mdtm?: boolean;
  /** Listings show names without their outer blanks; "always": names in commands are taken without them too. */
  readonly trims?: "listings" | "always";
}

/** What the server holds now. */
export interface FtpTree {
  readonly files: Map<string, string>;
  readonly links: Map<string, string>;
  /** Times by path, as MFMT sets them and MDTM shows them. */
  readonly times: Map<string, string>;
  readonly options: Pick<SmallFtpOptions, "reply" | "features" | "holds"> & {
    listing(command: string): Iterable<string>;
  };
}

/**
 * The scripted part of a server that shows links as what they point to, as ProFTPD with ShowSymlinks off does. For one connection: the
 * folder that CWD chose is the same for all.
 */
export function ftpTree(options: FtpTreeOptions): FtpTree {
  const files = new Map(Object.entries(options.files));
  const links = new Map(Object.entries(options.links));
  const folders = new Set(["/", ...[...files.keys()].flatMap(parentsOf)]);
  const { modify = "sent", mdtm = modify !== "sent" } = options;
  const times = new Map<string, string>();
  let [here, from] = ["/", ""];

  function real(path: string, { followLast = true } = {}): string {
    const parts = path.split("/").filter((part) => part !== "");
    let found = "/";
    for (const [index, part] of parts.entries()) {
      found = posix.join(found, part);
      const target = index < parts.length - 1 || followLast ? links.get(found) : undefined;
      found = target ?? found;
    }
    return found;
  }

  function exists(path: string): boolean {
    return files.has(path) || folders.has(path);
  }

  function childrenOf(folder: string): readonly string[] {
    const all = [...files.keys(), ...links.keys(), ...folders];
    return [...new Set(all.filter((one) => one !== "/" && posix.dirname(one) === folder))].sort();
  }

  function shownName(path: string): string {
    const name = posix.basename(path);
    return options.trims === undefined ? name : name.trim();
  }

  function factsOf(path: string): string {
    const at = real(path);
    const content = files.get(at);
    const facts = content === undefined ? "type=dir;" : `type=file;size=${content.length};`;
    const unique = options.unique === true ? `unique=${at};` : "";
    const time = modify === "sent" ? "modify=20231114221320;" : "";
    return `${facts}${time}${unique}${options.facts ?? ""}`;
  }

  function lineOf(path: string): string {
    const target = links.get(path);
    const name = shownName(path);
    if (target !== undefined && options.listShowsLinks === true) {
      return `lrwxrwxrwx 1 u g 1 Nov 14 2023 ${name} -> ${target}`;
    }
    const content = files.get(real(path));
    const kind = content === undefined ? "drwxr-xr-x" : "-rw-r--r--";
    return `${kind} 1 u g ${content?.length ?? 4096} Nov 14 2023 ${name}`;
  }

  function* listing(command: string): Iterable<string> {
    const [, verb = "", path = here] = /^(MLSD|LIST -a|LIST)(?: (.*))?$/.exec(command) ?? [];
    const folder = real(path);
    if (verb === "MLSD") yield `${factsOf(folder).replace("type=dir", "type=cdir")} ${path}\r\n`;
    if (verb === "LIST -a") yield "drwxr-xr-x 1 u g 4096 Nov 14 2023 .\r\n";
    for (const child of childrenOf(folder)) {
      const line = verb === "MLSD" ? `${factsOf(child)} ${shownName(child)}` : lineOf(child);
      yield `${line}\r\n`;
    }
  }

  function reply(command: string): string | undefined {
    const [, verb = "", given = ""] = /^(\S+) ?(.*)$/.exec(command) ?? [];
    const path = options.trims === "always" ? given.trim() : given;
    const isThere = path !== "" && exists(real(path));
    switch (verb) {
      case "CWD":
        if (isThere) here = path;
        return isThere ? "250 there\r\n" : "550 No such folder\r\n";
      case "MLST":
        return isThere ? `250-One\r\n ${factsOf(path)} ${path}\r\n250 End\r\n` : "550 No such file\r\n";
      case "MDTM":
      case "MFMT": {
        if (!mdtm) return "502 no\r\n";
        const [, time, file = path] = /^(\d{14}) (.+)$/.exec(path) ?? [];
        if (time !== undefined) times.set(file, time);
        return `213 ${times.get(file) ?? "20231114221320"}\r\n`;
      }
      case "RNFR":
        from = path;
        return undefined;
      case "RNTO":
        times.set(path, times.get(from) ?? "20231114221320");
        return undefined;
      case "SIZE":
        return `213 ${files.get(real(path))?.length ?? 0}\r\n`;
      case "DELE": {
        const at = real(path, { followLast: false });
        return links.delete(at) || files.delete(at) ? "250 gone\r\n" : "550 not a plain file\r\n";
      }
      case "RMD": {
        const at = real(path, { followLast: false });
        const mayGo = !links.has(at) && childrenOf(at).length === 0 && folders.delete(at);
        return mayGo ? "250 gone\r\n" : "550 not an empty folder\r\n";
      }
      default:
        return undefined;
    }
  }

  const facts = `type*;size*;${modify === "none" ? "" : "modify*;"}${options.unique === true ? "unique*;" : ""}`;
  const all = ["UTF8", "SIZE", `MLST ${facts}`, ...(mdtm ? ["MDTM", "MFMT"] : [])];
  return { files, links, times, options: { reply, listing, features: all, holds: files } };
}

function parentsOf(path: string): readonly string[] {
  const found: string[] = [];
  for (let dir = posix.dirname(path); dir !== "/"; dir = posix.dirname(dir)) found.push(dir);
  return found;
}
