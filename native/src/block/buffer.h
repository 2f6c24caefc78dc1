// Block buffers under one hard cap of memory, with back-pressure.
//
// A Budget counts the bytes of all live buffers of the process. Who cannot get a buffer is queued and told when memory
// came back (`on_release`), so nobody polls. Full-size blocks are recycled through a short free list: a fresh megabyte
// costs 256 page faults.
//
// Invariants:
//  1. The sum of live buffers never exceeds the cap.
//  2. Readahead gets at most 3/4 of the cap, so that a demanded block never waits behind guesses.
//  3. A refused waiter is queued under the same lock that refused it: no lost wake-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "stats.h"

namespace dlfs {

class Budget;

// Memory for one block, page aligned. Owned by shared_ptr: a reply in flight keeps it alive.
class Buffer {
 public:
  // `stats`: whose memory it counts as; may be null.
  Buffer(Budget& budget, std::byte* data, size_t size, std::shared_ptr<VolumeStats> stats);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::span<std::byte> bytes() { return {data_, size_}; }

 private:
  Budget& budget_;
  std::byte* data_;
  size_t size_;
  const std::shared_ptr<VolumeStats> stats_;
};

class Budget {
 public:
  // `cap`: bytes. `on_release(id)` is called, without locks held, for each queued waiter when memory came back.
  Budget(size_t cap, std::function<void(uint64_t)> on_release);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // A buffer of `size` bytes, or null: then `waiter` is queued.
  std::shared_ptr<Buffer> acquire(size_t size, bool demand, uint64_t waiter, std::shared_ptr<VolumeStats> stats = {});
  size_t used() const;
  size_t cap() const { return cap_; }
  // True while somebody waits for memory.
  bool starved() const;

 private:
  friend class Buffer;
  void release(std::byte* data, size_t size);

  const size_t cap_;
  const std::function<void(uint64_t)> on_release_;
  mutable std::mutex mu_;
  size_t used_ = 0;
  std::deque<uint64_t> waiters_;
  std::vector<std::pair<size_t, std::byte*>> free_;  // recycled allocations, oldest first
  size_t free_bytes_ = 0;
};

}  // namespace dlfs
