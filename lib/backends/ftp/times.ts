import type { ControlConnection } from "./control_connection.ts";
import { formatTime, parseTime } from "./listing_parser.ts";
import type { Reply } from "./reply.ts";
import { encodePath, type FtpSession, type PathContext, type TimeSetter } from "./session.ts";

/** Returns the command that sets times on this server, judged by its features. */
export function chooseTimeSetter(site: Pick<FtpSession, "abilities">): TimeSetter {
  const { features, siteHelp: help, setsByMdtm } = site.abilities;
  if (features.has("MFMT")) return "MFMT";
  if (setsByMdtm) return "MDTM";
  return features.has("SITE UTIME") || /\bUTIME\b/.test(help) ? "UTIME" : "none";
}

/** Returns the initial knowledge about a server's times. */
export function initialTimes(setter: TimeSetter) {
  return { setter, keepsTimes: false, timesRefused: 0, mdtmLies: false, lastMdtm: undefined };
}

/**
 * Records that a server refused every command that sets times. If none ever succeeded, no more are sent after a few
 * files, or after one reply that the command is unknown.
 */
export function recordTimeRefusal({ learned }: FtpSession, { code }: Reply): void {
  if (learned.keepsTimes) return;
  learned.timesRefused += code === 500 || code === 502 || code === 504 ? MAX_TIME_REFUSALS : 1;
  if (learned.timesRefused >= MAX_TIME_REFUSALS) learned.setter = "none";
}

const MAX_TIME_REFUSALS = 3;

/**
 * Checks the MDTM of a file that was just written with the time `set`. A correct server shows the current time or the
 * time set, whatever its zone, and does not show one time for longer than STILL_MS.
 */
export function checkMdtm(
  { learned }: FtpSession,
  { shown, set }: { readonly shown: number; readonly set: number },
): void {
  const now = Date.now();
  const { lastMdtm } = learned;
  const isFar = Math.abs(shown - now) > MAX_ZONE_MS && Math.abs(shown - set) > MAX_ZONE_MS;
  const standsStill = lastMdtm?.shown === shown && now - lastMdtm.at > STOPPED_CLOCK_MS;
  learned.mdtmLies = isFar || (standsStill && shown !== set);
  if (lastMdtm?.shown !== shown) learned.lastMdtm = { shown, at: now };
}

const STOPPED_CLOCK_MS = 3000;

/** The largest possible difference: time zones range from -12 to +14 hours, and both sides may be wrong by as much. */
export const MAX_ZONE_MS = 26 * 3_600_000;

/** Returns the command that sets a time, or undefined if the server has none or none can represent this time. */
export function timeCommand(site: FtpSession, doing: PathContext, modified: number): string | undefined {
  return formatTimeCommand(site.learned.setter, { time: formatTime(modified), path: encodePath(site, doing) });
}

/**
 * Tries the other commands that might set the time after a refusal, and remembers the one that works. Returns false if
 * none does.
 */
export async function tryOtherSetters(
  link: ControlConnection,
  site: FtpSession,
  { doing, modified }: { readonly doing: PathContext; readonly modified: number },
): Promise<boolean> {
  const [time, path] = [formatTime(modified), encodePath(site, doing)];
  const { learned } = site;
  const others = SETTERS.filter((one) => one !== learned.setter && isOffered(site, one));
  for (const setter of others) {
    const command = formatTimeCommand(setter, { time, path });
    if (command === undefined || (await link.sendCommand(command)).code >= 300) continue;
    const shown = await link.sendCommand(`MDTM ${path}`);
    if (shown.code !== 213 || parseTime(shown.text.slice(4).trim()) !== parseTime(time ?? "")) continue;
    learned.setter = setter;
    learned.keepsTimes = true;
    return true;
  }
  return false;
}

const SETTERS: readonly TimeSetter[] = ["MFMT", "MDTM", "UTIME"];

function isOffered({ abilities }: FtpSession, setter: TimeSetter): boolean {
  if (setter === "MFMT") return abilities.features.has("MFMT");
  if (setter === "MDTM") return abilities.setsByMdtm;
  return abilities.features.has("SITE UTIME") || /\bUTIME\b/.test(abilities.siteHelp);
}

function formatTimeCommand(
  setter: TimeSetter,
  { time, path }: { readonly time: string | undefined; readonly path: string },
): string | undefined {
  if (time === undefined || setter === "none") return undefined;
  if (setter === "UTIME") return `SITE UTIME ${time} ${path}`;
  return `${setter} ${time} ${path}`;
}
