/**
 * A session between two processes of one user on one machine, as one JSON object. Everything but `Secret` is readable and, with it,
 * authenticated by `Seal`; `Secret` is there only if the login takes one, and is encrypted. Times are ISO 8601 in UTC.
 */
export interface SealedSession {
  readonly Type: "Session";
  readonly Version: 1;
  readonly Address: {
    readonly Scheme: string;
    readonly UserName: string | null;
    readonly HostName: string;
    readonly PortNumber: number | null;
    readonly Path: string;
    readonly Pins: readonly string[];
  };
  readonly Options: Readonly<Record<string, string>>;
  readonly HostKey: string | null;
  readonly Created: string;
  readonly Expires: string;
  readonly Secret?: string;
  readonly Seal: string;
}
