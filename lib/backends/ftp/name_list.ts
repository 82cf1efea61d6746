import { checkName, nameOf } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { operationError } from "../../core/operation.ts";
import type { ControlConnection } from "./control_connection.ts";
import { download } from "./data_transfer.ts";
import { saysNothingFound, serverMessage, toSyncError } from "./errors.ts";
import { explainEncoding, LineSplitter, parseTime } from "./listing_parser.ts";
import { childOf, encodePath, type FetchedListing, type FtpSession, type PathContext } from "./session.ts";

/**
 * Returns the names in the folder that was entered last, by NLST, in the server's encoding; by LIST its lines. Returns
 * none for an empty folder, and undefined if the server refuses the command in any other way.
 */
export async function fetchNames(
  control: ControlConnection,
  session: FtpSession,
  { context, command = "NLST" }: { readonly context: PathContext; readonly command?: "NLST" | "LIST" },
): Promise<readonly string[] | undefined> {
  const memory = new Uint8Array(64 * 1024);
  const names: string[] = [];
  const lines = new LineSplitter((line) => {
    if (names.push(line) > MAX_NAMES) throw operationError(context, "unexpected", { why: "it holds too many names" });
  });
  const { reply } = await download(control, { context, command, needsCloseNotify: true }, {
    nextBuffer: () => memory,
    onRead: (count) => lines.take(memory.subarray(0, count)),
  });
  if (reply.code >= 300) return saysNothingFound(reply) ? [] : undefined;
  if (!lines.finish()) throw operationError(context, "connection", { why: "the list of names ends amid a name" });
  const folder = encodePath(session, context);
  const above = folder.endsWith("/") ? folder : `${folder}/`;
  return names.map((name) => withoutFolder(name, above)).filter((name) => name !== "." && name !== "..");
}

/** More names than any folder holds that can be synced. */
const MAX_NAMES = 1_000_000;

/** Returns a name without the folder, which some servers put before it. */
function withoutFolder(name: string, above: string): string {
  if (name.startsWith(above)) return name.slice(above.length);
  return name.startsWith("./") ? name.slice(2) : name;
}

/**
 * Lists the folder that was entered last on servers that refuse LIST: NLST returns the names, CWD shows which are
 * folders, and SIZE and MDTM describe the files. Rejects if the server has no SIZE.
 */
export async function fetchByNames(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext,
): Promise<FetchedListing> {
  const names = await fetchNames(control, session, { context });
  if (names === undefined) {
    throw operationError(context, "unsupported", { why: "the server refuses LIST, and NLST too" });
  }
  session.warnOnce(
    "The server refuses LIST: names come from NLST, which may hide some, and each is looked at by itself, which takes time",
  );
  const entries: Entry[] = [];
  for (const name of new Set(names)) {
    const text = session.encoding.decode(name);
    const checked = checkName(context.path, text);
    if (!checked.ok) {
      entries.push({
        kind: "opaque",
        path: checked.displayPath,
        cause: "name",
        why: text.includes("\ufffd") ? explainEncoding(session.encoding.name) : checked.why,
      });
      continue;
    }
    entries.push(
      await lookAt(control, session, {
        ...context,
        path: checked.path,
        serverPath: childOf(context.serverPath, nameOf(checked.path)),
      }),
    );
  }
  return {
    entries,
    uniques: new Map(),
    fingerprint: "",
    lineCount: names.length,
    showsSelf: false,
    unreadableCount: 0,
  };
}

/** Returns the entry of a name: a folder if it can be entered, a file if it has a size. */
async function lookAt(control: ControlConnection, session: FtpSession, context: PathContext): Promise<Entry> {
  const { path } = context;
  const encoded = encodePath(session, context);
  if ((await control.sendCommand(`CWD ${encoded}`)).code < 300) return { kind: "dir", path };
  const [sized, timed] = await control.sendCommands([`SIZE ${encoded}`, `MDTM ${encoded}`]);
  const size = sized.code === 213 ? /^213 (\d{1,16})/.exec(sized.text)?.[1] : undefined;
  if (size === undefined) {
    if (sized.code === 421) throw toSyncError(context, sized);
    if (sized.code === 500 || sized.code === 502) {
      const why =
        "the server refuses LIST and SIZE, so that neither sizes nor folders can be told: it cannot be synced";
      throw operationError(context, "unsupported", { why });
    }
    return { kind: "opaque", path, cause: "unreadable", why: `it has no size: ${serverMessage(sized)}` };
  }
  const modified = timed.code === 213 ? parseTime(timed.text.slice(4).trim()) : undefined;
  return { kind: "file", path, size: Number(size), ...(modified === undefined ? {} : { modified }) };
}
