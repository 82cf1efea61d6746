/** A parser under attack: inputs that a hostile peer or a damaged file could hold. */
export interface FuzzTarget {
  readonly name: string;
  /** Well-formed inputs to begin with; characters stand for bytes of their UTF-8. */
  readonly seeds: readonly string[];
  /** Words of the grammar that mutations put in. */
  readonly tokens: readonly string[];
  /** Parses the bytes and checks what must hold of every result. Returns it or a promise; fails only with what `expects` allows. */
  run(bytes: Uint8Array<ArrayBuffer>): unknown;
  /** Whether the parser may refuse its input with this error. */
  expects(error: unknown): boolean;
}

/** A fault that the fuzzer found, with the input that shows it. */
export class FuzzFault extends Error {
  override readonly name = "FuzzFault";

  constructor(message: string, readonly input: Uint8Array<ArrayBuffer>, cause?: unknown) {
    super(message, { cause });
  }
}
