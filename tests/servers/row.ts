/** The protocols of the table, in README's order. */
export const protocols = ["SFTP", "FTP", "WebDAV", "S3", "GCS"] as const;
export type Protocol = (typeof protocols)[number];

/** A running server with a folder for the jobs. Stopped by its process id. */
export interface MatrixServer extends AsyncDisposable {
  readonly port: number;
  /** The folder as the server names it, without a "/" at its end. */
  readonly root: string;
  /** The same folder on this disk; undefined for a store, which is looked at through the program alone. */
  readonly disk: string | undefined;
  /** The folder of this disk in which uploads grow. */
  readonly watched?: string;
  /** Whether what the server took shows on its disk a little later. */
  readonly isLate?: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** The words that name a folder of the server, by way of another port if one is given. */
  login(path: string, port?: number): Login;
}

export interface Login {
  readonly address: string;
  readonly params: readonly string[];
}

/**
 * What a row does. `works`: every job ends with exit 0 and nothing is said. `degraded`: every job ends right, and what is less is said
 * (`says`) or shows in names that the server cannot keep (`unfit`). `refused`: the first run ends with this code and sentence.
 */
export type Expectation =
  | { readonly kind: "works" }
  | {
    readonly kind: "degraded";
    /** For README: what is less. */
    readonly how: string;
    /** A sentence that some run must say, and the only one that any may say. */
    readonly says?: RegExp;
    /** Paths that cannot be carried: each fails by itself with a sentence of its own. */
    readonly unfit?: RegExp;
    /** Whether the edit times of files are lost. */
    readonly losesTimes?: true;
    /** Whether removals are held back, with exit code 1. */
    readonly holdsRemovals?: true;
    /** Whether a killed upload of a new file may leave a part of it under its final name. */
    readonly writesDirectly?: true;
  }
  | { readonly kind: "refused"; readonly how: string; readonly code: number; readonly says: RegExp };

/** One server in one configuration. */
export interface Row {
  readonly protocol: Protocol;
  /** Unique: "OpenSSH, chroot". */
  readonly name: string;
  /** Its recipes in tests/support/servers/recipes.ts. */
  readonly recipes: readonly string[];
  readonly expects: Expectation;
  /** Whether it is part of every test run, with the short jobs. */
  readonly isQuick?: true;
  /** Whether it needs a system user of its own, which only root can make. */
  readonly needsRoot?: true;
  start(): Promise<MatrixServer>;
}

/** What a row says beside its protocol and name; `works` by default. */
export type StartedRow = Pick<Row, "recipes" | "start"> & Partial<Pick<Row, "expects" | "needsRoot" | "isQuick">>;

export const works: Expectation = { kind: "works" };
