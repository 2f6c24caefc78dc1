/**
 * What the doctor finds out about the native addon, without which nothing is mounted.
 */
import { DlfsError } from '../../base/errors.ts';
import { loadNative } from '../../native/binding.ts';
import { fail, ok, type Finding } from './finding.ts';

/** Whether it loads. @param load the loader of this installation */
export function examineAddon(load: () => unknown = loadNative): Finding {
  try {
    load();
    return ok('native addon', 'works with this Node.js and this C library');
  } catch (thrown) {
    const { code, message } = DlfsError.from(thrown);
    // The loader's message is what is wrong, a semicolon, and the way out.
    const end = message.lastIndexOf('; ');
    return end < 0
      ? fail('native addon', code, 'does not load', message)
      : fail('native addon', code, message.slice(0, end), message.slice(end + 2));
  }
}
