// Readers, runs, evictions and verification of the same few files at once, as fast as they go: every read brings the
// right bytes, no reader is forgotten, no memory either. Under `make native-test SANITIZE=thread` it looks for data
// races.
//
// Everything that may run in parallel does: three readers (session threads), two fetchers, two disk threads, a ticker,
// and the control plane, which answers events and drops, verifies, publishes and forgets at random. Blocks,
// descriptors, file states and memory are all too few, so that each limit is reached all the time.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <random>
#include <thread>

#include "../src/block/xxh64.h"
#include "volume_check.h"

using namespace dlfs;
using namespace dlfs::test;

namespace {

constexpr uint64_t kFiles = 6;
constexpr size_t kSize = 20 * kBlock + 777;
constexpr uint32_t kBlocks = 21;
constexpr int kReads = 4000;  // of each reader
constexpr auto kForgotten = std::chrono::seconds(60);

using Random = std::minstd_rand;

// One reader's request, waited for.
class Waiting final : public ReadClient {
 public:
  void answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) override {
    std::lock_guard lock(mu_);
    if (slot != slot_) return;
    text_.clear();
    for (const auto& piece : pieces) text_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    done_ = true;
    cv_.notify_all();
  }
  void fail(uint64_t slot, int error) override {
    std::lock_guard lock(mu_);
    if (slot != slot_) return;
    text_ = "failed with " + std::to_string(error);
    done_ = true;
    cv_.notify_all();
  }
  void reopen(uint64_t, uint64_t) override {}
  uint64_t begin() {
    std::lock_guard lock(mu_);
    done_ = false;
    return ++slot_;
  }
  // Null when nobody answered.
  const std::string* wait() {
    std::unique_lock lock(mu_);
    return cv_.wait_for(lock, kForgotten, [this] { return done_; }) ? &text_ : nullptr;
  }

 private:
  std::mutex mu_;
  std::condition_variable cv_;
  uint64_t slot_ = 0;
  bool done_ = false;
  std::string text_;
};

struct Run {
  std::unique_ptr<http::BodySink> sink;
  uint64_t ino;
  uint32_t first, count;
};

class Stress {
 public:
  Stress() {
    for (uint64_t ino = 0; ino < kFiles; ++ino) content_.push_back(content_of(ino, kSize));
  }

