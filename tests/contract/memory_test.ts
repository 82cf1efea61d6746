import { memory } from "../../lib/backends/memory/mod.ts";
import { noFolders } from "./no_folders.ts";
import { conform, type Conformance } from "./suite.ts";
import type { MemoryDials } from "../../lib/backends/memory/options.ts";

play("memory", {});
play("memory with a slow, seeded clock of two seconds", { timeStep: 2000, seed: 7, latency: 0.01, revisions: true });
play("memory that folds names", { caseSensitive: false, normalizes: true });
play("memory like Windows", { names: "windows", caseSensitive: false, modes: false, lacks: ["setMode", "makeLink"] });
play("memory that cannot replace in one step", { atomicWrite: false, atomicRename: false });
play("memory without folders or times", {
  hasDirs: false,
  timeStep: undefined,
  dirTimes: false,
  modes: false,
  fileIds: false,
  lacks: ["rename", "makeLink", "setModified", "setMode", "checksum", "walk"],
}, noFolders);

function play(name: string, dials: MemoryDials, known: Conformance["known"] = {}): void {
  conform({
    name,
    known,
    lacks: ["hardLink", "flush", ...(dials.lacks ?? [])],
    fresh: () => {
      const backend = memory(dials);
      return Promise.resolve({ backend, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() });
    },
  });
}
