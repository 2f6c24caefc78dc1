/**
 * Threads and descriptors of this process, as /proc tells them (proc(5)).
 *
 * Invariants:
 * 1. A call opens two files whatever the number of descriptors; none is listed where the kernel counts them itself (6.2).
 * 2. A process without a descriptor to spare still answers: that is when somebody asks.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';

/** What is counted. */
export interface Counts {
  readonly threads: number;
  readonly descriptors: number;
  /** RLIMIT_NOFILE, the soft limit. */
  readonly descriptorLimit: number;
}

/** See the file's header. */
export class ProcessCounts {
  readonly #proc: string;
  #last: Counts = { threads: 0, descriptors: 0, descriptorLimit: 0 };

  /** @param proc the folder of a process in /proc */
  constructor(proc = '/proc/self') {
    this.#proc = proc;
    this.read();
  }

  /** Now; where no descriptor is left, the last counts with all descriptors in use. */
  read(): Counts {
    try {
      const status = readFileSync(`${this.#proc}/status`, 'latin1');
      const limits = readFileSync(`${this.#proc}/limits`, 'latin1');
      this.#last = {
        threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0),
        descriptors: this.#descriptors(),
        descriptorLimit: Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0),
      };
      return this.#last;
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code !== 'EMFILE' && code !== 'ENFILE') throw thrown;
      return { ...this.#last, descriptors: this.#last.descriptorLimit };
    }
  }

  #descriptors(): number {
    // Since 6.2 the size of the folder is the number of descriptors; before, it is 0.
    const { size } = statSync(`${this.#proc}/fd`);
    return size > 0 ? size : readdirSync(`${this.#proc}/fd`).length;
  }
}
