/**
 * The stage as the demo sees it: a process to ask, one question at a time.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromStage, OriginCount, StageOptions, ToStage } from './stage-protocol.ts';

/** A running stage; disposing it cleans up, and waits for that. */
export class StageProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number>;
  #question: PromiseWithResolvers<FromStage> | null = null;
  #left = false;

  /** @param folder of the demo's own; from here on the stage's to remove */
  constructor(folder: string) {
    // A session of its own: Ctrl-C in the terminal reaches the demo, and the demo decides. No stream of the demo's: whoever
    // reads them to their end would wait for a stage that stays.
    this.#child = fork(fileURLToPath(new URL('stage-main.ts', import.meta.url)), [], {
      execArgv: [],
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        this.#question?.reject(new Error('the stage has ended'));
        resolve(code ?? 1);
      });
    });
    this.#child.send({ type: 'own', folder } satisfies ToStage);
    this.#child.on('message', (message: FromStage) => {
      const question = this.#question;
      this.#question = null;
      if (message.type === 'failed') question?.reject(new Error(message.message));
      else question?.resolve(message);
    });
  }

  /** The process to end when the mount is to stay. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Starts the origin and mounts. @throws Error with what dlfs or the origin said */
  async start(options: StageOptions): Promise<FromStage & { type: 'mounted' }> {
    return (await this.#ask({ type: 'start', options })) as FromStage & { type: 'mounted' };
  }

  /** What the origin has done since its start. */
  async count(): Promise<OriginCount> {
    return ((await this.#ask({ type: 'count' })) as FromStage & { type: 'count' }).count;
  }

  /** Lets the stage go on without the demo. */
  async leave(): Promise<void> {
    await this.#ask({ type: 'stay' });
    this.#left = true;
    this.#child.disconnect();
    this.#child.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left) return;
    if (this.#child.connected) this.#child.send({ type: 'stop' } satisfies ToStage);
    const code = await this.#exited;
    if (code !== 0)
      process.stderr.write('demo: not everything could be cleaned up; findmnt -t fuse.dlfs shows what is left\n');
  }

  #ask(question: ToStage): Promise<FromStage> {
    if (!this.#child.connected) return Promise.reject(new Error('the stage has ended'));
    this.#question = Promise.withResolvers<FromStage>();
    this.#child.send(question);
    return this.#question.promise;
  }
}
