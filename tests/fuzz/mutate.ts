/** Numbers from 0 to below 1, the same for each seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Mutating {
  readonly random: () => number;
  readonly corpus: readonly Uint8Array<ArrayBuffer>[];
  readonly tokens: readonly Uint8Array<ArrayBuffer>[];
}

/** Returns a changed copy of an input of the corpus, of at most `most` bytes. One in two hundred repeats a piece until it is that long. */
export function mutated(mutating: Mutating, most: number): Uint8Array<ArrayBuffer> {
  const { random, corpus } = mutating;
  let input = pick(corpus, random) ?? new Uint8Array();
  const changes = 1 + Math.floor(random() * random() * 8);
  for (let made = 0; made < changes; made++) input = change(input, mutating);
  if (random() < 0.005) input = repeated(input, { random, most });
  return input.length > most ? input.slice(0, most) : input;
}

const ODD_BYTES = [0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x25, 0x26, 0x2e, 0x2f, 0x3b, 0x3c, 0x5c, 0x7f, 0x80, 0xff];
const NUMBERS = ["0", "-1", "1e999", "65536", "2147483648", "9007199254740993", "99999999999999999999", "0x10"];

function change(input: Uint8Array<ArrayBuffer>, { random, corpus, tokens }: Mutating): Uint8Array<ArrayBuffer> {
  const at = Math.floor(random() * (input.length + 1));
  const length = Math.floor(random() * random() * (input.length - at + 1));
  switch (Math.floor(random() * 9)) {
    case 0:
      return spliced(input, at, { length: 1, insert: Uint8Array.of(Math.floor(random() * 256)) });
    case 1:
      return spliced(input, at, { length: 0, insert: Uint8Array.of(pick(ODD_BYTES, random) ?? 0) });
    case 2:
      return spliced(input, at, { length, insert: new Uint8Array() });
    case 3:
      return spliced(input, at, { length: 0, insert: input.slice(at, at + length) });
    case 4:
      return spliced(input, at, { length, insert: pick(tokens, random) ?? new Uint8Array() });
    case 5:
      return spliced(input, at, { length: 0, insert: pick(tokens, random) ?? new Uint8Array() });
    case 6: {
      const other = pick(corpus, random) ?? input;
      const from = Math.floor(random() * (other.length + 1));
      return spliced(input, at, { length, insert: other.slice(from, from + Math.floor(random() * 200)) });
    }
    case 7:
      return spliced(input, at, { length, insert: new TextEncoder().encode(pick(NUMBERS, random)) });
    default:
      return spliced(input, at, {
        length: 1,
        insert: Uint8Array.of((input[at] ?? 0) ^ (1 << Math.floor(random() * 8))),
      });
  }
}

function repeated(
  input: Uint8Array<ArrayBuffer>,
  { random, most }: { readonly random: () => number; readonly most: number },
): Uint8Array<ArrayBuffer> {
  const from = Math.floor(random() * input.length);
  const piece = input.slice(from, from + 1 + Math.floor(random() * 64));
  if (piece.length === 0) return input;
  const times = Math.floor((most - input.length) / piece.length);
  const middle = new Uint8Array(Math.max(0, times) * piece.length);
  for (let at = 0; at < middle.length; at += piece.length) middle.set(piece, at);
  return spliced(input, from, { length: 0, insert: middle });
}

function spliced(
  input: Uint8Array<ArrayBuffer>,
  at: number,
  { length, insert }: { readonly length: number; readonly insert: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const tail = input.subarray(at + length);
  const output = new Uint8Array(at + insert.length + tail.length);
  output.set(input.subarray(0, at));
  output.set(insert, at);
  output.set(tail, at + insert.length);
  return output;
}

function pick<T>(list: readonly T[], random: () => number): T | undefined {
  return list[Math.floor(random() * list.length)];
}
