// Counters of one volume, read by the control plane. Relaxed: sums, not one consistent moment.
//
// Each volume has its own, shared with what may outlive it for a moment (buffers, the engine's sums), so readers of two
// datasets never write to one cache line.
//
// The time of a read that had to wait is split by what it waited for: the index (its file was unknown here), the queue
// (no GET for its blocks had been sent), the origin (from there until its bytes were in memory), the disk (from there
// until the answer). `waited_ns` is their sum, but for what lies between two of them and reads that failed.
//
// Invariants:
//  1. `kCounters` names every member once, in their order; the sum over volumes is made with it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace dlfs {

struct VolumeStats {
  using Counter = std::atomic<uint64_t>;
  Counter reads{0};       // READ requests
  Counter read_bytes{0};  // bytes answered
  Counter hit_reads{0};   // answered at once from disk
  Counter hit_bytes{0};
  Counter hit_disk_ns{0};   // in pread(2) for those: an estimate from every 17th
  Counter waited_reads{0};  // had to wait
  Counter waited_ns{0};
  Counter waited_index_ns{0};
  Counter waited_queue_ns{0};
  Counter waited_origin_ns{0};
  Counter waited_disk_ns{0};
  Counter failed_reads{0};
  Counter opens{0};
  Counter passthrough_opens{0};
  Counter fetched_bytes{0};  // bytes of bodies received from the origin
  Counter stored_bytes{0};
  Counter stored_blocks{0};
  Counter lost_blocks{0};
  Counter metadata_requests{0};  // answered by the control plane: names, attributes, folders, opens of unknown files
  Counter metadata_ns{0};
  Counter requests{0};  // FUSE requests of all kinds
  Counter interrupts{0};
  Counter killed{0};       // requests ended because their process was killed
  Counter memory_used{0};  // gauge: bytes of block buffers
};

struct CounterName {
  const char* name;  // as JavaScript sees it
  VolumeStats::Counter VolumeStats::*member;
};

inline constexpr std::array kCounters{
    CounterName{"reads", &VolumeStats::reads},
    CounterName{"readBytes", &VolumeStats::read_bytes},
    CounterName{"hitReads", &VolumeStats::hit_reads},
    CounterName{"hitBytes", &VolumeStats::hit_bytes},
    CounterName{"hitDiskNs", &VolumeStats::hit_disk_ns},
    CounterName{"waitedReads", &VolumeStats::waited_reads},
    CounterName{"waitedNs", &VolumeStats::waited_ns},
    CounterName{"waitedIndexNs", &VolumeStats::waited_index_ns},
    CounterName{"waitedQueueNs", &VolumeStats::waited_queue_ns},
    CounterName{"waitedOriginNs", &VolumeStats::waited_origin_ns},
    CounterName{"waitedDiskNs", &VolumeStats::waited_disk_ns},
    CounterName{"failedReads", &VolumeStats::failed_reads},
    CounterName{"opens", &VolumeStats::opens},
    CounterName{"passthroughOpens", &VolumeStats::passthrough_opens},
    CounterName{"fetchedBytes", &VolumeStats::fetched_bytes},
    CounterName{"storedBytes", &VolumeStats::stored_bytes},
    CounterName{"storedBlocks", &VolumeStats::stored_blocks},
    CounterName{"lostBlocks", &VolumeStats::lost_blocks},
    CounterName{"metadataRequests", &VolumeStats::metadata_requests},
    CounterName{"metadataNs", &VolumeStats::metadata_ns},
    CounterName{"requests", &VolumeStats::requests},
    CounterName{"interrupts", &VolumeStats::interrupts},
    CounterName{"killed", &VolumeStats::killed},
    CounterName{"memoryUsed", &VolumeStats::memory_used},
};
static_assert(sizeof(VolumeStats) == kCounters.size() * sizeof(VolumeStats::Counter));

// The values of all counters, in the order of kCounters.
using StatsValues = std::array<uint64_t, kCounters.size()>;

inline void add_to(StatsValues& sums, const VolumeStats& stats) {
  for (size_t i = 0; i < kCounters.size(); ++i) {
    sums[i] += (stats.*kCounters[i].member).load(std::memory_order_relaxed);
  }
}

inline void count(VolumeStats::Counter& counter, uint64_t n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

}  // namespace dlfs
