#!/bin/sh
# Runs native test programs one after the other: `run-native-tests.sh PROGRAM…`. Prints one line for each, all of its output
# where it fails. Exit status 1 when one failed, or when one claims no "ok" line: a test that tests nothing is a failure.
set -u

LIMIT_SECONDS=120
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for program in "$@"; do
  timeout --kill-after=5 "$LIMIT_SECONDS" "$program" > "$output" 2>&1 < /dev/null
  status=$?
  ok=$(grep -c '^ok' "$output")
  if [ "$status" = 0 ] && [ "$ok" -gt 0 ] && ! grep -q '^not ok' "$output"; then
    printf 'native %s: %s ok\n' "$(basename "$program")" "$ok"
  else
    cat "$output"
    [ "$status" != 124 ] || printf 'not done within %s s\n' "$LIMIT_SECONDS"
    printf 'native %s: FAILED (exit %s, %s ok)\n' "$(basename "$program")" "$status" "$ok"
    failed=1
  fi
done
exit "$failed"
