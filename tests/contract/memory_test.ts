import { memory, type MemoryDials } from "../../lib/backends/memory.ts";
import { conform, type Conformance } from "./suite.ts";

const NO_FOLDERS = "a folder is there only while it holds something";

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
}, {
  "list() of an empty folder gives nothing": NO_FOLDERS,
});

function play(name: string, dials: MemoryDials, known: Conformance["known"] = {}): void {
  conform({
    name,
    known,
    lacks: dials.lacks ?? [],
    fresh: () => {
      const backend = memory(dials);
      return Promise.resolve({ backend, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() });
    },
  });
}
