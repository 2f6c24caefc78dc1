/**
 * Sizes as people write them: `10GiB`, `512MiB`, `1500kB`, `15%`.
 *
 * Units: `B`; `KiB MiB GiB TiB PiB` are powers of 1024, `kB MB GB TB PB` (also `KB`) of 1000, and a lone `K M G T P` means the
 * power of 1024, as in most Unix tools. A fraction (`1.5GiB`) is rounded down to whole bytes.
 *
 * Invariants:
 * 1. Parsing takes the whole text or throws; nothing is guessed from a prefix.
 * 2. A result is a safe integer.
 */
import { bytes, type Bytes } from './brand.ts';
import { DlfsError } from './errors.ts';

const PATTERN = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/;
const PERCENT = /^(\d+(?:\.\d+)?)\s*%$/;

const UNITS: ReadonlyMap<string, number> = new Map(
  ['K', 'M', 'G', 'T', 'P'].flatMap((letter, index): [string, number][] => [
    [letter, 1024 ** (index + 1)],
    [`${letter}IB`, 1024 ** (index + 1)],
    [`${letter}B`, 1000 ** (index + 1)],
  ]),
);

/** Either a fixed size or a share of a whole. */
export type SizeOrShare =
  | { readonly kind: 'size'; readonly bytes: Bytes }
  /** `share` lies in 0…1. */
  | { readonly kind: 'share'; readonly share: number };

/**
 * Parses a size.
 * @param text for example `10GiB`; unit letters in any case; a bare number counts bytes
 * @throws DlfsError `invalid-argument` where it is no size, or 2^53 bytes or more
 */
export function parseSize(text: string): Bytes {
  const match = PATTERN.exec(text.trim());
  const unit = match?.[2]?.toUpperCase() ?? '';
  const factor = unit === '' || unit === 'B' ? 1 : UNITS.get(unit);
  const value = factor === undefined ? Number.NaN : Math.floor(Number(match?.[1]) * factor);
  if (Number.isSafeInteger(value)) return bytes(value);
  throw new DlfsError('invalid-argument', `not a size: "${text}"; write it like 512MiB or 10GiB`);
}

/**
 * Parses a size or a percentage.
 * @param text for example `15%` or `20GiB`
 * @throws DlfsError `invalid-argument` where it is neither, or above 100%
 */
export function parseSizeOrShare(text: string): SizeOrShare {
  if (!text.includes('%')) return { kind: 'size', bytes: parseSize(text) };
  const percent = Number(PERCENT.exec(text.trim())?.[1] ?? Number.NaN);
  if (percent <= 100) return { kind: 'share', share: percent / 100 };
  throw new DlfsError('invalid-argument', `not a percentage: "${text}"; write it like 15%`);
}

/**
 * Resolves a size or share against its whole.
 * @param whole for example the capacity of a disk
 * @returns whole bytes, rounded down
 */
export function sizeOf(value: SizeOrShare, whole: Bytes): Bytes {
  return value.kind === 'size' ? value.bytes : bytes(Math.floor(whole * value.share));
}

/**
 * A size for people, three significant digits: `0 B`, `999 B`, `1.00 KiB`, `10.5 GiB`, `512 MiB`.
 * @param value ≥ 0
 */
export function formatSize(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let scaled = value;
  let index = 0;
  // 999.5 would round to "1000": it belongs to the next unit already.
  while (scaled >= 999.5 && index < units.length - 1) {
    scaled /= 1024;
    index += 1;
  }
  const digits = index === 0 ? 0 : scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${units[index] ?? 'PiB'}`;
}
