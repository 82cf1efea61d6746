import { posix } from "node:path";
import { printable, root } from "../../core/path.ts";
import type { Call, Place } from "../../core/backend.ts";
import type { Wire } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** The login folder, as the server names it. */
export async function loginFolder(wire: Wire, call: Call): Promise<string> {
  const ask: OperationContext = { signal: call.signal, operation: "find the login folder", path: root };
  return checked(await wire.realpath(".", ask), ask);
}

/**
 * The place that a folder names: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, everything else at
 * `from`. Links on the way are followed as far as it exists; what is absent is kept as written.
 */
export async function findPlace(
  wire: Wire,
  folder: string,
  options: Call & { readonly from?: string; readonly home: Promise<string> },
): Promise<Place> {
  const { from, signal } = options;
  const ask: OperationContext = { signal, operation: `open the folder "${printable(folder)}"`, path: root };
  const needsHome = !folder.startsWith("/") || folder.startsWith("/~");
  const start = needsHome ? await options.home : "/";
  const [path, home] = await Promise.all([
    resolved(wire, absolute(folder, { from: from ?? start, home: start }), ask),
    options.home,
  ]);
  if (path === home && home !== "/") return { path, broad: "the login folder" };
  if (path === "/" && home !== "/") return { path, broad: "the server's root folder" };
  return { path };
}

function absolute(folder: string, { from, home }: { readonly from: string; readonly home: string }): string {
  const [, , below] = /^(\/?~(?:\/|$))(.*)$/s.exec(folder) ?? [];
  const path = below === undefined ? posix.resolve(from, folder) : posix.join(home, below);
  return path.replace(/^\/+/, "/").replace(/(?<=.)\/+$/, "");
}

/** The real path of the nearest folder that exists, and the rest as it is. */
async function resolved(wire: Wire, path: string, ask: OperationContext): Promise<string> {
  if (path === "/") return path;
  // Asked for together; what realpath says of an absent path differs from server to server.
  const [found, real] = await Promise.allSettled([wire.stat(path, ask), wire.realpath(path, ask)]);
  if (found.status === "rejected") throw found.reason;
  if (found.value !== undefined) {
    if (real.status === "rejected") throw real.reason;
    return checked(real.value, ask);
  }
  const parent = await resolved(wire, posix.dirname(path), ask);
  return posix.join(parent, posix.basename(path));
}

/** A path that a server tells is used in every later request. */
function checked(path: string, ask: OperationContext): string {
  // deno-lint-ignore no-control-regex
  if (path.startsWith("/") && !/[\u0000-\u001f\u007f\ufffd]/.test(path)) return path.replace(/(?<=.)\/+$/, "");
  throw operationError(ask, "unsupported", {
    why: `the server calls it "${printable(path)}", which is no absolute path`,
  });
}
