import { homedir, userInfo } from "node:os";

/**
 * Returns the home folder by the user database; undefined for a user id without an entry, as in many containers. Used
 * last.
 */
export function homeOfAccount(): string | undefined {
  return told(() => userInfo().homedir) ?? told(homedir);
}

/** Returns the user's name by the user database; undefined for a user id without an entry. Used last. */
export function nameOfAccount(): string | undefined {
  return told(() => userInfo().username);
}

/** Returns undefined if the system call failed: a user without an entry is unknown, which is no reason to end a run. */
function told(ask: () => string | null): string | undefined {
  try {
    return ask() || undefined;
  } catch {
    return undefined;
  }
}
