#!/bin/sh
# All static checks, from quick to slow; every one runs although another failed. Exit status 1 when one failed.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
PATH=$root/.tools/node/bin:$PATH
failed=0

# check NAME COMMAND…: runs it; says its name where it fails
check() {
  name=$1
  shift
  "$@" || {
    printf 'lint: %s: FAILED\n' "$name" >&2
    failed=1
  }
}

check_native_format() {
  find native -name '*.cc' -o -name '*.h' | LC_ALL=C sort | xargs -r node_modules/.bin/clang-format --dry-run -Werror
}

check_shell() {
  for script in scripts/*.sh; do sh -n "$script" || return 1; done
  bash -n .ci/run
}

check_architecture() {
  node --test --test-reporter=dot test/unit/architecture.test.ts
}

check 'shell syntax' check_shell
check 'format (make format repairs it)' node_modules/.bin/prettier --log-level=warn --check .
check 'format of native/ (make format repairs it)' check_native_format
check types node_modules/.bin/tsc -p .
check architecture check_architecture
check rules node node_modules/eslint/bin/eslint.js --max-warnings 0 .
[ "$failed" = 0 ] && printf 'lint: ok\n'
exit "$failed"
