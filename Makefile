# dlfs: `make demo` shows it, `make test` checks it, `make bench` measures it. Each does its own set-up; `make help` lists all.
#
#   make test FILES="test/unit/base"       only these files or folders
#   make demo KEEP=1                       leave it mounted to look around
#   make demo BUCKET=s3://name/prefix      use your own bucket
#   make native-test SANITIZE=thread       look for data races
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

export PATH := $(CURDIR)/.tools/node/bin:$(CURDIR)/.tools/bin:$(PATH)

FILES ?=
CLANG_FORMAT := node_modules/.bin/clang-format
native_files = find native -name '*.cc' -o -name '*.h' | LC_ALL=C sort

export BASE NODE IMAGE ENGINE

.PHONY: help setup build test test-files lint format generate native-test test-tools demo bench package image test-image clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | LC_ALL=C sort | while IFS="$$(printf '\t')" read -r target text; do printf '%-12s %s\n' "$$target" "$$text"; done

setup: ## the Node.js in use, the packages, the native addon
	@sh scripts/setup.sh

build: setup ## the same; what changed is compiled again

test: lint native-test test-files ## every check and test that this machine can run

test-files: test-tools
	@sh scripts/prerequisites.sh test
	@node scripts/run-tests.ts $(FILES)

test-tools: setup
	@sh scripts/build-test-tools.sh

native-test: setup ## the native tests under sanitizers
	@$(MAKE) -f scripts/native-test.mk -j "$$(nproc)"

lint: setup ## format, types, lint rules, architecture
	@sh scripts/lint.sh

format: setup ## rewrite what the format check refuses
	@node_modules/.bin/prettier --log-level=warn --write .
	@$(native_files) | xargs -r $(CLANG_FORMAT) -i

generate: setup ## write again what is made from the code: schemas, reference tables
	@node scripts/generate.ts

demo: setup ## the main job, shown on an embedded endpoint or BUCKET=s3://…; KEEP=1 leaves it mounted
	@sh scripts/prerequisites.sh mount
	@KEEP='$(KEEP)' BUCKET='$(BUCKET)' node demo/main.ts

bench: test-tools ## the measurements; results in bench/out/
	@sh scripts/prerequisites.sh mount
	@node bench/main.ts

package: setup ## the npm package with the prebuilt addon, build/dlfs-VERSION.tgz
	@npm pack --loglevel=error --pack-destination=build

image: ## the container image, by buildah, podman or docker; BASE=, NODE= and IMAGE= name others
	@sh scripts/build-image.sh

test-image: setup ## builds the image without a registry and tries it; takes root, buildah and mmdebstrap
	@node scripts/run-tests.ts test/image

clean: ## remove everything that set-up, build, package and bench made
	rm -rf build dist prebuilds node_modules .tools bench/out
