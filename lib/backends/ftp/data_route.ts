import type { Proxy } from "../../net/tcp.ts";
import type { TlsTrust } from "../../net/tls.ts";

export type DataMode = "Passive" | "Active" | "Auto";

/** The ways of opening data connections that work with one server, found out during a session. */
export class DataRoute {
  /** Whether ports are requested by EPSV; false after it was refused, or its port was dead and that of PASV was not. */
  usesEpsv: boolean;
  /** Whether a passive data connection was opened once. */
  hasPassive = false;
  /** Whether the server opens the data connections. */
  usesActive: boolean;
  /** Whether passive mode may still be left for active mode. */
  #mayTurnActive: boolean;
  readonly #isActiveAsked: boolean;

  constructor(mode: DataMode) {
    this.usesActive = this.#isActiveAsked = mode === "Active";
    this.usesEpsv = !this.usesActive;
    this.#mayTurnActive = mode === "Auto";
  }

  /** Returns to passive mode after the server opened no connection either, unless active mode was asked for. */
  leaveActive(): void {
    if (this.#isActiveAsked) return;
    this.usesActive = false;
    this.usesEpsv = true;
  }

  /** Turns to active mode, once and only if no passive data connection was ever opened. Returns whether it did. */
  turnActive(): boolean {
    if (!this.#mayTurnActive || this.hasPassive) return this.usesActive;
    this.#mayTurnActive = false;
    this.usesEpsv = false;
    return this.usesActive = true;
  }
}

/** How this end opens data connections that belong to a control connection. */
export interface DataSettings {
  /** The address of the control connection's peer. */
  readonly host: string;
  /** The address of this end of the control connection. */
  readonly localHost: string | undefined;
  readonly timeout: number;
  readonly proxy: Proxy | undefined;
  /** Undefined if the control connection has no TLS. */
  readonly tls?: {
    readonly trust: TlsTrust;
    readonly allowTls13: boolean;
    /** The session of the control connection: vsftpd and ProFTPD require that the data connection resumes it. */
    readonly session: Uint8Array | undefined;
  };
}
