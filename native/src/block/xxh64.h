// XXH64 (Yann Collet's xxHash, 64-bit variant, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), the
// hash of a block.
//
// Not cryptographic: it finds broken disks and torn writes, not an adversary (SEMANTICS.md says so).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dlfs {

// The hash of `data` with seed 0.
uint64_t xxh64(std::span<const std::byte> data);

}  // namespace dlfs
