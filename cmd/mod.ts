import type { AnyCommand } from "../lib/shell/command/command.ts";
import { clearTrashCommand } from "./clear_trash.ts";
import { closeSessionCommand } from "./close_session.ts";
import { comparePathCommand } from "./compare_path.ts";
import { getCommandCommand } from "./get_command.ts";
import { getCredentialCommand } from "./get_credential.ts";
import { getHelpCommand } from "./get_help.ts";
import { getTrashItemCommand } from "./get_trash_item.ts";
import { newObjectCommand } from "./new_object.ts";
import { newSessionCommand } from "./new_session.ts";
import { restoreTrashItemCommand } from "./restore_trash_item.ts";
import { syncPathCommand } from "./sync_path.ts";

/** The command table. */
export const commands: readonly AnyCommand[] = [
  newSessionCommand,
  syncPathCommand,
  comparePathCommand,
  closeSessionCommand,
  getTrashItemCommand,
  restoreTrashItemCommand,
  clearTrashCommand,
  getCredentialCommand,
  getHelpCommand(() => commands),
  getCommandCommand(() => commands),
  newObjectCommand,
];
