#!/bin/sh
# Makes the two images that the Dockerfile builds on, without a registry, in buildah's storage:
#   localhost/dlfs-base    Debian 12 without documentation, by mmdebstrap      stands for debian:bookworm-slim
#   localhost/dlfs-node    the same with .tools/node and npm in /usr/local     stands for node:24-bookworm-slim
# What is there is left alone.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
PATH=$root/.tools/node/bin:$PATH
[ -n "${CONTAINERS_STORAGE_CONF:-}" ] || . scripts/image-storage.sh

for command in buildah mmdebstrap; do
  command -v "$command" > /dev/null || {
    printf 'local-base-images: %s is missing: apt install %s\n' "$command" "$command" >&2
    exit 1
  }
done
if buildah inspect --type image localhost/dlfs-node > /dev/null 2>&1; then exit 0; fi
sh scripts/setup.sh

work=build/images/work
rm -rf "$work"
mkdir -p "$work"
printf 'making Debian by mmdebstrap ...\n'
mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' bookworm "$work/base.tar"
npm install --prefix "$work/npm" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error npm@11

base=$(buildah from scratch)
buildah add --quiet "$base" "$work/base.tar" / > /dev/null
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$base"
buildah commit --quiet --rm "$base" localhost/dlfs-base > /dev/null

node=$(buildah from localhost/dlfs-base)
buildah copy --quiet "$node" .tools/node/bin/node /usr/local/bin/node > /dev/null
buildah copy --quiet "$node" .tools/node/include/node /usr/local/include/node > /dev/null
buildah copy --quiet "$node" "$work/npm/node_modules/npm" /usr/local/lib/node_modules/npm > /dev/null
buildah run "$node" ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
buildah commit --quiet --rm "$node" localhost/dlfs-node > /dev/null
rm -rf "$work"
