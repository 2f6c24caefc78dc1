#!/bin/sh
# What `npm pack` needs and a checkout has not: the packages of the lockfile, which are bundled, prebuilds/ and dist/.
# npm runs it by itself (package.json, "prepack"); `make package` is the way to call it.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

# Words for people go to stderr: npm's own output may be read by a program.
sh scripts/setup.sh >&2
sh scripts/build-prebuilt.sh >&2
sh scripts/build-dist.sh >&2
