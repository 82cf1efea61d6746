import type { ControlConnection } from "./control_connection.ts";
import { isAbsent } from "./errors.ts";
import { parseFeatures, parsePwdFolder } from "./replies.ts";

/** A server's features, found at the first login. */
export interface ServerProfile {
  readonly features: ReadonlyMap<string, string>;
  /** The text of SITE HELP, in capitals. */
  readonly siteHelp: string;
  /** The login folder in the server's encoding; "/" if the server does not report it, or in no usable form. */
  readonly home: string;
  /** Whether the server reported the login folder. */
  readonly knowsHome: boolean;
  /** Whether MDTM with a time sets it. */
  readonly setsByMdtm: boolean;
  /** Whether data connections may resume the TLS session of any connection of this client. */
  readonly acceptsAnyTlsSession: boolean;
  /** Whether the server's system is Unix, so that a rename over an existing file is atomic. */
  readonly isUnix: boolean;
  /** The fingerprint of the server's certificate, "SHA256:…" in hex; undefined without TLS. */
  readonly peer: string | undefined;
}

/** Whether the server describes single files: by MLST or by SIZE. Otherwise only listings do. */
export function describesFiles({ features }: Pick<ServerProfile, "features">): boolean {
  return features.has("MLST") || features.has("SIZE");
}

/** Asks a server, after the first login, what it can do. */
export async function readProfile(control: ControlConnection): Promise<ServerProfile> {
  const [feat, pwd, help, system] = await control.sendCommands(["FEAT", "PWD", "SITE HELP", "SYST"]);
  const features = await completeFeatures(control, parseFeatures(feat));
  const home = parsePwdFolder(pwd);
  // A server that can set times reports about setting; others take the time for a part of the name.
  const probe = features.has("MFMT") || !features.has("MDTM")
    ? undefined
    : await control.sendCommand("MDTM 20200101000000 /.tandem-is-not-there");
  const peer = control.fingerprint;
  return {
    features,
    siteHelp: help.code < 300 ? help.text.toUpperCase() : "",
    home: home ?? "/",
    knowsHome: home !== undefined,
    setsByMdtm: probe !== undefined && /\bset\b/i.test(probe.text) && !isAbsent(probe.text),
    acceptsAnyTlsSession: /vsftpd|pure-ftpd/i.test(control.greeting),
    isUnix: system.code === 215 && /unix/i.test(system.text),
    peer: peer === undefined ? undefined : `SHA256:${peer}`,
  };
}

/**
 * Returns the features with SIZE and MDTM as the server has them, whatever it announced: those without FEAT may have
 * both, and some announce what they refuse. Servers with MLST need neither.
 */
async function completeFeatures(
  control: ControlConnection,
  announced: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  if (announced.has("MLST")) return announced;
  const features = new Map(announced);
  const replies = await control.sendCommands(PROBED.map((command) => `${command} /.tandem-is-not-there`));
  for (const [index, { code }] of replies.entries()) {
    const command = PROBED[index] ?? "";
    if (UNKNOWN_COMMAND.has(code)) features.delete(command);
    else if (code === 213 || code >= 400) features.set(command, announced.get(command) ?? "");
  }
  return features;
}

const PROBED: readonly string[] = ["SIZE", "MDTM"];
/** The codes of commands that a server does not know. */
export const UNKNOWN_COMMAND: ReadonlySet<number> = new Set([500, 502, 504]);
