#include "run_sink.h"

#include <algorithm>
#include <string_view>

namespace dlfs {
namespace {

// An etag without its quotes: some servers list them bare and send them quoted.
std::string_view bare(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') return etag.substr(1, etag.size() - 2);
  return etag;
}

}  // namespace

RunSink::RunSink(std::shared_ptr<Volume> volume, std::shared_ptr<File> file, RunSpec spec)
    : volume_(std::move(volume)), file_(std::move(file)), spec_(std::move(spec)) {}

bool RunSink::accept(const http::ResponseHead& head) {
  changed_ = !spec_.etag.empty() && bare(head.etag) != bare(spec_.etag);
  // What else tells one version from another: all there is where an origin gives no etags.
  changed_ = changed_ || (head.range_total >= 0 && static_cast<uint64_t>(head.range_total) != file_->size);
  // A listing has milliseconds; the field has seconds, cut off by most origins and rounded by some.
  const bool dated = spec_.modified > 0 && head.last_modified >= 0;
  changed_ = changed_ || (dated && (head.last_modified < spec_.modified || head.last_modified > spec_.modified + 1));
  return !changed_;
}

std::span<std::byte> RunSink::window() {
  if (delivered_ == spec_.count) return {};
  if (!buffer_) {
    uint32_t bytes;
    auto since = std::chrono::steady_clock::time_point::max();
    {
      std::lock_guard lock(file_->mu);
      bytes = volume_->block_bytes(*file_, block());
      since = volume_->awaited_since(*file_, block());
    }
    // Readahead that somebody waits for by now is demand.
    const bool demand = spec_.demand || since != std::chrono::steady_clock::time_point::max();
    buffer_ = volume_->budget_.acquire(bytes, demand, spec_.run, volume_->stats_);
    if (!buffer_) {
      volume_->relieve(since);
      return {};
    }
    filled_ = 0;
    std::lock_guard lock(file_->mu);
    file_->arrivals[block()].buffer = buffer_;
    file_->arrivals[block()].filled = 0;
  }
  return buffer_->bytes().subspan(filled_);
}

void RunSink::advance(size_t n) {
  filled_ += static_cast<uint32_t>(n);
  count(volume_->stats_->fetched_bytes, n);
  std::vector<ReadWaiter> from_memory, from_disk;
  {
    std::lock_guard lock(file_->mu);
    file_->arrivals[block()].filled = filled_;
    if (!file_->waiters.empty()) volume_->take_ready(*file_, from_memory, from_disk);
  }
  volume_->answer_ready(file_, from_memory, from_disk);
  if (filled_ < buffer_->bytes().size()) return;
  volume_->block_complete(file_, block(), std::move(buffer_), spec_.store);
  buffer_.reset();
  ++delivered_;
}

RunSink::~RunSink() {
  if (!finished_) give_up();
}

void RunSink::give_up() {
  if (delivered_ < spec_.count) {
    std::lock_guard lock(file_->mu);
    for (uint32_t b = block(); b < spec_.first + spec_.count; ++b) {
      const bool waited = std::any_of(file_->waiters.begin(), file_->waiters.end(), [&](const ReadWaiter& w) {
        return volume_->blocks_of(w.offset, w.length).overlaps({b, b});
      });
      if (waited) {
        file_->arrivals[b] = Arrival{};
      } else {
        file_->arrivals.erase(b);
      }
    }
  }
  buffer_.reset();
}

void RunSink::finish(http::FetchResult&& result) {
  finished_ = true;
  give_up();
  // Texts separated by NUL, the body last: it may hold NULs of its own.
  std::string texts = changed_ ? "the origin answered with another etag" : result.text;
  texts += '\0';
  texts += result.head.date;
  texts += '\0';
  texts += result.head.retry_after;
  texts += '\0';
  texts += result.head.region;
  texts += '\0';
  texts.append(reinterpret_cast<const char*>(result.body.data()), result.body.size());
  volume_->events_.push(EventType::kRunEnd, volume_->options_.id, static_cast<double>(spec_.run),
                        static_cast<double>(spec_.ino), delivered_,
                        changed_ ? 100.0 : static_cast<double>(static_cast<int>(result.kind)), result.head.status,
                        static_cast<double>(result.received), texts);
}

}  // namespace dlfs
