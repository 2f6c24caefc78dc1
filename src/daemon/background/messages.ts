/**
 * What a process in the background tells the one that started it, by one message over the channel between them.
 */
import type { PlainError } from '../../base/errors.ts';

/** The mount serves. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly dir: string;
  /** For people: `s3://bucket/prefix at https://…`. */
  readonly source: string;
}

/** It does not, and the process is about to end. */
export interface FailedMessage {
  readonly type: 'failed';
  readonly error: PlainError;
}

/** The one message. */
export type StartMessage = ReadyMessage | FailedMessage;

/** Whether a message is one of ours. */
export function isStartMessage(message: unknown): message is StartMessage {
  const type = (message as { type?: unknown } | null)?.type;
  return type === 'ready' || type === 'failed';
}

/** Tells the starter, if there is one, and closes the channel; resolves when that is done, and never fails. */
export function tellStarter(message: StartMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) {
      resolve();
      return;
    }
    process.send(message, undefined, undefined, () => {
      // A starter that is gone is nobody's concern any more.
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}
