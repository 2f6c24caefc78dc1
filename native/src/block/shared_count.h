// How many of something all volumes of a process have together: open cache files, file states.
//
// Each volume may have more while what it has is below what is free (the dynamic threshold of
// src/cache/policy/dynamic-share.ts): one alone half, of many a fair part each, without anybody telling how many there
// are.
//
// Invariants:
//  1. Counting is exact; the limit is advice that its reader follows when it can.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace dlfs {

class SharedCount {
 public:
  explicit SharedCount(size_t capacity) : capacity_(capacity) {}
  void add(size_t n) { used_.fetch_add(n, std::memory_order_relaxed); }
  void sub(size_t n) { used_.fetch_sub(n, std::memory_order_relaxed); }
  // What one volume may have now; `least` whatever the others have.
  size_t limit(size_t least) const {
    const size_t used = used_.load(std::memory_order_relaxed);
    return std::max(least, capacity_ > used ? capacity_ - used : 0);
  }

 private:
  const size_t capacity_;
  std::atomic<size_t> used_{0};
};

struct SharedCounts {
  SharedCounts(size_t max_open_files, size_t max_states) : open_files(max_open_files), states(max_states) {}
  SharedCount open_files, states;
};

}  // namespace dlfs
