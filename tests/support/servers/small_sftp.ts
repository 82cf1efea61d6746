import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rmdir,
  stat,
  unlink,
  utimes,
} from "node:fs/promises";
import { chmod } from "node:fs/promises";
import { constants, type Stats } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { Buffer } from "node:buffer";
import { posix } from "node:path";
// @ts-types="npm:@types/ssh2@1.15.6"
import ssh2, { type Attributes, type Connection, type SFTPWrapper } from "npm:ssh2@1.17.0";

import type { SmallSftpOptions } from "./small_sftp_options.ts";

export type { SmallSftpOptions };

/** A running small server: an account locked into one folder, protocol version 3 without any extension (no posix-rename, no shell). */
export interface SmallSftp extends AsyncDisposable {
  readonly port: number;
  readonly fingerprint: string;
  /** The requests that change something, in order: "RENAME /a /b". */
  readonly mutations: readonly string[];
  /** How many connections have logged in. */
  logins(): number;
}

/** Starts a server of ssh2's own on 127.0.0.1 that serves `folder` as "/". */
export async function startSmallSftp(options: SmallSftpOptions): Promise<SmallSftp> {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  const mutations: string[] = [];
  const connections = new Set<Connection>();
  let logins = 0;
  const ident = options.software === undefined ? {} : { ident: options.software };
  const server = new ssh2.Server({ hostKeys: [privateKey], ...ident }, (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
    connection.on("error", () => connections.delete(connection));
    connection.on("authentication", (attempt) => {
      const right = attempt.username === options.user && attempt.method === "password" &&
        attempt.password === options.password;
      if (right) return attempt.accept();
      attempt.reject(["password"]);
    });
    connection.on("ready", () => {
      logins++;
      connection.on("session", (accept) => {
        const session = accept();
        session.on("sftp", (acceptSftp) => serve(acceptSftp(), options, mutations));
      });
    });
  });
  await new Promise<void>((done) => server.listen(options.port ?? 0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    port: address.port,
    fingerprint: `SHA256:${await sha256(parsed.getPublicSSH())}`,
    mutations,
    logins: () => logins,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

type Handle = { readonly file: FileHandle; readonly path: string; written: number; emptied?: Promise<void> } | {
  readonly path: string;
  names: string[] | undefined;
};

function serve(sftp: SFTPWrapper, options: SmallSftpOptions, mutations: string[]): void {
  const { folder, onChange } = options;
  const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;
  const handles = new Map<number, Handle>();
  let [count, writes] = [0, 0];
  const real = (path: string) => folder + posix.resolve("/", path);
  const handleOf = (raw: Buffer) => handles.get(raw.readUInt32BE(0));
  const pathOf = (raw: Buffer) => handleOf(raw)?.path ?? "";
  const fileOf = (raw: Buffer) => {
    const handle = handleOf(raw);
    if (handle === undefined || !("file" in handle)) throw Object.assign(new Error("no file"), { code: "EBADF" });
    return handle.file;
  };
  const give = (id: number, handle: Handle) => {
    const raw = Buffer.alloc(4);
    raw.writeUInt32BE(count);
    handles.set(options.sharesHandles === true ? count : count++, handle);
    sftp.handle(id, raw);
  };
  // Every answer comes through here: what the work rejects with becomes a status.
  const answer = (id: number, request: string, path: string, work: () => Promise<void>) => {
    const refusal = options.refuses?.(request, path);
    if (refusal !== undefined) {
      const { status, message } = typeof refusal === "number" ? { status: refusal, message: undefined } : refusal;
      return sftp.status(id, status, message);
    }
    const { answerDelay = 0 } = options;
    const done = answerDelay === 0 ? work() : new Promise((resolve) => setTimeout(resolve, answerDelay)).then(work);
    done.catch((error: NodeJS.ErrnoException) => {
      const code = error.code === "ENOENT"
        ? STATUS_CODE.NO_SUCH_FILE
        : error.code === "EACCES"
        ? STATUS_CODE.PERMISSION_DENIED
        : STATUS_CODE.FAILURE;
      sftp.status(id, code);
    });
  };
  const change = (id: number, text: string, work: () => Promise<unknown>) => {
    const [request = "", path = ""] = text.split(" ");
    answer(id, request, path, async () => {
      mutations.push(text);
      await work();
      await onChange?.(text);
      sftp.status(id, STATUS_CODE.OK);
    });
  };

  sftp.on("OPEN", (id, path, flags) =>
    answer(id, "OPEN", path, async () => {
      if (flags & OPEN_MODE.WRITE) mutations.push(`OPEN ${path}`);
      if (options.dies?.(path) === true) return sftp.end();
      if (handles.size >= (options.mostOpen ?? Infinity)) {
        return sftp.status(id, STATUS_CODE.FAILURE, options.mostOpenMessage ?? "Too many open files in this session");
      }
      const isEmptied = options.truncates === "open" && (flags & OPEN_MODE.WRITE) !== 0;
      const file = await open(
        real(path),
        isEmptied ? constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC : toOpenFlags(flags),
      );
      if (options.loses?.(path) !== true) return give(id, { file, path, written: 0 });
      await file.close();
      const elsewhere = await Deno.makeTempFile();
      give(id, { file: await open(elsewhere, constants.O_RDWR), path, written: 0 });
      await Deno.remove(elsewhere);
    }));
  sftp.on("READ", (id, raw, offset, length) =>
    answer(id, "READ", pathOf(raw), async () => {
      const { bytesRead, buffer } = await fileOf(raw).read(
        Buffer.alloc(Math.min(length, 262_144)),
        0,
        undefined,
        offset,
      );
      if (bytesRead === 0) return sftp.status(id, STATUS_CODE.EOF);
      sftp.data(id, Buffer.from(buffer.buffer, buffer.byteOffset, bytesRead));
    }));
  sftp.on("WRITE", (id, raw, offset, data) =>
    answer(id, "WRITE", pathOf(raw), async () => {
      const handle = handleOf(raw);
      const file = fileOf(raw);
      if (options.scrambles === true && ++writes % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      if (handle !== undefined && "file" in handle) {
        if (options.truncates === "write") await (handle.emptied ??= file.truncate(0));
        const isInOrder = offset === handle.written;
        if (isInOrder) handle.written += data.length;
        if (!isInOrder && options.outOfOrder === "refuse") {
          return sftp.status(id, STATUS_CODE.FAILURE, "Illegal seek");
        }
        if (!isInOrder && options.outOfOrder === "fill" && offset > handle.written) {
          handle.written = offset + data.length;
        } else if (!isInOrder && options.outOfOrder === "fill") return sftp.status(id, STATUS_CODE.OK);
        if (!isInOrder && options.outOfOrder === "lose") return sftp.status(id, STATUS_CODE.OK);
      }
      await file.write(data, 0, data.length, offset);
      sftp.status(id, STATUS_CODE.OK);
    }));
  sftp.on("CLOSE", (id, raw) =>
    answer(id, "CLOSE", pathOf(raw), async () => {
      const handle = handleOf(raw);
      handles.delete(raw.readUInt32BE(0));
      if (handle !== undefined && "file" in handle) {
        await handle.file.close();
        const delay = handle.written > 0 ? options.closeDelay?.(handle.path) ?? 0 : 0;
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
      }
      sftp.status(id, STATUS_CODE.OK);
    }));
  sftp.on(
    "FSTAT",
    (id, raw) => answer(id, "FSTAT", pathOf(raw), async () => sftp.attrs(id, toAttributes(await fileOf(raw).stat()))),
  );
  sftp.on(
    "STAT",
    (id, path) => answer(id, "STAT", path, async () => sftp.attrs(id, toAttributes(await stat(real(path))))),
  );
  sftp.on("LSTAT", (id, path) =>
    answer(id, "LSTAT", path, async () => {
      const found = toAttributes(await lstat(real(path)));
      sftp.attrs(id, options.isLink?.(path) === true ? { ...found, mode: 0o120777 } : found);
    }));
  sftp.on("FSETSTAT", (id, raw, attrs) =>
    change(id, `FSETSTAT ${pathOf(raw)}`, async () => {
      const file = fileOf(raw);
      if (attrs.size !== undefined) await file.truncate(attrs.size);
      if (attrs.mode !== undefined) await file.chmod(attrs.mode & 0o777);
      if (attrs.mtime !== undefined) await file.utimes(attrs.atime, attrs.mtime);
    }));
  sftp.on("SETSTAT", (id, path, attrs) =>
    change(id, `SETSTAT ${path}`, async () => {
      if (attrs.mode !== undefined) await chmod(real(path), attrs.mode & 0o777);
      if (attrs.mtime !== undefined) await utimes(real(path), attrs.atime, attrs.mtime);
    }));
  sftp.on("OPENDIR", (id, path) =>
    answer(id, "OPENDIR", path, async () => {
      const names = await readdir(real(path));
      give(id, { path, names });
    }));
  sftp.on("READDIR", (id, raw) =>
    answer(id, "READDIR", pathOf(raw), async () => {
      await options.beforeListing?.();
      const handle = handleOf(raw);
      if (handle === undefined || !("names" in handle)) return sftp.status(id, STATUS_CODE.FAILURE);
      const invented = options.lists?.(handle.path);
      if (invented !== undefined) {
        const attrs = { mode: 0o100644, uid: 0, gid: 0, size: 1, atime: 1, mtime: 1 };
        return sftp.name(id, invented.map((filename) => ({ filename, longname: "x".repeat(4_000), attrs })));
      }
      const names = handle.names?.splice(0, 100) ?? [];
      if (names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const listed = await Promise.all(names.map(async (filename) => ({
        filename,
        longname: filename,
        attrs: options.namesOnly === true
          ? {} as Attributes
          : toAttributes(await lstat(posix.join(real(handle.path), filename))),
      })));
      sftp.name(id, listed);
    }));
  sftp.on("REMOVE", (id, path) => change(id, `REMOVE ${path}`, () => unlink(real(path))));
  sftp.on("RMDIR", (id, path) => change(id, `RMDIR ${path}`, () => rmdir(real(path))));
  sftp.on("MKDIR", (id, path) => change(id, `MKDIR ${path}`, () => mkdir(real(path))));
  sftp.on("RENAME", (id, from, to) =>
    change(id, `RENAME ${from} ${to}`, async () => {
      // Version 3 of the draft lets a rename onto an existing name fail, and OpenSSH does so.
      const there = await lstat(real(to)).catch(() => undefined);
      if (there !== undefined) throw new Error("exists");
      await rename(real(from), real(to));
    }));
  sftp.on("READLINK", (id, path) =>
    answer(id, "READLINK", path, async () => {
      const filename = await readlink(real(path));
      sftp.name(id, [{ filename, longname: filename, attrs: {} as Attributes }]);
    }));
  sftp.on("REALPATH", (id, path) =>
    answer(id, "REALPATH", path, () => {
      const filename = posix.resolve("/", path);
      sftp.name(id, [{ filename, longname: filename, attrs: {} as Attributes }]);
      return Promise.resolve();
    }));
}

/** The draft's pflags as this system's flags. */
function toOpenFlags(flags: number): number {
  const { OPEN_MODE } = ssh2.utils.sftp;
  const writes = (flags & OPEN_MODE.WRITE) !== 0;
  let wanted = writes ? (flags & OPEN_MODE.READ ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  if (flags & OPEN_MODE.CREAT) wanted |= constants.O_CREAT;
  if (flags & OPEN_MODE.EXCL) wanted |= constants.O_EXCL;
  if (flags & OPEN_MODE.TRUNC) wanted |= constants.O_TRUNC;
  return wanted;
}

function toAttributes(found: Stats): Attributes {
  return {
    mode: found.mode,
    uid: found.uid,
    gid: found.gid,
    size: found.size,
    atime: Math.floor(found.atimeMs / 1000),
    mtime: Math.floor(found.mtimeMs / 1000),
  };
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return Buffer.from(digest).toString("base64").replace(/=+$/, "");
}
