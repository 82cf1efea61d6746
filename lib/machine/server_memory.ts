import { renameSync, rmSync, writeFileSync } from "node:fs";
import { readOwnText } from "./own_files.ts";
import type { ServerMemory } from "../core/protocol.ts";

/** The file of all servers' facts and how long a fact counts. `now`: ms since the epoch. */
export interface ServerMemoryOptions {
  /** The path of the file, in the state folder. */
  readonly path: string;
  /** The server and the account, as an address without a path. */
  readonly server: string;
  /** Whether nothing is written: new facts then last for this process only. */
  readonly readOnly: boolean;
  now(): number;
}

/**
 * Opens what earlier runs learned about a server. A file that is damaged counts as empty, since a fact is learned again.
 * A fact is forgotten after 30 days, so that a server that was mended is treated as one. Rejects with refused of id
 * foreignState if another user could have written the file.
 */
export async function openServerMemory(options: ServerMemoryOptions): Promise<ServerMemory> {
  const servers = await readServers(options);
  const facts = new Map(Object.entries(servers[options.server] ?? {}));
  return {
    get: (fact) => facts.get(fact)?.value,
    remember: (fact, value) => {
      facts.set(fact, { value, at: options.now() });
      if (!options.readOnly) writeServers(options.path, { ...servers, [options.server]: Object.fromEntries(facts) });
    },
  };
}

interface Fact {
  readonly value: string;
  /** When it was learned, in ms since the epoch. */
  readonly at: number;
}

type Servers = Readonly<Record<string, Readonly<Record<string, Fact>>>>;

async function readServers({ path, now }: ServerMemoryOptions): Promise<Servers> {
  const text = await readOwnText(path, { limit: MAX_BYTES });
  if (text === undefined) return {};
  const oldest = now() - KEEP_MS;
  const kept: Record<string, Record<string, Fact>> = {};
  for (const [server, facts] of entriesOf(parse(text))) {
    const fresh = entriesOf(facts).filter((one): one is [string, Fact] => isFact(one[1]) && one[1].at > oldest);
    if (fresh.length > 0) kept[server] = Object.fromEntries(fresh);
  }
  return kept;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function isFact(value: unknown): value is Fact {
  return typeof value === "object" && value !== null && "value" in value && typeof value.value === "string" &&
    "at" in value && typeof value.at === "number";
}

/** Replaces the file at once and synchronously: the process may end right after. Without it the fact is learned again. */
function writeServers(path: string, servers: Servers): void {
  const fresh = `${path}.${crypto.randomUUID()}`;
  try {
    writeFileSync(fresh, `${JSON.stringify(servers)}\n`, { flag: "wx", mode: 0o600 });
    renameSync(fresh, path);
  } catch {
    rmSync(fresh, { force: true });
  }
}

const KEEP_MS = 30 * 24 * 60 * 60 * 1000;
const MAX_BYTES = 1 << 20;
