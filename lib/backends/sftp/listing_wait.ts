import type { Done } from "../../ssh/channels.ts";
import type { ClientOptions } from "./client_options.ts";
import type { Handle } from "./open_handles.ts";
import type { RequestOptions } from "./request_sender.ts";

/** How long the first answer about a folder may take. */
export type ListingWait = Pick<RequestOptions<unknown>, "patience" | "lateReason">;

/** A request for a handle; `hasOtherReason`: see OpenRequest. */
export interface HandleRequest {
  start(done: Done<Handle>): void;
  hasOtherReason(): Promise<boolean>;
  readonly wait?: ListingWait | undefined;
}

/** Returns the wait for the names of a folder. SSH's own keepalives find out meanwhile whether the server is there. */
export function listingWait({ listingTimeout, timeout }: ClientOptions): ListingWait {
  if (listingTimeout === undefined || listingTimeout <= timeout) return {};
  return { patience: listingTimeout, lateReason: "sent no names of the folder" };
}
