/**
 * The Range header, as S3 reads it.
 *
 * One range in bytes: `a-b`, `a-`, `-n`. What S3 does not understand (another unit, several ranges, garbage) is ignored
 * and the whole object is answered; what it understands but cannot satisfy is an error.
 */

/** A part of an object. */
export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

/** What a Range header comes to. */
export type RangeOutcome = ByteRange | 'whole' | 'unsatisfiable';

/** Reads `header` for an object of `size` bytes; undefined is a request without the header. */
export function byteRange(header: string | undefined, size: number): RangeOutcome {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null) return 'whole';
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '') {
    if (last === '') return 'whole';
    const length = Math.min(Number(last), size);
    if (Number(last) === 0) return 'unsatisfiable';
    // The last n bytes of nothing are nothing: S3 answers the (empty) object.
    return size === 0 ? 'whole' : { start: size - length, length };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && start > Number(last)) return 'whole';
  if (start >= size) return 'unsatisfiable';
  return { start, length: end - start + 1 };
}
