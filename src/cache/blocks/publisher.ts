/**
 * Publication: a file whose blocks are all committed is read back once, and if every hash matches, opened to passthrough.
 *
 * Invariants:
 * 1. One file at a time, behind everything urgent: verification costs the disk a second read.
 * 2. Only a file whose every block matched its hash is published, and the index is told after the data plane.
 */
import PQueue from 'p-queue';
import type { NativeHost } from '../../native/host.ts';
import type { BlockGeometry } from '../policy/geometry.ts';
import type { BlockIndex } from './block-index.ts';

/** What the publisher is made of. */
export interface PublisherOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: BlockIndex;
  readonly geometryOf: (ino: number) => BlockGeometry;
  /** Whether all of its blocks are there now: some may be about to leave. */
  readonly isWhole: (ino: number) => boolean;
  /** Logs what `work` throws; never rejects. */
  readonly guard: (work: Promise<void>) => Promise<void>;
}

/** Blocks that are read back in one go: a second's worth of a slow disk. */
const VERIFY_PAGE = 256;

/** See the file's header. Disposing it ends after the page at hand. */
export class Publisher implements AsyncDisposable {
  readonly #o: PublisherOptions;
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #queued = new Set<number>();
  readonly #publishing = new Set<number>();
  readonly #stop = new AbortController();

  constructor(options: PublisherOptions) {
    this.#o = options;
  }

  /** Whether the file has just been published, of which the index need not know yet. */
  holds(ino: number): boolean {
    return this.#publishing.has(ino);
  }

  /** Verifies and publishes in the background; a file that waits for that already is not queued again. */
  publish(ino: number): void {
    if (this.#isClosing() || this.#queued.has(ino)) return;
    this.#queued.add(ino);
    void this.#queue.add(() =>
      this.#o.guard(this.#verifyAndPublish(ino)).finally(() => {
        this.#queued.delete(ino);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  #isClosing(): boolean {
    return this.#stop.signal.aborted;
  }

  async #verifyAndPublish(ino: number): Promise<void> {
    const { host, volume, index } = this.#o;
    const object = index.object(ino);
    if (this.#isClosing() || object === null || object.state === 2) return;
    const { blocks } = this.#o.geometryOf(ino);
    for (let first = 0; first < blocks; first += VERIFY_PAGE) {
      const { idx, hash } = index.hashes(ino, first, VERIFY_PAGE);
      if (idx.length !== Math.min(VERIFY_PAGE, blocks - first)) return;
      const result = await host.task((task) => {
        host.engine.verify(volume, task, ino, Float64Array.from(idx), BigUint64Array.from(hash));
      });
      if (result.errno !== 0 || this.#isClosing()) return; // each damaged block came as a `lost` event
    }
    if (!this.#o.isWhole(ino)) return;
    this.#publishing.add(ino);
    try {
      if (host.engine.publish(volume, ino)) await index.setState(ino, 2);
    } finally {
      this.#publishing.delete(ino);
    }
  }
}
