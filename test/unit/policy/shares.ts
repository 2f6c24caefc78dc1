/**
 * A scheduler's share of the memory, alone or beside others.
 */
import { FetchShares, type FetchShare } from '../../../src/cache/fetch/fetch-shares.ts';

/** The share of one who is alone with so many bytes, of which half may be in flight. */
export function aloneWith(bytes: number, block = 1024 * 1024): FetchShare {
  return new FetchShares({ bytes, requests: 100_000 }).join(block, () => undefined);
}
