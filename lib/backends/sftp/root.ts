import { posix } from "node:path";
import { escapeForDisplay, root } from "../../core/path.ts";
import type { BackendRoot, CallOptions } from "../../core/backend.ts";
import type { SftpClient } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the server path of the login folder. */
export async function loginFolder(client: SftpClient, call: CallOptions): Promise<string> {
  const context: OperationContext = { signal: call.signal, operation: "find the login folder", path: root };
  return requireAbsolute(await client.realpath(".", context), context);
}

/**
 * Resolves a folder: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, and all others at
 * `from`. Links are followed in the part of the path that exists; the absent part is kept as written.
 */
export async function resolveRoot(
  client: SftpClient,
  folder: string,
  options: CallOptions & { readonly from?: string; readonly home: Promise<string> },
): Promise<BackendRoot> {
  const { from, signal } = options;
  const context: OperationContext = { signal, operation: `open the folder "${escapeForDisplay(folder)}"`, path: root };
  const needsHome = !folder.startsWith("/") || folder.startsWith("/~");
  const start = needsHome ? await options.home : "/";
  const [path, home] = await Promise.all([
    resolveExisting(client, toAbsolute(folder, { from: from ?? start, home: start }), context),
    options.home,
  ]);
  if (path === home && home !== "/") return { path, risk: "the login folder" };
  if (path === "/" && home !== "/") return { path, risk: "the server's root folder" };
  return { path, isOrdinary: true };
}

function toAbsolute(folder: string, { from, home }: { readonly from: string; readonly home: string }): string {
  const [, , below] = /^(\/?~(?:\/|$))(.*)$/s.exec(folder) ?? [];
  const path = below === undefined ? posix.resolve(from, folder) : posix.join(home, below);
  return path.replace(/^\/+/, "/").replace(/(?<=.)\/+$/, "");
}

/** Returns the real path of the nearest existing folder, followed by the rest unchanged. */
async function resolveExisting(client: SftpClient, path: string, context: OperationContext): Promise<string> {
  if (path === "/") return path;
  // Requested together; the result of realpath for an absent path differs from server to server.
  const [found, real] = await Promise.allSettled([client.stat(path, context), client.realpath(path, context)]);
  if (found.status === "rejected") throw found.reason;
  if (found.value !== undefined) {
    if (real.status === "rejected") throw real.reason;
    return requireAbsolute(real.value, context);
  }
  const parent = await resolveExisting(client, posix.dirname(path), context);
  return posix.join(parent, posix.basename(path));
}

/** Checks a path that a server reported, because it becomes part of every later request. */
function requireAbsolute(path: string, context: OperationContext): string {
  // deno-lint-ignore no-control-regex
  if (path.startsWith("/") && !/[\u0000-\u001f\u007f\ufffd]/.test(path)) return path.replace(/(?<=.)\/+$/, "");
  throw operationError(context, "unsupported", {
    why: `the server calls it "${escapeForDisplay(path)}", which is no absolute path`,
  });
}
