import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import type { ConnectContext, ProtocolOption } from "../../core/protocol.ts";
import type { WriteOptions } from "../../core/backend.ts";

/** The option that forbids temporary names, for every protocol that writes under them. */
export const noTempOption = {
  name: "NoTemp",
  kind: "toggle",
  help: "Writes new files under their final names, as servers need that rename nothing; a reader may see half a file.",
} as const satisfies ProtocolOption;

/** A refusal that showed that files of this server cannot be renamed. */
export interface RenameRefusal {
  /** The operation as the protocol names it: "RNTO", "MOVE", "RENAME". */
  readonly operation: string;
  /** The words of the server. */
  readonly serverMessage: string;
}

/** A new file: its path below the root, and the same as the server knows it. */
export interface DirectTarget {
  readonly path: RelPath;
  readonly serverPath: string;
}

/**
 * Direct writes: whether new files of one server are written under their final names, because the user chose so, or
 * because this or an earlier run was refused a rename. An existing file is then only replaced in place.
 */
export class DirectWrites {
  readonly #label: string;
  readonly #context: Pick<ConnectContext, "serverMemory" | "warn">;
  readonly #begun = new Set<string>();
  #why: string | undefined;

  /** Takes -NoTemp and the server's memory into account. `label`: the backend's. */
  constructor(label: string, context: Pick<ConnectContext, "options" | "serverMemory" | "warn">) {
    this.#label = label;
    this.#context = context;
    const remembered = context.serverMemory?.get(FACT);
    if (context.options["NoTemp"] === "true") this.#why = "-NoTemp was given";
    else if (remembered !== undefined) this.#turnOn(remembered);
  }

  /** Whether new files are written under their final names. */
  get isOn(): boolean {
    return this.#why !== undefined;
  }

  /** Turns direct writes on for this run and remembers it for the server; warns once. */
  turnOn({ operation, serverMessage }: RenameRefusal): void {
    if (this.isOn) return;
    const why = `${operation} was refused: ${escapeForDisplay(serverMessage.trim()).slice(0, 200)}`;
    this.#context.serverMemory?.remember(FACT, why);
    this.#turnOn(why);
  }

  /**
   * Writes under the final name, after history knows that the file may be half written. Rejects with unsupported if an
   * existing file would be replaced. `write` gets the options that apply: a file that an attempt of this run has begun
   * is its own, and may be written again until it is complete.
   */
  async write<O extends WriteOptions, T>(
    target: DirectTarget,
    options: O,
    write: (options: O) => Promise<T>,
  ): Promise<T> {
    const written = await write(await this.#begin(target, options));
    this.#begun.delete(target.serverPath);
    return written;
  }

  async #begin<O extends WriteOptions>({ path, serverPath }: DirectTarget, options: O): Promise<O> {
    if (options.inPlace === true) return options;
    if (this.#begun.has(serverPath)) {
      const { expect: _, ...own } = options;
      return { ...own as O, inPlace: true };
    }
    if (options.expect !== "absent") {
      throw new SyncError(
        "unsupported",
        `Cannot replace "${escapeForDisplay(path)}" on ${this.#label}: ${this.#why ?? "files cannot be renamed"}, ` +
          "so the new content cannot wait under another name. -InPlace writes into the file, which a reader can see half written",
        { operation: "write", path },
      );
    }
    await options.onDirectWrite?.();
    this.#begun.add(serverPath);
    return options;
  }

  #turnOn(why: string): void {
    this.#why = why;
    this.#context.warn(
      `${this.#label} renames no files (${why}): new files are written under their final names, where a reader can see them half written; existing files are replaced only with -InPlace.`,
    );
  }
}

/** The name of the fact in the server's memory. */
const FACT = "directWrites";
