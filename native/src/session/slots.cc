#include "slots.h"

namespace dlfs {

uint64_t Slots::add(Pending pending) {
  std::lock_guard lock(mu_);
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[index];
  // 29 bits of generation keep the ticket below 2^53.
  entry.generation = (entry.generation + 1) & 0x1fffffff;
  entry.live = true;
  entry.pending = pending;
  const uint64_t ticket = (static_cast<uint64_t>(entry.generation) << kIndexBits) | index;
  by_unique_[pending.unique] = ticket;
  return ticket;
}

Slots::Entry* Slots::live(uint64_t ticket) {
  const uint64_t index = ticket & ((1ULL << kIndexBits) - 1);
  if (index >= entries_.size()) return nullptr;
  Entry& entry = entries_[index];
  return entry.live && entry.generation == ticket >> kIndexBits ? &entry : nullptr;
}

std::optional<Pending> Slots::peek(uint64_t ticket) {
  std::lock_guard lock(mu_);
  const Entry* entry = live(ticket);
  if (entry == nullptr) return std::nullopt;
  return entry->pending;
}

std::optional<Pending> Slots::take(uint64_t ticket) {
  std::lock_guard lock(mu_);
  Entry* entry = live(ticket);
  if (entry == nullptr) return std::nullopt;
  entry->live = false;
  free_.push_back(static_cast<uint32_t>(entry - entries_.data()));
  by_unique_.erase(entry->pending.unique);
  return entry->pending;
}

std::optional<uint64_t> Slots::find(uint64_t unique) {
  std::lock_guard lock(mu_);
  const auto it = by_unique_.find(unique);
  if (it == by_unique_.end()) return std::nullopt;
  return it->second;
}

std::vector<std::pair<uint64_t, uint32_t>> Slots::deaf_since(std::chrono::steady_clock::time_point deadline) {
  std::vector<std::pair<uint64_t, uint32_t>> out;
  std::lock_guard lock(mu_);
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (!entry.live || !entry.pending.deaf || entry.pending.since > deadline) continue;
    out.emplace_back((static_cast<uint64_t>(entry.generation) << kIndexBits) | i, entry.pending.pid);
  }
  return out;
}

std::vector<Pending> Slots::take_older(std::chrono::steady_clock::time_point deadline) {
  std::vector<Pending> out;
  std::lock_guard lock(mu_);
  for (Entry& entry : entries_) {
    if (!entry.live || entry.pending.since > deadline) continue;
    entry.live = false;
    free_.push_back(static_cast<uint32_t>(&entry - entries_.data()));
    by_unique_.erase(entry.pending.unique);
    out.push_back(entry.pending);
  }
  return out;
}

std::vector<Pending> Slots::take_all() { return take_older(std::chrono::steady_clock::time_point::max()); }

size_t Slots::size() {
  std::lock_guard lock(mu_);
  return by_unique_.size();
}

}  // namespace dlfs
