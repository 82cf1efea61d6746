import { badInput } from "../../lib/core/errors.ts";
import type { Params } from "../../lib/shell/command/command.ts";
import {
  countOrPercent,
  duration,
  listOf,
  number,
  oneOf,
  path,
  size,
  text,
  toggle,
} from "../../lib/shell/command/param_types.ts";
import { criteria } from "../../lib/sync/common/criteria.ts";
import {
  type BoundLogin,
  givenLoginParams,
  isServerAddress,
  loginParams,
  toConnectionSpec,
} from "./connection_params.ts";
import { sessionInput } from "./session_param.ts";

/** Values of -Mode: the side that changes. The last three are the names in other tools. */
const modes = ["Local", "Remote", "Both", "Download", "Upload", "Bidirectional"] as const;

const modeType = oneOf(...modes);
/** Values of -Conflict. Older is another word for Oldest. */
const conflictType = oneOf("Newest", "Oldest", "Older", "Local", "Remote", "Larger", "Smaller", "KeepBoth", "Skip");
const linksType = oneOf("Skip", "Keep", "Follow");

/** The parameters that Sync-Path and Compare-Path share: the pair of folders and the comparison. */
export const syncParams = {
  LocalPath: { type: path, position: 0, fromPipe: "property", help: "The local folder; the current one by default." },
  RemotePath: {
    type: path,
    position: 1,
    fromPipe: "property",
    help: "The remote folder, or an address: sftp://user@host/path opens a session and closes it.",
  },
  Mode: {
    type: modeType,
    aliases: ["SyncMode"],
    mandatory: true,
    early: true,
    fromPipe: "property",
    help: "The side that changes: Local (download), Remote (upload), Both.",
  },
  Session: {
    type: sessionInput,
    aliases: ["WinSCPSession"],
    fromPipe: "value",
    help: "A session of New-Session, here or by pipe.",
  },
  Mirror: {
    type: toggle,
    exact: true,
    fromPipe: "property",
    help: "Older files overwrite newer ones too. Removes nothing.",
  },
  Remove: {
    type: toggle,
    aliases: ["Delete"],
    exact: true,
    fallback: false,
    fromPipe: "property",
    help: "Remove what the source lacks.",
  },
  Criteria: {
    type: listOf(oneOf(...criteria.map((criterion) => criterion.name))),
    fallback: ["Either"],
    fromPipe: "property",
    help: "How files differ: None, Time, Size, Either (time and size), Checksum; several with commas.",
  },
  SkipNew: { type: toggle, fallback: false, help: "Leave files alone that only one side has." },
  SkipModified: { type: toggle, fallback: false, help: "Leave files alone that differ." },
  SkipMoves: {
    type: toggle,
    fallback: false,
    help: "Copy a renamed file again instead of renaming it on the other side too.",
  },
  Conflict: {
    type: conflictType,
    fallback: "Newest",
    help: "In Both: which version wins where both changed.",
  },
  Links: {
    type: linksType,
    fallback: "Skip",
    help: "Symbolic links: leave alone, carry as links, or follow on the side that is read (not in Both).",
  },
  IncludeLeftovers: {
    type: toggle,
    fallback: false,
    help: "Carry temporary, partial and lock files of other programs too: .filepart, .part, .~lock.x#, ~$x …",
  },
  AllowLinksOutside: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "-Links Follow may lead out of the folder.",
  },
  MaxRemove: { type: countOrPercent, help: "Refuse to remove more than this: 10, or 50%." },
  MaxListing: {
    type: size,
    fallback: 1 << 30,
    help: "Give up when the names of one side take more memory than this: 1G by default.",
  },
  AllowEmptySource: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "-Remove may go on though the source is empty.",
  },
  AllowRoot: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "-Remove and -Mirror may work on a home folder or a disk's root.",
  },
  AllowMissingRoot: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "A root that existed before may be created again.",
  },
  AllowAllChanged: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "In Both: go on though most files of a side have another time.",
  },
  RemoveDespiteFailures: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "Removals go on though files failed, outside folders that could not be listed.",
  },
  RequireMarker: {
    type: listOf(text),
    help: "Go on only if this file exists below both roots, such as .marker or photos/.marker; several with commas.",
  },
  NoReadBack: { type: toggle, fallback: false, help: "With Checksum: never read remote files back to compare them." },
  HistoryPath: {
    type: path,
    help: "The folder of the history, which records what both sides held after the last run.",
  },
  Recycle: {
    type: toggle,
    fallback: false,
    help: "Keep what is overwritten or removed in the trash, as Both does: see Get-TrashItem.",
  },
  TrashDays: {
    type: number(0, 36_500),
    fallback: 30,
    help: "For how many days the trash keeps what lost no conflict.",
  },
  RemoteTrash: { type: path, help: "The server's folder for its trash, instead of one in the login folder." },
  InPlace: {
    type: toggle,
    exact: true,
    fallback: false,
    help:
      "Write new content into the files that are there: owners, ACLs and hard links stay. Local and Remote only; -Recycle keeps a copy of the old.",
  },
  WaitLock: { type: duration, help: "How long to wait for another run of the same pair: 10m. Not at all by default." },
  BreakLock: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "Take over from another run of the same pair that is known to be gone.",
  },
  RemoteLock: {
    type: toggle,
    fallback: false,
    help: "Keep other users and machines that say -RemoteLock too out of the remote folder meanwhile.",
  },
  Force: { type: toggle, exact: true, fallback: false, help: "Answer questions with yes. Opens no guard." },
  ...loginParams,
} as const satisfies Params;

