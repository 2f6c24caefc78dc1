#include "buffer_reads.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace dlfs {
namespace {

using std::chrono::steady_clock;

// Beyond any object; keeps sums of offset and length far from overflow.
constexpr uint64_t kMaxOffset = 1ULL << 62;

}  // namespace

void BufferReads::read(std::shared_ptr<Volume> volume, const BufferRead& request) {
  VolumeStats& stats = volume->stats();
  count(stats.reads);
  if (request.into.size() > kMaxBufferRead || request.offset > kMaxOffset) return done(stats, request.task, EIO, 0);
  if (request.into.empty()) return done(stats, request.task, 0, 0);
  disk_.submit([self = shared_from_this(), volume = std::move(volume), request, since = steady_clock::now()] {
    self->attempt(volume, request, since);
  });
}

void BufferReads::attempt(const std::shared_ptr<Volume>& volume, const BufferRead& request,
                          steady_clock::time_point since) {
  const auto length = static_cast<uint32_t>(request.into.size());
  const int64_t n = volume->read(request.ino, request.offset, length, request.reader, request.into);
  if (n >= 0) return done(volume->stats(), request.task, 0, static_cast<size_t>(n));
  const auto until = request.timeout.count() == 0 ? steady_clock::time_point::max() : since + request.timeout;
  int ended = 0;
  {
    std::lock_guard lock(mu_);
    const auto it = ended_.find(volume->id());
    ended = it != ended_.end() ? it->second : aborted_;
    if (ended == 0) {
      waiting_.emplace(request.task, Waiting{volume->id(), volume->shared_stats(), request.into, since, until});
    }
  }
  if (ended != 0) return done(volume->stats(), request.task, ended, 0);
  volume->park(weak_from_this(), request.task, request.ino, request.offset, length, request.reader);
}

template <typename Predicate>
std::vector<std::pair<uint64_t, BufferReads::Waiting>> BufferReads::take_all(const Predicate& which) {
  std::vector<std::pair<uint64_t, Waiting>> taken;
  std::erase_if(waiting_, [&](const auto& entry) {
    if (!which(entry.second)) return false;
    taken.emplace_back(entry);
    return true;
  });
  return taken;
}

void BufferReads::tick(steady_clock::time_point now) {
  std::vector<std::pair<uint64_t, Waiting>> late;
  {
    std::lock_guard lock(mu_);
    late = take_all([now](const Waiting& one) { return one.until <= now; });
  }
  for (const auto& [task, waiting] : late) done(*waiting.stats, task, ETIMEDOUT, 0);
}

void BufferReads::end(uint32_t volume, int error) {
  std::vector<std::pair<uint64_t, Waiting>> all;
  {
    std::lock_guard lock(mu_);
    ended_.emplace(volume, error);
    all = take_all([volume](const Waiting& one) { return one.volume == volume; });
  }
  for (const auto& [task, waiting] : all) done(*waiting.stats, task, error, 0);
}

void BufferReads::abort(int error) {
  std::vector<std::pair<uint64_t, Waiting>> all;
  {
    std::lock_guard lock(mu_);
    aborted_ = error;
    all = take_all([](const Waiting&) { return true; });
  }
  for (const auto& [task, waiting] : all) done(*waiting.stats, task, error, 0);
}

void BufferReads::answer(uint64_t task, std::span<const std::span<const std::byte>> pieces) {
  const auto waiting = take(task);
  if (!waiting) return;
  size_t at = 0;
  for (const auto& piece : pieces) {
    const size_t n = std::min(piece.size(), waiting->into.size() - at);
    std::memcpy(waiting->into.data() + at, piece.data(), n);
    at += n;
  }
  count(waiting->stats->waited_reads);
  count(waiting->stats->waited_ns,
        static_cast<uint64_t>(std::chrono::nanoseconds(steady_clock::now() - waiting->since).count()));
  done(*waiting->stats, task, 0, at);
}

void BufferReads::fail(uint64_t task, int error) {
  const auto waiting = take(task);
  if (waiting) done(*waiting->stats, task, error, 0);
}

std::optional<BufferReads::Waiting> BufferReads::take(uint64_t task) {
  std::lock_guard lock(mu_);
  const auto it = waiting_.find(task);
  if (it == waiting_.end()) return std::nullopt;
  const Waiting found = it->second;
  waiting_.erase(it);
  return found;
}

void BufferReads::done(VolumeStats& stats, uint64_t task, int error, size_t bytes) {
  if (error == 0) {
    count(stats.read_bytes, bytes);
  } else {
    count(stats.failed_reads);
  }
  events_.push(EventType::kTaskDone, 0, static_cast<double>(task), error, static_cast<double>(bytes));
}

}  // namespace dlfs
