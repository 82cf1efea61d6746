import { SyncError } from "../core/errors.ts";
import { type Patience, patiently } from "./backoff.ts";

/** The first look at a store or server; made again where what stands in the way passes by itself. One that stays overloaded rejects with connection. */
export async function knock<T>(look: () => Promise<T>, patience: Patience): Promise<T> {
  try {
    return await patiently(look, patience);
  } catch (error) {
    // A server that is overloaded is none that another run holds.
    const isBusy = error instanceof SyncError && error.kind === "busy";
    throw isBusy ? new SyncError("connection", error.message, error.facts) : error;
  }
}
