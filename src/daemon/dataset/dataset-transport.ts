/**
 * The transport of a dataset's mounts, made of the parts of the dataset.
 *
 * Which one it is was decided for the process (`DataPlane.fuse`): libfuse is there for all datasets or for none.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { CacheIndex, NodeRow } from '../../cache/index/index.ts';
import { FixedView } from '../../fs/names/fixed-view.ts';
import { Names, type DirectoryLister } from '../../fs/names/names.ts';
import { FuseNativeTransport } from '../../fs/transport/fuse-native/fuse-native-transport.ts';
import { NativeTransport } from '../../fs/transport/native/native-transport.ts';
import type { Transport } from '../../fs/transport/transport.ts';
import { mountAt, readMounts } from '../mountinfo.ts';
import type { DataPlane } from '../node/data-plane.ts';
import { chooseOpenMode, type EffectiveOpen, type OpenMode } from '../open-mode.ts';
import type { Sizes } from './dataset-sizes.ts';

/** What a transport is made of. */
export interface TransportParts {
  readonly plane: DataPlane;
  /** The dataset's blocks in the data plane. */
  readonly volume: number;
  readonly dir: string;
  readonly index: CacheIndex;
  readonly lister: DirectoryLister;
  readonly store: Pick<BlockStore, 'residentShare'>;
  /** A file is about to be read: it may be read from the kernel's cache alone. */
  readonly onUse: (node: NodeRow) => void;
  /** A wait for this file has reached its limit. */
  readonly onTimeout: (ino: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A transport for one mount, not mounted yet. It shows the index; over libfuse the names as they are now. */
export function makeTransport(parts: TransportParts): Transport {
  const { plane, index, lister, store, onUse, log, ...rest } = parts;
  const { host, kernel, fuse } = plane;
  const residentShare = (ino: number): number => store.residentShare(ino);
  const deviceAt = (dir: string): string | null => mountAt(readMounts(), dir)?.device ?? null;
  const common = { ...rest, host, deviceAt, log: log.child('mount') };
  if (fuse === null) {
    const names = new Names({ view: index, lister, residentShare });
    return new NativeTransport({ ...common, names, kernel, onLookup: onUse, namesLog: log.child('names') });
  }
  const names = new Names({ view: new FixedView(index), lister, residentShare });
  return new FuseNativeTransport({
    ...{ ...common, names, addon: fuse, mountBeneath: kernel.mountBeneath, onOpen: onUse },
  });
}

/**
 * How a mount's files are opened.
 * @param wish `--open`, or `open` of the manifest
 * @throws DlfsError `unsupported` for what this kernel or this transport cannot do
 */
export function chooseOpen(wish: OpenMode | 'auto', { fuse, kernel }: DataPlane, sizes: Sizes): EffectiveOpen {
  if (fuse === null) return chooseOpenMode(wish, kernel, sizes);
  if (wish === 'auto') return 'requested';
  throw new DlfsError(
    'unsupported',
    `${wish} is of the native transport: leave the way of opening to auto with fuse-native`,
  );
}
