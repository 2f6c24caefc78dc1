// Volume, the side of the control plane: file states, residency, dropping, verification, publication.
#include "volume.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "run_sink.h"
#include "xxh64.h"

namespace dlfs {
namespace {

// Up to this many files are synced one by one; from there on one syncfs is cheaper than their journal commits.
constexpr size_t kSyncOneByOne = 4;
// Marks of one file: a readahead window needs one; a few streams share a file.
constexpr size_t kMaxMarks = 64;

}  // namespace

Volume::Volume(VolumeOptions options, Budget& budget, DiskPool& disk, EventQueue& events, Stats& stats)
    : options_(std::move(options)),
      shift_(static_cast<uint32_t>(std::countr_zero(options_.block_size))),
      budget_(budget),
      disk_(disk),
      events_(events),
      stats_(stats),
      dir_(options_.objects_dir) {}

std::shared_ptr<File> Volume::find(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard lock(s.mu);
  const auto it = s.files.find(ino);
  return it == s.files.end() ? nullptr : it->second;
}

std::shared_ptr<File> Volume::find_or_create(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard lock(s.mu);
  auto& file = s.files[ino];
  if (!file) {
    if (s.files.size() > options_.max_files / shards_.size()) sweep(s);
    file = std::make_shared<File>(ino);
  }
  return file;
}

void Volume::sweep(Shard& s) {
  // Second chance: an idle file goes when it was not read since the last sweep. Nobody else can hold a file whose only
  // reference is the table's, as new references are made under the shard's lock.
  std::erase_if(s.files, [&](auto& entry) {
    auto& file = entry.second;
    if (!file || file.use_count() > 1) return false;
    std::lock_guard lock(file->mu);
    if (!file->idle()) return false;
    if (std::exchange(file->recent, false)) return false;
    if (file->fd) open_fds_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  });
}

bool Volume::ensure_fd(File& file, bool create) {
  if (file.fd) return true;
  UniqueFd fd = dir_.open(file.ino, create, true);
  if (!fd) return false;
  file.fd = std::make_shared<UniqueFd>(std::move(fd));
  if (open_fds_.fetch_add(1, std::memory_order_relaxed) + 1 > options_.max_open_files) {
    disk_.submit([self = shared_from_this()] { self->close_idle_fds(); });
  }
  return true;
}

void Volume::close_idle_fds() {
  for (auto& s : shards_) {
    if (open_fds_.load(std::memory_order_relaxed) <= options_.max_open_files * 3 / 4) return;
    std::lock_guard table(s.mu);
    for (auto& [ino, file] : s.files) {
      std::unique_lock lock(file->mu, std::try_to_lock);
      if (!lock || !file->fd || !file->pinned.empty()) continue;
      file->fd.reset();
      open_fds_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

BlockRange Volume::blocks_of(uint64_t offset, uint32_t length) const {
  return {static_cast<uint32_t>(offset >> shift_), static_cast<uint32_t>((offset + length - 1) >> shift_)};
}

uint32_t Volume::block_count(const File& file) const {
  return static_cast<uint32_t>((file.size + options_.block_size - 1) >> shift_);
}

uint32_t Volume::block_bytes(const File& file, uint32_t block) const {
  const uint64_t start = static_cast<uint64_t>(block) << shift_;
  return static_cast<uint32_t>(std::min<uint64_t>(options_.block_size, file.size - start));
}

void Volume::unpin(File& file, BlockRange range) {
  const auto it = std::find(file.pinned.begin(), file.pinned.end(), range);
  if (it != file.pinned.end()) {
    *it = file.pinned.back();
    file.pinned.pop_back();
  }
  std::erase_if(file.punches, [&](PendingPunch& punch) {
    for (const auto& pin : file.pinned) {
      if (pin.overlaps(punch.range)) return false;
    }
    disk_.submit(std::move(punch.run));
    return true;
  });
}

void Volume::lost(File& file, BlockRange range, int error) {
  for (uint32_t b = range.first; b <= range.last; ++b) {
    if (!file.is_resident(b)) continue;
    file.clear_resident(b);
    file.published = false;
    stats_.lost_blocks.fetch_add(1, std::memory_order_relaxed);
    events_.push(EventType::kLost, options_.id, static_cast<double>(file.ino), b, error);
  }
  if (file.fd) open_fds_.fetch_sub(1, std::memory_order_relaxed);
  file.fd.reset();
}

void Volume::forget(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard table(s.mu);
  const auto it = s.files.find(ino);
  if (it == s.files.end() || it->second.use_count() > 1) return;
  {
    std::lock_guard lock(it->second->mu);
    if (!it->second->idle()) return;
    if (it->second->fd) open_fds_.fetch_sub(1, std::memory_order_relaxed);
  }
  s.files.erase(it);
}

void Volume::attach(uint64_t ino, uint64_t size, std::span<const std::byte> resident, bool published) {
  const auto file = find_or_create(ino);
  std::vector<ParkedOp> parked;
  {
    std::lock_guard lock(file->mu);
    if (!file->attached) {
      file->size = size;
      file->resident.assign((block_count(*file) + 63) / 64, 0);
      if (!resident.empty()) {
        std::memcpy(file->resident.data(), resident.data(), std::min(resident.size(), file->resident.size() * 8));
      }
      file->published = published;
      file->attached = true;
    }
    parked.swap(file->parked);
  }
  for (const auto& op : parked) {
    if (op.open) {
      if (const auto client = op.client.lock()) client->reopen(op.slot, ino);
    } else {
      std::unique_lock lock(file->mu);
      wait_or_answer(file, lock, {op.client, op.slot, op.offset, op.length}, op.pid);
    }
  }
}

void Volume::detach(uint64_t ino, int error) {
  const auto file = find(ino);
  if (!file) return;
  std::vector<ParkedOp> parked;
  {
    std::lock_guard lock(file->mu);
    parked.swap(file->parked);
  }
  for (const auto& op : parked) {
    if (const auto client = op.client.lock()) client->fail(op.slot, error);
  }
}

void Volume::states(uint64_t ino, uint32_t first, std::span<std::byte> out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const auto file = find(ino);
  if (!file) return;
  std::lock_guard lock(file->mu);
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t b = first + static_cast<uint32_t>(i);
    BlockState state = BlockState::kAbsent;
    if (file->is_resident(b)) {
      state = BlockState::kResident;
    } else if (const auto it = file->arrivals.find(b); it != file->arrivals.end()) {
      switch (it->second.state) {
        case Arrival::State::kWanted: state = BlockState::kWanted; break;
        case Arrival::State::kReceiving: state = BlockState::kReceiving; break;
        default: state = BlockState::kMemory;
      }
    }
    out[i] = static_cast<std::byte>(state);
  }
}

std::unique_ptr<http::BodySink> Volume::start_run(const RunSpec& spec) {
  const auto file = find(spec.ino);
  if (!file || spec.count == 0) return nullptr;
  std::lock_guard lock(file->mu);
  if (!file->attached || static_cast<uint64_t>(spec.first) + spec.count > block_count(*file)) return nullptr;
  for (uint32_t b = spec.first; b < spec.first + spec.count; ++b) {
    if (file->is_resident(b)) return nullptr;
    const auto it = file->arrivals.find(b);
    if (it != file->arrivals.end() && it->second.state != Arrival::State::kWanted) return nullptr;
  }
  for (uint32_t b = spec.first; b < spec.first + spec.count; ++b) file->arrivals[b].state = Arrival::State::kReceiving;
  return std::make_unique<RunSink>(shared_from_this(), file, spec);
}

void Volume::fail_blocks(uint64_t ino, uint32_t first, uint32_t count, int error) {
  const auto file = find(ino);
  if (!file || count == 0) return;
  const BlockRange range{first, first + count - 1};
  std::vector<ReadWaiter> failed;
  {
    std::lock_guard lock(file->mu);
    std::erase_if(file->arrivals, [&](const auto& entry) {
      return entry.second.state == Arrival::State::kWanted && entry.first >= range.first && entry.first <= range.last;
    });
    std::erase_if(file->waiters, [&](const ReadWaiter& waiter) {
      if (!blocks_of(waiter.offset, waiter.length).overlaps(range)) return false;
      failed.push_back(waiter);
      return true;
    });
  }
  for (const auto& waiter : failed) {
    if (const auto client = waiter.client.lock()) client->fail(waiter.slot, error);
  }
}

void Volume::mark(uint64_t ino, uint32_t block) {
  const auto file = find(ino);
  if (!file) return;
  std::lock_guard lock(file->mu);
  if (std::find(file->marks.begin(), file->marks.end(), block) != file->marks.end()) return;
  // The oldest mark belongs to a stream that went elsewhere.
  if (file->marks.size() >= kMaxMarks) file->marks.erase(file->marks.begin());
  file->marks.push_back(block);
}

void Volume::drop_blocks(uint64_t task, uint64_t ino, uint32_t first, uint32_t count) {
  const auto done = [this, task](int error) {
    events_.push(EventType::kTaskDone, options_.id, static_cast<double>(task), error);
  };
  const auto file = find(ino);
  if (!file || count == 0) return done(file ? 0 : ENOENT);
  const BlockRange range{first, first + count - 1};
  std::lock_guard lock(file->mu);
  // Without the bitmap nobody here knows which blocks to spare.
  if (!file->attached) return done(ENOENT);
  if (file->published) return done(EBUSY);
  for (uint32_t b = range.first; b <= range.last && b / 64 < file->resident.size(); ++b) file->clear_resident(b);
  auto punch = [self = shared_from_this(), file, range, done] {
    std::lock_guard held(file->mu);
    // Blocks that came back meanwhile stay: punch the stretches between them.
    uint32_t from = range.first;
    int error = 0;
    const auto flush = [&](uint32_t to) {
      if (from < to && error == 0) {
        if (!self->ensure_fd(*file, false)) {
          if (errno != ENOENT) error = errno;
        } else if (::fallocate(file->fd->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               static_cast<off_t>(from) << self->shift_,
                               static_cast<off_t>(to - from) << self->shift_) != 0) {
          error = errno;
        }
      }
    };
    for (uint32_t b = range.first; b <= range.last; ++b) {
      if (!file->is_resident(b) && !file->arrivals.contains(b)) continue;
      flush(b);
      from = b + 1;
    }
    flush(range.last + 1);
    done(error);
  };
  const bool busy = std::any_of(file->pinned.begin(), file->pinned.end(),
                                [&](const BlockRange& pin) { return pin.overlaps(range); });
  if (busy) {
    file->punches.push_back({range, std::move(punch)});
  } else {
    disk_.submit(std::move(punch));
  }
}

void Volume::drop_file(uint64_t task, uint64_t ino) {
  const auto file = find_or_create(ino);
  bool still_open;
  {
    std::lock_guard lock(file->mu);
    std::fill(file->resident.begin(), file->resident.end(), 0);
    file->published = false;
    if (file->fd) open_fds_.fetch_sub(1, std::memory_order_relaxed);
    file->fd.reset();
    ++file->epoch;
    still_open = file->mode == IoMode::kPassthrough;
    file->unlinked = still_open;
  }
  disk_.submit([self = shared_from_this(), file, task, still_open] {
    int error;
    {
      std::lock_guard lock(file->mu);
      // A block stored after the drop lives in a new file of the same name: leave that.
      const bool reborn = std::any_of(file->resident.begin(), file->resident.end(), [](uint64_t w) { return w != 0; });
      error = reborn ? 0 : self->dir_.unlink(file->ino);
      if (!reborn && file->fd) {
        file->fd.reset();
        self->open_fds_.fetch_sub(1, std::memory_order_relaxed);
        ++file->epoch;
      }
    }
    self->events_.push(EventType::kTaskDone, self->options_.id, static_cast<double>(task), error, still_open ? 1 : 0);
  });
}

bool Volume::intact(int fd, uint32_t block, uint32_t length, uint64_t expected, std::span<std::byte> buffer) const {
  const auto start = static_cast<uint64_t>(block) << shift_;
  size_t got = 0;
  while (got < length) {
    const ssize_t n = ::pread(fd, buffer.data() + got, length - got, static_cast<off_t>(start + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    got += static_cast<size_t>(n);
  }
  return xxh64(buffer.first(length)) == expected;
}

void Volume::attach_checked(uint64_t task, uint64_t ino, uint64_t size, std::vector<std::byte> resident,
                            bool published, std::vector<uint32_t> blocks, std::vector<uint64_t> hashes) {
  disk_.submit([self = shared_from_this(), task, ino, size, resident = std::move(resident), published,
                blocks = std::move(blocks), hashes = std::move(hashes)]() mutable {
    std::vector<std::byte> buffer(self->options_.block_size);
    const UniqueFd fd = self->dir_.open(ino, false, false);
    int error = 0;
    for (size_t i = 0; i < blocks.size() && i < hashes.size(); ++i) {
      const uint64_t start = static_cast<uint64_t>(blocks[i]) << self->shift_;
      if (start >= size || blocks[i] / 8 >= resident.size()) continue;
      const auto length = static_cast<uint32_t>(std::min<uint64_t>(self->options_.block_size, size - start));
      if (fd && self->intact(fd.get(), blocks[i], length, hashes[i], buffer)) continue;
      resident[blocks[i] / 8] &= ~static_cast<std::byte>(1U << (blocks[i] % 8));
      published = false;
      error = EILSEQ;
      self->events_.push(EventType::kLost, self->options_.id, static_cast<double>(ino), blocks[i], EILSEQ);
    }
    self->attach(ino, size, resident, published);
    self->events_.push(EventType::kTaskDone, self->options_.id, static_cast<double>(task), error);
  });
}

void Volume::verify(uint64_t task, uint64_t ino, std::vector<uint32_t> blocks, std::vector<uint64_t> hashes) {
  disk_.submit(
      [self = shared_from_this(), task, ino, blocks = std::move(blocks), hashes = std::move(hashes)] {
        const auto file = self->find(ino);
        uint64_t bytes = 0;
        int error = file ? 0 : ENOENT;
        std::vector<std::byte> buffer(self->options_.block_size);
        for (size_t i = 0; file && i < blocks.size() && i < hashes.size(); ++i) {
          std::unique_lock lock(file->mu);
          if (!file->is_resident(blocks[i])) continue;
          const BlockRange range{blocks[i], blocks[i]};
          const uint32_t length = self->block_bytes(*file, blocks[i]);
          bool good = false;
          if (self->ensure_fd(*file, false)) {
            const auto fd = file->fd;
            file->pinned.push_back(range);
            lock.unlock();
            good = self->intact(fd->get(), blocks[i], length, hashes[i], buffer);
            lock.lock();
            self->unpin(*file, range);
          }
          bytes += length;
          if (good) continue;
          error = EILSEQ;
          self->lost(*file, range, EILSEQ);
        }
        self->events_.push(EventType::kTaskDone, self->options_.id, static_cast<double>(task), error,
                           static_cast<double>(bytes));
      },
      false);
}

bool Volume::publish(uint64_t ino) {
  const auto file = find(ino);
  if (!file) return false;
  std::lock_guard lock(file->mu);
  if (!file->attached || !file->arrivals.empty() || file->size == 0) return false;
  const uint32_t blocks = block_count(*file);
  for (uint32_t b = 0; b < blocks; ++b) {
    if (!file->is_resident(b)) return false;
  }
  file->published = true;
  return true;
}

void Volume::sync(uint64_t task, std::vector<uint64_t> inos) {
  disk_.submit([self = shared_from_this(), task, inos = std::move(inos)] {
    int error = 0;
    if (inos.size() > kSyncOneByOne) {
      error = self->dir_.sync_all();
    } else {
      for (const uint64_t ino : inos) {
        const UniqueFd fd = self->dir_.open(ino, false, true);
        // A file that was evicted meanwhile has nothing left to settle.
        if (fd ? ::fdatasync(fd.get()) != 0 : errno != ENOENT) error = errno;
      }
    }
    self->events_.push(EventType::kTaskDone, self->options_.id, static_cast<double>(task), error);
  });
}

std::vector<uint64_t> Volume::drain_touched() {
  std::vector<uint64_t> out;
  {
    std::lock_guard lock(touched_mu_);
    out.swap(touched_);
  }
  for (const uint64_t ino : out) {
    if (const auto file = find(ino)) {
      std::lock_guard lock(file->mu);
      file->touched = false;
    }
  }
  return out;
}

uint32_t Volume::open_count(uint64_t ino) {
  const auto file = find(ino);
  if (!file) return 0;
  std::lock_guard lock(file->mu);
  return file->opens;
}

void Volume::block_complete(const std::shared_ptr<File>& file, uint32_t block, std::shared_ptr<Buffer> buffer,
                            bool store) {
  if (!store) {
    const size_t bytes = buffer->bytes().size();
    {
      std::lock_guard lock(file->mu);
      file->arrivals[block].state = Arrival::State::kVolatile;
    }
    keep_volatile(file, block, bytes);
    return;
  }
  const uint64_t hash = xxh64(buffer->bytes());
  {
    std::lock_guard lock(file->mu);
    file->arrivals[block].state = Arrival::State::kStoring;
  }
  disk_.submit([self = shared_from_this(), file, block, buffer = std::move(buffer), hash] {
    self->store_block(file, block, buffer, hash);
  });
}

void Volume::store_block(const std::shared_ptr<File>& file, uint32_t block, const std::shared_ptr<Buffer>& buffer,
                         uint64_t hash) {
  const BlockRange range{block, block};
  const auto bytes = buffer->bytes();
  int error = 0;
  {
    std::unique_lock lock(file->mu);
    for (;;) {
      error = 0;
      if (!ensure_fd(*file, true)) {
        error = errno;
        break;
      }
      const auto fd = file->fd;
      const uint32_t epoch = file->epoch;
      file->pinned.push_back(range);
      lock.unlock();
      size_t done = 0;
      while (done < bytes.size() && error == 0) {
        const ssize_t n = ::pwrite(fd->get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>((static_cast<uint64_t>(block) << shift_) + done));
        if (n > 0) {
          done += static_cast<size_t>(n);
        } else if (n == 0 || errno != EINTR) {
          error = n == 0 ? EIO : errno;
        }
      }
      lock.lock();
      unpin(*file, range);
      // The file was unlinked while we wrote: the bytes went nowhere, write them into its successor.
      if (epoch == file->epoch) break;
    }
    if (error == 0) {
      file->set_resident(block);
      file->arrivals.erase(block);
    } else {
      file->arrivals[block].state = Arrival::State::kVolatile;
    }
  }
  if (error != 0) {
    events_.push(EventType::kStoreFailed, options_.id, static_cast<double>(file->ino), block, error);
    keep_volatile(file, block, bytes.size());
    return;
  }
  stats_.stored_blocks.fetch_add(1, std::memory_order_relaxed);
  stats_.stored_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  events_.push(EventType::kStored, options_.id, static_cast<double>(file->ino), block,
               static_cast<double>(bytes.size()), static_cast<double>(hash >> 32),
               static_cast<double>(hash & 0xffffffffU));
}

void Volume::keep_volatile(const std::shared_ptr<File>& file, uint32_t block, size_t bytes) {
  {
    std::lock_guard lock(volatile_mu_);
    volatile_.push_back({file, block, bytes});
    volatile_bytes_ += bytes;
  }
  trim_volatile(budget_.starved() ? 0 : options_.max_volatile);
}

void Volume::relieve() {
  if (budget_.starved()) trim_volatile(0);
}

void Volume::trim_volatile(size_t limit) {
  for (;;) {
    Volatile oldest;
    {
      std::lock_guard lock(volatile_mu_);
      if (volatile_bytes_ <= limit || volatile_.empty()) return;
      oldest = volatile_.front();
      volatile_.pop_front();
      volatile_bytes_ -= oldest.bytes;
    }
    const auto file = oldest.file.lock();
    if (!file) continue;
    std::shared_ptr<Buffer> dropped;  // freed after the lock: its release may call back into fetch threads
    std::lock_guard lock(file->mu);
    const auto it = file->arrivals.find(oldest.block);
    if (it != file->arrivals.end() && it->second.state == Arrival::State::kVolatile) {
      dropped = std::move(it->second.buffer);
      file->arrivals.erase(it);
    }
  }
}

}  // namespace dlfs
