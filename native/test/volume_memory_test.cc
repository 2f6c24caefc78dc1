// Reads that need more memory than there is, of blocks that cannot be stored: a mount whose disk is full.
#include <algorithm>
#include <deque>

#include "volume_check.h"

using namespace dlfs;
using namespace dlfs::test;

namespace {

constexpr size_t kMemory = 8 * kBlock;

struct Run {
  std::unique_ptr<http::BodySink> sink;
  std::string left;  // of its body
};

// Serves whatever is wanted, one GET a block, and never has a block stored.
class World {
 public:
  explicit World(size_t size) : size_(size) {}

  void park(uint64_t ino, uint64_t offset, uint32_t length) {
    volume_->attach(ino, size_, {}, false);
    if (std::find(inos_.begin(), inos_.end(), ino) == inos_.end()) inos_.push_back(ino);
    volume_->park(client_, ++slot_, ino, offset, length, 7);
    expected_.push_back(content_of(ino, size_).substr(offset, length));
  }

  // Until all is answered, or nothing moves any more however often the ticker comes.
  void serve() {
    for (int idle = 0; idle < 3;) {
      send_wanted();
      if (receive()) {
        idle = 0;
      } else {
        ++idle;
        volume_->relieve();
      }
      most_ = std::max(most_, budget_.used());
      if (client_->answers.size() == expected_.size()) return;
    }
  }

  bool all_right() const {
    for (size_t i = 0; i < expected_.size(); ++i) {
      const auto it = client_->answers.find(i + 1);
      if (it == client_->answers.end() || it->second != expected_[i]) return false;
    }
    return true;
  }
  size_t most() const { return most_; }
  size_t gets() const { return run_; }

 private:
  void send_wanted() {
    const auto blocks = static_cast<uint32_t>((size_ + kBlock - 1) / kBlock);
    std::vector<std::byte> states(blocks);
    // The first blocks of all files go before the second ones: the order that holds the most memory for nothing.
    for (uint32_t b = 0; b < blocks; ++b) {
      for (const uint64_t ino : inos_) {
        volume_->states(ino, 0, states);
        if (states[b] != static_cast<std::byte>(BlockState::kWanted)) continue;
        auto sink = volume_->start_run({.run = ++run_, .ino = ino, .first = b, .count = 1, .etag = "", .store = false});
        if (sink) runs_.push_back({std::move(sink), content_of(ino, size_).substr(size_t{b} * kBlock, kBlock)});
      }
    }
  }

  // Each run that has room gets its block; whether one had.
  bool receive() {
    bool moved = false;
    std::erase_if(runs_, [&](Run& run) {
      const auto window = run.sink->window();
      if (window.empty()) return false;
      std::memcpy(window.data(), run.left.data(), run.left.size());
      run.sink->advance(run.left.size());
      run.sink->finish({});
      return moved = true;
    });
    return moved;
  }

  const size_t size_;
  Folder folder_;
  EventQueue events_{[] {}};
  Budget budget_{kMemory, [](uint64_t) {}};
  DiskPool pool_{1U};
  std::shared_ptr<Client> client_ = std::make_shared<Client>();
  std::shared_ptr<Volume> volume_ = std::make_shared<Volume>(
      VolumeOptions{.id = 1, .objects_dir = folder_.path, .block_size = kBlock}, budget_, pool_, events_);
  std::vector<uint64_t> inos_;
  std::vector<std::string> expected_;
  std::deque<Run> runs_;
  uint64_t slot_ = 0, run_ = 0;
  size_t most_ = 0;
};

void reads_across_two_blocks() {
  constexpr size_t kReaders = 40;
  World w(2 * kBlock);
  for (uint64_t ino = 1; ino <= kReaders; ++ino) w.park(ino, kBlock / 2, kBlock);
  w.serve();
  check(w.all_right(), "reads across two blocks are all answered, though their blocks are five times the memory");
  check(w.most() <= kMemory, "the memory is never exceeded");
  check(w.gets() < 4 * kReaders, "and few blocks are fetched twice for it");
}

void reads_of_one_file() {
  World w(40 * kBlock);
  for (uint64_t at = 0; at < 39; ++at) w.park(1, at * kBlock + kBlock / 2, kBlock);
  w.serve();
  check(w.all_right(), "so are the reads of one file, each of whose blocks two of them need");
  check(w.most() <= kMemory, "the memory is never exceeded by them either");
}

void one_read_as_large_as_the_memory() {
  World w(8 * kBlock);
  w.park(1, 0, 8 * kBlock);
  for (uint64_t ino = 2; ino <= 6; ++ino) w.park(ino, kBlock / 2, kBlock);
  w.serve();
  check(w.all_right(), "a read that takes all of the memory is answered, with others beside it");
}

}  // namespace

int main() {
  reads_across_two_blocks();
  reads_of_one_file();
  one_read_as_large_as_the_memory();
  return failures == 0 ? 0 : 1;
}
