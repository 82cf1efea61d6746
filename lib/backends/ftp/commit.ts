import { randomBytes } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import { nameOf, parentOf, printable } from "../../core/path.ts";
import { swapTag, tempPath } from "../../core/temp_name.ts";
import type { Entry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import type { FtpLink } from "./control_connection.ts";
import { look } from "./stat.ts";
import { refusal, type Reply, said } from "./reply.ts";
import { childOf, type Doing, type Site, wired } from "./session.ts";
import { operationError } from "../../core/operation.ts";

/** A file to be written. */
export type Writing = Doing & {
  readonly options: WriteOptions;
  /** The folder that holds it, as the server names it. */
  readonly dir: string;
};

/** A file to be written, with the temporary name of its upload. */
export interface Draft extends Writing {
  readonly temp: Doing;
}

/** Renames the temporary file to the target, in one step if the server renames over an existing file. */
export async function place(
  link: FtpLink,
  site: Site,
  { draft, found }: { readonly draft: Draft; readonly found: Entry | undefined },
): Promise<void> {
  const reply = await rename(link, site, { from: draft.temp, to: draft });
  if (reply.code < 300) return;
  if (found === undefined || reply.code === 421) throw await whyUnwritten(link, site, { draft, reply });
  await swap(link, site, draft);
}

/** Sends RNFR and RNTO. Returns the reply that counts. */
export async function rename(
  link: FtpLink,
  site: Site,
  { from, to }: { readonly from: Doing; readonly to: Doing },
): Promise<Reply> {
  const [source, target] = [wired(site, from), wired(site, to)];
  const [first, second] = await link.batch([`RNFR ${source}`, `RNTO ${target}`]);
  return first.code === 350 ? second : first;
}

/**
 * Replaces the target on servers that cannot rename over a file: moves the old file away, renames the new one, then
 * deletes the old one. Moves the old file back if the rename fails.
 */
async function swap(link: FtpLink, site: Site, draft: Draft): Promise<void> {
  const { temp, dir, path } = draft;
  const aside = {
    ...temp,
    at: childOf(dir, nameOf(tempPath(path, swapTag(draft.options.tag ?? randomBytes(8).toString("hex"))))),
  };
  const stepped = await rename(link, site, { from: draft, to: aside });
  if (stepped.code >= 300) throw await whyUnwritten(link, site, { draft, reply: stepped });
  const placed = await rename(link, site, { from: temp, to: draft });
  if (placed.code >= 300) {
    const undone = await rename(link, site, { from: aside, to: draft });
    if (undone.code < 300) throw await whyUnwritten(link, site, { draft, reply: placed });
    throw new SyncError("unexpected", `Cannot write "${printable(path)}": its old content is left at "${aside.at}"`, {
      operation: draft.operation,
      path,
    });
  }
  await link.ask(`DELE ${wired(site, aside)}`);
}

/**
 * Returns the error for a refused write. "553 Could not create file" may mean anything, so a stat of the folder
 * decides.
 */
export async function whyUnwritten(
  link: FtpLink,
  site: Site,
  { draft, reply }: { readonly draft: Draft; readonly reply: Reply },
): Promise<Error> {
  const refused = refusal(draft, reply);
  if (refused.kind !== "unexpected" && refused.kind !== "denied" && refused.kind !== "notFound") return refused;
  const above = { ...draft, path: parentOf(draft.path), at: draft.dir };
  const parent = await look(link, site, { ...above, precise: true });
  if (parent?.kind === "dir") {
    return refused.kind === "notFound" ? operationError(draft, "changed", { why: said(reply) }) : refused;
  }
  if (parent === undefined) {
    return operationError(draft, "notFound", { why: "the folder that is to hold it is absent", cause: refused });
  }
  return operationError(draft, "exists", { why: "what is to hold it is no folder", cause: refused });
}
