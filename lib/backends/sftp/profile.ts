/** The server's behaviour, as found during the session. Shared by all its connections. */
export class ServerProfile {
  /** Whether its listings leave out no name that begins with a dot. */
  showsDots: boolean | undefined;
  /** Uploads whose end was not confirmed, by the path of their temporary file. */
  readonly #unconfirmed = new Map<string, number>();

  /** Counts an upload whose end the server did not confirm. Returns how often that happened to this file. */
  countUnconfirmed(temp: string): number {
    const count = (this.#unconfirmed.get(temp) ?? 0) + 1;
    this.#unconfirmed.set(temp, count);
    return count;
  }
}
