/**
 * Repeatable numbers for simulations: a failing one can be run again.
 */

/** @returns a generator of numbers in [0, 1), the same for the same seed (a linear congruential one, constants of C's rand) */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  };
}

/** @returns the items in a random order (Fisher and Yates) */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
