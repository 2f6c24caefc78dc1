/**
 * The two system calls that commands need of the native addon, loaded only by those that do.
 */
import type { NativeBinding } from '../native/binding.ts';

/** umount2(2): an errno, 0 on success. @throws DlfsError `unsupported` where there is no addon that works */
export async function loadUnmount(): Promise<NativeBinding['unmount']> {
  const native = await load();
  return (dir, lazy) => native.unmount(dir, lazy);
}

/** flock(2), exclusive and non-blocking: an errno, 0 on success. @throws DlfsError `unsupported` where there is no addon that works */
export async function loadLock(): Promise<NativeBinding['lock']> {
  const native = await load();
  return (fd) => native.lock(fd);
}

async function load(): Promise<NativeBinding> {
  const { loadNative } = await import('../native/binding.ts');
  return loadNative();
}
