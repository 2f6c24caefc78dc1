/**
 * The connection of a mount that libfuse has made: whether it lives, and its end by force.
 *
 * fuse-native says nothing when a connection ends. The kernel then takes its folder of /sys/fs/fuse/connections away, where that
 * is mounted; and libfuse closes its descriptor of /dev/fuse, once its requests are answered. Which one that is, is seen by
 * looking at the process's descriptors before and after mounting.
 *
 * Invariants:
 * 1. Only /proc and /sys are looked at, never the mount.
 */
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';

const CONTROL = '/sys/fs/fuse/connections';
const FDS = '/proc/self/fd';
const DEVICE = '/dev/fuse';

/** Descriptors of /dev/fuse that this process has. */
function descriptors(): Set<string> {
  return new Set(readdirSync(FDS).filter(isFuse));
}

function isFuse(fd: string): boolean {
  try {
    return readlinkSync(`${FDS}/${fd}`) === DEVICE;
  } catch {
    return false; // closed between the two looks
  }
}

/** See the file's header. */
export class Connection {
  readonly #fd: string;
  /** Its folder of control files; null where there is none. */
  #control: string | null = null;

  private constructor(fd: string) {
    this.#fd = fd;
  }

  /**
   * Mounts, and finds the connection that it made.
   * @returns null where there is none: it has ended at once
   */
  static madeBy(mount: () => void): Connection | null {
    const before = descriptors();
    mount();
    const [fd] = descriptors().difference(before);
    return fd === undefined ? null : new Connection(fd);
  }

  /** The device of the mount, `MAJ:MIN`, whose minor number the kernel knows it by. */
  set device(device: string) {
    const folder = `${CONTROL}/${device.slice(device.indexOf(':') + 1)}`;
    this.#control = existsSync(folder) ? folder : null;
  }

  /** Whether requests may come. */
  get isOpen(): boolean {
    return isFuse(this.#fd) && (this.#control === null || existsSync(this.#control));
  }

  /** Ends it: whoever waits gets an error. Without control files the end of the process ends it. */
  async abort(): Promise<void> {
    if (this.#control !== null) await writeFile(`${this.#control}/abort`, '1').catch(() => undefined);
  }
}