/** The bound parameters of a comparison. */
export interface BoundSync {
  readonly LocalPath: string | undefined;
  readonly RemotePath: string | undefined;
  readonly Mode: (typeof modes)[number];
  readonly Mirror: boolean | undefined;
  readonly Remove: boolean;
  readonly Criteria: readonly string[];
  readonly Session: unknown;
  readonly Links: "Skip" | "Keep" | "Follow";
  readonly AllowLinksOutside: boolean;
  readonly InPlace: boolean;
  readonly Recycle: boolean;
}

/** The three modes, after the other tools' names are translated: Upload is Remote with -Mirror. */
export interface SyncMode {
  readonly mode: "Local" | "Remote" | "Both";
  readonly mirror: boolean;
}

/** Returns the mode. Throws badInput for a contradictory one. */
export function toMode(bound: BoundSync): SyncMode {
  const { Mode, Mirror } = bound;
  const plain = { Download: "Local", Upload: "Remote", Bidirectional: "Both" } as const;
  if (Mode === "Local" || Mode === "Remote" || Mode === "Both") {
    if (Mode === "Both" && Mirror) {
      throw badInput(
        "-Mode Both cannot mirror: leave -Mirror out, or choose -Mode Local or -Mode Remote.",
        "CannotMirrorBoth",
      );
    }
    return { mode: Mode, mirror: Mirror ?? false };
  }
  if (Mode === "Bidirectional") {
    if (Mirror) throw badInput("-Mode Bidirectional cannot mirror: leave -Mirror out.", "CannotMirrorBoth");
    return { mode: "Both", mirror: false };
  }
  if (Mirror === false) {
    throw badInput(
      `-Mode ${Mode} means ${plain[Mode]} with -Mirror; without it write -Mode ${plain[Mode]}.`,
      "CannotConvertArgument",
    );
  }
  return { mode: plain[Mode], mirror: true };
}

/** Checks everything that can be checked before anything is opened. Throws badInput. */
export function checkSync(bound: BoundSync & BoundLogin): void {
  const { mode } = toMode(bound);
  if (mode === "Both" && bound.Criteria.includes("None")) {
    throw badInput("-Mode Both needs a criterion: Time, Size, Either or Checksum, not None.", "CannotCompareNothing");
  }
  if (bound.Criteria.includes("None") && bound.Criteria.length > 1) {
    throw badInput("-Criteria None stands alone: leave it out, or leave the others out.");
  }
  checkLinks(bound, mode);
  checkInPlace(bound, mode);
  if (isServerAddress(bound.RemotePath)) {
    if (bound.Session !== undefined) {
      throw badInput(
        "A session is given and -RemotePath is an address: write the path only, or leave the session out.",
        "AmbiguousParameterSet",
      );
    }
    toConnectionSpec(bound, bound.RemotePath);
    return;
  }
  if (bound.HostName !== undefined) {
    toConnectionSpec(bound, undefined);
    return;
  }
  const extra = givenLoginParams(bound);
  if (bound.Session !== undefined && extra.length > 0) {
    throw badInput(`-${extra[0]} belongs to New-Session: the session is open already.`, "AmbiguousParameterSet");
  }
}

function checkLinks({ Links, AllowLinksOutside }: BoundSync, mode: SyncMode["mode"]): void {
  if (AllowLinksOutside && Links !== "Follow") {
    throw badInput("-AllowLinksOutside belongs to -Links Follow: add that, or leave it out.", "AmbiguousParameterSet");
  }
  if (Links === "Follow" && mode === "Both") {
    throw badInput(
      "-Mode Both follows no links: one file would be changed under two names. Choose -Links Keep or -Links Skip, or -Mode Local or Remote.",
      "CannotFollowInBoth",
    );
  }
}

function checkInPlace({ InPlace }: BoundSync, mode: SyncMode["mode"]): void {
  if (InPlace && mode === "Both") {
    throw badInput(
      "-InPlace is for -Mode Local and -Mode Remote: in -Mode Both the losing version has to keep its file.",
      "CannotKeepInPlace",
    );
  }
}

/** Returns the source side, which is not changed; undefined in Both. */
export function sourceOf(mode: SyncMode["mode"]): "local" | "remote" | undefined {
  if (mode === "Both") return undefined;
  return mode === "Local" ? "remote" : "local";
}
