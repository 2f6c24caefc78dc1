/**
 * All scenarios, in the order in which they run.
 */
import type { Scenario } from '../measure/scenario.ts';
import { COLD_BIG } from './cold-big.ts';
import { COLD_SMALL } from './cold-small.ts';
import { DROPPED } from './dropped.ts';
import { FAIRNESS } from './fairness.ts';
import { HOT } from './hot.ts';
import { LISTING } from './listing.ts';
import { ORIGIN_BYTES } from './origin-bytes.ts';
import { PEERS_WARM } from './peers-warm.ts';

/** See the file's header. Scenarios over one data set stand together: a full cache serves the next. */
export const SCENARIOS: readonly Scenario[] = [
  ...HOT,
  ...DROPPED,
  PEERS_WARM,
  ...COLD_BIG,
  ...COLD_SMALL,
  ORIGIN_BYTES,
  ...LISTING,
  ...FAIRNESS,
];
