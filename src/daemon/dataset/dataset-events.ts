/**
 * Which part of a dataset answers which event of the data plane.
 */
import { decodeRunEnd } from '../../cache/fetch/run-end.ts';
import type { Fills } from '../../cache/fetch/fills.ts';
import type { FetchScheduler } from '../../cache/fetch/scheduler.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { ReadPath } from '../../fs/read/read-path.ts';
import { EVENT, type NativeEvent } from '../../native/events.ts';

/** Who hears of blocks. */
export interface BlockParts {
  readonly origin: { answered(): void };
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly fills: Fills;
  readonly readPath: ReadPath;
}

/** An event of a volume. */
export function onVolumeEvent(event: NativeEvent, parts: BlockParts): void {
  switch (event.type) {
    case EVENT.resolve:
      parts.store.resolve(event.a);
      break;
    case EVENT.want:
      parts.readPath.onWant(event);
      break;
    case EVENT.mark:
      parts.readPath.onMark(event);
      break;
    case EVENT.stored:
      parts.store.onStored(event);
      parts.scheduler.arrived(event.a, event.c);
      break;
    case EVENT.storeFailed:
      parts.store.onStoreFailed(event);
      parts.fills.storeFailed(event.a, event.b, event.c);
      break;
    case EVENT.lost:
      parts.store.onLost(event);
      break;
    case EVENT.freed:
      parts.store.onFreed(event);
      break;
    case EVENT.runEnd: {
      const end = decodeRunEnd(event);
      if (end.outcome.kind === 'ok') parts.origin.answered();
      parts.scheduler.ended(end);
      break;
    }
  }
}
