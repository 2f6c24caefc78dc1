# Builds and runs the native tests: each native/test/*.cc is a program of its own that prints "ok …" and "not ok …" lines and
# exits with 0 when all is well. Called by `make native-test`; SANITIZE=thread looks for data races instead.
#
# How it works: all sources that do not touch Node-API go, with the sanitizers, into one archive; each program takes from it
# what it needs. OpenSSL lives in the node binary and is not there to link with, so its functions are made to trap: TLS is
# tested through the addon. Headers are tracked by depfiles.
SHELL := /bin/sh
.DELETE_ON_ERROR:

SANITIZE ?= address,undefined
CXX ?= g++
comma := ,
out := build/native-test/$(subst $(comma),-,$(SANITIZE))

sources := $(shell LC_ALL=C find native/src -name '*.cc' | LC_ALL=C sort | xargs grep -LE 'include [<"].*(napi|node_api)')
# A file that includes a Node-API header by way of another one of ours lies beside it.
sources := $(filter-out native/src/addon.cc native/src/binding/%,$(sources))
tests := $(sort $(wildcard native/test/*.cc))
objects := $(sources:%.cc=$(out)/%.o)
programs := $(tests:native/test/%.cc=$(out)/%)

# The check of vptrs asks the kernel by a pipe whether memory is there, and calls everything broken where a test leaves no descriptor.
CXXFLAGS := -std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize=vptr -fno-sanitize-recover=all \
  -Wall -Wextra -Werror -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Inative/src -isystem .tools/node/include/node

export ASAN_OPTIONS := detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS := print_stacktrace=1
export TSAN_OPTIONS := halt_on_error=1:second_deadlock_stack=1

.PHONY: run
run: $(programs)
	@sh scripts/run-native-tests.sh $(programs)

$(out)/%.o: %.cc
	@mkdir -p $(@D)
	@printf '  CXX %s\n' $<
	@$(CXX) $(CXXFLAGS) -MMD -MP -c $< -o $@

$(out)/libdlfs.a: $(objects)
	@rm -f $@
	@ar rcs $@ $^

# Traps for what is undefined after everything is together and has one of OpenSSL's prefixes; anything else stays an error.
$(out)/openssl-traps.s: $(out)/libdlfs.a
	@nm -u $< | sed -nE 's/^ +U ((SSL|TLS|X509|BIO|PEM|ERR|EVP|OPENSSL|CRYPTO|ASN1|GENERAL|RAND|HMAC|SHA[0-9]*|d2i|i2d)_[A-Za-z0-9_]+)$$/\1/p' | \
	  LC_ALL=C sort -u | sed 's/.*/.globl &\n&: ud2/' > $@
	@printf '.section .note.GNU-stack,"",@progbits\n' >> $@

$(out)/openssl-traps.o: $(out)/openssl-traps.s
	@$(CXX) -c $< -o $@

$(programs): $(out)/%: $(out)/native/test/%.o $(out)/libdlfs.a $(out)/openssl-traps.o
	@$(CXX) $(CXXFLAGS) $^ -o $@

.SECONDARY:
-include $(objects:.o=.d) $(tests:%.cc=$(out)/%.d)
