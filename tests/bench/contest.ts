import type { DataName } from "./data.ts";
import { type Invocation, measure, type Measured } from "./measure.ts";
import { difference, type Places, sizesOf, watchUntouched } from "./places.ts";

/** "nothing", "both": two sides that are in step and have been compared before, as on every day but the first; "meet": on the first. */
export type Work = "upload" | "download" | "meet" | "nothing" | "both";

/** A row of the table: a work on a data set over a link. `bar`: the most that ours ÷ the best rival may be. */
export interface Cell {
  readonly work: Work;
  readonly data: DataName;
  /** ms there and back */
  readonly rtt: number;
  readonly bar?: number;
  /** Contestants that count as rivals in this row though elsewhere they are only named. */
  readonly alsoRivals?: readonly string[];
}

/** What a contestant is to do: make `remote` like `local`, or the other way for a download. */
export interface Job extends Cell {
  readonly local: string;
  readonly remote: string;
  readonly host: string;
  readonly port: number;
  /** The run before the measured one, which gets to know the pair. */
  readonly isFirst?: boolean;
}

/** Ours is compared with the best rival; what is only named uses another protocol or a program of its own on the far side. */
export interface Contestant {
  readonly name: string;
  readonly role: "ours" | "rival" | "named";
  /** What it says about itself, undefined where it is not installed. */
  readonly version: string | undefined;
  /** How it does the job, undefined where it cannot or need not be asked. */
  command(job: Job): Invocation | undefined;
}

/** A server that does not see this machine's disk: its places are its own, named as jobs name them. */
export interface Store {
  fresh(): Promise<string>;
  /** A place that holds what the folder of this disk holds. Made when first asked for. */
  mirror(folder: string): Promise<string>;
  /** By path: the size in bytes, and behind a blank what tells one version from another. */
  contents(place: string): Promise<ReadonlyMap<string, string>>;
}

/** A protocol's server with those who speak to it. It sees this machine's disk, unless it has a store. */
export interface Arena extends AsyncDisposable {
  readonly cells: readonly Cell[];
  readonly contestants: readonly Contestant[];
  /** The server's port through a link of this round-trip time. */
  port(rtt: number): Promise<number>;
  /** Its address through such a link; 127.0.0.1 by default. */
  host?(rtt: number): string;
  /** How the server names a folder of the disk; by default as the disk does. */
  remoteName?(path: string): string;
  /** Lets the server's user write into a folder of the disk. */
  give?(path: string): Promise<void>;
  readonly store?: Store;
}

export interface Score {
  readonly cell: Cell;
  readonly runs: ReadonlyMap<string, readonly Measured[]>;
}

export interface ContestOptions {
  readonly rounds: number;
  readonly limitMs: number;
  readonly places: Places;
  /** A folder for notes of our own. */
  readonly dir: string;
  onRun(cell: Cell, name: string, measured: Measured): void;
}

/** Lets every contestant do one cell's job, round by round, each round beginning with another one. Who fails or takes too long is not asked again. */
export async function contest(arena: Arena, cell: Cell, options: ContestOptions): Promise<Score> {
  const able = arena.contestants.filter(({ version }) => version !== undefined);
  const runs = new Map<string, Measured[]>();
  const out = new Set<string>();
  for (let round = 0; round < options.rounds; round++) {
    const order = [...able.slice(round % able.length), ...able.slice(0, round % able.length)];
    for (const contestant of order) {
      if (out.has(contestant.name)) continue;
      const measured = await once(arena, { cell, contestant, options });
      if (measured === undefined) {
        out.add(contestant.name);
        continue;
      }
      if (measured.how !== "done") out.add(contestant.name);
      runs.set(contestant.name, [...runs.get(contestant.name) ?? [], measured]);
      options.onRun(cell, contestant.name, measured);
    }
  }
  return { cell, runs };
}

async function once(
  arena: Arena,
  turn: { readonly cell: Cell; readonly contestant: Contestant; readonly options: ContestOptions },
): Promise<Measured | undefined> {
  const { cell, contestant, options } = turn;
  const { local, disk, verify } = arena.store === undefined
    ? await prepare(cell, options)
    : await prepareStore(arena.store, cell, options);
  const remote = arena.store === undefined ? arena.remoteName?.(disk) ?? disk : disk;
  if (cell.work === "upload") await arena.give?.(disk);
  const host = arena.host?.(cell.rtt) ?? "127.0.0.1";
  const job = { ...cell, local, remote, host, port: await arena.port(cell.rtt) };
  const invocation = contestant.command(job);
  if (invocation === undefined) return undefined;
  if (cell.work === "both" || cell.work === "nothing") {
    const first = contestant.command({ ...job, isFirst: true });
    const met = first && await measure(first, options.limitMs);
    if (met?.how === "failed") return met;
  }
  const measured = await measure(invocation, options.limitMs);
  if (measured.how !== "done") return measured;
  const wrong = await verify();
  return wrong === undefined ? measured : { how: "failed", why: `not equal afterwards: ${wrong}` };
}

interface Prepared {
  readonly local: string;
  readonly disk: string;
  verify(): Promise<string | undefined>;
}

/** The folder and the place in the store, and what must hold of them afterwards. */
async function prepareStore(
  store: Store,
  { work, data }: Cell,
  { places }: Pick<ContestOptions, "places">,
): Promise<Prepared> {
  const source = places.data(data);
  if (work === "upload") {
    const disk = await store.fresh();
    const sizes = async () =>
      new Map(Array.from(await store.contents(disk), ([path, text]) => [path, text.split(" ")[0] ?? ""] as const));
    return { local: source, disk, verify: async () => unlike(sizesOf(source), await sizes()) };
  }
  const disk = await store.mirror(source);
  if (work === "download") {
    const local = await places.fresh();
    return { local, disk, verify: () => difference(source, local) };
  }
  const before = await store.contents(disk);
  return { local: source, disk, verify: async () => unlike(before, await store.contents(disk)) };
}

/** The first path at which two lists differ, undefined where none does. */
function unlike(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string | undefined {
  const path = [...one.keys(), ...other.keys()].find((path) => one.get(path) !== other.get(path));
  return path === undefined ? undefined : `"${path}" is another`;
}

/** The two folders, and what must hold of them afterwards. */
async function prepare({ work, data }: Cell, { places, dir }: ContestOptions): Promise<Prepared> {
  const source = places.data(data);
  switch (work) {
    case "upload": {
      const disk = await places.fresh();
      return { local: source, disk, verify: () => difference(source, disk) };
    }
    case "download": {
      const [local, disk] = [await places.fresh(), await places.mirror(data)];
      return { local, disk, verify: () => difference(source, local) };
    }
    case "both":
    case "meet":
    case "nothing": {
      const disk = await places.mirror(data);
      return { local: source, disk, verify: await watchUntouched(dir, [source, disk]) };
    }
    default:
      return work satisfies never;
  }
}
