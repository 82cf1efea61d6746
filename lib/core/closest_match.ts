/** Returns the name that the user most likely meant, ignoring case and hyphens; undefined if none is close. */
export function closestMatch(word: string, names: Iterable<string>): string | undefined {
  const wanted = fold(word).slice(0, MAX_LENGTH);
  if (wanted === "") return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of names) {
    const candidate = fold(name).slice(0, MAX_LENGTH);
    const distance = candidate.startsWith(wanted) && wanted.length >= 3 ? 0.5 : editDistance(wanted, candidate);
    if (distance >= bestDistance || distance > maxDistance(candidate)) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

const MAX_LENGTH = 64;

function fold(word: string): string {
  return word.toLowerCase().replaceAll("-", "");
}

/** Returns the largest edit distance at which a name still matches: 0 for a name of one or two letters. */
function maxDistance(name: string): number {
  return name.length < 3 ? 0 : Math.max(1, Math.floor(name.length / 3));
}

/** Returns the number of insertions, deletions, substitutions and transpositions (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = cell(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(change, cell(last, j) + 1, cell(row, j - 1) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, cell(beforeLast, j - 2) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
