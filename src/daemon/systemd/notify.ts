/**
 * What systemd wants to hear of a service of Type=notify: ready, alive, stopping (sd_notify(3)).
 *
 * The messages go to the datagram socket that NOTIFY_SOCKET names; node has no Unix datagrams, so the native addon sends them.
 *
 * Invariants:
 * 1. Without NOTIFY_SOCKET nothing happens; a message that cannot be sent is logged once and fails nothing.
 * 2. The watchdog is fed by the event loop itself: a loop that hangs is a service that systemd restarts.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';

/** Sends one datagram to a Unix socket. @returns 0 or an errno, negated */
export type SendDatagram = (path: string, text: string) => number;

/** What it needs. */
export interface NotifyOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly send: SendDatagram;
  readonly clock: Pick<Clock, 'startInterval'>;
  readonly log: Logger;
}

/** See the file's header. Disposing it ends the watchdog's feed. */
export class ServiceNotifier implements Disposable {
  readonly #path: string | null;
  readonly #o: NotifyOptions;
  readonly #feed: Disposable | null;
  #failed = false;

  constructor(options: NotifyOptions) {
    this.#o = options;
    const path = options.environment['NOTIFY_SOCKET'] ?? '';
    this.#path = path.startsWith('/') || path.startsWith('@') ? path : null;
    const period = this.#path === null ? null : watchdogPeriod(options);
    this.#feed =
      period === null
        ? null
        : options.clock
            .startInterval(period, () => {
              this.#say('WATCHDOG=1');
            })
            .unref();
  }

  /** It serves. @param status a line for `systemctl status` */
  ready(status: string): void {
    this.#say(`READY=1\nSTATUS=${oneLine(status)}`);
  }

  /** How it stands. */
  status(status: string): void {
    this.#say(`STATUS=${oneLine(status)}`);
  }

  /** It is about to end. */
  stopping(): void {
    this.#say('STOPPING=1');
  }

  [Symbol.dispose](): void {
    this.#feed?.[Symbol.dispose]();
  }

  #say(text: string): void {
    if (this.#path === null) return;
    const errno = this.#o.send(this.#path, text);
    if (errno === 0 || this.#failed) return;
    this.#failed = true;
    this.#o.log.warn('systemd could not be told how the service stands', { errno: -errno });
  }
}

/** Half of what systemd allows, as sd_watchdog_enabled(3) advises; null where it does not watch this process. */
function watchdogPeriod({ environment, pid }: NotifyOptions): number | null {
  const limit = Number(environment['WATCHDOG_USEC'] ?? '');
  const whom = environment['WATCHDOG_PID'];
  if (!Number.isSafeInteger(limit) || limit <= 0 || (whom !== undefined && Number(whom) !== pid)) return null;
  return Math.max(1, Math.floor(limit / 2 / 1000));
}

function oneLine(text: string): string {
  return text.replaceAll('\n', ' ');
}
