#include "killed.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "../base/unique_fd.h"

namespace dlfs {
namespace {

// The hexadecimal mask behind `field` in /proc/TID/status.
uint64_t mask_of(std::string_view status, std::string_view field) {
  const size_t at = status.find(field);
  return at == std::string_view::npos ? 0 : std::strtoull(status.data() + at + field.size(), nullptr, 16);
}

}  // namespace

bool is_killed(uint32_t tid) {
  if (tid == 0) return false;
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%u/status", tid);
  const UniqueFd fd(::open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno == ENOENT;
  std::array<char, 4096> text{};
  const ssize_t n = ::read(fd.get(), text.data(), text.size() - 1);
  if (n <= 0) return n < 0 && errno == ESRCH;
  const std::string_view status(text.data(), static_cast<size_t>(n));
  const uint64_t pending = mask_of(status, "\nSigPnd:") | mask_of(status, "\nShdPnd:");
  return (pending & (1ULL << (SIGKILL - 1))) != 0;
}

}  // namespace dlfs
