/**
 * The options of `dlfs mount`, as one schema beside that of the source (`dataset/source-options.ts`).
 *
 * Invariants:
 * 1. A value of `MountOptions` came from `parseMountOptions`: what cannot work does not exist in it.
 * 2. Every refusal is one line that names the option as the user wrote it and says what to write instead.
 */
import { z } from 'zod';
import { DlfsError } from '../base/errors.ts';
import { parseLogLevels } from '../base/log.ts';
import { parseSize, parseSizeOrShare, type SizeOrShare } from '../base/size.ts';
import * as values from '../dataset/option-values.ts';
import { parseSourceOptions, type SourceOptions } from '../dataset/source-options.ts';
import { longName, SOURCE_ROWS, type GivenOptions } from './option-table.ts';

/** Each name of a listing takes some 100 bytes of the disk: a trillion of them is a typing error. */
const MAX_LIST_LIMIT = 1e12;

const MOUNT_OPTIONS = z
  .strictObject({
    cacheDir: z.string().min(1, 'write the path of a directory').prefault('/var/cache/dlfs'),
    cacheSize: values.cacheBytes.prefault(values.DEFAULTS.cacheBytes),
    cacheFiles: values.cacheFiles.prefault(values.DEFAULTS.cacheFiles),
    cacheFloor: values.converted(parseSizeOrShare).prefault('15%'),
    blockSize: values.blockSize.prefault(values.DEFAULTS.blockSize),
    memory: values.converted(parseSize).prefault('512MiB'),
    transport: values.transport.default('native'),
    open: values.open.prefault(values.DEFAULTS.open),
    uid: values.uid.prefault(values.DEFAULTS.uid),
    gid: values.gid.prefault(values.DEFAULTS.gid),
    fileMode: values.permissions.prefault(values.DEFAULTS.fileMode),
    dirMode: values.permissions.prefault(values.DEFAULTS.dirMode),
    refresh: values.refresh.prefault(values.DEFAULTS.refresh),
    listLimit: values.count('names', 1, MAX_LIST_LIMIT).prefault('10000000'),
    ioTimeout: values.ioTimeout.prefault(values.DEFAULTS.ioTimeout),
    foreground: z.boolean().default(false),
    logFile: z.string().min(1, 'write the path of a file').nullable().default(null),
    logLevel: values.converted(parseLogLevels).prefault('info'),
  })
  .superRefine(({ cacheSize, memory, blockSize }, context) => {
    const wrong = {
      cacheSize: values.cacheTooSmall(cacheSize, blockSize, '--block-size'),
      memory: values.memoryTooSmall(memory, blockSize, '--block-size'),
    };
    for (const [name, message] of Object.entries(wrong))
      if (message !== null) context.addIssue({ code: 'custom', path: [name], message });
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
