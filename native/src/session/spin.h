// Whether a session thread that has nothing to do looks on for a moment before it sleeps.
//
// Waking a sleeping thread costs 30 to 50 microseconds on a virtual machine, about as long as a reader of small files
// takes from an answer to its next request. So one thread at a time may spin that long, as long as it pays off.
//
// Invariants:
//  1. At most one thread of the engine spins; an idle engine does not spin at all.
//  2. After misses in a row spinning pauses, so that a load without that pattern pays next to nothing for it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace dlfs {

class Spin {
 public:
  using Clock = std::chrono::steady_clock;

  // Longer than the pause between answer and next request (20 to 40 us), as long as the wake-up that it saves.
  static constexpr auto kLength = std::chrono::microseconds(60);

  // True: look for work until `kLength` is over, then call end().
  bool begin() {
    if (paused_.load(std::memory_order_relaxed) > 0) {
      paused_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    return !busy_.exchange(true, std::memory_order_acquire);
  }

  void end(bool found) {
    if (found) {
      misses_.store(0, std::memory_order_relaxed);
    } else if (misses_.fetch_add(1, std::memory_order_relaxed) + 1 >= kMisses) {
      misses_.store(0, std::memory_order_relaxed);
      paused_.store(kPause, std::memory_order_relaxed);
    }
    busy_.store(false, std::memory_order_release);
  }

 private:
  static constexpr int32_t kMisses = 4;
  static constexpr int32_t kPause = 64;  // sleeps without a try, then the next try
  std::atomic<bool> busy_{false};
  std::atomic<int32_t> misses_{0};
  std::atomic<int32_t> paused_{0};
};

}  // namespace dlfs
