// Bytes of FUSE replies from plain values: attributes, entries, directory records.
//
// Pure functions over buffers, so that golden-byte tests need no kernel.
//
// Invariants:
//  1. A directory record is written whole or not at all; a full buffer ends the batch.
//  2. Nothing here allocates on the way of a read.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fuse_abi.h"

namespace dlfs::wire {

// What all files of one mount share.
struct Ownership {
  uint32_t uid = 0, gid = 0;
  uint32_t file_mode = 0444, dir_mode = 0555;  // permission bits only
};

// One node as the control plane knows it.
struct Node {
  uint64_t ino = 0;
  uint64_t size = 0;
  int64_t mtime_ms = 0;
  bool dir = false;
};

// How long the kernel may believe an answer, in seconds.
struct Ttl {
  uint64_t entry_s = 0, attr_s = 0;
};

Attr encode_attr(const Node& node, const Ownership& own);
EntryOut encode_entry(const Node& node, const Ownership& own, const Ttl& ttl);
AttrOut encode_attr_out(const Node& node, const Ownership& own, const Ttl& ttl);

// Appends one READDIR or READDIRPLUS record to `out` at `used`. `entry` is null for READDIR. Returns the new length, or
// `used` unchanged when the record does not fit.
size_t append_dirent(std::span<std::byte> out, size_t used, const Node& node, std::string_view name, uint64_t cookie,
                     const EntryOut* entry);

}  // namespace dlfs::wire
