// Volume, leaving: blocks are punched, files unlinked, never under a reader.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "volume.h"

namespace dlfs {

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
  const bool busy =
      std::any_of(file->pinned.begin(), file->pinned.end(), [&](const BlockRange& pin) { return pin.overlaps(range); });
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

}  // namespace dlfs
