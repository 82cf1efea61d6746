import { type Backend, openLocal } from "../../lib/backends/mod.ts";
import { badInput, SyncError } from "../../lib/core/errors.ts";
import type { CommandContext, ParamType } from "../../lib/shell/command/command.ts";
import { conversionError, listOf } from "../../lib/shell/command/param_types.ts";
import type { TrashItem } from "../../lib/sync/trash/index.ts";
import { listTrash } from "../../lib/sync/trash/restore.ts";
import { type BoundLogin, openSessionFor } from "./connection_params.ts";
import { openStateForReading, trashFolderOf } from "./pair_state.ts";
import type { SessionSource } from "./session_param.ts";

/** An output object of Get-TrashItem: one kept version. */
export interface TrashRecord {
  /** The type of the record. */
  readonly Type: "TrashItem";
  /** The id by which other commands name it. */
  readonly Id: string;
  /** The path below both roots, with "/" between its names. */
  readonly Path: string;
  /** The side it comes from. */
  readonly Side: "Local" | "Remote";
  /** The reason why it was discarded. */
  readonly Why: "Conflict" | "Overwritten" | "Removed";
  /** The side whose version replaced it; null if none did. */
  readonly Winner: "Local" | "Remote" | null;
  /** The time when it was discarded, ISO 8601 in UTC. */
  readonly When: string;
  /** The length in bytes. */
  readonly Length: number;
  /** Its mtime, ISO 8601 in UTC; null if it is not known. */
  readonly LastWriteTime: string | null;
  /** The root that the path is below. */
  readonly Root: string;
  /** The label of the session of that run. */
  readonly Session: string;
  /** The full path of the file that holds it. */
  readonly Kept: string;
}

/** Ids, or objects of Get-TrashItem; a prefix of an id is accepted if it is unique. */
export const itemIds: ParamType<readonly string[]> = listOf<string>({
  name: "TrashItem",
  convert(value) {
    if (typeof value === "string" && /^[0-9a-f]{4,}$/i.test(value)) return value.toLowerCase();
    if (typeof value === "object" && value !== null && "Id" in value && typeof value.Id === "string") return value.Id;
    throw conversionError("expected an Id of Get-TrashItem, such as 3f9a1c");
  },
});

/** Returns an item in the form shown to users. */
export function toTrashRecord(item: TrashItem): TrashRecord {
  const whys = { conflict: "Conflict", overwritten: "Overwritten", removed: "Removed" } as const;
  const sideName = (side: TrashItem["side"]) => side === "local" ? "Local" : "Remote";
  return {
    Type: "TrashItem",
    Id: item.id,
    Path: item.path,
    Side: sideName(item.side),
    Why: whys[item.why],
    Winner: item.winner === undefined ? null : sideName(item.winner),
    When: new Date(item.when).toISOString(),
    Length: item.size,
    LastWriteTime: item.modified === undefined ? null : new Date(item.modified).toISOString(),
    Root: item.root,
    Session: item.session,
    Kept: item.at,
  };
}

/** Returns the trash folder of this user. Throws badInput if there is none. */
export async function requireTrashFolder(context: CommandContext): Promise<string> {
  const folder = trashFolderOf(await openStateForReading(context));
  if (folder !== undefined) return folder;
  throw badInput("There is no state folder, so there is no trash: set TANDEM_STATE to a folder.");
}

/** Returns the items of these ids, each of which must exist exactly once; all items if no id is given. */
export async function findItems(
  trashFolder: string,
  ids: readonly string[] | undefined,
  context: Pick<CommandContext, "warn">,
): Promise<readonly TrashItem[]> {
  const all = await listTrash(trashFolder, (message) => context.warn(message));
  if (ids === undefined) return all;
  return ids.map((id) => {
    const [item, other] = all.filter((one) => one.id.startsWith(id));
    if (item === undefined) throw badInput(`The trash holds no item "${id}": see Get-TrashItem.`);
    if (other !== undefined) throw badInput(`Several items of the trash begin with "${id}": write more of it.`);
    return item;
  });
}

/** Opens the backends that items need, once for all items of one server; the context's stack closes them. */
export class TrashBackends {
  readonly #bound: BoundLogin & { readonly Session: SessionSource | undefined };
  readonly #context: CommandContext;
  readonly #servers = new Map<string, Promise<Backend>>();

  constructor(bound: BoundLogin & { readonly Session: SessionSource | undefined }, context: CommandContext) {
    this.#bound = bound;
    this.#context = context;
  }

  /** Returns the root that the item's path is below. */
  async rootOf(item: TrashItem): Promise<Backend> {
    const { disk } = item;
    if (disk !== undefined) return this.#context.stack.use(await openLocal(disk, { signal: this.#context.signal }));
    return await (await this.#serverOf(item)).withRoot(item.root, this.#context);
  }

  /** Returns the server that holds the kept file; undefined if the file is on this host. */
  async holderOf(item: TrashItem): Promise<Backend | undefined> {
    return item.host === "server" ? await this.#serverOf(item) : undefined;
  }

  #serverOf(item: TrashItem): Promise<Backend> {
    const known = this.#servers.get(item.session);
    if (known !== undefined) return known;
    const opening = this.#open(item);
    this.#servers.set(item.session, opening);
    return opening;
  }

  async #open(item: TrashItem): Promise<Backend> {
    const given = this.#bound.Session;
    if (given === undefined) {
      const session = await openSessionFor(this.#bound, item.session, this.#context);
      return this.#context.stack.use(session).remote;
    }
    const { session, own } = await given.open(this.#context);
    if (own) this.#context.stack.use(session);
    if (session.label === item.session) return session.remote;
    const message = `The session leads to ${session.label}, the item belongs to ${item.session}.`;
    throw new SyncError("badInput", message, { operation: "restore" });
  }
}
