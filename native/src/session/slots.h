// Requests that wait: parked reads and everything the control plane answers.
//
// A slot is a ticket: whoever takes it first answers the kernel, everyone after finds it gone. So an interrupt, a
// timeout and a late answer can race freely.
//
// Invariants:
//  1. Each registered request is taken exactly once.
//  2. A ticket carries a generation, so a stale one never names a newer request.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace dlfs {

struct Pending {
  uint64_t unique = 0;
  uint64_t ino = 0;
  uint32_t opcode = 0;
  uint32_t pid = 0;
  bool deaf = false;  // sent in the background and waited for without signals: no INTERRUPT ever comes for it
  std::chrono::steady_clock::time_point since;
};

class Slots {
 public:
  // Tickets are below 2^53: they travel as doubles.
  uint64_t add(Pending pending);
  std::optional<Pending> take(uint64_t ticket);
  // A copy of what waits, without taking it.
  std::optional<Pending> peek(uint64_t ticket);
  // The ticket that the kernel knows as `unique`, if it is still waiting.
  std::optional<uint64_t> find(uint64_t unique);
  // Tickets and callers of deaf requests that have waited since before `deadline`, without taking them.
  std::vector<std::pair<uint64_t, uint32_t>> deaf_since(std::chrono::steady_clock::time_point deadline);
  // Takes all that have waited since before `deadline`.
  std::vector<Pending> take_older(std::chrono::steady_clock::time_point deadline);
  // Takes all.
  std::vector<Pending> take_all();
  size_t size();

 private:
  struct Entry {
    Pending pending;
    uint32_t generation = 0;
    bool live = false;
  };
  static constexpr uint64_t kIndexBits = 24;  // 16 million requests at once: far beyond what the kernel queues
  Entry* live(uint64_t ticket);               // null when it was taken; under mu_

  std::mutex mu_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  std::unordered_map<uint64_t, uint64_t> by_unique_;
};

}  // namespace dlfs
