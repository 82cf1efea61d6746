import type { Checksum, FileEntry } from "../../core/entry.ts";
import { createHash } from "node:crypto";
import type { Body } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { awaitContent, forEachChunk } from "../../net/byte_stream.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertUnchanged, parseStat, statCommands } from "./stat.ts";
import { isAbsent, toSyncError } from "./errors.ts";
import { encodePath, type FtpSession, type PathContext, withConnection } from "./session.ts";
import { networkError } from "../../net/net_error.ts";

/**
 * Returns the hash commands of this server as [algorithm, command]. HASH comes last, because its algorithm is a state
 * of the connection.
 */
export function hashCommands(
  { profile: { features } }: Pick<FtpSession, "profile">,
): readonly (readonly [string, string])[] {
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
  session: FtpSession,
  wanted: readonly string[],
  context: PathContext & { readonly entry: FileEntry },
): Promise<Checksum | undefined> {
  const all = hashCommands(session);
  const chosen = wanted.flatMap((one) => all.filter(([algorithm]) => algorithm === one)).at(0);
  if (chosen === undefined) return undefined;
  const [algorithm, command] = chosen;
  return await withConnection(session, context, async (control) => {
    const hex = await requestHash(control, session, { context, command, length: HEX_LENGTHS[algorithm] ?? 0 });
    const after = parseStat(session, context, await control.sendCommands(statCommands(session, context)));
    assertUnchanged(after, { ...context, expect: context.entry });
    return hex === undefined ? undefined : `${algorithm}:${hex}` as const;
  });
}

/** The part of a file that an interrupted write left behind, and the source that must begin with the same bytes. */
export interface KeptPart {
  readonly temp: PathContext;
  readonly entry: FileEntry;
  readonly body: Body;
}

/**
 * Whether the source begins with the kept part, by the server's hash of it. True as well if the server computes none,
 * or once was too slow: its secret name and its size are the only evidence then.
 */
export async function isPrefixOfSource(
  control: ControlConnection,
  session: FtpSession,
  { temp, entry, body }: KeptPart,
): Promise<boolean> {
  const { learned } = session;
  const [chosen] = hashCommands(session);
  if (chosen === undefined || learned.hashesTooSlowly) return true;
  const [algorithm, command] = chosen;
  const pendingHash = requestHash(control, session, {
    context: { ...temp, entry },
    command,
    length: HEX_LENGTHS[algorithm] ?? 0,
  });
  pendingHash.catch((error) => learned.hashesTooSlowly ||= error instanceof SyncError && error.kind === "timeout");
  const hash = createHash(algorithm);
  const content = await awaitContent(body(0, entry.size), temp);
  await forEachChunk(content, (bytes) => Promise.resolve(void hash.update(bytes)), { ...temp, reusesBuffer: true });
  const own = hash.digest("hex");
  return (await pendingHash ?? own) === own;
}

const COMMANDS = [
  ["sha256", "XSHA256"],
  ["sha512", "XSHA512"],
  ["sha1", "XSHA1"],
  ["sha1", "XSHA"],
  ["md5", "XMD5"],
] as const;
const HASH_NAMES = [["sha256", "SHA-256"], ["sha512", "SHA-512"], ["sha1", "SHA-1"], ["md5", "MD5"]] as const;
const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128, sha1: 40, md5: 32 };

/** The longest wait for a hash: one minute, plus the time at 2 MB a second. */
const HASH_MS = 60_000;
const HASHED_PER_MS = 2_000;
const NO_CHECKSUM_IN_TIME =
  "the server sent no checksum in time: leave -Criteria Checksum out for a server that hashes so slowly";

async function requestHash(
  control: ControlConnection,
  session: FtpSession,
  { context, command, length }: {
    readonly context: PathContext & { readonly entry: FileEntry };
    readonly command: string;
    readonly length: number;
  },
): Promise<string | undefined> {
  const path = encodePath(session, context);
  const [, name] = /^HASH (.+)$/.exec(command) ?? [];
  if (name !== undefined && (await control.sendCommand(`OPTS HASH ${name}`)).code >= 300) return undefined;
  const timer = setTimeout(
    () => control.close(networkError("timeout", NO_CHECKSUM_IN_TIME)),
    HASH_MS + context.entry.size / HASHED_PER_MS,
  );
  const reply = await control.sendCommand(`${name === undefined ? command : "HASH"} ${path}`, { untimed: true })
    .finally(
      () => clearTimeout(timer),
    );
  if (isAbsent(reply.text)) throw toSyncError(context, reply);
  if (reply.code >= 300) return undefined;
  // Only a word of exactly this length is the hash. A name may hold hex digits too, but comes last.
  return new RegExp(`(?<![0-9a-f])[0-9a-f]{${length}}(?![0-9a-f])`, "i").exec(reply.text.slice(4))?.[0].toLowerCase();
}
