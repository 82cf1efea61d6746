import { ftpTargets } from "./ftp_targets.ts";
import { httpTargets } from "./http_targets.ts";
import { localTargets } from "./local_targets.ts";
import { sshTargets } from "./ssh_targets.ts";
import type { FuzzTarget } from "./target.ts";

/** Every parser of what a peer sends or a file holds. */
export const targets: readonly FuzzTarget[] = [...ftpTargets, ...httpTargets, ...sshTargets, ...localTargets];
