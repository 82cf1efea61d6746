/** Bytes that are read and hashed in the time that a question takes: over 1 ms far away, with some dozens on their way. */
export const WORTH_READING = 1 << 20;
