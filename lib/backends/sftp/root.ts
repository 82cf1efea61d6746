import { posix } from "node:path";
import { printable, root } from "../../core/path.ts";
import type { Call, Place } from "../../core/backend.ts";
import type { Wire } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the server path of the login folder. */
export async function loginFolder(wire: Wire, call: Call): Promise<string> {
  const ask: OperationContext = { signal: call.signal, operation: "find the login folder", path: root };
  return checked(await wire.realpath(".", ask), ask);
}

/**
 * Resolves a folder: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, and all others at
 * `from`. Links are followed in the part of the path that exists; the absent part is kept as written.
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

/** Returns the real path of the nearest existing folder, followed by the rest unchanged. */
async function resolved(wire: Wire, path: string, ask: OperationContext): Promise<string> {
  if (path === "/") return path;
  // Requested together; the result of realpath for an absent path differs from server to server.
  const [found, real] = await Promise.allSettled([wire.stat(path, ask), wire.realpath(path, ask)]);
  if (found.status === "rejected") throw found.reason;
  if (found.value !== undefined) {
    if (real.status === "rejected") throw real.reason;
    return checked(real.value, ask);
  }
  const parent = await resolved(wire, posix.dirname(path), ask);
  return posix.join(parent, posix.basename(path));
}

/** Checks a path that a server reported, because it becomes part of every later request. */
function checked(path: string, ask: OperationContext): string {
  // deno-lint-ignore no-control-regex
  if (path.startsWith("/") && !/[\u0000-\u001f\u007f\ufffd]/.test(path)) return path.replace(/(?<=.)\/+$/, "");
  throw operationError(ask, "unsupported", {
    why: `the server calls it "${printable(path)}", which is no absolute path`,
  });
}
