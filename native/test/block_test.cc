// The block layer without a kernel: hash, memory cap, tickets, events, and a volume fed by hand.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <string>

#include "../src/base/events.h"
#include "../src/block/volume.h"
#include "../src/block/xxh64.h"
#include "../src/session/slots.h"
#include "check.h"

using namespace dlfs;
using dlfs::test::check;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

struct Seen {
  double type, a, b, c, d;
};

std::vector<Seen> drain(EventQueue& queue) {
  std::vector<Seen> out;
  std::vector<std::byte> buffer(65536);
  while (const size_t n = queue.drain(buffer)) {
    for (size_t at = 0; at < n;) {
      std::array<double, 10> r{};
      std::memcpy(r.data(), buffer.data() + at, sizeof r);
      out.push_back({r[0], r[2], r[3], r[4], r[5]});
      at += static_cast<size_t>(r[1]) * 8;
    }
  }
  return out;
}

// Collects answers by slot.
class Client final : public ReadClient {
 public:
  void answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) override {
    std::string text;
    for (const auto& piece : pieces) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    std::lock_guard lock(mu);
    answers[slot] = text;
  }
  void fail(uint64_t slot, int error) override {
    std::lock_guard lock(mu);
    errors[slot] = error;
  }
  void reopen(uint64_t, uint64_t) override {}
  std::mutex mu;
  std::map<uint64_t, std::string> answers;
  std::map<uint64_t, int> errors;
};

constexpr uint32_t kBlock = 4096;

// A pool that has run everything that was queued.
void settle(std::unique_ptr<DiskPool>& pool) { pool = std::make_unique<DiskPool>(1U); }

// Waits until what was queued before has run; the pool has one thread.
void wait_for(DiskPool& pool) {
  std::promise<void> done;
  pool.submit([&done] { done.set_value(); });
  done.get_future().wait();
}

void feed(http::BodySink& sink, const std::string& body) {
  size_t at = 0;
  while (at < body.size()) {
    const auto window = sink.window();
    const size_t n = std::min({window.size(), body.size() - at, size_t{1000}});
    std::memcpy(window.data(), body.data() + at, n);
    sink.advance(n);
    at += n;
  }
}

