import { homedir, userInfo } from "node:os";

/** The home folder by the user database; undefined for a user id without an account entry, as in many containers. Asked last. */
export function homeOfAccount(): string | undefined {
  return told(() => userInfo().homedir) ?? told(homedir);
}

/** The user's name by the user database; undefined for a user id without an account entry. Asked last. */
export function nameOfAccount(): string | undefined {
  return told(() => userInfo().username);
}

/** Undefined where the system call failed: a user without an entry is an unknown one, and no reason to end a run. */
function told(ask: () => string | null): string | undefined {
  try {
    return ask() || undefined;
  } catch {
    return undefined;
  }
}
