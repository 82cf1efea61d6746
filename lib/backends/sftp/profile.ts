import { nameOf, type RelPath } from "../../core/path.ts";
import { tempPath, undottedTempPath } from "../../core/temp_name.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import type { DirectWrites } from "../shared/direct_writes.ts";

type ProfileContext = Partial<Pick<ConnectContext, "serverMemory" | "warn">>;

/**
 * The order in which a file's bytes must arrive: any; ascending, over one connection; or one WRITE after the answer to
 * the one before.
 */
export type WriteOrder = "any" | "ascending" | "one by one";

/** The server's behaviour, as found during the session. Shared by all its connections. */
export class ServerProfile {
  /** Whether its listings leave out no name that begins with a dot. */
  showsDots: boolean | undefined;
  /** Whether LSTAT works, which shows a link as such. */
  showsLinks = true;
  /** Whether modes and times are set by the handle of an open file; otherwise by its path. */
  setsByHandle = true;
  /** Whether bytes of several WRITEs were read back, and were right. */
  isOrderProven = false;
  #writeOrder: WriteOrder = "any";
  /** Whether a stricter order has not helped, so that a mere FAILURE has other reasons. */
  #isOrderKnown = false;
  /** Whether posix-rename@openssh.com works where it is announced. */
  posixRenames = true;
  /** Whether new files are written under their final names. */
  readonly directWrites: DirectWrites | undefined;
  readonly #context: ProfileContext;
  #isUndotted: boolean;
  readonly #warned = new Set<string>();
  /** Uploads whose end was not confirmed, by the path of their temporary file. */
  readonly #unconfirmed = new Map<string, number>();

  /** `directWrites`: absent if files are never written under their final names, as in some tests. */
  constructor(context: ProfileContext = {}, directWrites?: DirectWrites) {
    this.#context = context;
    this.directWrites = directWrites;
    const order = context.serverMemory?.get(ORDER_FACT);
    if (order === "ascending" || order === "one by one") this.#writeOrder = order;
    this.#isUndotted = context.serverMemory?.get(NAME_FACT) === "true";
  }

  /** Returns the temporary name of a file, without a leading dot where the server refuses that. */
  tempName(path: RelPath, tag: string): string {
    return nameOf(this.#isUndotted ? undottedTempPath(path, tag) : tempPath(path, tag));
  }

  get isUndotted(): boolean {
    return this.#isUndotted;
  }

  /** Records that the server refuses names with a leading dot, and takes others. */
  refuseDots(): void {
    this.#isUndotted = true;
    this.#context.serverMemory?.remember(NAME_FACT, "true");
  }

  /** Records that the server does not know LSTAT. */
  hideLinks(): void {
    this.showsLinks = false;
    this.warnOnce("The server does not know LSTAT, so that a link may look like what it points to.");
  }

  /** Says once that something works in a lesser way. */
  warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#context.warn?.(message);
  }

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
      this.#setOrder("any");
      return false;
    }
    this.#setOrder(failed === "any" ? "ascending" : "one by one");
    return true;
  }

  /** Demands the strictest order after a file turned out to be damaged. Returns false if that does not help. */
  demandStrictestOrder(failed: WriteOrder): boolean {
    this.#setOrder(failed === "one by one" ? "any" : "one by one");
    return failed !== "one by one";
  }

  #setOrder(order: WriteOrder): void {
    this.#writeOrder = order;
    this.#context.serverMemory?.remember(ORDER_FACT, order);
  }
}

/** The names of the facts in the server's memory. */
const ORDER_FACT = "sftpWriteOrder";
const NAME_FACT = "undottedTempNames";
