// Reads into memory of the caller: requests that do not come over a connection of ours, such as those that another
// FUSE library hands to JavaScript.
//
// A read takes the way of a FUSE READ: a disk thread tries the cache file and puts the bytes where they are wanted;
// what is not there is parked in the volume, asked for, and answered as soon as its bytes have come. kTaskDone says how
// it ended: an errno, and the bytes read. ETIMEDOUT means that the limit was reached; no failure of a read has that
// number otherwise (src/base/errors/errno.ts).
//
// Invariants:
//  1. Every read ends with exactly one kTaskDone; the memory is not touched after it.
//  2. A failure is an errno, never fewer bytes than asked for; fewer mean the end of the file.
//  3. Memory is written to by whoever has taken the read, and by nobody else: an answer and a timeout race freely.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../base/events.h"
#include "../block/disk_pool.h"
#include "../block/stats.h"
#include "../block/volume.h"

namespace dlfs {

struct BufferRead {
  uint64_t task = 0;  // names it, for ever
  uint64_t ino = 0;
  uint64_t offset = 0;
  std::span<std::byte> into;             // at most kMaxBufferRead; the caller's until kTaskDone
  uint32_t reader = 0;                   // what readahead tells streams apart by; 0: not known
  std::chrono::milliseconds timeout{0};  // 0 = never
};

// The largest READ of a connection: what is waited for is answered from one scratch buffer of that size.
constexpr size_t kMaxBufferRead = 1U << 20;

class BufferReads final : public ReadClient, public std::enable_shared_from_this<BufferReads> {
 public:
  // All must outlive it.
  BufferReads(DiskPool& disk, EventQueue& events) : disk_(disk), events_(events) {}

  void read(std::shared_ptr<Volume> volume, const BufferRead& request);
  // Ends what has waited too long.
  void tick(std::chrono::steady_clock::time_point now);
  // The volume is served no more: ends its waits, and each later one at once.
  void end(uint32_t volume, int error);
  // The same for all volumes.
  void abort(int error);

  // ReadClient
  void answer(uint64_t task, std::span<const std::span<const std::byte>> pieces) override;
  void fail(uint64_t task, int error) override;
  void reopen(uint64_t, uint64_t) override {}  // it never opens

 private:
  struct Waiting {
    uint32_t volume;
    std::shared_ptr<VolumeStats> stats;
    std::span<std::byte> into;
    std::chrono::steady_clock::time_point since, until;
  };

  void attempt(const std::shared_ptr<Volume>& volume, const BufferRead& request,
               std::chrono::steady_clock::time_point since);
  std::optional<Waiting> take(uint64_t task);
  // Takes all that `which` says yes to.
  template <typename Predicate>
  std::vector<std::pair<uint64_t, Waiting>> take_all(const Predicate& which);  // under mu_
  void done(VolumeStats& stats, uint64_t task, int error, size_t bytes);

  DiskPool& disk_;
  EventQueue& events_;
  std::mutex mu_;
  std::unordered_map<uint64_t, Waiting> waiting_;
  std::unordered_map<uint32_t, int> ended_;  // volumes of end(), with its errno
  int aborted_ = 0;                          // the errno of abort()
};

}  // namespace dlfs
