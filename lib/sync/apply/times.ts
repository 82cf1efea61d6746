import type { Backend } from "../../core/backend.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { FileEntry, LinkEntry } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import { type TransferOptions } from "./transfer.ts";
import type { Copy } from "../common/sides.ts";
import { hasSourceTime } from "../common/entry_check.ts";
import type { TrashedVersion } from "../../core/plan.ts";

/** The callbacks of one transfer, and the outcome derived from them. */
interface TransferReport {
  readonly callbacks: Required<Pick<TransferOptions, "onWarning" | "onOther">>;
  toOutcome(entry: FileEntry | LinkEntry, kept?: TrashedVersion): Outcome;
}

/**
 * Returns the callbacks for one copy. They record warnings, whether another version was transferred, and whether the
 * time was kept.
 */
export function newTransferReport({ path, source }: Copy, { label, traits }: Backend): TransferReport {
  const warnings: string[] = [];
  let [isUntimed, isOther] = [false, false];
  return {
    callbacks: {
      onOther: () => void (isOther = true),
      onWarning(message, about) {
        warnings.push(message);
        isUntimed ||= about === "time";
      },
    },
    toOutcome(entry, kept) {
      const takesTimes = traits.timeStep !== undefined && entry.kind === "file" && source.kind === "file";
      const isLost = takesTimes && !isUntimed && !isOther && entry.modified !== undefined &&
        source.modified !== undefined && !hasSourceTime(entry, source, traits);
      if (isLost) warnings.push(`${label} did not keep the time of "${escapeForDisplay(path)}"`);
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
