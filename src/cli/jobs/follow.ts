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

/** How far a job is, in words. */
export function progressOf({ progress }: JobView): string {
  const { files, totalFiles, bytes, totalBytes, bytesPerSecond, left } = progress;
  const of = (total: string | null): string => (total === null ? '' : ` of ${total}`);
  return [
    `${count(files)}${of(totalFiles === null ? null : count(totalFiles))} files`,
    `${formatSize(bytes)}${of(totalBytes === null ? null : formatSize(totalBytes))}`,
    ...(bytesPerSecond > 0 ? [rate(bytesPerSecond)] : []),
    ...(left === null ? [] : [`${seconds(left)} left`]),
  ].join(', ');
}

/** The bar; nothing where no terminal is. */
class JobBar implements Disposable {
  readonly #bar: SingleBar | null;

  constructor(job: JobView, stream: NodeJS.WriteStream | null) {
    this.#bar =
      stream === null
        ? null
        : new SingleBar({
            format: `${job.kind} [{bar}] {percentage}% {detail}`,
            barCompleteChar: '=',
            barIncompleteChar: ' ',
            barsize: 20,
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
    this.#bar?.update(known ? bytes : totalFiles === null ? 0 : files, { detail: progressOf(job) });
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
