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

/** A user, and the files that list this machine's groups and users. */
export interface GroupAccount {
  readonly uid: number | null;
  readonly name: string | undefined;
  readonly groups: string;
  readonly users: string;
}

/**
 * Whether a folder that the group may write to is still this user's alone: the group is root's, or has no other member.
 * Many systems give each user a group of their own and let it write (umask 002). A group that no file lists, as in a
 * directory service, counts as such if its id is the user's.
 */
export async function isPrivateGroup(gid: number, account: GroupAccount = thisAccount()): Promise<boolean> {
  if (gid === 0 || gid === UNMAPPED) return true;
  const [groups, users] = [await fieldsOf(account.groups), await fieldsOf(account.users)];
  const group = groups.find(([, , id]) => id === String(gid));
  const isOwn = group?.[0] === account.name || gid === account.uid;
  const members = group?.[3]?.split(",").filter((name) => name !== "") ?? [];
  const primary = users.filter(([, , , id]) => id === String(gid)).map(([name]) => name);
  return isOwn && [...members, ...primary].every((name) => name === account.name);
}

/** In a container: the id of users and groups outside of it, such as the machine's root (user_namespaces(7)). */
export const UNMAPPED = 65_534;

function thisAccount(): GroupAccount {
  return { uid: Deno.uid(), name: accountName(), groups: "/etc/group", users: "/etc/passwd" };
}

/** Returns the lines of a file as fields; none if there is no such file. */
async function fieldsOf(path: string): Promise<readonly (readonly string[])[]> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));
}

/** Returns undefined if the system call failed: a user without an entry is unknown, which is no reason to end a run. */
function undefinedIfFailed(ask: () => string | null): string | undefined {
  try {
    return ask() || undefined;
  } catch {
    return undefined;
  }
}
