#include "cache_dir.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <system_error>

namespace dlfs {
namespace {

// 256 folders keep each one small enough for a quick directory scan at 10 million files.
struct Name {
  explicit Name(uint64_t ino) {
    std::snprintf(text.data(), text.size(), "%02x/%" PRIu64, static_cast<unsigned>(ino & 0xff), ino);
    folder = {text[0], text[1], '\0'};
  }
  std::array<char, 32> text{};
  std::array<char, 3> folder{};
};

}  // namespace

CacheDir::CacheDir(const std::string& path) : dir_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!dir_) throw std::system_error(errno, std::generic_category(), "open " + path);
}

UniqueFd CacheDir::open(uint64_t ino, bool create, bool writable) const {
  const Name name(ino);
  // O_NONBLOCK: a FIFO would be waited for; to a regular file it means nothing.
  const int flags = O_CLOEXEC | O_NOFOLLOW | O_NOATIME | O_NONBLOCK | (create ? O_CREAT : 0);
  const auto open = [&](int access) { return UniqueFd(::openat(dir_.get(), name.text.data(), flags | access, 0600)); };
  UniqueFd fd = open(writable ? O_RDWR : O_RDONLY);
  if (!fd && errno == ENOENT && create) {
    if (::mkdirat(dir_.get(), name.folder.data(), 0700) != 0 && errno != EEXIST) return {};
    fd = open(O_RDWR);
  }
  // A disk that has turned read-only still has what it holds.
  if (!fd && errno == EROFS && writable && !create) fd = open(O_RDONLY);
  if (!fd && (errno == EISDIR || errno == ENXIO)) errno = ELOOP;
  struct stat st {};
  if (fd && (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))) {
    fd.reset();
    errno = ELOOP;
  }
  return fd;
}

int CacheDir::unlink(uint64_t ino) const {
  const Name name(ino);
  return ::unlinkat(dir_.get(), name.text.data(), 0) == 0 || errno == ENOENT ? 0 : errno;
}

int CacheDir::sync_all() const { return ::syncfs(dir_.get()) == 0 ? 0 : errno; }

}  // namespace dlfs
