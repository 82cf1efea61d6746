import { memory, type MemoryDials } from "../../lib/backends/memory.ts";
import { conform, type Conformance } from "./suite.ts";

/** These cases look at a folder that holds nothing, or count on an absent one. */
const noFolders = Object.fromEntries(
  [
    "list() of an empty folder gives nothing",
    "list() tells folders, files and their sizes",
    "at() gives a backend whose dispose closes nothing",
    "write() to a missing parent rejects with notFound",
    "write() over an empty folder rejects and leaves the folder",
    "write() that expects a folder rejects with changed when a file is there",
    "makeDir() makes a folder and gives its entry",
    "makeDir() in a missing parent rejects with notFound",
    "makeDir() of a root makes its parents too",
    "remove() removes an empty folder, and what is absent is no error",
    "remove() of a folder that holds something rejects with changed",
    "remove() of a file where a folder is now rejects with changed",
    "remove() of a folder where a file is now rejects with changed",
  ].map((name) => [name, "a folder is there only while it holds something"]),
);

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
