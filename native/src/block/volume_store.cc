// Volume, the way of a received block to the disk: hash, write, sync; and blocks that cannot be stored.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "volume.h"
#include "xxh64.h"

namespace dlfs {
namespace {

// Up to this many files are synced one by one; from there on one syncfs is cheaper than their journal commits.
constexpr size_t kSyncOneByOne = 4;

}  // namespace

void Volume::sync(uint64_t task, std::vector<uint64_t> inos) {
  disk_.submit(
      [self = shared_from_this(), task, inos = std::move(inos)] {
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
      },
      DiskWork::kLong);
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
    for (bool again = false;;) {
      error = 0;
      if (file->passed_through()) {
        error = EBUSY;  // the kernel reads that file: it is never written again
        break;
      }
      if (std::any_of(file->punching.begin(), file->punching.end(),
                      [&](const BlockRange& hole) { return hole.overlaps(range); })) {
        file->delayed.push_back(
            [self = shared_from_this(), file, block, buffer, hash] { self->store_block(file, block, buffer, hash); });
        return;
      }
      if (!ensure_fd(*file, true)) {
        error = errno;
        if (!shortage(error) || std::exchange(again, true)) break;
        lock.unlock();
        close_idle_fds(0);
        lock.lock();
        continue;
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
      if (error != 0) {
        // Half a block is none, but takes its space: of a full disk, too.
        ::fallocate(fd->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(static_cast<uint64_t>(block) << shift_), static_cast<off_t>(bytes.size()));
      }
      lock.lock();
      unpin(*file, range);
      if (error == EBADF) {
        // Opened while the disk was read-only (CacheDir::open).
        error = EROFS;
        if (file->fd == fd) close_fd(*file);
      }
      // The file was unlinked while we wrote: the bytes went nowhere, write them into its successor.
      if (epoch == file->epoch) break;
    }
    if (error == 0) {
      file->set_resident(block);
      file->arrivals.erase(block);
      // Under the lock: a drop that comes after must be told after.
      events_.push(EventType::kStored, options_.id, static_cast<double>(file->ino), block,
                   static_cast<double>(bytes.size()), static_cast<double>(hash >> 32),
                   static_cast<double>(hash & 0xffffffffU));
    } else {
      file->arrivals[block].state = Arrival::State::kVolatile;
    }
  }
  if (error != 0) {
    events_.push(EventType::kStoreFailed, options_.id, static_cast<double>(file->ino), block, error);
    keep_volatile(file, block, bytes.size());
    return;
  }
  count(stats_->stored_blocks);
  count(stats_->stored_bytes, bytes.size());
}

void Volume::keep_volatile(const std::shared_ptr<File>& file, uint32_t block, size_t bytes) {
  {
    std::lock_guard lock(volatile_mu_);
    volatile_.push_back({file, block, bytes});
    volatile_bytes_ += bytes;
  }
  trim_volatile(budget_.starved() ? 0 : options_.max_volatile);
}

void Volume::relieve(std::chrono::steady_clock::time_point asking) {
  if (!budget_.starved()) return;
  trim_volatile(0);
  if (budget_.starved()) give_way(asking);
}

void Volume::give_way(std::chrono::steady_clock::time_point asking) {
  using Time = std::chrono::steady_clock::time_point;
  std::vector<Volatile> all;
  {
    std::lock_guard lock(volatile_mu_);
    all.assign(volatile_.begin(), volatile_.end());
  }
  std::shared_ptr<File> victim;
  uint32_t block = 0;
  Time oldest = Time::max();
  Time youngest = Time::min();
  for (const Volatile& one : all) {
    const auto file = one.file.lock();
    if (!file) continue;
    std::lock_guard lock(file->mu);
    const auto it = file->arrivals.find(one.block);
    if (it == file->arrivals.end() || it->second.state != Arrival::State::kVolatile) continue;
    const Time since = awaited_since(*file, one.block);
    oldest = std::min(oldest, since);
    if (since <= youngest) continue;
    youngest = since;
    victim = file;
    block = one.block;
  }
  if (!victim || youngest <= std::max(oldest, asking)) return;
  std::shared_ptr<Buffer> dropped;  // freed after the lock, as in trim_volatile()
  std::lock_guard lock(victim->mu);
  const auto it = victim->arrivals.find(block);
  if (it == victim->arrivals.end() || it->second.state != Arrival::State::kVolatile) return;
  dropped = std::move(it->second.buffer);
  victim->arrivals.erase(it);
  rewant(*victim);
  std::lock_guard list(volatile_mu_);
  const auto entry = std::find_if(volatile_.begin(), volatile_.end(),
                                  [&](const Volatile& one) { return one.block == block && one.file.lock() == victim; });
  if (entry == volatile_.end()) return;
  volatile_bytes_ -= entry->bytes;
  volatile_.erase(entry);
}

void Volume::trim_volatile(size_t limit) {
  size_t turns;
  {
    std::lock_guard lock(volatile_mu_);
    turns = volatile_.size();
  }
  for (; turns > 0; --turns) {
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
    if (awaited_since(*file, oldest.block) != std::chrono::steady_clock::time_point::max()) {
      // A read that spans two blocks needs both at once: dropping one now would fetch it for ever.
      std::lock_guard list(volatile_mu_);
      volatile_.push_back(oldest);
      volatile_bytes_ += oldest.bytes;
      continue;
    }
    const auto it = file->arrivals.find(oldest.block);
    if (it != file->arrivals.end() && it->second.state == Arrival::State::kVolatile) {
      dropped = std::move(it->second.buffer);
      file->arrivals.erase(it);
    }
  }
}

}  // namespace dlfs
