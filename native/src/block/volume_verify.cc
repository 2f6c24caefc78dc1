// Volume, reading back: verification on request and before a file is attached after an unclean stop.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "volume.h"
#include "xxh64.h"

namespace dlfs {

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

void Volume::attach_checked(uint64_t task, uint64_t ino, uint64_t size, std::vector<std::byte> resident, bool published,
                            std::vector<uint32_t> blocks, std::vector<uint64_t> hashes) {
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
      DiskWork::kIdle);
}

}  // namespace dlfs
