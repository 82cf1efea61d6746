/**
 * The number of bytes that are read and hashed in the time of one remote request: a round trip of over 1 ms, with some
 * dozens of requests in flight.
 */
export const CHEAP_READ_BYTES = 1 << 20;
