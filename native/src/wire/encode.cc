#include "encode.h"

#include <sys/stat.h>

#include <cstring>

namespace dlfs::wire {

Attr encode_attr(const Node& node, const Ownership& own) {
  Attr a{};
  a.ino = node.ino;
  a.size = node.dir ? 0 : node.size;
  a.blocks = (a.size + 511) / 512;
  // Floor division, so that times before 1970 keep a non-negative nanosecond part.
  int64_t s = node.mtime_ms / 1000, ms = node.mtime_ms % 1000;
  if (ms < 0) {
    ms += 1000;
    s -= 1;
  }
  a.atime = a.mtime = a.ctime = static_cast<uint64_t>(s);
  a.atimensec = a.mtimensec = a.ctimensec = static_cast<uint32_t>(ms) * 1000000U;
  a.mode = node.dir ? (S_IFDIR | own.dir_mode) : (S_IFREG | own.file_mode);
  a.nlink = 1;
  a.uid = own.uid;
  a.gid = own.gid;
  a.blksize = 1U << 20;
  return a;
}

EntryOut encode_entry(const Node& node, const Ownership& own, const Ttl& ttl) {
  EntryOut e{};
  e.nodeid = node.ino;
  e.entry_valid = ttl.entry_s;
  e.attr_valid = ttl.attr_s;
  if (node.ino != 0) e.attr = encode_attr(node, own);
  return e;
}

AttrOut encode_attr_out(const Node& node, const Ownership& own, const Ttl& ttl) {
  AttrOut o{};
  o.attr_valid = ttl.attr_s;
  o.attr = encode_attr(node, own);
  return o;
}

size_t append_dirent(std::span<std::byte> out, size_t used, const Node& node, std::string_view name, uint64_t cookie,
                     const EntryOut* entry) {
  const size_t head = entry != nullptr ? sizeof(EntryOut) : 0;
  const size_t raw = head + sizeof(Dirent) + name.size();
  const size_t padded = (raw + 7) & ~size_t{7};
  if (used + padded > out.size()) return used;
  std::byte* p = out.data() + used;
  if (entry != nullptr) {
    std::memcpy(p, entry, sizeof(EntryOut));
    p += sizeof(EntryOut);
  }
  Dirent d{};
  d.ino = node.ino;
  d.off = cookie;
  d.namelen = static_cast<uint32_t>(name.size());
  d.type = (node.dir ? S_IFDIR : S_IFREG) >> 12;
  std::memcpy(p, &d, sizeof d);
  p += sizeof d;
  std::memcpy(p, name.data(), name.size());
  std::memset(p + name.size(), 0, padded - raw);
  return used + padded;
}

}  // namespace dlfs::wire
