// A binary heap of deadlines whose members know their place, so that any of them leaves in O(log n).
//
// A member's entry may be early: progress only moves a deadline later, and moving the entry each time would cost a sift
// per read. The owner asks the member when the entry is due and puts it back with its true deadline (see
// FetchLoop::expire).
//
// Invariants
// 1. A member is in at most one heap, at most once; it leaves before it is destroyed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace dlfs::http {

using TimePoint = std::chrono::steady_clock::time_point;

// When a limit that begins at `from` is over. Limits beyond a year mean "none" anyway and would near an overflow.
inline TimePoint after(TimePoint from, std::chrono::milliseconds limit) noexcept {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);
  return from + std::clamp(limit, std::chrono::milliseconds(0), kLongest);
}

// Base of what can stand in a DeadlineHeap.
class Deadlined {
 public:
  bool scheduled() const noexcept { return slot_ != kNowhere; }

 protected:
  ~Deadlined() = default;

 private:
  template <typename T>
  friend class DeadlineHeap;
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  TimePoint due_{};
  std::size_t slot_ = kNowhere;
};

// T derives from Deadlined. Members are not owned.
template <typename T>
class DeadlineHeap {
 public:
  bool empty() const noexcept { return heap_.empty(); }
  std::size_t size() const noexcept { return heap_.size(); }
  // Only when not empty.
  TimePoint earliest() const noexcept { return base(heap_.front()).due_; }

  // Makes sure that the member is looked at no later than `due`.
  void ensure(T& member, TimePoint due) {
    Deadlined& entry = member;
    if (entry.slot_ == Deadlined::kNowhere) {
      entry.due_ = due;
      heap_.push_back(&member);
      entry.slot_ = heap_.size() - 1;
      rise(entry.slot_);
    } else if (due < entry.due_) {
      entry.due_ = due;
      rise(entry.slot_);
    }
  }

  void remove(T& member) noexcept {
    Deadlined& entry = member;
    const std::size_t slot = std::exchange(entry.slot_, Deadlined::kNowhere);
    if (slot == Deadlined::kNowhere) return;
    T* last = heap_.back();
    heap_.pop_back();
    if (last == &member) return;
    place(slot, last);
    sink(slot);
    rise(base(last).slot_);
  }

  // Takes out a member whose entry is due, or gives null.
  T* pop_due(TimePoint now) noexcept {
    if (heap_.empty() || earliest() > now) return nullptr;
    T* member = heap_.front();
    remove(*member);
    return member;
  }

 private:
  static Deadlined& base(T* member) noexcept { return *member; }
  void place(std::size_t slot, T* member) noexcept {
    heap_[slot] = member;
    base(member).slot_ = slot;
  }
  void rise(std::size_t slot) noexcept {
    T* member = heap_[slot];
    while (slot > 0) {
      const std::size_t parent = (slot - 1) / 2;
      if (base(heap_[parent]).due_ <= base(member).due_) break;
      place(slot, heap_[parent]);
      slot = parent;
    }
    place(slot, member);
  }
  void sink(std::size_t slot) noexcept {
    T* member = heap_[slot];
    for (;;) {
      std::size_t child = 2 * slot + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && base(heap_[child + 1]).due_ < base(heap_[child]).due_) ++child;
      if (base(member).due_ <= base(heap_[child]).due_) break;
      place(slot, heap_[child]);
      slot = child;
    }
    place(slot, member);
  }

  std::vector<T*> heap_;
};

}  // namespace dlfs::http
