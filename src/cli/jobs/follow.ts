/**
 * Watching a job from a terminal: a bar while it runs, one line when it has ended.
 *
 * Invariants:
 * 1. The job does not depend on its watcher: Ctrl-C ends the watching and says how to come back.
 */
import { SingleBar } from 'cli-progress';
import { DlfsError } from '../../base/errors.ts';
import { formatSize } from '../../base/size.ts';
import type { ApiClient } from '../../daemon/api/client/api-client.ts';
import type { JobView } from '../../daemon/api/contract/job-view.ts';
import type { Context } from '../context.ts';
import { count, rate, seconds } from '../format/human.ts';
import { nodeTarget } from '../target.ts';

/** Columns of the bar itself. */
const BAR = 12;
/** Columns of what stands around it: brackets, blanks, `100%`, and one left free, where a terminal would break the line. */
const AROUND = 10;

/**
 * Watches a job until it has ended.
 * @returns how it ended
 * @throws DlfsError `interrupted` when the watcher is told to end; the job goes on
 */
export async function followJob(client: ApiClient, job: JobView, context: Context): Promise<JobView> {
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
  };
  process.once('SIGINT', onSignal);
  using bar = new JobBar(job, context.output.progress);
  try {
    let last = job;
    for await (const state of await client.call('watchJob', { params: { id: job.id } }, { signal: stop.signal })) {
      last = state;
      bar.show(state);
    }
    return last;
  } catch (thrown) {
    if (!stop.signal.aborted) throw thrown;
    const command = jobsCommand(client, job.id, context);
    throw new DlfsError('interrupted', `job ${job.id} goes on; watch it: ${command}, end it: ${command} --cancel`);
  } finally {
    process.off('SIGINT', onSignal);
  }
}

/** The command that watches a job of that process; its socket is named where it is not the usual one. */
export function jobsCommand(client: ApiClient, id: string, context: Context): string {
  const usual = nodeTarget({}, context).socket;
  return client.socket === usual ? `dlfs jobs ${id}` : `dlfs jobs ${id} --socket ${client.socket}`;
}

/** How far a job is, in words: while it runs how fast and how long still come first, since a narrow terminal cuts the end. */
export function progressOf({ state, progress }: JobView): string {
  const { files, totalFiles, bytes, totalBytes, bytesPerSecond, left } = progress;
  const of = (total: string | null): string => (total === null ? '' : ` of ${total}`);
  const isRunning = state === 'queued' || state === 'running';
  return [
    ...(isRunning && bytesPerSecond > 0 ? [rate(bytesPerSecond)] : []),
    ...(isRunning && left !== null ? [`${seconds(left)} left`] : []),
    `${formatSize(bytes)}${of(totalBytes === null ? null : formatSize(totalBytes))}`,
    `${count(files)}${of(totalFiles === null ? null : count(totalFiles))} files`,
  ].join(', ');
}

/** The bar; nothing where no terminal is. */
class JobBar implements Disposable {
  readonly #bar: SingleBar | null;
  readonly #stream: NodeJS.WriteStream | null;

  constructor(job: JobView, stream: NodeJS.WriteStream | null) {
    this.#stream = stream;
    this.#bar =
      stream === null
        ? null
        : new SingleBar({
            format: `${job.kind} [{bar}] {percentage}% {detail}`,
            barCompleteChar: '=',
            barIncompleteChar: ' ',
            barsize: BAR,
            hideCursor: true,
            linewrap: false,
            clearOnComplete: true,
            stream,
          });
    this.#bar?.start(1, 0, { detail: '' });
  }

  show(job: JobView): void {
    const { bytes, totalBytes, files, totalFiles } = job.progress;
    const known = totalBytes !== null && totalBytes > 0;
    this.#bar?.setTotal(known ? totalBytes : (totalFiles ?? 1) || 1);
    const room = (this.#stream?.columns ?? 80) - job.kind.length - BAR - AROUND;
    const detail = progressOf(job).slice(0, Math.max(0, room));
    this.#bar?.update(known ? bytes : totalFiles === null ? 0 : files, { detail });
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
