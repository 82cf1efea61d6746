/**
 * The order in which a file's bytes must arrive: any; ascending, over one connection; or one WRITE after the answer to
 * the one before.
 */
export type WriteOrder = "any" | "ascending" | "one by one";

/** The server's behaviour, as found during the session. Shared by all its connections. */
export class ServerProfile {
  /** Whether its listings leave out no name that begins with a dot. */
  showsDots: boolean | undefined;
  /** Whether modes and times are set by the handle of an open file; otherwise by its path. */
  setsByHandle = true;
  #writeOrder: WriteOrder = "any";
  /** Whether a stricter order has not helped, so that a mere FAILURE has other reasons. */
  #isOrderKnown = false;
  /** Uploads whose end was not confirmed, by the path of their temporary file. */
  readonly #unconfirmed = new Map<string, number>();

  /** Counts an upload whose end the server did not confirm. Returns how often that happened to this file. */
  countUnconfirmed(temp: string): number {
    const count = (this.#unconfirmed.get(temp) ?? 0) + 1;
    this.#unconfirmed.set(temp, count);
    return count;
  }

  get writeOrder(): WriteOrder {
    return this.#writeOrder;
  }

  /**
   * Demands a stricter order after a file failed that was sent in the given one. Returns false if there is none, or if
   * that has not helped before.
   */
  demandOrder(failed: WriteOrder, isCertain: boolean): boolean {
    if (failed !== this.#writeOrder) return true;
    if (this.#isOrderKnown && !isCertain) return false;
    if (failed === "one by one") {
      this.#isOrderKnown = true;
      this.#writeOrder = "any";
      return false;
    }
    this.#writeOrder = failed === "any" ? "ascending" : "one by one";
    return true;
  }

  /** Demands the strictest order after a file turned out to be damaged. Returns false if that does not help. */
  demandStrictestOrder(failed: WriteOrder): boolean {
    this.#writeOrder = failed === "one by one" ? "any" : "one by one";
    return failed !== "one by one";
  }
}
