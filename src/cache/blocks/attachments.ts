/**
 * Answers the data plane's question for a file's state: which of its blocks are on the disk.
 *
 * After an unclean stop the blocks that were committed shortly before it are suspect: their file is attached only after they
 * were read back and compared with their hashes; what fails counts as absent.
 *
 * Invariants:
 * 1. Every question is answered, by a state or by an error.
 * 2. A suspect block is never served before it was verified, and is verified once.
 */
import { DlfsError } from '../../base/errors.ts';
import { errnoOf } from '../../base/errors/errno.ts';
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';
import type { BlockHash } from '../index/rows.ts';
import type { BlockGeometry } from '../policy/geometry.ts';
import type { BlockIndex } from './block-index.ts';
import { setBit } from './block-set.ts';

/** What attachments are made of. */
export interface AttachmentsOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: BlockIndex;
  /** Whether whole files are published for passthrough. */
  readonly publish: () => boolean;
  /** Whether the last user of the folder ended cleanly. */
  readonly clean: boolean;
  readonly geometryOf: (ino: number) => BlockGeometry;
  /** Blocks of the object that are on the disk and not in the index yet. */
  readonly uncommitted: (ino: number) => readonly BlockHash[];
  /** All blocks of this file are on the disk, and it is not published. */
  readonly onWhole: (ino: number) => void;
  readonly log: Logger;
}

/** See the file's header. */
export class Attachments {
  readonly #o: AttachmentsOptions;
  readonly #unproven = new Map<number, { idx: number[]; hash: bigint[] }>();
  readonly #checking = new Map<number, Promise<void>>();

  constructor(options: AttachmentsOptions) {
    this.#o = options;
    if (!options.clean) this.#loadUnproven();
  }

  /** Whether nothing is suspect any more. */
  get proven(): boolean {
    return this.#unproven.size === 0;
  }

  /** Whether blocks of the object are being read back: it must not leave meanwhile. */
  isChecking(ino: number): boolean {
    return this.#checking.has(ino);
  }

  /** The object is gone, and what was suspect of it. */
  forget(ino: number): void {
    this.#unproven.delete(ino);
  }

  /** Verifies what is suspect of one object. */
  async prove(ino: number): Promise<void> {
    if (!this.#unproven.has(ino)) return;
    this.resolve(ino);
    await this.#checking.get(ino);
  }

  /** Verifies what an unclean stop left and nobody has read since, a file at a time. */
  async proveRest(stop: () => boolean): Promise<void> {
    for (const ino of [...this.#unproven.keys()]) {
      if (stop()) return;
      await this.prove(ino);
    }
  }

  /** Answers the data plane's question for a file's state, always. */
  resolve(ino: number): void {
    try {
      this.#attach(ino);
    } catch (error) {
      this.#o.log.error('the state of a file cannot be read', { ino, err: error });
      this.#o.host.engine.detach(this.#o.volume, ino, errnoOf(DlfsError.from(error).code));
    }
  }

  #attach(ino: number): void {
    const { engine } = this.#o.host;
    const node = this.#o.index.node(ino);
    if (node === null || node.dir) {
      engine.detach(this.#o.volume, ino, errnoOf('gone'));
      return;
    }
    const { blocks } = this.#o.geometryOf(ino);
    const object = this.#o.index.object(ino);
    const resident = object?.resident ?? new Uint8Array(Math.ceil(blocks / 8));
    for (const block of this.#o.uncommitted(ino)) setBit(resident, block.idx);
    const published = this.#o.publish() && object?.state === 2;
    const unproven = this.#unproven.get(ino);
    if (unproven !== undefined) {
      if (!this.#checking.has(ino))
        this.#checking.set(ino, this.#attachChecked(ino, node.size, resident, published, unproven));
      return;
    }
    engine.attach(this.#o.volume, ino, node.size, resident, published);
    if (!published && blocks > 0 && object?.blocks === blocks) this.#o.onWhole(ino);
  }

  async #attachChecked(
    ino: number,
    size: number,
    resident: Uint8Array,
    published: boolean,
    suspect: { readonly idx: number[]; readonly hash: bigint[] },
  ): Promise<void> {
    const blocks = Float64Array.from(suspect.idx);
    const hashes = BigUint64Array.from(suspect.hash);
    const { engine } = this.#o.host;
    try {
      await this.#o.host.task((task) => {
        engine.attachChecked(this.#o.volume, task, ino, size, resident, published, blocks, hashes);
      });
      this.#unproven.delete(ino);
      if (this.#unproven.size === 0) await this.#o.index.forgetRecent();
    } catch (error) {
      this.#o.log.warn('blocks of an unclean stop could not be verified', { ino, err: error });
    } finally {
      this.#checking.delete(ino);
    }
  }

  #loadUnproven(): void {
    for (const { ino, idx, hash } of this.#o.index.recentBlocks()) {
      const one = this.#unproven.get(ino) ?? { idx: [], hash: [] };
      one.idx.push(idx);
      one.hash.push(hash);
      this.#unproven.set(ino, one);
    }
    if (this.#unproven.size > 0) {
      this.#o.log.info('the last stop was not clean: recent blocks are verified before they are served', {
        files: this.#unproven.size,
      });
    }
  }
}
