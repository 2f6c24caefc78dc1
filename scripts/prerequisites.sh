#!/bin/sh
# Checks what must be on the machine before anything else: `prerequisites.sh build` for building, `prerequisites.sh mount`
# also for mounting, `prerequisites.sh test` also for the tests. Each missing one is named with the way to get it; all of them at once, not one a run.
#
# Invariants:
# 1. Nothing is installed or changed here.
# 2. A check looks at what is needed, not at the distribution; the package names are Debian's, as a hint.
set -eu

missing=0

# lacks WHAT HOW
lacks() {
  printf 'missing: %s\n         %s\n' "$1" "$2" >&2
  missing=$((missing + 1))
}

# has COMMAND
has() { command -v "$1" > /dev/null 2>&1; }

# cxx_works: the compiler takes C++20 and its library has it
cxx_works() {
  printf '#include <concepts>\n#include <span>\n#include <stop_token>\nstd::span<const std::byte> s; int main() {}\n' |
    "${CXX:-g++}" -std=c++20 -fsyntax-only -x c++ - > /dev/null 2>&1
}

check_build() {
  machine=$(uname -sm)
  [ "$machine" = 'Linux x86_64' ] || lacks "Linux on x86-64 (this is $machine)" 'dlfs runs on no other platform'
  if has node; then
    major=$(node -p 'process.versions.node.split(".")[0]' 2> /dev/null || echo 0)
    [ "$major" -ge 20 ] || lacks "Node.js >= 20 (found $(node --version))" 'https://nodejs.org/en/download, or: apt install nodejs on Debian 13'
  else
    lacks 'Node.js >= 20' 'https://nodejs.org/en/download, or: apt install nodejs npm on Debian 13'
  fi
  has npm || lacks 'npm' 'it comes with Node.js from nodejs.org; on Debian: apt install npm'
  if has "${CXX:-g++}"; then
    # What was built here once proves the compiler; the check costs more than all others together.
    [ -f build/Release/dlfs.node ] || cxx_works || lacks "a C++ compiler with C++20 (${CXX:-g++} is too old)" 'g++ >= 11: apt install g++; or name another one with CXX='
  else
    lacks 'a C++ compiler with C++20' 'g++ >= 11: apt install g++; or name one with CXX='
  fi
  has make || lacks 'make' 'apt install make'
  has python3 || lacks 'Python 3 (node-gyp needs it)' 'apt install python3'
  for command in flock sha256sum; do
    has "$command" || lacks "$command" 'apt install util-linux coreutils'
  done
}

check_mount() {
  [ "$(id -u)" = 0 ] || lacks 'root (to mount file systems)' 'run it as root, for example with sudo'
  if [ ! -c /dev/fuse ]; then
    lacks '/dev/fuse' 'modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN'
  elif ! (exec 3<> /dev/fuse) 2> /dev/null; then
    lacks 'access to /dev/fuse' 'run it as root; in a container: --device /dev/fuse --cap-add SYS_ADMIN'
  fi
}

check_test() {
  # Commands that tests run as users would; the tests of each name them.
  while read -r command package; do
    has "$command" || lacks "$command" "apt install $package"
  done << 'TABLE'
attr attr
bash bash
findmnt mount
fish fish
git git
losetup mount
mkfs.ext4 e2fsprogs
openssl openssl
prometheus prometheus
promtool prometheus
rsync rsync
sqlite3 sqlite3
tar tar
zsh zsh
TABLE
}

case ${1:-} in
  build) check_build ;;
  mount)
    check_build
    check_mount
    ;;
  test)
    check_build
    check_mount
    check_test
    ;;
  *)
    printf 'usage: %s build|mount|test\n' "$0" >&2
    exit 2
    ;;
esac

[ "$missing" = 0 ]
