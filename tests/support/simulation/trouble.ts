import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { type CallHandlers, decorate } from "../../../lib/backends/layers/decorator.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import type { RelPath } from "../../../lib/core/path.ts";
import { tempTag } from "../../../lib/core/temp_name.ts";
import type { Side } from "../../../lib/core/entry.ts";
import { Crash, faulty } from "../faulty.ts";
import { lying } from "../lying.ts";
import { type SimulationState, userEdit } from "./simulation.ts";
import { textAt } from "./edits.ts";
import type { Edit, Trouble } from "./story.ts";
import { mutating } from "../planning/operations.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";

/** Both sides as one run sees them. */
export interface InjectedTrouble {
  readonly sides: Backends;
  readonly signal: AbortSignal;
  readonly injected: Readonly<Record<Side, string[]>>;
  /** Nothing was to go wrong. */
  readonly isCalm: boolean;
  hasCrashed(): boolean;
}

/** Puts the trouble in front of both sides; whatever it is, an observer looks at each path that was just changed. */
export function injectTrouble(world: SimulationState, trouble: Trouble): InjectedTrouble {
  const injected = { local: [] as string[], remote: [] as string[] };
  const stop = new AbortController();
  const crash = trouble.trouble === "crash" ? new Crash(1 + trouble.at, { isDone: trouble.isDone }) : undefined;
  let count = 0;
  const meddle = async (side: Side, path: RelPath) => {
    // Counted before anything is awaited: calls that run side by side must not all be the one at which it happens.
    const nth = count++;
    if (trouble.trouble === "cancel" && nth === trouble.at) stop.abort();
    if (trouble.trouble === "inject" && nth === trouble.at) await inject(world, trouble, { side, path, injected });
    return trouble.trouble === "fail" && nth === trouble.at ? trouble : undefined;
  };
  const front = (side: Side): Backend => {
    const inner = watched(world, side);
    const around: CallHandlers = {
      call: async ({ operation, path, run }) => {
        if (!mutating.includes(operation)) return await run();
        const failing = await meddle(side, path as RelPath);
        if (failing?.lost === true) await run();
        if (failing !== undefined) throw new SyncError("unexpected", "it failed", { operation });
        return await run();
      },
      walk: ({ run }) => run(),
    };
    const given = decorate(faulty(inner, { faults: faultsOf(trouble, side), ...(crash && { crash }) }), around);
    return trouble.trouble === "lie" && trouble.side === side ? lying(given, trouble.lies) : given;
  };
  return {
    sides: { local: front("local"), remote: front("remote") },
    signal: stop.signal,
    injected,
    isCalm: trouble.trouble === "none",
    hasCrashed: () => crash?.isOver === true,
  };
}

function faultsOf(trouble: Trouble, side: Side): NonNullable<Parameters<typeof faulty>[1]["faults"]> {
  const broken = new SyncError("unexpected", "it broke off", { operation: "test" });
  if (trouble.trouble === "list" && trouble.side === side) {
    return [{ on: ["list", "walk"], nth: 1 + trouble.at, times: 1, truncate: trouble.after, broken }];
  }
  if (trouble.trouble === "cut" && trouble.side === side) {
    return [{ on: "read", nth: 1 + trouble.at, truncate: trouble.after }];
  }
  return [];
}

/** Looks at every path right after it was changed: it shows a whole version that somebody wrote. */
function watched(world: SimulationState, side: Side): Backend {
  const tree = world.sides[side];
  const around: CallHandlers = {
    call: async ({ operation, path, run }) => {
      const result = await run();
      if (!mutating.includes(operation)) return result;
      const entry = await tree.stat(path as RelPath, calm);
      if (entry?.kind !== "file") return result;
      const text = await textAt(tree, path as RelPath);
      assert.ok(world.written.has(text), `${side} ${path} shows "${text}", which nobody wrote, after ${operation}`);
      return result;
    },
    walk: ({ run }) => run(),
  };
  return decorate(tree, around);
}

const calm = { signal: new AbortController().signal };

async function inject(
  world: SimulationState,
  trouble: { readonly edit: Edit; readonly side: Side; readonly there: boolean },
  { side, path, injected }: {
    readonly side: Side;
    readonly path: RelPath;
    readonly injected: Readonly<Record<Side, string[]>>;
  },
): Promise<void> {
  const write: Edit = { ...trouble.edit, how: "write", content: "fresh" };
  if (!trouble.there || tempTag(path) !== undefined) {
    const content = await userEdit(world, trouble.side, trouble.there ? write : trouble.edit);
    if (content !== undefined) injected[trouble.side].push(content);
    return;
  }
  const entry = await world.sides[side].stat(path, calm);
  const content = await userEdit(world, side, { ...write, path: entry?.kind === "dir" ? `${path}/b` : path });
  if (content !== undefined) injected[side].push(content);
}
