/**
 * The process that jobs-mount.ts starts: serves one source, and does what it is told over the channel to its parent.
 *
 * Usage (forked): node jobs-host.ts OPTIONS, the options as JSON.
 */
import { SystemClock } from '../../src/base/clock.ts';
import { DlfsError } from '../../src/base/errors.ts';
import { createLogger } from '../../src/base/log.ts';
import { serve, type Serving } from '../../src/daemon/serve.ts';
import { parseSourceOptions } from '../../src/dataset/source-options.ts';
import type { HostCall, HostOptions, HostReply } from './jobs-mount.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
const clock = new SystemClock();
const log = createLogger({ level: 'warn', sink: { write: (line) => process.stderr.write(line) }, clock });

const serving = await serve(
  { ...options, source: parseSourceOptions(options.source), refreshMs: 'never', transport: 'native', logPath: null },
  { clock, log, random: Math.random, environment: process.env },
  null,
);
say({ id: 0, value: null });

process.on('message', (call: HostCall) => {
  void answer(serving, call).then(
    (value) => {
      say({ id: call.id, value: value ?? null });
    },
    (error: unknown) => {
      say({ id: call.id, error: DlfsError.from(error).toJSON() });
    },
  );
});
process.once('disconnect', () => void end());
process.once('SIGTERM', () => void end());

async function end(): Promise<void> {
  await serving[Symbol.asyncDispose]();
  process.exit(0);
}

function say(reply: HostReply): void {
  if (process.connected) process.send?.(reply);
}

async function answer({ jobs, ...rest }: Serving, { call }: HostCall): Promise<unknown> {
  switch (call.name) {
    case 'submit':
      return await jobs.runner.submit(call.spec);
    case 'ended': {
      let last = jobs.runner.get(call.job);
      for await (const job of jobs.runner.watch(call.job)) last = job;
      return last;
    }
    case 'job':
      return jobs.runner.get(call.job);
    case 'list':
      return jobs.runner.list();
    case 'cancel':
      return await jobs.runner.cancel(call.job);
    case 'pins':
      return await jobs.listPins();
    case 'unpin':
      await jobs.unpin(call.globs);
      return null;
    case 'files':
      return await jobs.listFiles(call.request);
    case 'stats':
      return rest.stats();
    case 'refresh':
      await rest.refresh();
      return null;
  }
}
