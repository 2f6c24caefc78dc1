#!/bin/sh
# Makes prebuilds/linux-x64/dlfs.glibc.node, the addon that the package carries, of the objects that `make build` compiled.
#
# How it works: linked once more, with the C++ library inside, so that of the system only the C library matters; exporting
# nothing but the addon's two entries, so that no symbol of it meets one of node's own C++ library; names of functions kept
# for the stack of a crash, the rest of the debug information dropped. Then the versions of the C library's symbols that it
# needs are compared with the floor.
# Invariants:
# 1. The file appears by rename, and only where it needs no glibc newer than GLIBC_FLOOR (2.34: RHEL 9, Debian 12,
#    Ubuntu 22.04; better-sqlite3's file, beside which it runs, needs the same).
set -eu

floor=${GLIBC_FLOOR:-2.34}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

exec 9> .tools/build.lock
flock 9
target=prebuilds/linux-x64/dlfs.glibc.node
mkdir -p "${target%/*}" build
objects=$(find native/src -name '*.cc' | LC_ALL=C sort | sed 's#^\(.*\)\.cc$#build/Release/obj.target/dlfs/\1.o#')
printf '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n' > build/exports.map
# shellcheck disable=SC2086 # a list of files, of names that we gave
"${CXX:-g++}" -shared -pthread -static-libstdc++ -Wl,--version-script=build/exports.map -Wl,--gc-sections \
  -Wl,-z,relro,-z,now,-z,noexecstack -Wl,-soname=dlfs.node -o build/dlfs.glibc.node $objects
strip --strip-debug build/dlfs.glibc.node

needs=$(objdump -T build/dlfs.glibc.node | sed -n 's/.*(GLIBC_\([0-9.]*\)).*/\1/p' | sort -V | tail -n 1)
[ -n "$needs" ] || {
  printf 'build-prebuilt: objdump names no version of glibc in build/dlfs.glibc.node\n' >&2
  exit 1
}
if [ "$(printf '%s\n%s\n' "$needs" "$floor" | sort -V | tail -n 1)" != "$floor" ]; then
  printf 'build-prebuilt: compiled here, the addon needs glibc %s, and the package promises %s: build it on an older system (Debian 12), or say GLIBC_FLOOR=%s\n' \
    "$needs" "$floor" "$needs" >&2
  exit 1
fi
mv -f build/dlfs.glibc.node "$target"
