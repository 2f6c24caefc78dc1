/**
 * Completion in the shells themselves, bash, zsh and fish: commands, options, their values, and the datasets of a running daemon.
 */
import { strict as assert } from 'node:assert';
import { dirname } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { execute } from '../posix/execute.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { TempDir } from '../support/files.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';

const LIMIT_MS = 60_000;

/** Lines as they are when Tab is pressed, with what stands there or is offered then. */
const LINES: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['des', ['describe']],
  ['mount --cache-si', ['--cache-size']],
  ['describe ph', ['photos']],
  ['stats team/', ['team/texts']],
  ['get -o j', ['json']],
  ['cache l', ['ls']],
  ['completion fi', ['fish']],
  ['describe none', []],
];

/** A program for the shell that prints what is offered, a word a line, behind each line of `LINES` a line of `--`. */
const PROGRAMS: Readonly<Record<string, { readonly args: readonly string[]; readonly text: string }>> = {
  bash: {
    args: ['--norc', '--noprofile'],
    text: `
      source <(dlfs completion bash)
      [[ $(complete -p dlfs) == 'complete -F _dlfs dlfs' ]] || exit 1
      offer() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _dlfs
        printf '%s\\n' "\${COMPREPLY[@]}" --
      }
      ${LINES.map(([line]) => `offer dlfs ${line}`).join('\n')}
    `,
  },
  fish: {
    args: ['--no-config'],
    text: `
      dlfs completion fish | source
      ${LINES.map(([line]) => `complete -C 'dlfs ${line}'; printf '%s\\n' --`).join('\n')}
    `,
  },
  // A terminal of its own, the line typed, Tab pressed; Ctrl-X prints the line as it is then.
  zsh: {
    args: ['-f'],
    text: `
      zmodload zsh/zpty
      zpty shell zsh -f -i
      # What is typed must not contain what is waited for: the terminal shows it, too.
      zpty -w shell 'PS1= RPS1= ; autoload -Uz compinit && compinit -D -u; source <(dlfs completion zsh)'
      zpty -w shell 'show() { print -r -- "LINE""<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X" show; unsetopt beep list_beep'
      zpty -w shell 'print "REA""DY"'
      zpty -r -m shell ready '*READY*'
      offer() {
        zpty -w -n shell "$1"$'\\t\\C-x'
        local answer
        zpty -r -m shell answer '*LINE<*>*'
        answer=\${answer##*LINE<}
        answer=\${answer%%>*}
        # Only what was completed: a line that is as it was offers nothing.
        [[ $answer == "$1" ]] || print -r -- "\${\${(z)answer}[-1]}"
        print -- --
      }
      ${LINES.map(([line]) => `offer 'dlfs ${line}'`).join('\n')}
      zpty -d shell
    `,
  },
};

describe('completion', () => {
  for (const [shell, { args, text }] of Object.entries(PROGRAMS)) {
    test(`in ${shell} offers commands, options, values, and the daemon's datasets`, { timeout: LIMIT_MS }, async () => {
      await using origin = await ManyOrigin.start({ 'photos/1': 10, 'texts/1': 10 });
      await using daemon = await DlfsDaemon.start({
        env: origin.env,
        manifests: { 'p.json': origin.manifest('photos'), 't.json': origin.manifest('team/texts', {}, 'texts') },
      });
      await using temp = await TempDir.create('shell');
      const file = temp.join('program');
      await writeFile(file, text);
      const environment = cleanEnvironment({ DLFS_SOCKET: daemon.socket, HOME: temp.path, TERM: 'xterm' });
      const env = { ...environment, PATH: `${dirname(DLFS)}:${environment['PATH'] ?? ''}` };
      const { stdout, stderr } = await execute(shell, [...args, file], { env, cwd: temp.path, limitMs: LIMIT_MS });
      const offered = stdout.toString().split('--\n').slice(0, -1);
      assert.deepEqual(
        offered.map((words) => words.split('\n').filter(Boolean)),
        LINES.map(([, words]) => words),
        stderr,
      );
    });
  }
});
