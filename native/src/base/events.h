// The queue of events from native threads to the control plane.
//
// Any thread pushes; the control plane drains whole batches. An event is eight doubles (type, length in 8-byte words,
// six fields) and an optional run of bytes padded to 8; BOUNDARY.md lists them. Doubles carry inode numbers exactly up
// to 2^53, which an AUTOINCREMENT rowid never reaches.
//
// Invariants:
//  1. Events of one thread arrive in the order in which it pushed them.
//  2. `wake` is called once per non-empty queue, never under the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

namespace dlfs {

enum class EventType : uint32_t {
  kLookup = 1,        // a slot, b parent, c pid, bytes name
  kGetattr = 2,       // a slot, b ino
  kReaddir = 3,       // a slot, b ino, c cookie, d size, e plus
  kGetxattr = 4,      // a slot, b ino, c size, bytes name
  kListxattr = 5,     // a slot, b ino, c size
  kStatfs = 6,        // a slot
  kResolve = 7,       // a ino: a READ or OPEN waits until attach() or detach()
  kWant = 8,          // a ino, b block, c pid
  kMark = 9,          // a ino, b block, c pid
  kStored = 10,       // a ino, b block, c bytes, d hash high, e hash low
  kStoreFailed = 11,  // a ino, b block, c errno: the block stays in memory for its waiters
  kRunEnd = 12,  // a run, b ino, c blocks delivered, d result kind, e http status, f body bytes received; bytes: texts
  kTaskDone = 13,      // a task, b errno, c value
  kSessionEnd = 14,    // b errno
  kSessionReady = 15,  // b protocol minor, c flags high, d flags low
  kTimeout = 16,       // b ino (0 = metadata), c opcode: a request was answered EIO after ioTimeout
  kLost = 17,          // a ino, b block, c errno: a resident block could not be read back
  kFreed = 18,         // a ino: a dropped file that was open in passthrough is closed now, its space is free
};

class EventQueue {
 public:
  explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // `volume`: which volume or session speaks (0 = the engine).
  void push(EventType type, uint32_t volume, double a = 0, double b = 0, double c = 0, double d = 0, double e = 0,
            double f = 0, std::string_view bytes = {});

  // Moves whole events into `out`; returns the bytes written, 0 when the queue is empty. If the first event alone does
  // not fit, returns SIZE_MAX and `out` must grow to `largest()`.
  size_t drain(std::span<std::byte> out);
  size_t pending() const;

 private:
  const std::function<void()> wake_;
  mutable std::mutex mu_;
  std::vector<std::byte> queue_;
  size_t head_ = 0;
  bool woken_ = false;
};

}  // namespace dlfs
