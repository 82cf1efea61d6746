import { homedir, userInfo } from "node:os";

/**
 * Returns the home folder by the user database; undefined for a user id without an entry, as in many containers. Used
 * last.
 */
export function accountHome(): string | undefined {
  return undefinedIfFailed(() => userInfo().homedir) ?? undefinedIfFailed(homedir);
}

/** Returns the user's name by the user database; undefined for a user id without an entry. Used last. */
export function accountName(): string | undefined {
  return undefinedIfFailed(() => userInfo().username);
}

/** Returns undefined if the system call failed: a user without an entry is unknown, which is no reason to end a run. */
function undefinedIfFailed(ask: () => string | null): string | undefined {
  try {
    return ask() || undefined;
  } catch {
    return undefined;
  }
}
