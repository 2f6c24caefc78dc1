/**
 * Runs rows of the table as tests of node:test: one test a row, in order, so that a failure names its sentence.
 */
import type { TestContext } from 'node:test';
import { Missing, type Rows, type Target } from './target.ts';

/**
 * @param t the test that the rows become parts of
 * @param rows for example `table`
 * @param target what they are run over
 * @param explain adds what it knows to a row's failure, such as the log of the mount
 */
export async function runRows(
  t: TestContext,
  rows: Rows,
  target: Target,
  explain: (error: unknown) => unknown = (error) => error,
): Promise<void> {
  for (const [name, row] of Object.entries(rows)) {
    await t.test(name, async (row_) => {
      try {
        await row(target);
      } catch (error) {
        // A program that a machine lacks is no failure of the mount; in CI, where it is to be installed, it is one.
        if (error instanceof Missing && process.env['CI'] === undefined) row_.skip(error.message);
        else throw explain(error);
      }
    });
  }
}