  void run() {
    std::vector<std::thread> readers, others;
    for (unsigned i = 0; i < 3; ++i) readers.emplace_back([this, i] { read(i); });
    for (unsigned i = 0; i < 2; ++i) others.emplace_back([this, i] { fetch(i); });
    others.emplace_back([this] { control(); });
    others.emplace_back([this] {
      while (!stop_) {
        volume_->relieve();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    for (auto& thread : readers) thread.join();
    stop_ = true;
    runs_cv_.notify_all();
    for (auto& thread : others) thread.join();
    runs_.clear();
    check(wrong_ == 0, "every read brings the bytes of its file");
    check(forgotten_ == 0, "every read is answered");
    check(lost_ == 0, "and no block that was stored is ever damaged");
    check(hits_ > 0 && waits_ > 0 && stored_ > 0 && drops_ > 0, "hits, waits, stores and drops all happened");
    volume_.reset();
    pool_.reset();
    check(budget_.used() == 0, "no buffer is left when all is over");
  }

 private:
  void read(unsigned seed) {
    Random random(seed + 1);
    const auto client = std::make_shared<Waiting>();
    std::vector<std::byte> scratch(1U << 16);
    for (int i = 0; i < kReads && forgotten_ == 0; ++i) {
      const uint64_t ino = random() % kFiles;
      const uint64_t offset = random() % (kSize + 100);
      const auto length = static_cast<uint32_t>(1 + random() % (3 * kBlock));
      const std::string expected = offset < kSize ? content_[ino].substr(offset, length) : std::string();
      const int64_t n = volume_->read(ino, offset, length, 7, scratch);
      if (n >= 0) {
        ++hits_;
        if (std::string_view(reinterpret_cast<const char*>(scratch.data()), static_cast<size_t>(n)) != expected)
          ++wrong_;
        continue;
      }
      ++waits_;
      volume_->park(client, client->begin(), ino, offset, length, 7);
      const std::string* got = client->wait();
      if (got == nullptr) {
        ++forgotten_;
      } else if (*got != expected) {
        ++wrong_;
      }
    }
  }

  void fetch(unsigned seed) {
    Random random(seed + 100);
    for (;;) {
      Run run;
      {
        std::unique_lock lock(runs_mu_);
        runs_cv_.wait(lock, [this] { return stop_ || !runs_.empty(); });
        if (stop_) return;
        run = std::move(runs_.front());
        runs_.pop_front();
      }
      const size_t begin = static_cast<size_t>(run.first) * kBlock;
      size_t left = std::min<size_t>(static_cast<size_t>(run.count) * kBlock, kSize - begin);
      // Some runs break off, some never begin.
      if (random() % 8 == 0) left = random() % left;
      if (random() % 32 == 0) continue;
      size_t at = begin;
      while (left > 0 && !stop_) {
        const auto window = run.sink->window();
        if (window.empty()) {
          std::this_thread::yield();
          continue;
        }
        const size_t n = std::min({window.size(), left, static_cast<size_t>(1 + random() % 3000)});
        std::memcpy(window.data(), content_[run.ino].data() + at, n);
        run.sink->advance(n);
        at += n;
        left -= n;
      }
      run.sink->finish({});
    }
  }

  void control() {
    Random random(999);
    uint64_t task = 1;
    while (!stop_) {
      for (const Seen& e : drain(events_)) {
        const auto ino = static_cast<uint64_t>(e.a);
        switch (static_cast<EventType>(static_cast<int>(e.type))) {
          case EventType::kResolve:
            volume_->attach(ino, kSize, {}, false);
            break;
          case EventType::kStored:
            ++stored_;
            break;
          case EventType::kLost:
            ++lost_;
            break;
          default:
            break;
        }
      }
      // Whatever is wanted and not under way is fetched: also what a broken run has left.
      for (uint64_t ino = 0; ino < kFiles; ++ino) fetch_wanted(ino, random);
      const uint64_t ino = random() % kFiles;
      switch (random() % 16) {
        case 0:
          volume_->drop_file(task++, ino);
          ++drops_;
          break;
        case 1:
        case 2:
        case 3:
          volume_->drop_blocks(task++, ino, static_cast<uint32_t>(random() % kBlocks), 1 + random() % 4);
          ++drops_;
          break;
        case 4: {
          const auto block = static_cast<uint32_t>(random() % kBlocks);
          const size_t length = std::min<size_t>(kBlock, kSize - static_cast<size_t>(block) * kBlock);
          volume_->verify(task++, ino, {block},
                          {xxh64(bytes_of(content_[ino]).subspan(static_cast<size_t>(block) * kBlock, length))});
          break;
        }
        case 5:
          volume_->publish(ino);
          break;
        case 6:
          volume_->forget(ino);
          break;
        case 7:
          volume_->mark(ino, static_cast<uint32_t>(random() % kBlocks));
          break;
        case 8:
          volume_->sync(task++, {ino});
          break;
        case 9:
          volume_->drain_touched();
          break;
        default:
          std::this_thread::yield();
      }
    }
  }

  void fetch_wanted(uint64_t ino, Random& random) {
    std::array<std::byte, kBlocks> states{};
    volume_->states(ino, 0, states);
    for (uint32_t b = 0; b < kBlocks; ++b) {
      if (states[b] != static_cast<std::byte>(BlockState::kWanted)) continue;
      const uint32_t count = std::min<uint32_t>(1 + random() % 3, kBlocks - b);
      for (const uint32_t n : {count, 1U}) {
        auto sink = volume_->start_run(
            {.run = ++run_, .ino = ino, .first = b, .count = n, .etag = "", .store = random() % 8 != 0});
        if (!sink) continue;
        std::lock_guard lock(runs_mu_);
        runs_.push_back({std::move(sink), ino, b, n});
        runs_cv_.notify_one();
        break;
      }
    }
  }

  Folder folder_;
  std::vector<std::string> content_;
  EventQueue events_{[] {}};
  Budget budget_{12 * kBlock, [](uint64_t) {}};
  std::unique_ptr<DiskPool> pool_ = std::make_unique<DiskPool>(2U);
  std::shared_ptr<Volume> volume_ = std::make_shared<Volume>(VolumeOptions{.id = 1,
                                                                           .objects_dir = folder_.path,
                                                                           .block_size = kBlock,
                                                                           .max_open_files = 2,
                                                                           .max_files = 64,
                                                                           .max_volatile = 4 * kBlock},
                                                             budget_, *pool_, events_);
  std::mutex runs_mu_;
  std::condition_variable runs_cv_;
  std::deque<Run> runs_;
  uint64_t run_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> wrong_{0}, forgotten_{0}, hits_{0}, waits_{0}, stored_{0}, drops_{0}, lost_{0};
};

}  // namespace

int main() {
  Stress().run();
  return failures == 0 ? 0 : 1;
}
