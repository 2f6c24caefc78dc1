/**
 * Where a benchmark keeps things, all below bench/out/ (ignored by git): results, data sets that are made once, caches and
 * mount points of the run.
 */
import { join, resolve } from 'node:path';

const BENCH = resolve(import.meta.dirname, '..');

/** Results: a JSON file for each scenario, the table. */
export const OUT = join(BENCH, 'out');
/** Data sets and their stamps; kept between runs. */
export const DATA = join(OUT, 'data');
/** The folder whose folders are buckets. */
export const BUCKETS = join(DATA, 'buckets');
/** Caches, mount points and lists of the present run; removed at its end. */
export const WORK = join(OUT, 'work');
/** The source of the reader. */
export const READER_SOURCE = join(BENCH, 'reader', 'reader.c');
/** Figures of the README, made from the results. */
export const FIGURES = resolve(BENCH, '..', 'docs', 'figures.svg');
