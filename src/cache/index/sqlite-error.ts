/**
 * What SQLite's error codes mean to the rest of dlfs.
 */
import { DlfsError, type ErrorCode } from '../../base/errors.ts';

const BY_CODE: ReadonlyMap<string, ErrorCode> = new Map([
  ['SQLITE_FULL', 'disk-full'],
  ['SQLITE_CORRUPT', 'corrupt'],
  ['SQLITE_NOTADB', 'corrupt'],
  ['SQLITE_CANTOPEN', 'cache-unusable'],
  ['SQLITE_READONLY', 'cache-unusable'],
  ['SQLITE_PERM', 'cache-unusable'],
  ['SQLITE_BUSY', 'cache-busy'],
  ['SQLITE_LOCKED', 'cache-busy'],
  ['SQLITE_IOERR', 'io'],
]);

/** The shared-memory file of the WAL is made longer before use, so a full disk shows there under this name. */
const FULL_TOO: ReadonlySet<string> = new Set(['SQLITE_IOERR_SHMSIZE']);

/** The message for people by what is wrong. */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  'disk-full': 'no space left for the cache index',
  corrupt: 'the cache index is damaged; it will be set aside and rebuilt at the next start',
  'cache-unusable': 'the cache index cannot be opened or written',
  'cache-busy': 'another process uses the cache index',
  io: 'the disk failed under the cache index',
};

/**
 * Makes a DlfsError of what better-sqlite3 threw; anything else goes through `DlfsError.from`.
 */
export function fromSqlite(thrown: unknown): DlfsError {
  const code = codeOf(thrown);
  if (code === null) return DlfsError.from(thrown);
  const known = FULL_TOO.has(code)
    ? 'disk-full'
    : (BY_CODE.get(code) ?? BY_CODE.get(code.split('_', 2).join('_')) ?? 'internal');
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new DlfsError(known, `${MESSAGES[known] ?? 'the cache index refused a statement'} (${code}: ${text})`, {
    cause: thrown,
  });
}

/** Whether the database itself is unreadable, so that only another one helps. */
export function isUnreadable(thrown: unknown): boolean {
  return thrown instanceof DlfsError
    ? thrown.code === 'corrupt'
    : (codeOf(thrown)?.match(/^SQLITE_(CORRUPT|NOTADB)/) ?? null) !== null;
}

function codeOf(thrown: unknown): string | null {
  const code = thrown instanceof Error ? (thrown as { code?: unknown }).code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : null;
}
