#!/bin/sh
# What `npm pack` needs and a checkout has not: dist/, prebuilds/, and the lockfile under the name that travels with a package.
# npm runs it by itself (package.json, "prepack"); `make package` is the way to call it.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

# Words for people go to stderr: npm's own output may be read by a program.
sh scripts/setup.sh >&2
sh scripts/build-prebuilt.sh >&2
sh scripts/build-dist.sh >&2
# npm packs no package-lock.json; by this name the exact versions reach whoever installs. "postpack" removes it, and so does
# `make setup`, for npm would prefer it to the lockfile.
cp package-lock.json npm-shrinkwrap.json
