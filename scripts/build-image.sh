#!/bin/sh
# Builds the container image by the Dockerfile, with the first of buildah, podman and docker that is there.
#
#   scripts/build-image.sh             bases from a registry, into the engine's own storage
#   scripts/build-image.sh --local     no registry at all: bases made here (scripts/local-base-images.sh), by buildah, in
#                                      build/images; also writes build/images/dlfs.tar, a docker-archive
#
# In the environment: IMAGE (dlfs:VERSION), BASE and NODE (the Dockerfile's), ENGINE (buildah, podman, docker).
# A private certificate authority (NODE_EXTRA_CA_CERTS) and npm's user configuration reach the build as secrets, which leave
# nothing in a layer.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

# The words in quotes behind "version" in package.json; node need not be there.
version=$(sed -n 's/^  "version": "\([^"]*\)",$/\1/p' package.json)
revision=$(git rev-parse HEAD 2> /dev/null || printf 'unknown')

archive=
case ${1:-} in
  '') ;;
  --local)
    command -v buildah > /dev/null || {
      printf 'build-image: --local takes buildah: apt install buildah\n' >&2
      exit 1
    }
    ENGINE=buildah
    IMAGE=${IMAGE:-localhost/dlfs:$version}
    archive=$root/build/images/dlfs.tar
    . scripts/image-storage.sh
    sh scripts/local-base-images.sh
    BASE=${BASE:-localhost/dlfs-base}
    NODE=${NODE:-localhost/dlfs-node}
    ;;
  *)
    printf 'usage: %s [--local]\n' "$0" >&2
    exit 2
    ;;
esac

for candidate in ${ENGINE:-buildah podman docker}; do
  if command -v "$candidate" > /dev/null 2>&1; then
    engine=$candidate
    break
  fi
done
[ -n "${engine:-}" ] || {
  printf 'build-image: none of %s is installed: apt install buildah\n' "${ENGINE:-buildah, podman and docker}" >&2
  exit 1
}

IMAGE=${IMAGE:-dlfs:$version}
set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --tag "$IMAGE"
[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"
[ -z "${NODE:-}" ] || set -- "$@" --build-arg "NODE=$NODE"
[ ! -f "${NODE_EXTRA_CA_CERTS:-}" ] || set -- "$@" --secret "id=ca,src=$NODE_EXTRA_CA_CERTS"
npmrc=${NPM_CONFIG_USERCONFIG:-${HOME:-/nonexistent}/.npmrc}
[ ! -f "$npmrc" ] || set -- "$@" --secret "id=npmrc,src=$npmrc"

case $engine in
  buildah) buildah bud --format docker "$@" . ;;
  *) "$engine" build "$@" . ;;
esac
if [ -n "$archive" ]; then
  rm -f "$archive"
  buildah push --quiet "$IMAGE" "docker-archive:$archive:$IMAGE"
fi
printf 'built %s\n' "$IMAGE"
