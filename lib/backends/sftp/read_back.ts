import { Buffer } from "node:buffer";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { statusOf } from "./errors.ts";
import type { WriteOrder } from "./profile.ts";
import { READ, type SftpClient } from "./client.ts";

/** A file whose bytes were written in an order, "any" by default. */
export interface WrittenFile extends OperationContext {
  readonly temp: string;
  readonly order?: WriteOrder;
}

/**
 * Samples of the WRITEs of an upload, which are read back. A server that handles requests side by side, and fills with
 * zeros what it thinks is missing, ends with the right size and the wrong bytes.
 */
export class WriteSamples {
  readonly #samples: { readonly from: number; readonly bytes: Uint8Array }[] = [];

  /** Notes a WRITE. Zeros are no sample: they could not be told from a gap. */
  add(piece: Uint8Array, to: number): void {
    if (this.#samples.length >= MAX_SAMPLES) return;
    const at = piece.findIndex((byte) => byte !== 0);
    if (at >= 0) this.#samples.push({ from: to + at, bytes: piece.slice(at, at + SAMPLE_BYTES) });
  }

  /**
   * Compares the samples with the temporary file. If they differ, later files are sent in the strictest order; rejects
   * as retryable unless this one was. An account that may not read what it wrote is believed.
   */
  async assertHeld(client: SftpClient, pending: WrittenFile): Promise<void> {
    const { profile } = client;
    let isHeld: boolean;
    try {
      isHeld = await this.#isHeld(client, pending);
    } catch (error) {
      if (statusOf(error) === undefined) throw error;
      isHeld = true;
    }
    if (isHeld) return void (profile.isOrderProven = true);
    const isOrderNew = profile.demandStrictestOrder(pending.order ?? "any");
    throw operationError(pending, isOrderNew ? "busy" : "changed", {
      why: `the server holds other bytes than were written${isOrderNew ? "; the file is sent again, in order" : ""}`,
    });
  }

  async #isHeld(client: SftpClient, pending: WrittenFile): Promise<boolean> {
    const handle = await client.open(pending.temp, READ, pending);
    try {
      const equal = await Promise.all(this.#samples.map(async ({ from, bytes }) => {
        const into = Buffer.alloc(bytes.length);
        const count = await client.read(handle, { into, at: 0, length: bytes.length, from }, pending);
        return count === bytes.length && into.equals(bytes);
      }));
      return equal.every(Boolean);
    } finally {
      client.closeInBackground(handle);
    }
  }
}

const SAMPLE_BYTES = 8;
const MAX_SAMPLES = 256;
