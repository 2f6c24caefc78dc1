/**
 * The process of a node's daemon, from its start to its last line.
 *
 * Invariants:
 * 1. The first SIGTERM, SIGINT or SIGHUP ends it gracefully: unmount, commit, at most `STOP_LIMIT_MS` for those who use a mount. The
 *    second ends it at once.
 * 2. When it ends, for whatever reason short of SIGKILL, nothing is mounted and nothing recorded.
 */
import { EXIT } from '../../base/errors/exit.ts';
import { formatDuration } from '../../base/duration.ts';
import { StopSignals } from '../background/stop-signals.ts';
import type { SendDatagram, ServiceNotifier } from '../systemd/notify.ts';
import { NodeDaemon, type NodeDependencies } from './node-daemon.ts';
import type { NodeOptions } from './node-options.ts';

/** How long readers may keep mounts busy after it was told to end; service managers kill after 90 s. */
const STOP_LIMIT_MS = 10_000;

/** What the process is made of. */
export interface DaemonProcessOptions {
  readonly options: NodeOptions;
  readonly deps: NodeDependencies;
  /** Starts what else works on the daemon: its API, its metrics. Disposed before the daemon ends. */
  readonly attach: (daemon: NodeDaemon) => Promise<AsyncDisposable>;
  /** Tells systemd how the process stands. @param send sends a datagram */
  readonly notifier: (pid: number, send: SendDatagram) => ServiceNotifier;
  /** Told once everything that was wanted at the start is served, or has failed once. */
  readonly onReady: (daemon: NodeDaemon) => void;
}

/**
 * Serves until it is told to end.
 * @throws DlfsError for everything that keeps the daemon itself from working
 */
export async function runDaemonProcess({
  options,
  deps,
  attach,
  notifier,
  onReady,
}: DaemonProcessOptions): Promise<void> {
  const log = deps.log.child('node');
  using stop = new StopSignals();
  await using daemon = await NodeDaemon.start(options, deps);
  await using _attached = await attach(daemon);
  const { binding } = daemon.plane.host;
  using systemd = notifier(process.pid, (path, text) => binding.sendDatagram(path, text));
  const never = new Promise<null>(() => undefined);
  const told = stop.orElse(never);
  void daemon.settled().then(() => {
    const all = daemon.list();
    const served = all.filter(({ served: one }) => one.server !== null).length;
    log.info('serving', { root: options.root, served, wanted: all.length });
    systemd.ready(`serving ${served} of ${all.length} datasets below ${options.root}`);
    onReady(daemon);
  });
  const signal = await told;
  systemd.stopping();
  log.info(`told to end; mounts that are in use have ${formatDuration(STOP_LIMIT_MS)}`, { signal });
  using _atOnce = stop.onEach(() => {
    log.warn('told to end again: at once');
    for (const { served } of daemon.list())
      if (served.server !== null) daemon.plane.host.binding.unmount(served.dir, true);
    process.exit(EXIT.ok);
  });
  await daemon.stop(STOP_LIMIT_MS);
  log.info('ended');
}
