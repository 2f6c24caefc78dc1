// Counters of the data plane, read by the control plane. Relaxed: sums, not one consistent moment.
#pragma once

#include <atomic>
#include <cstdint>

namespace dlfs {

struct Stats {
  std::atomic<uint64_t> reads{0};       // READ requests
  std::atomic<uint64_t> read_bytes{0};  // bytes answered
  std::atomic<uint64_t> hit_reads{0};   // answered at once from disk
  std::atomic<uint64_t> hit_bytes{0};
  std::atomic<uint64_t> waited_reads{0};  // had to wait
  std::atomic<uint64_t> waited_ns{0};
  std::atomic<uint64_t> failed_reads{0};
  std::atomic<uint64_t> opens{0};
  std::atomic<uint64_t> passthrough_opens{0};
  std::atomic<uint64_t> stored_bytes{0};
  std::atomic<uint64_t> stored_blocks{0};
  std::atomic<uint64_t> lost_blocks{0};
  std::atomic<uint64_t> requests{0};  // FUSE requests of all kinds
  std::atomic<uint64_t> interrupts{0};
  std::atomic<uint64_t> killed{0};  // requests ended because their process was killed
};

}  // namespace dlfs
