/**
 * The scripts that shells read: each asks `dlfs complete -- WORD…` for what may come next.
 *
 * `complete` prints a word a line; a first line `:files` says that files may stand there, too.
 */

/** Shells that have one. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

const BASH = `# bash completion of dlfs: source <(dlfs completion bash)
_dlfs() {
  local lines files
  mapfile -t lines < <(dlfs complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
  if [[ \${lines[0]} == :files ]]; then
    lines=("\${lines[@]:1}")
    compopt -o filenames
    mapfile -t files < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
    lines+=("\${files[@]}")
  fi
  COMPREPLY=("\${lines[@]}")
}
complete -F _dlfs dlfs
`;

const ZSH = `#compdef dlfs
# zsh completion of dlfs: source <(dlfs completion zsh)
_dlfs() {
  local -a lines
  lines=("\${(@f)$(dlfs complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}")
  if [[ \${lines[1]} == :files ]]; then
    lines=("\${(@)lines[2,-1]}")
    _files
  fi
  lines=(\${lines:#})
  (( \${#lines} )) && compadd -- "\${lines[@]}"
}
# Sourced, it registers itself; as a file _dlfs of $fpath it is called right away.
if [[ \${funcstack[1]} == _dlfs ]]; then
  _dlfs "$@"
else
  compdef _dlfs dlfs
fi
`;

const FISH = `# fish completion of dlfs: dlfs completion fish | source
function __dlfs_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines (dlfs complete -- $words[2..-1] 2> /dev/null)
  if test "$lines[1]" = ":files"
    __fish_complete_path (commandline -ct)
    set -e lines[1]
  end
  printf '%s\\n' $lines
end
complete -c dlfs -f -a '(__dlfs_complete)'
`;

/** The script of a shell. */
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = { bash: BASH, zsh: ZSH, fish: FISH };
