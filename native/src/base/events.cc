#include "events.h"

#include <cstring>

namespace dlfs {
namespace {

struct Record {
  double type, words, a, b, c, d, e, f, bytes, volume;
};
static_assert(sizeof(Record) == 80);
constexpr size_t kCompactFrom = 1U << 20;

}  // namespace

void EventQueue::push(EventType type, uint32_t volume, double a, double b, double c, double d, double e, double f,
                      std::string_view bytes) {
  const size_t padded = (bytes.size() + 7) & ~size_t{7};
  const Record r{static_cast<double>(static_cast<uint32_t>(type)),
                 static_cast<double>((sizeof(Record) + padded) / 8),
                 a,
                 b,
                 c,
                 d,
                 e,
                 f,
                 static_cast<double>(bytes.size()),
                 static_cast<double>(volume)};
  bool wake;
  {
    std::lock_guard lock(mu_);
    const size_t at = queue_.size();
    queue_.resize(at + sizeof r + padded);
    std::memcpy(queue_.data() + at, &r, sizeof r);
    if (!bytes.empty()) std::memcpy(queue_.data() + at + sizeof r, bytes.data(), bytes.size());
    wake = !woken_;
    woken_ = true;
  }
  if (wake) wake_();
}

size_t EventQueue::drain(std::span<std::byte> out) {
  std::lock_guard lock(mu_);
  size_t used = 0;
  while (head_ < queue_.size()) {
    Record r;
    std::memcpy(&r, queue_.data() + head_, sizeof r);
    const size_t length = static_cast<size_t>(r.words) * 8;
    if (used + length > out.size()) {
      if (used == 0) return SIZE_MAX;
      break;
    }
    std::memcpy(out.data() + used, queue_.data() + head_, length);
    used += length;
    head_ += length;
  }
  // A load that never leaves the queue empty must not make it grow for ever.
  if (head_ > kCompactFrom && head_ > queue_.size() / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  if (head_ == queue_.size()) {
    queue_.clear();
    head_ = 0;
    if (used == 0) woken_ = false;
  }
  return used;
}

size_t EventQueue::pending() const {
  std::lock_guard lock(mu_);
  return queue_.size() - head_;
}

}  // namespace dlfs
