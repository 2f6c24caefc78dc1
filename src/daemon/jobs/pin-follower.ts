/**
 * Keeps what is pinned in the cache as the dataset changes: the new version of a pinned file is fetched, and what an earlier run
 * did not come to.
 *
 * A refresh tells which names mean something else now. Those that a pin means are noted, a new directory as a whole, and fetched
 * one round after the other. At the start, and where more has changed than was told, all pins are gone through.
 *
 * Invariants:
 * 1. Noting a change costs one match of its path, nothing per file of the dataset.
 * 2. Memory is bounded: beyond `MAX_NOTED` names, all pins are gone through instead.
 * 3. A round that fails is tried again later; readers are served all the while.
 */
import type { Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { NameChange } from '../../cache/index/rows.ts';
import type { MatchedFile } from '../../fs/snapshot/glob-walk.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import { FailureLog } from './failures.ts';
import { ProgressMeter } from './meter.ts';
import { Warmer } from './warmer.ts';

/** Names noted at most. */
const MAX_NOTED = 10_000;
/** Milliseconds until a round begins: a refresh tells its changes in many batches. */
const GATHER = 200;
/**
 * Milliseconds until a failed round is tried again: at first soon, since room may be short for a moment only (what was just committed
 * does not leave at once), then twice as long each time.
 */
const AGAIN = 2_000;
const AGAIN_MOST = 300_000;
/** Files of a batch. */
const BATCH = 256;

/** See the file's header. Disposing it ends the round at hand. */
export class PinFollower implements AsyncDisposable {
  readonly #parts: DatasetJobParts;
  readonly #stop = new AbortController();
  readonly #inos = new Set<number>();
  #everything = false;
  #timer: Timer | null = null;
  #round: Promise<void> | null = null;
  #saidFull = false;

  constructor(parts: DatasetJobParts) {
    this.#parts = parts;
  }

  /** Begins with all that is pinned. */
  start(): void {
    this.#everything = true;
    this.#arm(GATHER);
  }

  /** Names mean something else, in effect; `overflow`: and more than are told. */
  changed(changes: readonly NameChange[], overflow: boolean): void {
    const { set } = this.#parts.pins;
    if (set === null) return;
    if (overflow) this.#everything = true;
    for (const { parent, name, newIno, dir } of changes) {
      if (newIno === null || this.#everything) continue;
      const directory = this.#componentsOf(parent);
      const place = directory === null ? null : set.placeAt(directory);
      if (place === null) continue;
      if (dir ? set.below(place, name) !== null : set.claims(place, name).size > 0) this.#inos.add(newIno);
    }
    if (this.#inos.size > MAX_NOTED) this.#everything = true;
    if (this.#everything) this.#inos.clear();
    if (this.#everything || this.#inos.size > 0) this.#arm(GATHER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.[Symbol.dispose]();
    await this.#round;
  }

  #componentsOf(directory: number): string[] | null {
    try {
      return this.#parts.index.keyOf(directory).split('/').slice(0, -1);
    } catch {
      return null; // it is gone again
    }
  }

  #arm(delay: number): void {
    if (this.#stop.signal.aborted || this.#round !== null || this.#timer !== null) return;
    this.#timer = this.#parts.clock
      .startTimer(delay, () => {
        this.#timer = null;
        this.#round = this.#fetch().finally(() => {
          this.#round = null;
          if (this.#everything || this.#inos.size > 0)
            this.#arm(this.#failures === 0 ? GATHER : Math.min(AGAIN_MOST, AGAIN * 2 ** (this.#failures - 1)));
        });
      })
      .unref();
  }

  /** Rounds that failed in a row. */
  #failures = 0;

  async #fetch(): Promise<void> {
    const { pins, clock, log } = this.#parts;
    const everything = this.#everything;
    const inos = [...this.#inos];
    this.#everything = false;
    this.#inos.clear();
    try {
      await pins.settleMarks();
      const failures = new FailureLog();
      const meter = new ProgressMeter(clock);
      const { signal } = this.#stop;
      const files = everything ? this.#all() : this.#some(inos);
      await new Warmer(this.#parts, { bandwidth: null, since: clock.wall(), signal, meter, failures }).run(files);
      const fetched = meter.bytes - meter.skippedBytes;
      if (fetched > 0 || failures.count > 0)
        log.info('fetched what is pinned', { files: meter.files, bytes: fetched, failed: failures.count });
      this.#saidFull = false;
      this.#failures = 0;
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      if (this.#stop.signal.aborted) return;
      this.#failures += 1;
      this.#everything = true;
      if (error.code === 'disk-full' && this.#saidFull) return;
      this.#saidFull = error.code === 'disk-full';
      log.warn(`not all that is pinned could be fetched: ${error.message}`, { err: error });
    }
  }

  async *#all(): AsyncGenerator<readonly MatchedFile[], void, undefined> {
    const { pins, walk } = this.#parts;
    if (pins.set !== null) yield* walk.files(pins.set, { signal: this.#stop.signal });
  }

  async *#some(inos: readonly number[]): AsyncGenerator<readonly MatchedFile[], void, undefined> {
    const { index, pins, walk } = this.#parts;
    const batch: MatchedFile[] = [];
    for (const ino of inos) {
      const node = index.node(ino);
      if (node === null || node.superseded || pins.set === null) continue;
      if (node.dir) yield* walk.files(pins.set, { from: ino, signal: this.#stop.signal });
      else if (pins.isPinned(ino)) batch.push({ node, path: index.keyOf(ino), globs: new Set() });
      if (batch.length >= BATCH) yield batch.splice(0);
    }
    if (batch.length > 0) yield batch;
  }
}
