import type { FtpLink } from "./ftp_link.ts";
import { formatTime, parseTime } from "./ftp_list.ts";
import { type Doing, type Site, type TimeSetter, wired } from "./ftp_site.ts";

/** What sets times on this server, as far as its features tell. */
export function likelySetter(site: Pick<Site, "abilities">): TimeSetter {
  const { features, site: help, setsByMdtm } = site.abilities;
  if (features.has("MFMT")) return "MFMT";
  if (setsByMdtm) return "MDTM";
  return features.has("SITE UTIME") || /\bUTIME\b/.test(help) ? "UTIME" : "none";
}

/** The command that sets a time; undefined where nothing does, or no command can carry this time. */
export function timeCommand(site: Site, doing: Doing, modified: number): string | undefined {
  return commandOf(site.learned.setter, { time: formatTime(modified), path: wired(site, doing) });
}

/** Tries what else might set the time after a refusal, and remembers it. False when nothing does. */
export async function setTime(
  link: FtpLink,
  site: Site,
  { doing, modified }: { readonly doing: Doing; readonly modified: number },
): Promise<boolean> {
  const [time, path] = [formatTime(modified), wired(site, doing)];
  const { learned } = site;
  const others = SETTERS.filter((one) => one !== learned.setter && isLikely(site, one));
  for (const setter of others) {
    const command = commandOf(setter, { time, path });
    if (command === undefined || (await link.ask(command)).code >= 300) continue;
    const shown = await link.ask(`MDTM ${path}`);
    if (shown.code !== 213 || parseTime(shown.text.slice(4).trim()) !== parseTime(time ?? "")) continue;
    learned.setter = setter;
    return true;
  }
  return false;
}

const SETTERS: readonly TimeSetter[] = ["MFMT", "MDTM", "UTIME"];

function isLikely({ abilities }: Site, setter: TimeSetter): boolean {
  if (setter === "MFMT") return abilities.features.has("MFMT");
  if (setter === "MDTM") return abilities.setsByMdtm;
  return abilities.features.has("SITE UTIME") || /\bUTIME\b/.test(abilities.site);
}

function commandOf(
  setter: TimeSetter,
  { time, path }: { readonly time: string | undefined; readonly path: string },
): string | undefined {
  if (time === undefined || setter === "none") return undefined;
  if (setter === "UTIME") return `SITE UTIME ${time} ${path}`;
  return `${setter} ${time} ${path}`;
}
