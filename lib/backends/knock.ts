import { SyncError } from "../errors.ts";
import { patiently } from "./pause.ts";
import type { Pouring } from "./content.ts";

/** The first look at a store; made again where what stands in the way passes by itself. A store that stays overloaded rejects with connection. */
export async function knock(look: () => Promise<unknown>, pouring: Pouring): Promise<void> {
  try {
    await patiently(look, pouring);
  } catch (error) {
    // A server that is overloaded is none that another run holds.
    const isBusy = error instanceof SyncError && error.kind === "busy";
    throw isBusy ? new SyncError("connection", error.message, error.facts) : error;
  }
}
