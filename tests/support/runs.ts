/** How often a property is tried: `few` times by default (`inCi` under CI), `full` where TANDEM_RUNS is set (a number there decides alone). */
export function runs(few: number, full: number, inCi = few): number {
  const wanted = Deno.env.get("TANDEM_RUNS");
  if (wanted === undefined || wanted === "") return Deno.env.get("CI") === "true" ? inCi : few;
  const count = Number(wanted);
  return Number.isSafeInteger(count) && count > 0 ? count : full;
}

/** One seed, so that a run tries the same cases each time; none where TANDEM_RUNS asks for a look elsewhere: that prints the seed of what it finds. */
export function seeded(seed: number): { readonly seed?: number } {
  return (Deno.env.get("TANDEM_RUNS") ?? "") === "" ? { seed } : {};
}
