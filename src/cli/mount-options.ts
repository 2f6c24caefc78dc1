/**
 * The options of `dlfs mount`, as one schema beside that of the source (`dataset/source-options.ts`).
 *
 * Invariants:
 * 1. A value of `MountOptions` came from `parseMountOptions`: what cannot work does not exist in it.
 * 2. Every refusal is one line that names the option as the user wrote it and says what to write instead.
 */
import { z } from 'zod';
import { parseDuration, parseDurationOrNever } from '../base/duration.ts';
import { DlfsError } from '../base/errors.ts';
import { parseLogLevels } from '../base/log.ts';
import { formatSize, parseSize, parseSizeOrShare, type SizeOrShare } from '../base/size.ts';
import { parseSourceOptions, type SourceOptions } from '../dataset/source-options.ts';
import { longName, SOURCE_ROWS, type GivenOptions } from './option-table.ts';

/** A block holds a page at least (4 KiB); one GET at most (16 MiB). */
const MIN_BLOCK = 4096;
const MAX_BLOCK = 16 * 1024 * 1024;

/** A run under way, one being written and a few that readers hold must fit at once; less would serve nothing but waits. */
const MIN_BLOCKS = 8;

/** Each name of a listing takes some 100 bytes of the disk: a trillion of them is a typing error. */
const MAX_LIST_LIMIT = 1e12;

/** A refresh more often than once a second would be all that the origin hears. */
const MIN_REFRESH_MS = 1000;

/** The largest user id; 2^32 - 1 means "none" to the kernel. */
const MAX_ID = 2 ** 32 - 2;

const count = (what: string, least: number, most: number): z.ZodType<number, string> =>
  converted((text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new DlfsError('invalid-argument', `write ${what} as a whole number from ${least} to ${most}, not "${text}"`);
  });

const mode = converted((text) => {
  const value = /^(?:0o?)?[0-7]{1,3}$/.test(text) ? Number.parseInt(text.replace(/^0o/, ''), 8) : -1;
  if (value >= 0) return value;
  throw new DlfsError('invalid-argument', `write permissions in octal, like 0444, not "${text}"`);
});

const blockSize = converted((text) => {
  const value = parseSize(text);
  const powerOfTwo = value > 0 && Number.isInteger(Math.log2(value));
  if (powerOfTwo && value >= MIN_BLOCK && value <= MAX_BLOCK) return value;
  throw new DlfsError(
    'invalid-argument',
    `a block is a power of two from ${formatSize(MIN_BLOCK)} to ${formatSize(MAX_BLOCK)}, for example 1MiB, not "${text}"`,
  );
});

const refresh = converted((text) => {
  const value = parseDurationOrNever(text);
  if (value === 'never' || value >= MIN_REFRESH_MS) return value;
  throw new DlfsError('invalid-argument', `write 1s or longer, or never, not "${text}"`);
});

const MOUNT_OPTIONS = z
  .strictObject({
    cacheDir: z.string().min(1, 'write the path of a directory').prefault('/var/cache/dlfs'),
    cacheSize: converted(parseSize).prefault('10GiB'),
    cacheFiles: converted((text) => (text === 'unlimited' ? Infinity : Number(text)))
      .refine(
        (files) => files === Infinity || (Number.isSafeInteger(files) && files >= 1),
        'write a whole number ≥ 1, or unlimited',
      )
      .prefault('unlimited'),
    cacheFloor: converted(parseSizeOrShare).prefault('15%'),
    blockSize: blockSize.prefault('1MiB'),
    memory: converted(parseSize).prefault('512MiB'),
    transport: z.enum(['native', 'fuse-native'], 'write native or fuse-native').default('native'),
    open: z.enum(['auto', 'stateless', 'passthrough'], 'write auto, stateless or passthrough').default('auto'),
    uid: count('a user id', 0, MAX_ID).prefault('0'),
    gid: count('a group id', 0, MAX_ID).prefault('0'),
    fileMode: mode.prefault('0444'),
    dirMode: mode.prefault('0555'),
    refresh: refresh.prefault('5m'),
    listLimit: count('names', 1, MAX_LIST_LIMIT).prefault('10000000'),
    ioTimeout: converted(parseDuration).prefault('5m'),
    foreground: z.boolean().default(false),
    logFile: z.string().min(1, 'write the path of a file').nullable().default(null),
    logLevel: converted(parseLogLevels).prefault('info'),
  })
  .refine(({ cacheSize, blockSize: block }) => cacheSize >= MIN_BLOCKS * block, {
    path: ['cacheSize'],
    message: `must hold ${MIN_BLOCKS} blocks at least: give more, or a smaller --block-size`,
  })
  .refine(({ memory, blockSize: block }) => memory >= MIN_BLOCKS * block, {
    path: ['memory'],
    message: `must hold ${MIN_BLOCKS} blocks at least: give more, or a smaller --block-size`,
  })
  .refine(({ transport, open }) => transport === 'native' || open === 'auto', {
    path: ['open'],
    message: 'is of --transport native: leave it out with fuse-native, which opens files in one way',
  })
  .refine(({ cacheFloor }) => cacheFloor.kind === 'size' || cacheFloor.share < 1, {
    path: ['cacheFloor'],
    message: 'leaves nothing for the cache: write less than 100%',
  });

/** Checked options of a mount, those of the source aside. */
export type MountSettings = z.output<typeof MOUNT_OPTIONS>;

/** Checked options of a mount. */
export interface MountOptions extends MountSettings {
  readonly source: SourceOptions;
  readonly cacheFloor: SizeOrShare;
}

/**
 * Checks what was given.
 * @param source `s3://BUCKET[/PREFIX]`
 * @param given by the keys of the option table
 * @throws DlfsError `invalid-argument` with the first thing that is wrong
 */
export function parseMountOptions(source: string, given: GivenOptions): MountOptions {
  const [ofSource, ofMount] = divide(given);
  const parsed = MOUNT_OPTIONS.safeParse(ofMount);
  const checked = parseSource(source, ofSource);
  if (!parsed.success) throw new DlfsError('invalid-argument', firstIssue(parsed.error));
  return { ...parsed.data, source: checked };
}

/**
 * Checks the options of a source alone.
 * @throws DlfsError `invalid-argument`
 */
export function parseSource(source: string, given: GivenOptions): SourceOptions {
  // The schema checks types, too; the table knows no more than text and switches.
  return parseSourceOptions({ source, ...given });
}

function divide(given: GivenOptions): [GivenOptions, GivenOptions] {
  const isSource = (key: string): boolean => SOURCE_ROWS.some((row) => row.key === key);
  const entries = Object.entries(given);
  return [
    Object.fromEntries(entries.filter(([key]) => isSource(key))),
    Object.fromEntries(entries.filter(([key]) => !isSource(key))),
  ];
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'the options of the mount are not valid';
  const name = issue.path.map((part) => longName(String(part))).join('.');
  return name === '' ? issue.message : `--${name}: ${issue.message}`;
}

/** A text that one of our parsers takes; its refusal becomes the schema's. */
function converted<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: DlfsError.from(error).message });
      return z.NEVER;
    }
  });
}
