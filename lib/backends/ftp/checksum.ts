import type { Checksum, FileEntry } from "../../core/entry.ts";
import type { FtpLink } from "./control_connection.ts";
import { lookCommands, lookedAt, mustMatch } from "./stat.ts";
import { isAbsent, refusal } from "./reply.ts";
import { type Doing, onLink, type Site, wired } from "./session.ts";
import { lost } from "../../net/transport.ts";

/**
 * Returns the hash commands of this server as [algorithm, command]. HASH comes last, because its algorithm is a state
 * of the connection.
 */
export function hashesOf({ abilities: { features } }: Pick<Site, "abilities">): readonly (readonly [string, string])[] {
  const own = COMMANDS.filter(([, command]) => features.has(command));
  const offered = (features.get("HASH") ?? "").split(";").map((one) => one.replace("*", "").trim().toUpperCase());
  const hash = HASH_NAMES.filter(([, name]) => offered.includes(name)).map(([algorithm, name]) =>
    [algorithm, `HASH ${name}`] as const
  );
  return [...own, ...hash];
}

/**
 * Returns the hash the server computes of the file, in the first of the wanted algorithms it has, or undefined if it
 * has none. Rejects with changed when the file is not the expected one.
 */
export async function hashFile(
  site: Site,
  wanted: readonly string[],
  doing: Doing & { readonly entry: FileEntry },
): Promise<Checksum | undefined> {
  const all = hashesOf(site);
  const chosen = wanted.flatMap((one) => all.filter(([algorithm]) => algorithm === one)).at(0);
  if (chosen === undefined) return undefined;
  const [algorithm, command] = chosen;
  return await onLink(site, doing, async (link) => {
    const hex = await ask(link, site, { doing, command, length: LENGTHS[algorithm] ?? 0 });
    const after = lookedAt(site, doing, await link.batch(lookCommands(site, doing)));
    mustMatch(after, { ...doing, expect: doing.entry });
    return hex === undefined ? undefined : `${algorithm}:${hex}` as const;
  });
}

const COMMANDS = [
  ["sha256", "XSHA256"],
  ["sha512", "XSHA512"],
  ["sha1", "XSHA1"],
  ["sha1", "XSHA"],
  ["md5", "XMD5"],
] as const;
const HASH_NAMES = [["sha256", "SHA-256"], ["sha512", "SHA-512"], ["sha1", "SHA-1"], ["md5", "MD5"]] as const;
const LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128, sha1: 40, md5: 32 };

/** The longest wait for a hash: one minute, plus the time at 2 MB a second. */
const HASH_MS = 60_000;
const HASHED_PER_MS = 2_000;
const LATE = "no checksum came; leave -Criteria Checksum out where the server hashes so slowly";

async function ask(
  link: FtpLink,
  site: Site,
  { doing, command, length }: {
    readonly doing: Doing & { readonly entry: FileEntry };
    readonly command: string;
    readonly length: number;
  },
): Promise<string | undefined> {
  const path = wired(site, doing);
  const [, name] = /^HASH (.+)$/.exec(command) ?? [];
  if (name !== undefined && (await link.ask(`OPTS HASH ${name}`)).code >= 300) return undefined;
  const timer = setTimeout(() => link.close(lost("timeout", LATE)), HASH_MS + doing.entry.size / HASHED_PER_MS);
  const reply = await link.ask(`${name === undefined ? command : "HASH"} ${path}`, { patient: true }).finally(() =>
    clearTimeout(timer)
  );
  if (isAbsent(reply.text)) throw refusal(doing, reply);
  if (reply.code >= 300) return undefined;
  // Only a word of exactly this length is the hash. A name may hold hex digits too, but comes last.
  return new RegExp(`(?<![0-9a-f])[0-9a-f]{${length}}(?![0-9a-f])`, "i").exec(reply.text.slice(4))?.[0].toLowerCase();
}
