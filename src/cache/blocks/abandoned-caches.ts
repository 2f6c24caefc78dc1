/**
 * Caches on the same disk that nobody serves from: where the disk is short, they go before anything that is in use.
 *
 * How it works: whoever finds the disk at its floor asks here first. One cache goes at a time, the one that was used longest ago
 * first, and the disk is looked at again. Which caches there are, and how one goes, is the daemon's business (`Remover`).
 *
 * Invariants:
 * 1. One removal at a time; whoever asks meanwhile waits for it.
 * 2. Nobody waits longer than `PATIENCE`: a cache of millions of files takes minutes, and goes on behind their backs.
 * 3. A look that found none is good for `NONE_FOR`: a disk that stays at its floor costs no listing a request.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { QuotaReason } from '../policy/quota.ts';

/** Removes one cache that nobody serves from. @returns whether there was one */
export type Remover = () => Promise<boolean>;

const PATIENCE = 2_000;
const NONE_FOR = 30_000;

/** See the file's header. */
export class AbandonedCaches {
  readonly #remove: Remover | null;
  readonly #clock: Clock;
  readonly #log: Logger;
  #removing: Promise<boolean> | null = null;
  #noneUntil = -Infinity;

  /** @param remove null: whatever else lies on the disk stays */
  constructor(remove: Remover | null, clock: Clock, log: Logger) {
    this.#remove = remove;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Gives one up where that can help.
   * @param reason why there is no room
   * @returns whether one has gone: look at the disk again
   */
  async giveUp(reason: QuotaReason): Promise<boolean> {
    const remove = this.#remove;
    if (remove === null || (reason !== 'floor' && reason !== 'inodes')) return false;
    if (this.#removing === null) {
      if (this.#clock.monotonic() < this.#noneUntil) return false;
      this.#removing = this.#removeOne(remove).finally(() => (this.#removing = null));
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    using _timer = this.#clock.startTimer(PATIENCE, () => resolve(false));
    void this.#removing.then(resolve);
    return await promise;
  }

  async #removeOne(remove: Remover): Promise<boolean> {
    try {
      if (await remove()) return true;
    } catch (error) {
      this.#log.warn('a cache that nobody uses could not be removed', { err: DlfsError.from(error) });
    }
    this.#noneUntil = this.#clock.monotonic() + NONE_FOR;
    return false;
  }
}
