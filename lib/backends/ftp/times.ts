import type { ControlConnection } from "./control_connection.ts";
import { formatTime, parseTime } from "./listing_parser.ts";
import type { Reply } from "./replies.ts";
import { encodePath, type FtpSession, type PathContext, type TimeSetter } from "./session.ts";

/** Returns the command that sets times on this server, judged by its features. */
export function chooseTimeSetter(session: Pick<FtpSession, "profile">): TimeSetter {
  const { features, siteHelp: help, setsByMdtm } = session.profile;
  if (features.has("MFMT")) return "MFMT";
  if (setsByMdtm) return "MDTM";
  return features.has("SITE UTIME") || /\bUTIME\b/.test(help) ? "UTIME" : "none";
}

/** Returns the initial knowledge about a server's times. */
export function initialTimes(setter: TimeSetter) {
  return {
    setter,
    keepsTimes: false,
    timeRefusals: 0,
    mdtmUnreliable: false,
    mlstLacksTimes: false,
    lastMdtm: undefined,
  };
}

/**
 * Records that a server refused every command that sets times. If none ever succeeded, no more are sent after a few
 * files, or after one reply that the command is unknown.
 */
export function recordTimeRefusal({ learned }: FtpSession, { code }: Reply): void {
  if (learned.keepsTimes) return;
  learned.timeRefusals += code === 500 || code === 502 || code === 504 ? MAX_TIME_REFUSALS : 1;
  if (learned.timeRefusals >= MAX_TIME_REFUSALS) learned.setter = "none";
}

const MAX_TIME_REFUSALS = 3;

/**
 * Checks the MDTM of a file that was just written with the time `set`. A correct server shows the current time or the
 * time set, whatever its zone, and does not show one time for longer than STOPPED_CLOCK_MS.
 */
export function checkMdtm(
  { learned }: FtpSession,
  { shown, set }: { readonly shown: number; readonly set: number },
): void {
  const now = Date.now();
  const { lastMdtm } = learned;
  const isFar = Math.abs(shown - now) > MAX_ZONE_MS && Math.abs(shown - set) > MAX_ZONE_MS;
  const standsStill = lastMdtm?.shown === shown && now - lastMdtm.at > STOPPED_CLOCK_MS;
  learned.mdtmUnreliable = isFar || (standsStill && shown !== set);
  if (lastMdtm?.shown !== shown) learned.lastMdtm = { shown, at: now };
}

const STOPPED_CLOCK_MS = 3000;

/** The largest possible difference: time zones range from -12 to +14 hours, and both sides may be wrong by as much. */
export const MAX_ZONE_MS = 26 * 3_600_000;

/** Returns the command that sets a time, or undefined if the server has none or none can represent this time. */
export function timeCommand(session: FtpSession, context: PathContext, modified: number): string | undefined {
  return formatTimeCommand(session.learned.setter, { time: formatTime(modified), path: encodePath(session, context) });
}

/**
 * Tries the other commands that might set the time after a refusal, and remembers the one that works. Returns false if
 * none does.
 */
export async function tryOtherSetters(
  control: ControlConnection,
  session: FtpSession,
  { context, modified }: { readonly context: PathContext; readonly modified: number },
): Promise<boolean> {
  const [time, path] = [formatTime(modified), encodePath(session, context)];
  const { learned } = session;
  const others = SETTERS.filter((one) => one !== learned.setter && isOffered(session, one));
  for (const setter of others) {
    const command = formatTimeCommand(setter, { time, path });
    if (command === undefined || (await control.sendCommand(command)).code >= 300) continue;
    const shown = await control.sendCommand(`MDTM ${path}`);
    if (shown.code !== 213 || parseTime(shown.text.slice(4).trim()) !== parseTime(time ?? "")) continue;
    learned.setter = setter;
    learned.keepsTimes = true;
    return true;
  }
  return false;
}

const SETTERS: readonly TimeSetter[] = ["MFMT", "MDTM", "UTIME"];

function isOffered({ profile }: FtpSession, setter: TimeSetter): boolean {
  if (setter === "MFMT") return profile.features.has("MFMT");
  if (setter === "MDTM") return profile.setsByMdtm;
  return profile.features.has("SITE UTIME") || /\bUTIME\b/.test(profile.siteHelp);
}

function formatTimeCommand(
  setter: TimeSetter,
  { time, path }: { readonly time: string | undefined; readonly path: string },
): string | undefined {
  if (time === undefined || setter === "none") return undefined;
  if (setter === "UTIME") return `SITE UTIME ${time} ${path}`;
  return `${setter} ${time} ${path}`;
}
