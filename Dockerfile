# dlfs in one image for all roles: the command line, the node's daemon and what runs in Kubernetes differ by their arguments.
#
#   docker build -t dlfs .                                        or: make image, which takes buildah, podman or docker
#   docker run --rm dlfs version
#
# BASE is what it runs on: glibc >= 2.34, libstdc++ and a shell. NODE is where Node.js comes from, and what compiles: a
# Debian with node, npm and node's headers below /usr/local, its C library no newer than BASE's.
ARG BASE=debian:bookworm-slim
ARG NODE=node:24-bookworm-slim

FROM ${NODE} AS build
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends g++ make python3 > /dev/null
WORKDIR /src
COPY . .
# A network with a certificate authority or a registry of its own: --secret id=ca,src=FILE and --secret id=npmrc,src=FILE.
RUN --mount=type=secret,id=ca --mount=type=secret,id=npmrc \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca npm_config_cafile=/run/secrets/ca; fi; \
    if [ -f /run/secrets/npmrc ]; then export npm_config_userconfig=/run/secrets/npmrc; fi; \
    make package
# What the package needs only to be compiled, or for other machines, stays behind.
RUN mkdir -p /out/opt/dlfs /out/usr/local/bin && \
    tar -xzf build/dlfs-*.tgz -C /out/opt/dlfs --strip-components=1 --no-same-owner && \
    cd /out/opt/dlfs && \
    rm -r native binding.gyp node_modules/node-addon-api node_modules/better-sqlite3/deps node_modules/better-sqlite3/src && \
    find node_modules/better-sqlite3/prebuilds -type f ! -name linux-x64.node -delete && \
    find node_modules -type f '(' -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.map' ')' -delete && \
    rm -rf node_modules/zod/src node_modules/pino/test node_modules/pino/docs && \
    chmod -R u=rwX,go=rX . && \
    ln -s /opt/dlfs/bin/dlfs /opt/dlfs/bin/mount.dlfs /out/usr/local/bin/ && \
    cp -L "$(command -v node)" /out/usr/local/bin/node

FROM ${BASE}
COPY --from=build /out/ /
# Only mounting takes root: run the daemon with --user 0 --privileged, or runAsUser: 0 and privileged: true.
USER 65532:65532
# Tries the addon and SQLite on BASE, so that a base that cannot carry them fails here and not on a node.
RUN sh /opt/dlfs/scripts/install.sh && dlfs version
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dlfs" \
      org.opencontainers.image.description="S3 buckets as read-only POSIX directories behind a block cache on the local disk" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["dlfs"]
CMD ["--help"]
