/** How often a property is tried: `ci` by default, `full` where TANDEM_RUNS is set (a number there decides alone). */
export function runs(ci: number, full: number): number {
  const wanted = Deno.env.get("TANDEM_RUNS");
  if (wanted === undefined || wanted === "") return ci;
  const count = Number(wanted);
  return Number.isSafeInteger(count) && count > 0 ? count : full;
}
