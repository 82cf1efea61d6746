import type { Operation } from "../../../lib/backends/layers/decorator.ts";

/** The calls that change something. */
export const mutating: readonly Operation[] = [
  "write",
  "makeDir",
  "remove",
  "rename",
  "copy",
  "hardLink",
  "makeLink",
  "setModified",
  "setMode",
];
