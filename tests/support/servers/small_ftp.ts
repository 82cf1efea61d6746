import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";

/** One line of a scripted server's memory: what it was told, in order. */
export type ReplyLines = readonly string[];

/** What the server does differently. `reply`: an answer to a command instead of its own; `listing`: what LIST or MLSD sends, and its last word. */
export interface SmallFtpOptions {
  reply?(command: string): string | undefined;
  readonly listing?: string | ((command: string) => Iterable<string>);
  readonly afterListing?: string;
  /** Called before the first word of a listing. */
  beforeListing?(): Promise<void>;
  /** The control connection breaks behind a listing's data, with no last word. */
  readonly breaksOff?: boolean;
  /** Data connections that this end opens, in active mode, come from another address first. */
  readonly intruder?: string;
  /** Whether the port in an answer to EPSV is one at which nothing listens. */
  readonly epsvIsDead?: boolean;
  /** The host in an answer to PASV, as "h1,h2,h3,h4"; EPSV is refused then. */
  readonly pasvHost?: string;
  /** Whether data that comes before the first word of STOR is an error. */
  readonly refusesEarlyData?: boolean;
  /** The first word of STOR, before its data. */
  readonly firstWord?: string;
  /** The last word of STOR or RETR instead of its own, after its data: "" for none, "cut" where the connection breaks. */
  lastWord?(command: string): string | undefined | Promise<string | undefined>;
  /** Bytes that STOR keeps of each upload. */
  readonly keeps?: number;
  /** Files by their paths; a map is used itself. */
  readonly holds?: Readonly<Record<string, string>> | Map<string, string>;
  /** FEAT's lines. */
  readonly features?: readonly string[];
  /** Implicit TLS. */
  readonly tls?: SmallTls;
  /** Whether it speaks first: not behind another server that did. */
  readonly greets?: boolean;
}

/** Its certificate and key (PEM). `cuts`: data connections end without TLS having said so, as one that somebody cut. */
export interface SmallTls {
  readonly cert: string;
  readonly key: string;
  readonly cuts?: boolean;
}

/** A scripted FTP server on 127.0.0.1 for odd and hostile answers; it lets everybody in and holds one flat set of files. */
export interface SmallFtp extends AsyncDisposable {
  readonly port: number;
  readonly told: ReplyLines;
  readonly files: ReadonlyMap<string, string>;
}

type OnSocket = (socket: net.Socket) => void;

