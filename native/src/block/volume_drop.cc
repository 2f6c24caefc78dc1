// Volume, leaving: blocks are punched, files unlinked, never under a reader.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "volume.h"

namespace dlfs {
namespace {

// Punched at once: a block that comes back to the hole meanwhile waits to be stored. A room that an object makes for
// itself may be gigabytes (src/cache/blocks/own-room.ts).
constexpr uint64_t kPunch = 16U << 20;

}  // namespace

void Volume::drop_blocks(uint64_t task, uint64_t ino, uint32_t first, uint32_t count) {
  const auto done = [this, task](int error) {
    events_.push(EventType::kTaskDone, options_.id, static_cast<double>(task), error);
  };
  const auto file = find(ino);
  if (!file) return done(ENOENT);
  std::lock_guard lock(file->mu);
  // Without the bitmap nobody here knows which blocks to spare.
  if (!file->attached) return done(ENOENT);
  if (first >= block_count(*file) || count == 0) return done(0);
  if (file->published || file->passed_through()) return done(EBUSY);
  const BlockRange range{first, first + std::min(count, block_count(*file) - first) - 1};
  for (uint32_t b = range.first; b <= range.last; ++b) file->clear_resident(b);
  rewant(*file);
  auto punch = [self = shared_from_this(), file, range, done] {
    // Blocks that came back meanwhile stay, and so do those that are being written: punch the stretches between them.
    // What only arrives has not touched the disk yet, and may never do so.
    const auto stays = [&](uint32_t b) {
      if (file->is_resident(b)) return true;
      const auto it = file->arrivals.find(b);
      return it != file->arrivals.end() && it->second.state == Arrival::State::kStoring;
    };
    const auto most = static_cast<uint32_t>(std::max<uint64_t>(1, kPunch >> self->shift_));
    int error = 0;
    for (uint64_t from = range.first; from <= range.last && error == 0;) {
      std::unique_lock lock(file->mu);
      while (from <= range.last && stays(static_cast<uint32_t>(from))) ++from;
      uint64_t to = from;
      while (to <= range.last && to - from < most && !stays(static_cast<uint32_t>(to))) ++to;
      if (from == to) break;
      if (self->ensure_fd(*file, false)) {
        const auto fd = file->fd;
        const BlockRange hole{static_cast<uint32_t>(from), static_cast<uint32_t>(to - 1)};
        file->punching.push_back(hole);
        lock.unlock();
        if (::fallocate(fd->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from << self->shift_),
                        static_cast<off_t>((to - from) << self->shift_)) != 0) {
          error = errno;
        }
        lock.lock();
        file->punching.erase(std::find(file->punching.begin(), file->punching.end(), hole));
        for (auto& store : std::exchange(file->delayed, {})) self->disk_.submit(std::move(store));
      } else if (errno != ENOENT) {
        error = errno;
      }
      from = to;
    }
    done(error);
  };
  const bool busy =
      std::any_of(file->pinned.begin(), file->pinned.end(), [&](const BlockRange& pin) { return pin.overlaps(range); });
  if (busy) {
    file->punches.push_back({range, std::move(punch)});
  } else {
    disk_.submit(std::move(punch));
  }
}

void Volume::drop_file(uint64_t task, uint64_t ino) {
  auto file = find_or_create(ino);
  {
    std::lock_guard lock(file->mu);
    std::fill(file->resident.begin(), file->resident.end(), 0);
    file->published = false;
    file->doomed = true;
    close_fd(*file);
    ++file->epoch;
    rewant(*file);
  }
  disk_.submit([self = shared_from_this(), file = std::move(file), task, ino]() mutable {
    {
      std::lock_guard lock(file->mu);
      int error = 0;
      // A store that came first has unlinked the old file and made a new one (ensure_fd): that one stays.
      if (file->doomed) {
        error = self->dir_.unlink(ino);
        if (error == 0) {
          file->doomed = false;
          ++file->epoch;
        }
      }
      bool still_open = false;
      for (Opened& one : file->opened) {
        if (!one.passthrough() || one.unlinked) continue;
        one.unlinked = true;
        still_open = true;
      }
      // Under the lock: the event of the last close must not come before this one.
      self->events_.push(EventType::kTaskDone, self->options_.id, static_cast<double>(task), error, still_open ? 1 : 0);
    }
    file.reset();
    self->forget(ino);
  });
}

}  // namespace dlfs
