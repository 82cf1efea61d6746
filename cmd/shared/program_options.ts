import type { RunEvent } from "../../lib/report/run_events.ts";

/** A secret as text, or a function that returns it when it is needed. */
export type SecretText = string | (() => string | Promise<string>);

/** A user name and a password. */
export interface LoginName {
  /** The name that logs in. */
  readonly userName: string;
  /** The password of that name. */
  readonly password: SecretText;
}

/** A question that a run has for a user, which `prompt` answers. */
export interface PromptRequest {
  /** `secret`: a password, a passphrase or a code; `text`: an answer that may be shown; `choice`: one of `answers`. */
  readonly kind: "secret" | "text" | "choice";
  /** The question, with all that the user has to know before it. */
  readonly message: string;
  /** The answers of a choice; empty otherwise. */
  readonly answers: readonly string[];
}

/** The options of every function, beside its own. */
export interface ProgramOptions {
  /** Show what would be done; change nothing. */
  readonly whatIf?: boolean;
  /** Ask `prompt` before anything is changed. */
  readonly confirm?: boolean;
  /** `Stop`: end the run at the first file that fails. `Continue` by default. */
  readonly errorAction?: "Continue" | "Stop";
  /**
   * Ends the run when it is aborted: what has begun is finished or left as a broken transfer that the next run goes on
   * with, locks are released, connections closed, and the function rejects with a SyncError of kind `cancelled`.
   */
  readonly signal?: AbortSignal;
  /**
   * Receives what happens, in order. The run does not wait for a promise that it returns. If it throws or rejects, the
   * run is cancelled, and the function rejects with that error once everything is closed.
   */
  readonly onEvent?: (event: RunEvent) => void | Promise<void>;
  /** Receives warnings, one sentence each; by default they go to `console.warn`. It may fail as `onEvent` may. */
  readonly onWarning?: (message: string) => void | Promise<void>;
  /**
   * Answers questions: a password that no option holds, an unknown host key, a confirmation. Undefined: no answer.
   * Without it nothing is asked, as in a program without a terminal. If it throws, the function rejects with that error.
   */
  readonly prompt?: (request: PromptRequest) => string | undefined | Promise<string | undefined>;
}

/** An open session: a logged-in connection to a server, or a disk. `await using` closes it at the end of a block. */
export interface Session extends AsyncDisposable {
  /** Eight hex digits that name the session. */
  readonly id: string;
  /** The server and the user: "sftp://deploy@web1". */
  readonly label: string;
  /** Whether it is still open. */
  readonly opened: boolean;
}
