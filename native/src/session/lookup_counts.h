// How often the kernel knows each inode: +1 with every entry answered, minus what FORGET says.
//
// Needed to know when a superseded object version has no holder left; inode numbers are stable, so nothing else hangs
// on it.
//
// Invariants:
//  1. A count is dropped when it reaches zero; FORGET beyond it (after a restart) is harmless.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace dlfs {

class LookupCounts {
 public:
  void add(uint64_t ino) {
    Shard& s = shard(ino);
    std::lock_guard lock(s.mu);
    ++s.counts[ino];
  }
  // True when the kernel has forgotten the inode altogether.
  bool forget(uint64_t ino, uint64_t n) {
    Shard& s = shard(ino);
    std::lock_guard lock(s.mu);
    const auto it = s.counts.find(ino);
    if (it == s.counts.end()) return true;
    if (it->second > n) {
      it->second -= n;
      return false;
    }
    s.counts.erase(it);
    return true;
  }
  uint64_t count(uint64_t ino) {
    Shard& s = shard(ino);
    std::lock_guard lock(s.mu);
    const auto it = s.counts.find(ino);
    return it == s.counts.end() ? 0 : it->second;
  }

 private:
  struct Shard {
    std::mutex mu;
    std::unordered_map<uint64_t, uint64_t> counts;
  };
  Shard& shard(uint64_t ino) { return shards_[ino % shards_.size()]; }
  std::array<Shard, 64> shards_;
};

}  // namespace dlfs
