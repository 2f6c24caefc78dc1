import assert from 'node:assert/strict';
import { readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { lastLogLine } from '../../../src/daemon/log-file/last-line.ts';
import { logFolder, logName } from '../../../src/daemon/log-file/log-path.ts';
import { prettyLine } from '../../../src/daemon/log-file/pretty-sink.ts';
import { openLog, RotatingFile } from '../../../src/daemon/log-file/rotating-file.ts';
import { closeSync } from 'node:fs';
import { TempDir } from '../../support/files.ts';

const line = (number: number): string => `${String(number).padStart(9, '0')}\n`;

async function linesOf(temp: TempDir, files: number): Promise<string> {
  const names = Array.from({ length: files }, (_, index) => (index === 0 ? 'log' : `log.${index}`)).reverse();
  return (await Promise.all(names.map((name) => readFile(temp.join(name), 'utf8').catch(() => '')))).join('');
}

describe('a rotating log', () => {
  test('keeps all lines in order over its files, each readable by its owner only', async () => {
    await using temp = await TempDir.create('log');
    {
      await using file = new RotatingFile({ path: temp.join('log'), bytes: 100, files: 3 });
      for (let number = 0; number < 25; number++) {
        file.write(line(number));
        if (number % 10 === 9) await file.rotated();
      }
    }
    assert.equal(await linesOf(temp, 3), Array.from({ length: 25 }, (_, number) => line(number)).join(''));
    for (const name of await readdir(temp.path)) assert.equal((await stat(temp.join(name))).mode & 0o777, 0o600, name);
  });

  test('never holds more than its bound, and drops the oldest', async () => {
    await using temp = await TempDir.create('log');
    {
      await using file = new RotatingFile({ path: temp.join('log'), bytes: 100, files: 3 });
      for (let number = 0; number < 1000; number++) {
        file.write(line(number));
        await file.rotated();
      }
    }
    const kept = await linesOf(temp, 9);
    assert.ok(kept.length <= 300, `${kept.length} bytes`);
    assert.ok(kept.endsWith(line(999)));
    assert.deepEqual((await readdir(temp.path)).sort(), ['log', 'log.1', 'log.2']);
  });

  test('keeps the lines that come while it is copied', async () => {
    await using temp = await TempDir.create('log');
    {
      await using file = new RotatingFile({ path: temp.join('log'), bytes: 100, files: 2 });
      for (let number = 0; number < 15; number++) file.write(line(number));
    }
    assert.equal(await linesOf(temp, 2), Array.from({ length: 15 }, (_, number) => line(number)).join(''));
  });

  test('goes on where the file was left, and where somebody else cut it', async () => {
    await using temp = await TempDir.create('log');
    await writeFile(temp.join('log'), line(1), { mode: 0o600 });
    {
      await using file = new RotatingFile({ path: temp.join('log'), bytes: 1000, files: 2 });
      file.write(line(2));
      assert.equal(await readFile(temp.join('log'), 'utf8'), line(1) + line(2));
      await truncate(temp.join('log'), 0);
      file.write(line(3));
    }
    assert.equal(await readFile(temp.join('log'), 'utf8'), line(3));
  });

  test('of one file only is cut', async () => {
    await using temp = await TempDir.create('log');
    {
      await using file = new RotatingFile({ path: temp.join('log'), bytes: 50, files: 1 });
      for (let number = 0; number < 7; number++) {
        file.write(line(number));
        await file.rotated();
      }
    }
    assert.equal(await linesOf(temp, 9), line(5) + line(6));
  });

  test('does not follow a link that somebody put in its place', async () => {
    await using temp = await TempDir.create('log');
    await writeFile(temp.join('victim'), 'x');
    await symlink('victim', temp.join('log'));
    assert.throws(() => closeSync(openLog(temp.join('log'))), {
      code: 'invalid-argument',
      message: /ELOOP.*--log-file/,
    });
  });

  test('is named after the mount point, other mount points have others', () => {
    assert.match(logName('/mnt/data'), /^mnt-data-[0-9a-f]{8}\.log$/);
    assert.notEqual(logName('/a/b'), logName('/a-b'));
    assert.ok(logName(`/${'ü/'.repeat(500)}`).length < 255);
    assert.equal(logFolder({ XDG_STATE_HOME: '/s' }, 0), '/var/log/dlfs');
    assert.equal(logFolder({ XDG_STATE_HOME: '/s' }, 5), '/s/dlfs');
    assert.match(logFolder({ XDG_STATE_HOME: 'relative' }, 5), /\.local\/state\/dlfs$/);
  });
});

describe('a line for people', () => {
  const json =
    '{"level":"warn","time":"2026-01-02T03:04:05.678Z","module":"cache","n":3,"err":{"message":"bad","code":"io"},"msg":"full"}\n';

  test('has time, level, part, message and fields', () => {
    assert.equal(prettyLine(json, false), '03:04:05.678 WARN  cache: full n=3 err="bad"\n');
  });

  test('is coloured where wanted', () => {
    assert.ok(prettyLine(json, true).includes('\u001b[33mWARN \u001b[0m'));
  });

  test('lets no control character through, and what is no log line as it is', () => {
    const hostile = JSON.stringify({ level: 'info', time: '', msg: 'a\u001b]0;x\u0007b', key: '\u009b' });
    // eslint-disable-next-line no-control-regex -- control characters are what this is about
    assert.doesNotMatch(prettyLine(hostile, false).trimEnd(), /[\u0000-\u001f\u007f-\u009f]/);
    assert.equal(prettyLine('plain words\n', false), 'plain words\n');
  });
});

describe('the last words of a process', () => {
  test('are its last line’s message, from where it began', async () => {
    await using temp = await TempDir.create('last');
    const path = temp.join('log');
    await writeFile(path, 'of another run\n{"level":"info","msg":"starting"}\n{"level":"error","msg":"no space"}\n\n');
    assert.equal(lastLogLine(path, 15), 'no space');
    assert.equal(lastLogLine(path, 1e9), 'no space'); // cut meanwhile
    await writeFile(path, 'of another run\n');
    assert.equal(lastLogLine(path, 15), null);
    assert.equal(lastLogLine(temp.join('missing'), 0), null);
  });

  test('are the error itself, not the stack below it', async () => {
    await using temp = await TempDir.create('last');
    await writeFile(
      temp.join('log'),
      'file:///x.ts:3\n  boom()\n  ^\n\nTypeError: no such thing\n    at x.ts:3\n\nNode.js v24\n',
    );
    assert.equal(lastLogLine(temp.join('log'), 0), 'TypeError: no such thing');
  });
});
