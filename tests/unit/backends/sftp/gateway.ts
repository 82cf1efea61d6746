import assert from "node:assert/strict";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { openSftp } from "../../../../lib/backends/sftp/mod.ts";
import type { SessionLimits } from "../../../../lib/backends/sftp/connect.ts";
import type { Backend } from "../../../../lib/core/backend.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { type SmallSftp, type SmallSftpOptions, startSmallSftp } from "../../../support/servers/small_sftp.ts";
import { sftpTarget } from "../../../support/targets/sftp_target.ts";

export const call = { signal: new AbortController().signal };
export const DENIED = 3;
export const FAILURE = 4;
export const UNSUPPORTED = 8;

export interface GatewayRig {
  readonly disk: string;
  readonly server: SmallSftp;
  readonly backend: Backend;
  readonly warnings: readonly string[];
}

export interface GatewayOptions extends Omit<SmallSftpOptions, "folder" | "user" | "password"> {
  readonly limits?: SessionLimits;
  readonly connections?: number;
  readonly path?: string;
}

/** A test with a session of a small server of this program, in which calls are retried as in a run. */
export function gatewayTest(name: string, given: GatewayOptions, run: (rig: GatewayRig) => Promise<void>): void {
  const { limits, connections = 4, path = "/", ...options } = given;
  const fn = async () => {
    const disk = await Deno.makeTempDir({ prefix: "tandem-gateway-" });
    try {
      await using server = await startSmallSftp({ folder: disk, user: "ann", password: "secret", ...options });
      const warnings: string[] = [];
      const place = { port: server.port, user: "ann", root: "/", home: disk, fingerprint: server.fingerprint };
      const target = sftpTarget(place, {
        path,
        password: "secret",
        options: { Timeout: "10000", ReconnectTime: "2000", Connections: String(connections) },
        warn: (message) => void warnings.push(message),
      });
      await using opened = await openSftp(target, call, limits);
      await run({ disk, server, backend: addLayers(opened, { retry: { firstDelay: 10 } }), warnings });
    } finally {
      await Deno.remove(disk, { recursive: true });
    }
  };
  // The library leaves its ciphers to the garbage collector, and the server its late answers.
  Deno.test({ name, fn, sanitizeResources: false, sanitizeOps: false });
}

/** Returns the error that the work rejects with. */
export async function failure(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => assert.fail("it went well"), (why: unknown) => why);
  assert.ok(error instanceof SyncError, `${error}`);
  return error;
}

/** Writes a new file. */
export function put(backend: Backend, name: string, bytes: Uint8Array<ArrayBuffer>, tag?: string): Promise<unknown> {
  const modified = 1.7e12;
  const more = tag === undefined ? {} : { tag };
  const options = { ...call, ...more, size: bytes.length, expect: "absent" as const, modified };
  return backend.write(toRelPath(name), () => Promise.resolve(bytes), options);
}

/** Returns the file at the path. */
export async function fileAt(backend: Backend, name: string): Promise<FileEntry> {
  const found = await backend.stat(toRelPath(name), call);
  assert.ok(found?.kind === "file");
  return found;
}
