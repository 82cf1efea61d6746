import { cancelled } from "../errors.ts";
import type { Pouring } from "./content.ts";

/** Resolves after so many ms; rejects with cancelled as soon as the signal is aborted. */
export async function pause(ms: number, { signal, operation }: Pouring): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  const timer = setTimeout(stop, ms);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
  if (signal.aborted) throw cancelled(signal, operation);
}
