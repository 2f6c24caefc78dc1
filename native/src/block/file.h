// One object version as the data plane sees it: which blocks are on disk, which are on their way, who waits for what.
//
// A plain struct; FileTable (which blocks, which waiters) and Volume (what to do about it) work on it under `mu`.
//
// Invariants:
//  1. A bit in `resident` is set only after the whole block was written to the cache file; it is cleared before the
//  block is
//     punched or the file unlinked, and no block is punched while it is in `pinned`.
//  2. A block is in `arrivals` or resident or neither, never both.
//  3. `published` implies that every block is resident and was verified; the file is then never written or punched
//  again.
//  4. No bit of `resident` outlives its bytes: a cache file that is missing or short loses every bit beyond its end.
//  5. Nothing is written into a hole while it is being punched.
//  6. `opened` counts kernel opens by connection (passthrough sessions only); the mode of a connection's opens changes
//  only while it has none.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../base/unique_fd.h"
#include "buffer.h"

namespace dlfs {

// Whoever sent a request that may have to wait. Implemented by Session.
class ReadClient {
 public:
  virtual ~ReadClient() = default;
  // Answers the parked request with these pieces, or drops them when it was answered meanwhile.
  virtual void answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) = 0;
  virtual void fail(uint64_t slot, int error) = 0;
  // A file is known now (or cannot be): handle this OPEN again.
  virtual void reopen(uint64_t slot, uint64_t ino) = 0;
};

struct Arrival {
  enum class State : uint8_t {
    kWanted,     // announced to the control plane, no fetch yet
    kReceiving,  // a run fills the buffer
    kStoring,    // complete in memory, being written to disk
    kVolatile,   // complete in memory, not to be stored
  };
  State state = State::kWanted;
  uint32_t filled = 0;  // bytes valid from the start of the buffer
  std::shared_ptr<Buffer> buffer;
  std::chrono::steady_clock::time_point sent{};  // when its run was handed to the fetcher
};

// Holds its client weakly: a connection that ended takes its requests along.
struct ReadWaiter {
  std::weak_ptr<ReadClient> client;
  uint64_t slot;
  uint64_t offset;
  uint32_t length;
  // For the split of its time (stats.h): the wait began, the last GET that it needed was sent, its bytes were there.
  std::chrono::steady_clock::time_point since{}, sent{}, ready{};
};

// A request for an inode whose state the control plane has yet to deliver.
struct ParkedOp {
  std::weak_ptr<ReadClient> client;
  uint64_t slot;
  bool open;  // OPEN, else READ
  uint64_t offset;
  uint32_t length;
  uint32_t pid;
  std::chrono::steady_clock::time_point since;
};

// Blocks first..last, inclusive.
struct BlockRange {
  uint32_t first, last;
  bool overlaps(const BlockRange& o) const { return first <= o.last && o.first <= last; }
  bool operator==(const BlockRange&) const = default;
};

struct PendingPunch {
  BlockRange range;
  std::function<void()> run;
};

// The opens of one connection. The kernel knows a backing file by connection, so each registers its own.
struct Opened {
  const void* host;  // names the connection
  uint32_t opens;
  int32_t backing_id;  // > 0: passthrough
  bool unlinked;       // the backing file was dropped since: its space is still taken

  bool passthrough() const { return backing_id > 0; }
};

struct File {
  explicit File(uint64_t number) : ino(number) {}

  const uint64_t ino;
  std::mutex mu;
  bool attached = false;
  uint64_t size = 0;
  std::vector<uint64_t> resident;  // bit per block, little end first
  std::map<uint32_t, Arrival> arrivals;
  std::vector<ReadWaiter> waiters;
  std::vector<ParkedOp> parked;
  std::vector<uint32_t> marks;                 // blocks whose first read is told to the control plane
  std::shared_ptr<UniqueFd> fd;                // opened on demand, closed when idle; readers hold a copy
  uint32_t epoch = 0;                          // counts unlinks: a write begun before one went into the unlinked file
  std::vector<BlockRange> pinned;              // preads and pwrites in flight
  std::vector<PendingPunch> punches;           // wait until their range is unpinned
  std::vector<BlockRange> punching;            // holes being made, without the lock: a disk may take its time
  std::vector<std::function<void()>> delayed;  // stores into such a hole: begun anew when one is done
  bool published = false;
  bool doomed = false;   // dropped, its cache file not unlinked yet: whoever opens it next unlinks it first
  bool asked = false;    // the control plane was asked for its state
  bool touched = false;  // read since the last drain_touched()
  bool recent = false;   // second chance for the sweep of idle files
  std::vector<Opened> opened;

  bool is_resident(uint32_t block) const {
    return block / 64 < resident.size() && ((resident[block / 64] >> (block % 64)) & 1) != 0;
  }
  // The kernel reads the cache file behind our back: nothing may be written to it or punched out of it.
  bool passed_through() const {
    return !doomed && std::any_of(opened.begin(), opened.end(),
                                  [](const Opened& one) { return one.passthrough() && !one.unlinked; });
  }
  void set_resident(uint32_t block) { resident[block / 64] |= 1ULL << (block % 64); }
  void clear_resident(uint32_t block) { resident[block / 64] &= ~(1ULL << (block % 64)); }
  // Nothing in flight, nobody waits, not open: the state can be forgotten and asked for again.
  bool idle() const {
    return arrivals.empty() && waiters.empty() && parked.empty() && pinned.empty() && opened.empty() &&
           punches.empty() && punching.empty();
  }
};

}  // namespace dlfs
