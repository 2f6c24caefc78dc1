// Volume, the side of the readers: answering, parking, waking, passthrough opens.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "volume.h"

namespace dlfs {
namespace {

// The largest READ: max_pages (256) of 4 KiB.
constexpr size_t kMaxRead = 1U << 20;
// Of so many hits one is timed. A prime: readahead and clients make patterns of powers of two.
constexpr uint32_t kTimedOf = 17;

using Clock = std::chrono::steady_clock;

uint64_t nanoseconds(Clock::duration d) {
  return static_cast<uint64_t>(std::max<int64_t>(0, std::chrono::nanoseconds(d).count()));
}

// A thread's own buffer for bytes that come from disk, page aligned.
std::span<std::byte> thread_scratch() {
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<std::byte, Free> scratch(static_cast<std::byte*>(std::aligned_alloc(4096, kMaxRead)));
  return {scratch.get(), kMaxRead};
}

// Reads exactly `out.size()` bytes; 0, or an errno (EIO for a file that is too short).
int pread_all(int fd, std::span<std::byte> out, uint64_t offset) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0) {
      return EIO;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

int64_t Volume::read(uint64_t ino, uint64_t offset, uint32_t length, uint32_t pid, std::span<std::byte> scratch) {
  const auto file = find(ino);
  if (!file) return -1;
  std::unique_lock lock(file->mu);
  if (!file->attached) return -1;
  if (offset >= file->size) return 0;
  length = static_cast<uint32_t>(std::min<uint64_t>({length, file->size - offset, scratch.size()}));
  if (!all_resident(*file, offset, length)) return -1;
  const BlockRange range = blocks_of(offset, length);
  // Without a descriptor the read waits its turn; a file that is gone has lost its bits by now, and is fetched again.
  if (!ensure_fd(*file, false) || !all_resident(*file, offset, length)) return -1;
  note_read(*file, offset, length, pid);
  file->pinned.push_back(range);
  const auto fd = file->fd;
  lock.unlock();
  thread_local uint32_t turn = 0;
  const bool timed = ++turn % kTimedOf == 0;
  const auto begun = timed ? Clock::now() : Clock::time_point{};
  const int error = pread_all(fd->get(), scratch.first(length), offset);
  if (timed) count(stats_->hit_disk_ns, nanoseconds(Clock::now() - begun) * kTimedOf);
  lock.lock();
  unpin(*file, range);
  if (error != 0) {
    if (!shortage(error)) lost(*file, range, error);
    return -1;
  }
  count(stats_->hit_reads);
  count(stats_->hit_bytes, length);
  return length;
}

void Volume::park(std::weak_ptr<ReadClient> client, uint64_t slot, uint64_t ino, uint64_t offset, uint32_t length,
                  uint32_t pid) {
  const auto file = find_or_create(ino);
  std::unique_lock lock(file->mu);
  if (!file->attached) {
    file->parked.push_back({std::move(client), slot, false, offset, length, pid, Clock::now()});
    if (!std::exchange(file->asked, true)) events_.push(EventType::kResolve, options_.id, static_cast<double>(ino));
    return;
  }
  wait_or_answer(file, lock, {std::move(client), slot, offset, length}, pid);
}

void Volume::wait_or_answer(const std::shared_ptr<File>& file, std::unique_lock<std::mutex>& lock,
                            const ReadWaiter& asked, uint32_t pid) {
  if (asked.offset >= file->size) {
    lock.unlock();
    if (const auto client = asked.client.lock()) client->answer(asked.slot, {});
    return;
  }
  ReadWaiter waiter = asked;
  waiter.length = static_cast<uint32_t>(std::min<uint64_t>({asked.length, file->size - asked.offset, kMaxRead}));
  waiter.since = waiter.sent = waiter.ready = Clock::now();
  note_read(*file, waiter.offset, waiter.length, pid);
  if (answerable(*file, waiter.offset, waiter.length)) {
    lock.unlock();
    deliver(file, waiter);
    return;
  }
  file->waiters.push_back(waiter);
  want_missing(*file, waiter.offset, waiter.length, pid);
}

void Volume::want_missing(File& file, uint64_t offset, uint32_t length, uint32_t pid) {
  const BlockRange range = blocks_of(offset, length);
  for (uint32_t b = range.first; b <= range.last; ++b) {
    if (file.is_resident(b) || file.arrivals.contains(b)) continue;
    file.arrivals.emplace(b, Arrival{});
    events_.push(EventType::kWant, options_.id, static_cast<double>(file.ino), b, pid);
  }
}

bool Volume::all_resident(const File& file, uint64_t offset, uint32_t length) const {
  const BlockRange range = blocks_of(offset, length);
  for (uint32_t b = range.first; b <= range.last; ++b) {
    if (!file.is_resident(b)) return false;
  }
  return true;
}

bool Volume::answerable(const File& file, uint64_t offset, uint32_t length) const {
  const BlockRange range = blocks_of(offset, length);
  for (uint32_t b = range.first; b <= range.last; ++b) {
    if (file.is_resident(b)) continue;
    const auto it = file.arrivals.find(b);
    if (it == file.arrivals.end() || !it->second.buffer) return false;
    const uint64_t start = static_cast<uint64_t>(b) << shift_;
    const uint64_t need = std::min<uint64_t>(offset + length - start, options_.block_size);
    if (it->second.filled < need) return false;
  }
  return true;
}

std::chrono::steady_clock::time_point Volume::awaited_since(const File& file, uint32_t block) const {
  auto oldest = Clock::time_point::max();
  for (const ReadWaiter& waiter : file.waiters) {
    if (blocks_of(waiter.offset, waiter.length).overlaps({block, block})) oldest = std::min(oldest, waiter.since);
  }
  return oldest;
}

void Volume::note_read(File& file, uint64_t offset, uint32_t length, uint32_t pid) {
  file.recent = true;
  if (!file.touched) {
    file.touched = true;
    std::lock_guard lock(touched_mu_);
    touched_.push_back(file.ino);
  }
  if (file.marks.empty()) return;
  const BlockRange range = blocks_of(offset, length);
  std::erase_if(file.marks, [&](uint32_t block) {
    if (block < range.first || block > range.last) return false;
    events_.push(EventType::kMark, options_.id, static_cast<double>(file.ino), block, pid);
    return true;
  });
}

void Volume::deliver(const std::shared_ptr<File>& file, const ReadWaiter& waiter, bool again) {
  struct Piece {
    std::shared_ptr<Buffer> memory;  // null: from disk
    std::span<std::byte> bytes;
    uint64_t file_offset;
  };
  const std::span<std::byte> scratch = thread_scratch();
  const BlockRange range = blocks_of(waiter.offset, waiter.length);
  std::vector<Piece> pieces;
  std::unique_lock lock(file->mu);
  if (!answerable(*file, waiter.offset, waiter.length)) {
    // A block left between the decision and now: wait for it again.
    file->waiters.push_back(waiter);
    want_missing(*file, waiter.offset, waiter.length, 0);
    return;
  }
  bool disk = false;
  size_t used = 0;
  for (uint32_t b = range.first; b <= range.last; ++b) {
    const uint64_t start = static_cast<uint64_t>(b) << shift_;
    const uint64_t from = std::max(waiter.offset, start);
    const uint64_t to = std::min<uint64_t>(waiter.offset + waiter.length, start + options_.block_size);
    const size_t n = static_cast<size_t>(to - from);
    if (file->is_resident(b)) {
      disk = true;
      pieces.push_back({nullptr, scratch.subspan(used, n), from});
    } else {
      const auto& buffer = file->arrivals.at(b).buffer;
      pieces.push_back({buffer, buffer->bytes().subspan(static_cast<size_t>(from - start), n), from});
    }
    used += n;
  }
  std::shared_ptr<UniqueFd> fd;
  int error = 0;
  if (disk) {
    if (ensure_fd(*file, false)) {
      fd = file->fd;
      file->pinned.push_back(range);
    } else {
      error = errno;
    }
  }
  lock.unlock();
  for (const auto& piece : pieces) {
    if (error == 0 && !piece.memory) error = pread_all(fd->get(), piece.bytes, piece.file_offset);
  }
  if (disk) {
    lock.lock();
    if (fd) unpin(*file, range);
    if (shortage(error)) {
      lock.unlock();
      if (!again) {
        close_idle_fds(0);
        return deliver(file, waiter, true);
      }
      if (const auto client = waiter.client.lock()) client->fail(waiter.slot, EIO);
      return;
    }
    if (error != 0) {
      lost(*file, range, error);
      file->waiters.push_back(waiter);
      want_missing(*file, waiter.offset, waiter.length, 0);
      return;
    }
    lock.unlock();
  }
  std::vector<std::span<const std::byte>> spans;
  spans.reserve(pieces.size());
  for (const auto& piece : pieces) spans.emplace_back(piece.bytes);
  if (const auto client = waiter.client.lock()) client->answer(waiter.slot, spans);
  count_wait(waiter, disk);
}

void Volume::count_wait(const ReadWaiter& waiter, bool disk) {
  const auto sent = std::clamp(waiter.sent, waiter.since, waiter.ready);
  count(stats_->waited_queue_ns, nanoseconds(sent - waiter.since));
  count(stats_->waited_origin_ns, nanoseconds(waiter.ready - sent));
  if (disk) count(stats_->waited_disk_ns, nanoseconds(Clock::now() - waiter.ready));
}

void Volume::take_ready(File& file, std::vector<ReadWaiter>& from_memory, std::vector<ReadWaiter>& from_disk) {
  std::erase_if(file.waiters, [&](ReadWaiter& waiter) {
    if (!answerable(file, waiter.offset, waiter.length)) return false;
    const BlockRange range = blocks_of(waiter.offset, waiter.length);
    bool disk = false;
    for (uint32_t b = range.first; b <= range.last; ++b) {
      const auto it = file.arrivals.find(b);
      if (it != file.arrivals.end()) waiter.sent = std::max(waiter.sent, it->second.sent);
      disk = disk || file.is_resident(b);
    }
    waiter.ready = Clock::now();
    (disk ? from_disk : from_memory).push_back(waiter);
    return true;
  });
}

void Volume::answer_ready(const std::shared_ptr<File>& file, const std::vector<ReadWaiter>& from_memory,
                          const std::vector<ReadWaiter>& from_disk) {
  for (const auto& waiter : from_memory) deliver(file, waiter);
  for (const auto& waiter : from_disk) {
    disk_.submit([self = shared_from_this(), file, waiter] { self->deliver(file, waiter); });
  }
}

OpenAnswer Volume::open(std::weak_ptr<ReadClient> client, PassthroughHost& host, uint64_t slot, uint64_t ino) {
  const auto file = find_or_create(ino);
  std::lock_guard lock(file->mu);
  if (!file->attached) {
    file->parked.push_back({std::move(client), slot, true, 0, 0, 0, Clock::now()});
    if (!std::exchange(file->asked, true)) events_.push(EventType::kResolve, options_.id, static_cast<double>(ino));
    return {};
  }
  auto opened =
      std::find_if(file->opened.begin(), file->opened.end(), [&](const Opened& o) { return o.host == &host; });
  if (opened == file->opened.end()) {
    int32_t backing_id = 0;
    if (file->published) {
      const UniqueFd fd = dir_.open(ino, false, false);
      struct stat st {};
      // The kernel bounds reads by the backing file's size, so a file of another length must never become one.
      if (fd && ::fstat(fd.get(), &st) == 0 && static_cast<uint64_t>(st.st_size) == file->size) {
        backing_id = std::max(0, host.backing_open(fd.get()));
      }
    }
    opened = file->opened.insert(file->opened.end(), {&host, 0, backing_id, false});
  }
  ++opened->opens;
  note_read(*file, 0, 1, 0);
  count(stats_->opens);
  if (opened->passthrough()) count(stats_->passthrough_opens);
  return {true, opened->passthrough(), opened->backing_id};
}

void Volume::release(PassthroughHost& host, uint64_t ino) {
  const auto file = find(ino);
  if (!file) return;
  std::lock_guard lock(file->mu);
  const auto opened =
      std::find_if(file->opened.begin(), file->opened.end(), [&](const Opened& o) { return o.host == &host; });
  if (opened == file->opened.end() || --opened->opens > 0) return;
  if (opened->passthrough()) host.backing_close(opened->backing_id);
  close_opened(*file, opened);
}

void Volume::close_opened(File& file, std::vector<Opened>::iterator opened) {
  const bool was_unlinked = opened->unlinked;
  file.opened.erase(opened);
  if (was_unlinked && std::none_of(file.opened.begin(), file.opened.end(), [](const Opened& o) { return o.unlinked; }))
    events_.push(EventType::kFreed, options_.id, static_cast<double>(file.ino));
}

void Volume::disconnected(const PassthroughHost& host) {
  for (auto& s : shards_) {
    std::lock_guard table(s.mu);
    for (auto& [ino, file] : s.files) {
      std::lock_guard lock(file->mu);
      const auto opened =
          std::find_if(file->opened.begin(), file->opened.end(), [&](const Opened& o) { return o.host == &host; });
      if (opened != file->opened.end()) close_opened(*file, opened);
    }
  }
}

}  // namespace dlfs
