import { badInput, noStateFolder, SyncError } from "../../lib/core/errors.ts";
import type { Session } from "../../lib/session/session.ts";
import { openStateFolder } from "../../lib/session/state_folder.ts";
import { sealSession } from "../../lib/session/session_token.ts";
import type { SealedSession } from "../../lib/core/session_record.ts";

/** Returns a session as the one line that carries it to the next process, sealed for this user on this host. */
export async function toSealedSession(
  session: Session,
  env: (name: string) => string | undefined,
): Promise<SealedSession> {
  try {
    const state = await openStateFolder({ env });
    return sealSession(session.toPortable(), await state.sealingKey(), { now: Date.now(), lifetime: session.lifetime });
  } catch (error) {
    if (!(error instanceof SyncError) || error.facts.id !== noStateFolder) throw error;
    throw badInput(
      `${error.message} Or use one process: tandem -Command "New-Session … | Sync-Path …".`,
      noStateFolder,
    );
  }
}