/** Starts it. */
export async function startSmallFtp(options: SmallFtpOptions = {}): Promise<SmallFtp> {
  const told: string[] = [];
  const { holds = {} } = options;
  const files = holds instanceof Map ? holds : new Map(Object.entries(holds));
  const open = new Set<net.Socket>();
  const servers: net.Server[] = [];
  let last: net.Socket | undefined;
  const listen = async (onSocket: OnSocket, { isPlain = false } = {}): Promise<number> => {
    const begin = (socket: net.Socket) => {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => open.delete(socket));
      onSocket(socket);
    };
    const server = options.tls === undefined || isPlain
      ? net.createServer({ noDelay: true }, begin)
      : tls.createServer({ cert: options.tls.cert, key: options.tls.key }, begin);
    server.on("connection", (raw: net.Socket) => last = raw);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  };
  const listenData = async (onSocket: OnSocket): Promise<number> => {
    const port = await listen(onSocket);
    if (options.tls?.cuts !== true) return port;
    return await listen((socket) => passWithoutAlerts(socket, port), { isPlain: true });
  };
  const port = await listen((socket) =>
    serve(socket, { options, told, files, listen: listenData, earlyBytes: () => last?.bytesRead ?? 0 })
  );
  return {
    port,
    told,
    files,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

interface Serving {
  readonly options: SmallFtpOptions;
  readonly told: string[];
  readonly files: Map<string, string>;
  listen(onSocket: OnSocket): Promise<number>;
  /** The number of bytes on the last connection, those of TLS included. */
  earlyBytes(): number;
}

function serve(control: net.Socket, { options, told, files, listen, earlyBytes }: Serving): void {
  const { features = ["MLST type*;size*;modify*;", "UTF8", "MFMT", "SIZE", "MDTM"] } = options;
  let data = Promise.withResolvers<net.Socket>();
  let [from, offset] = ["", 0];
  const say = (line: string) => control.write(`${line}\r\n`, "latin1");
  if (options.greets !== false) say("220 small");

  async function answer(command: string): Promise<void> {
    told.push(command);
    const given = options.reply?.(command);
    if (given !== undefined) return void control.write(given, "latin1");
    const [, verb = "", rest = ""] = /^(\S+) ?(.*)$/.exec(command) ?? [];
    switch (verb) {
      case "USER":
        return void say("230 in");
      case "FEAT":
        return void say(["211-Features:", ...features.map((line) => ` ${line}`), "211 End"].join("\r\n"));
      case "PWD":
        return void say('257 "/"');
      case "SYST":
        return void say("215 UNIX Type: L8");
      case "EPSV":
        if (options.epsvIsDead === true) return void say(`229 ok (|||${await closedPort()}|)`);
        return void say(options.pasvHost === undefined ? `229 ok (|||${await openData()}|)` : "500 what?");
      case "PASV": {
        const port = await openData();
        return void say(`227 here (${options.pasvHost ?? "127,0,0,1"},${port >> 8},${port & 255})`);
      }
      case "PORT": {
        const [high = 0, low = 0] = rest.split(",").slice(4).map(Number);
        return await connectBack(high * 256 + low);
      }
      case "EPRT":
        return await connectBack(Number(rest.split("|")[3]));
      case "MLSD":
      case "LIST":
      case "NLST":
        await options.beforeListing?.();
        await send(listingFor(command), options.breaksOff === true ? undefined : options.afterListing ?? "226 done");
        if (options.breaksOff === true) control.destroy();
        return;
      case "REST":
        offset = Number(rest);
        return void say("350 from there");
      case "RETR":
        await send((files.get(rest) ?? "").slice(takeOffset()), undefined);
        return await end(command, "226 done");
      case "STOR":
        return await take(rest);
      case "MLST":
        return void say(describe(rest));
      case "RNFR":
        from = rest;
        return void say("350 and now?");
      case "RNTO":
        files.set(rest, files.get(from) ?? "");
        files.delete(from);
        return void say("250 moved");
      case "DELE":
        files.delete(rest);
        return void say("250 gone");
      default:
        return void say("200 fine");
    }
  }

  function listingFor(command: string): string | (() => Iterable<string>) {
    const { listing = "" } = options;
    return typeof listing === "string" ? listing : () => listing(command);
  }

  async function openData(): Promise<number> {
    data = Promise.withResolvers();
    return await listen((socket) => data.resolve(socket));
  }

  /** Connects to the client's port; another address may come first, which sends something of its own. */
  async function connectBack(port: number): Promise<void> {
    const { intruder } = options;
    if (intruder !== undefined) {
      const other = net.connect({ port, host: "127.0.0.1", localAddress: intruder }, () => other.end("evil"));
      other.on("error", () => {});
      await new Promise((resolve) => other.once("close", resolve));
    }
    data = Promise.withResolvers();
    const socket = net.connect({ port, host: "127.0.0.1" }, () => data.resolve(secured(socket)));
    socket.on("error", () => {});
    say("200 I shall");
  }

  function secured(socket: net.Socket): net.Socket {
    if (options.tls === undefined) return socket;
    const context = tls.createSecureContext({ cert: options.tls.cert, key: options.tls.key });
    return new tls.TLSSocket(socket, { isServer: true, secureContext: context }).on("error", () => {});
  }

  async function send(what: string | (() => Iterable<string>), last: string | undefined): Promise<void> {
    say("150 here it comes");
    const socket = await data.promise;
    for (const part of typeof what === "string" ? [what] : what()) {
      if (socket.destroyed) break;
      if (!socket.write(part, "latin1")) {
        await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
      }
    }
    socket.end();
    if (last !== undefined) say(last);
  }

  function takeOffset(): number {
    const taken = offset;
    offset = 0;
    return taken;
  }

  async function take(path: string): Promise<void> {
    if (options.refusesEarlyData === true) await new Promise((resolve) => setTimeout(resolve, 100));
    if (options.refusesEarlyData === true && earlyBytes() > 0) return void say("451 data came too early");
    say(options.firstWord ?? "150 go on");
    const socket = await data.promise;
    const parts = [(files.get(path) ?? "").slice(0, takeOffset())];
    for await (const part of socket) parts.push(part.toString("latin1"));
    files.set(path, parts.join("").slice(0, options.keeps ?? Infinity));
    await end(`STOR ${path}`, "226 got it");
  }

  async function end(command: string, own: string): Promise<void> {
    const word = await options.lastWord?.(command) ?? own;
    if (word === "cut") control.destroy();
    else if (word !== "") say(word);
  }

  function describe(path: string): string {
    if (path === "/") return "250-Listing\r\n type=dir; /\r\n250 End";
    const content = files.get(path);
    if (content === undefined) return "550 No such file";
    return `250-Listing\r\n type=file;size=${content.length};modify=20231114221320; ${path}\r\n250 End`;
  }

  let rest = "";
  let turn = Promise.resolve();
  control.on("data", (bytes) => {
    const lines = (rest + bytes.toString("latin1")).split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) turn = turn.then(() => answer(line));
  });
}

/** Returns a port at which nothing listens. */
async function closedPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : 1;
}

/** Passes TLS 1.2 on, but for alerts: what would tell the end of the data gets lost. */
function passWithoutAlerts(socket: net.Socket, port: number): void {
  const inner = net.connect(port, "127.0.0.1");
  inner.on("error", () => socket.destroy());
  socket.pipe(inner);
  let rest = Buffer.alloc(0);
  inner.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (let end = endOfRecord(rest); rest.length >= end; end = endOfRecord(rest)) {
      const record = rest.subarray(0, end);
      rest = rest.subarray(end);
      if (record[0] === ALERT) socket.end();
      else socket.write(record);
    }
  });
}

const ALERT = 21;

function endOfRecord(bytes: Buffer): number {
  return bytes.length < 5 ? Infinity : 5 + bytes.readUInt16BE(3);
}
