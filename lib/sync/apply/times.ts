import type { Backend } from "../../core/backend.ts";
import { printable } from "../../core/path.ts";
import type { FileEntry, InTrash, LinkEntry } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import { type TransferOptions } from "./transfer.ts";
import type { Copy } from "../common/sides.ts";
import { keepsTime } from "../common/entry_check.ts";

/** The callbacks of one transfer, and the outcome derived from them. */
interface Telling {
  readonly told: Required<Pick<TransferOptions, "onWarning" | "onOther">>;
  toOutcome(entry: FileEntry | LinkEntry, kept?: InTrash): Outcome;
}

/**
 * Returns the callbacks for one copy. They record warnings, whether another version was transferred, and whether the
 * time was kept.
 */
export function newTelling({ path, source }: Copy, { label, traits }: Backend): Telling {
  const warnings: string[] = [];
  let [isUntimed, isOther] = [false, false];
  return {
    told: {
      onOther: () => void (isOther = true),
      onWarning(message, about) {
        warnings.push(message);
        isUntimed ||= about === "time";
      },
    },
    toOutcome(entry, kept) {
      const takesTimes = traits.timeStep !== undefined && entry.kind === "file" && source.kind === "file";
      const isLost = takesTimes && !isUntimed && !isOther && entry.modified !== undefined &&
        source.modified !== undefined && !keepsTime(entry, source, traits);
      if (isLost) warnings.push(`${label} did not keep the time of "${printable(path)}"`);
      return {
        entry,
        warnings,
        ...(isUntimed || isLost ? { isUntimed: true } : {}),
        ...(isOther ? { isOther: true } : {}),
        ...(kept === undefined ? {} : { kept }),
      };
    },
  };
}