void volume_tests() {
  char folder[] = "/tmp/dlfs-block-test-XXXXXX";
  if (::mkdtemp(folder) == nullptr) std::abort();
  EventQueue events([] {});
  Budget budget(64 * kBlock, [](uint64_t) {});
  auto pool = std::make_unique<DiskPool>(1U);
  const auto client = std::make_shared<Client>();
  const std::string body = [] {
    std::string text(10000, ' ');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 251);
    return text;
  }();
  const uint64_t ino = 42;
  std::vector<std::byte> scratch(1U << 20);
  {
    // The pool that a volume refers to must outlive it, so each phase has a volume of its own.
    const auto volume = std::make_shared<Volume>(VolumeOptions{.id = 3, .objects_dir = folder, .block_size = kBlock},
                                                 budget, *pool, events);
    check(volume->read(ino, 0, 100, 7, scratch) == -1, "an unknown file cannot be read at once");
    volume->park(client, 1, ino, 4090, 100, 7);
    auto seen = drain(events);
    check(seen.size() == 1 && seen[0].type == 7 && seen[0].a == 42,
          "the control plane is asked for an unknown file once");
    volume->attach(ino, body.size(), {}, false);
    wait_for(*pool);
    seen = drain(events);
    check(seen.size() == 2 && seen[0].type == 8 && seen[0].b == 0 && seen[1].b == 1,
          "each missing block is wanted once");
    volume->park(client, 2, ino, 0, 10, 8);
    check(drain(events).empty(), "a second waiter asks for nothing that is wanted already");
    check(volume->awaited(ino) == std::vector<BlockRange>{{0, 1}, {0, 0}}, "what each waiting read needs can be asked");
    check(volume->awaited(ino + 1).empty(), "of a file that nobody reads, nothing is awaited");

    check(volume->start_run({.run = 9, .ino = ino, .first = 2, .count = 2, .etag = ""}) == nullptr,
          "a run beyond the end is refused");
    auto sink = volume->start_run({.run = 9, .ino = ino, .first = 0, .count = 2, .etag = "\"e\""});
    check(sink != nullptr && volume->start_run({.run = 10, .ino = ino, .first = 1, .count = 1, .etag = ""}) == nullptr,
          "a block is received by one run at a time");
    http::ResponseHead head;
    head.etag = "\"e\"";
    check(sink->accept(head), "the listed etag is accepted");
    feed(*sink, body.substr(0, 1000));
    check(client->answers[2] == body.substr(0, 10), "a reader is answered as soon as its bytes are there");
    check(client->answers.count(1) == 0, "and no earlier");
    feed(*sink, body.substr(1000, 8192 - 1000));
    sink->finish({});
    wait_for(*pool);
    const VolumeStats& stats = volume->stats();
    check(stats.fetched_bytes == 8192 && stats.stored_bytes == 8192 && stats.stored_blocks == 2,
          "bytes received and stored are counted");
    check(stats.waited_index_ns > 0 && stats.waited_queue_ns > 0 && stats.waited_origin_ns > 0,
          "a wait is split into index, queue and origin");
    check(stats.memory_used == 0, "the memory of stored blocks is given back");
  }
  settle(pool);
  check(client->answers[1] == body.substr(4090, 100), "a read across two blocks gets both parts in order");
  auto seen = drain(events);
  const auto stored = std::count_if(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 10; });
  check(stored == 2, "complete blocks are stored");
  {
    const auto volume = std::make_shared<Volume>(VolumeOptions{.id = 3, .objects_dir = folder, .block_size = kBlock},
                                                 budget, *pool, events);
    const std::byte map{0b011};
    volume->attach(ino, body.size(), {&map, 1}, false);
    check(volume->read(ino, 4000, 200, 7, scratch) == 200 && std::memcmp(scratch.data(), body.data() + 4000, 200) == 0,
          "resident blocks are read from the cache file");
    check(volume->stats().hit_reads == 1 && volume->stats().hit_bytes == 200, "a hit is counted, with its bytes");
    for (int i = 0; i < 17; ++i) volume->read(ino, 0, 10, 7, scratch);
    check(volume->stats().hit_disk_ns > 0, "of 17 hits one is timed");
    check(volume->read(ino, 8000, 500, 7, scratch) == -1, "a read that needs an absent block waits");
    check(volume->read(ino, body.size() + 1, 500, 7, scratch) == 0, "behind the end there is nothing");
    check(!volume->publish(ino), "a file with an absent block is not published");
    volume->park(client, 3, ino, 8192, 100, 7);
    volume->fail_blocks(ino, 2, 1, EIO);
    check(client->errors[3] == EIO, "a failed block fails its waiters with an errno");
    auto sink = volume->start_run({.run = 11, .ino = ino, .first = 2, .count = 1, .etag = "\"e\""});
    http::ResponseHead other;
    other.etag = "\"f\"";
    check(!sink->accept(other), "another etag than the listed one is refused");
    sink->finish({});
    auto dated = volume->start_run({.run = 12, .ino = ino, .first = 2, .count = 1, .etag = "", .modified = 1000});
    http::ResponseHead plain;
    check(dated->accept(plain), "where nothing tells a version, none is refused");
    plain.range_total = static_cast<int64_t>(body.size());
    plain.last_modified = 1000;
    check(dated->accept(plain), "the listed size and time are accepted");
    plain.last_modified = 1001;
    check(dated->accept(plain), "and the time rounded up");
    plain.last_modified = 1002;
    check(!dated->accept(plain), "another time is refused");
    plain.last_modified = 1000;
    plain.range_total += 1;
    check(!dated->accept(plain), "and another size");
    dated->finish({});
    seen = drain(events);
    check(std::any_of(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 12 && e.d == 100; }),
          "and reported as a change at the origin");
    volume->verify(5, ino, {0, 1}, {xxh64(bytes_of(body).subspan(0, kBlock)), 1234});
  }
  settle(pool);
  seen = drain(events);
  check(std::any_of(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 13 && e.b == EILSEQ; }) &&
            std::count_if(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 17; }) == 1,
        "verification finds exactly the block whose hash differs");
  {
    const auto volume = std::make_shared<Volume>(VolumeOptions{.id = 3, .objects_dir = folder, .block_size = kBlock},
                                                 budget, *pool, events);
    const std::byte map{0b011};
    volume->attach(ino, body.size(), {&map, 1}, false);
    volume->drop_blocks(6, ino, 0, 1);
    check(volume->read(ino, 0, 10, 7, scratch) == -1 && volume->read(ino, 4096, 10, 7, scratch) == 10,
          "a dropped block is absent at once, its neighbour stays");
    volume->drop_file(7, ino);
  }
  settle(pool);
  check(!std::filesystem::exists(std::string(folder) + "/2a/42"), "a dropped file leaves the disk");
  {
    // Memory that cannot be had: the run waits instead of exceeding the cap.
    const auto volume = std::make_shared<Volume>(VolumeOptions{.id = 3, .objects_dir = folder, .block_size = kBlock},
                                                 budget, *pool, events);
    volume->attach(ino, body.size(), {}, false);
    std::vector<std::shared_ptr<Buffer>> all;
    while (auto buffer = budget.acquire(kBlock, true, 0)) all.push_back(buffer);
    check(all.size() == 64 && budget.used() == budget.cap(), "buffers stop exactly at the cap");
    auto sink = volume->start_run({.run = 12, .ino = ino, .first = 0, .count = 1, .etag = ""});
    check(sink->window().empty(), "a run without memory offers no window");
    all.clear();
    check(!sink->window().empty(), "and goes on when memory came back");
    check(volume->stats().memory_used == kBlock, "a volume's memory counts the buffers of its runs");
    sink->finish({});
    check(volume->stats().memory_used == 0, "and no longer when the run is over");
  }
  settle(pool);
  pool.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace

