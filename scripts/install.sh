#!/bin/sh
# npm's install step in an installed package: see that the native addon works here, else compile it.
#
# How it works: the program's own loader tries the file that came with the package (src/native/addon-file.ts) and says why
# it will not do. Then node-gyp, which comes with npm, compiles native/ into build/Release, where the loader looks first.
# The headers are those of the node that runs this, where it has them; else node-gyp fetches them. SQLite, whose package
# brings a file for glibc >= 2.34 and no install step, is compiled likewise where that does not load.
# npm_config_build_from_source=true (npm install --build-from-source) compiles in any case.
#
# Invariants:
# 1. Where the files that came along work, nothing is written.
# 2. A failure is one line that says why compiling was needed and what is missing, behind the compiler's own words where
#    it was the compiler that failed; the exit status is 1, so that npm takes the installation back.
# 3. A checkout is left alone: `make setup` is its way.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
[ ! -f src/cli/main.ts ] || exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# why_not EXPRESSION: the message of the error that evaluating it throws; nothing where it works
why_not() {
  node --input-type=module -e "try { $1; } catch (error) { process.stdout.write(String(error.message).split('\n')[0]); }" ||
    printf 'Node.js ended with status %s' "$?"
}
addon_fails() { why_not '(await import("./dist/native/binding.js")).loadNative()'; }
sqlite_fails() { why_not 'new (await import("better-sqlite3")).default(":memory:").close()'; }

# fail WHAT
fail() {
  printf 'dlfs: %s\n' "$1" >&2
  exit 1
}

# compile NAME FOLDER WHY ARGUMENT…: node-gyp in that folder
compile() {
  name=$1 folder=$2 why=${3%; compile it on this machine*}
  shift 3
  missing=
  for command in python3 make "${CXX:-g++}"; do
    command -v "$command" > /dev/null 2>&1 || missing="$missing $command"
  done
  if [ -f "${npm_config_node_gyp:-}" ]; then
    gyp() { node "$npm_config_node_gyp" "$@"; }
  elif command -v node-gyp > /dev/null 2>&1; then
    gyp() { node-gyp "$@"; }
  else
    missing="$missing node-gyp"
  fi
  [ -z "$missing" ] ||
    fail "$name must be compiled on this machine, and what that takes is missing:$missing (Debian: apt install g++ make python3). Why: $why"
  printf 'dlfs: compiling %s, a minute or two. Why: %s\n' "$name" "$why"
  prefix=$(node -p 'path.dirname(path.dirname(fs.realpathSync(process.execPath)))')
  if [ -f "$prefix/include/node/node_api.h" ] && [ -f "$prefix/include/node/openssl/ssl.h" ]; then
    set -- --nodedir="$prefix" "$@"
    hint='a C++20 compiler is needed: g++ >= 11'
  else
    unset npm_config_nodedir # those of another node, by somebody's configuration of npm
    hint="a C++20 compiler is needed, g++ >= 11, and node's headers, which are not in $prefix/include/node: node-gyp fetches them"
  fi
  (cd "$folder" && gyp rebuild --release --jobs=max --loglevel=error "$@") > "$log" 2>&1 || {
    cat "$log" >&2
    fail "$name did not compile; the lines above say why ($hint). Compiled because: $why"
  }
}

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 24 || (a === 24 && b >= 15) ? 0 : 1)' ||
  fail "Node.js >= 24.15 is needed, and npm runs with $(node --version): install it from nodejs.org or by your distribution"

wanted=$(addon_fails)
if [ -n "$wanted" ] || [ "${npm_config_build_from_source:-}" = true ]; then
  compile 'the native addon' . "${wanted:---build-from-source}"
  # Twenty times the addon's size, and of no use any more.
  rm -rf build/Release/obj.target build/Release/.deps
  still=$(addon_fails)
  [ -z "$still" ] || fail "the native addon was compiled, and does not load: $still"
fi

wanted=$(sqlite_fails)
if [ -n "$wanted" ]; then
  compile SQLite "$(node -p 'path.dirname(require.resolve("better-sqlite3/package.json"))')" "$wanted" --force_build=1
  still=$(sqlite_fails)
  [ -z "$still" ] || fail "SQLite was compiled, and does not load: $still"
fi
