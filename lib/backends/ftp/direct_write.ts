import { type Body, SMALL_FILE_BYTES } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { awaitContent, readExactly } from "../../net/byte_stream.ts";
import {
  assertReplaceable,
  checkCommands,
  type FinalChecks,
  finalize,
  type PendingWrite,
  toFinalChecks,
  type WriteContext,
} from "./finalize.ts";
import { FinalReplyLost } from "./replies.ts";
import { type FtpSession, withConnection } from "./session.ts";
import { stat } from "./stat.ts";
import { finalizeIfWhole, upload } from "./upload.ts";

/**
 * Writes a file under its own name, into the existing one if there is one, never through a link. Old and new content
 * mix until the write ends, also if it fails.
 */
export async function writeDirectly(session: FtpSession, body: Body, context: WriteContext): Promise<FileEntry> {
  const { options, signal, operation } = context;
  const write: PendingWrite = { ...context, temp: context };
  const small = options.size <= SMALL_FILE_BYTES
    ? await readExactly(body(), { ...context, size: options.size })
    : undefined;
  let before: Entry | undefined;
  let checks: FinalChecks | undefined;
  return await withConnection(session, context, async (control) => {
    before = await stat(control, session, { ...write, precise: true });
    assertReplaceable(before, write);
    const content = small ?? await awaitContent(body(0, options.size), { signal, operation });
    checks = toFinalChecks(session, { write, before });
    const replies = await upload(control, session, { write, content, from: 0, nextCommands: checkCommands(checks) });
    return await finalize(control, session, { ...checks, replies });
  }).catch(async (error) => {
    if (!(error instanceof FinalReplyLost) || checks === undefined) throw error;
    // An old version of the same size would look like the new one.
    const isProof = before?.kind !== "file" || before.size !== options.size;
    return await finalizeIfWhole(session, { checks, lost: error, isProof });
  });
}
