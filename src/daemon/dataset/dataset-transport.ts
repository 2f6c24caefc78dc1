/**
 * By which transport a dataset is served, and how it opens files.
 *
 * Invariants:
 * 1. What cannot be had is refused when the plan is made: before anything is mounted.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { CacheIndex, NodeRow } from '../../cache/index/index.ts';
import { FixedView } from '../../fs/names/fixed-view.ts';
import { Names, type DirectoryLister } from '../../fs/names/names.ts';
import { loadFuseAddon, type FuseAddon } from '../../fs/transport/fuse-native/addon.ts';
import { FuseNativeTransport } from '../../fs/transport/fuse-native/fuse-native-transport.ts';
import { NativeTransport } from '../../fs/transport/native/native-transport.ts';
import type { Transport } from '../../fs/transport/transport.ts';
import type { DataPlane } from '../node/data-plane.ts';
import { chooseOpenMode, type EffectiveOpen } from '../open-mode.ts';
import type { DatasetOptions } from './dataset-options.ts';

/** What a transport is made of, besides the plan. */
export interface TransportParts {
  /** The dataset's blocks in the data plane. */
  readonly volume: number;
  readonly index: CacheIndex;
  readonly lister: DirectoryLister;
  readonly store: BlockStore;
  /** A wait for this file has reached its limit. */
  readonly onTimeout: (ino: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the file's header. */
export class TransportPlan {
  /** How files are opened. */
  readonly openMode: EffectiveOpen;
  readonly #options: DatasetOptions;
  readonly #plane: DataPlane;
  /** null: our own transport. */
  readonly #addon: FuseAddon | null;

  /**
   * @param sizes file sizes of the dataset, or of a sample, with their numbers
   * @throws DlfsError `unsupported` where the wish cannot be fulfilled here
   */
  constructor(options: DatasetOptions, plane: DataPlane, sizes: Iterable<readonly [number, number]>) {
    this.#options = options;
    this.#plane = plane;
    this.#addon = options.transport === 'native' ? null : loadFuseAddon(plane.host.binding);
    this.openMode = this.#addon === null ? chooseOpenMode(options.open, plane.kernel, sizes) : 'requested';
  }

  /** The transport, not mounted yet. It shows the index, with `fuse-native` as it is now. */
  make({ index, lister, store, ...parts }: TransportParts): Transport {
    const { host, kernel } = this.#plane;
    const residentShare = (ino: number): number => store.residentShare(ino);
    const used = (node: NodeRow): void => {
      store.used(node);
    };
    const common = { ...parts, host, dir: this.#options.dir };
    if (this.#addon === null) {
      const names = new Names({ view: index, lister, residentShare });
      return new NativeTransport({ ...common, names, incEpoch: kernel.incEpoch, onLookup: used });
    }
    const names = new Names({ view: new FixedView(index), lister, residentShare });
    return new FuseNativeTransport({ ...common, names, addon: this.#addon, onOpen: used });
  }
}
