/**
 * What every command works with: the process's surroundings, made once.
 */
import { SystemClock, type Clock } from '../base/clock.ts';
import { logFolder } from '../daemon/log-file/log-path.ts';
import { MountRegistry, registryFolder } from '../daemon/registry/mount-registry.ts';
import { processOutput, type Output } from './output.ts';

/** See the file's header. */
export interface Context {
  readonly environment: NodeJS.ProcessEnv;
  readonly uid: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly registry: MountRegistry;
  /** Where logs of mounts in the background lie. */
  readonly logFolder: string;
  readonly output: Output;
  /** Absolute path of the program's entry, to start it once more. */
  readonly program: string;
}

/** The context of this process. @param program absolute path of the entry */
export function processContext(program: string): Context {
  const uid = process.geteuid?.() ?? 0;
  return {
    environment: process.env,
    uid,
    clock: new SystemClock(),
    // eslint-disable-next-line no-restricted-properties -- here it enters; everything else takes it as a parameter
    random: Math.random,
    registry: new MountRegistry(registryFolder(process.env, uid)),
    logFolder: logFolder(process.env, uid),
    output: processOutput(),
    program,
  };
}
