#!/bin/sh
# Builds the native addon, build/Release/dlfs.node, where its sources changed.
#
# How it works: node-gyp writes makefiles into build/ when the list of sources, binding.gyp or Node.js changed; make then
# compiles what is older than its sources or their headers. A stamp keeps node-gyp (a second) out of the common case.
# Invariants:
# 1. Two calls at once do not build over each other: the second waits for the lock.
# 2. The headers are those of the node that will load the addon, whatever npm's user configuration says.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
PATH=$root/.tools/node/bin:$PATH
nodedir=$(readlink -f .tools/node)
node_gyp=node_modules/node-gyp/bin/node-gyp.js

mkdir -p build
exec 9> .tools/build.lock
flock 9

wanted=$( (node --version; printf '%s\n' "$nodedir"; cat binding.gyp; find native/src -name '*.cc' | LC_ALL=C sort) | sha256sum)
stamp=build/.configured
if [ ! -f build/Makefile ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  rm -f "$stamp"
  node "$node_gyp" configure --nodedir="$nodedir" --loglevel=error
  printf '%s\n' "$wanted" > "$stamp"
fi

# Quiet where there is nothing to do or all is well; the compiler's own words where it is not.
log=build/native.log
# What make would compile decides whether the user is told to wait (make -q and -n see a forced relink that never happens).
if make -n -C build BUILDTYPE=Release 2> /dev/null | grep -q 'CXX(target)'; then printf 'building the native addon ...\n'; fi
if ! make -C build BUILDTYPE=Release -j "$(nproc)" > "$log" 2>&1; then
  cat "$log" >&2
  printf 'the native addon did not build; the lines above are in %s\n' "$log" >&2
  exit 1
fi