int main() {
  check(xxh64({}) == 0xEF46DB3751D8E999ULL, "XXH64 of nothing is the specification's");
  check(xxh64(bytes_of("abc")) == 0x44BC2CF5AD770999ULL, "XXH64 of abc is the specification's");
  check(xxh64(bytes_of("Nobody inspects the spammish repetition")) == 0xFBCEA83C8A378BF1ULL,
        "XXH64 of more than 32 bytes is the reference's");

  Slots slots;
  const auto now = std::chrono::steady_clock::now();
  const uint64_t first = slots.add({100, 1, 15, 0, now});
  check(slots.find(100) == first && slots.take(first)->unique == 100, "a ticket is found by its request and taken");
  check(!slots.take(first) && !slots.find(100), "a second taker finds it gone");
  const uint64_t second = slots.add({101, 1, 15, 0, now});
  check(second != first && !slots.take(first), "a stale ticket never names a newer request");
  check(slots.take_older(now - std::chrono::seconds(1)).empty() && slots.take_older(now).size() == 1,
        "only requests older than the limit are taken");

  int wakes = 0;
  EventQueue queue([&wakes] { ++wakes; });
  queue.push(EventType::kLookup, 5, 1, 2, 3, 0, 0, 0, "name");
  queue.push(EventType::kWant, 5, 4);
  check(wakes == 1, "a filled queue wakes once");
  std::vector<std::byte> tiny(16), room(4096);
  check(queue.drain(tiny) == SIZE_MAX, "an event that does not fit says so");
  check(queue.drain(room) == 88 + 80 && queue.drain(room) == 0,
        "records are padded to eight bytes and drained in order");
  queue.push(EventType::kWant, 5, 4);
  check(wakes == 2, "an emptied queue wakes again");

  volume_tests();
  return dlfs::test::failures == 0 ? 0 : 1;
}
