#!/bin/sh
# Compiles src/ to dist/, the JavaScript that an installed package runs.
#
# Invariants:
# 1. dist/ is complete: it appears by rename, and holds nothing of an earlier build.
# 2. Two calls at once do not build over each other: the second waits for the lock.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
PATH=$root/.tools/node/bin:$PATH

exec 9> .tools/dist.lock
flock 9
new=build/dist.new
rm -rf "$new"
node node_modules/typescript/bin/tsc -p tsconfig.build.json --outDir "$new"
# What is no module (a schema, a page) goes as it is.
(cd src && find . -type f ! -name '*.ts' -exec cp --parents '{}' "$root/$new" ';')
rm -rf dist
mv "$new" dist
