// Reads into the caller's memory: from disk, from memory as bytes arrive, refused, late, and ended with the engine.
#include "../src/session/buffer_reads.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <string>

#include "check.h"

using namespace dlfs;
using dlfs::test::check;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr uint32_t kBlock = 4096;
constexpr uint64_t kIno = 7;

struct Done {
  int error;
  size_t bytes;
  int times;
};

// How each task ended, of all events that wait.
std::map<uint64_t, Done> ended(EventQueue& queue) {
  std::map<uint64_t, Done> out;
  std::vector<std::byte> buffer(1U << 16);
  while (const size_t n = queue.drain(buffer)) {
    for (size_t at = 0; at < n;) {
      std::array<double, 10> r{};
      std::memcpy(r.data(), buffer.data() + at, sizeof r);
      if (r[0] == static_cast<double>(EventType::kTaskDone)) {
        auto& done = out[static_cast<uint64_t>(r[2])];
        done = {static_cast<int>(r[3]), static_cast<size_t>(r[4]), done.times + 1};
      }
      at += static_cast<size_t>(r[1]) * 8;
    }
  }
  return out;
}

// Waits until what was queued before has run; the pool has one thread.
void wait_for(DiskPool& pool) {
  std::promise<void> done;
  pool.submit([&done] { done.set_value(); }, DiskWork::kIdle);
  done.get_future().wait();
}

void feed(http::BodySink& sink, std::string_view body) {
  while (!body.empty()) {
    const auto window = sink.window();
    const size_t n = std::min({window.size(), body.size(), size_t{1000}});
    std::memcpy(window.data(), body.data(), n);
    sink.advance(n);
    body.remove_prefix(n);
  }
}

struct Place {
  std::string bytes = std::string(9000, '?');
  std::span<std::byte> part(size_t n) { return {reinterpret_cast<std::byte*>(bytes.data()), n}; }
};

}  // namespace

int main() {
  char folder[] = "/tmp/dlfs-reads-test-XXXXXX";
  if (::mkdtemp(folder) == nullptr) std::abort();
  std::string body(10000, ' ');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 251);
  EventQueue events([] {});
  Budget budget(64 * kBlock, [](uint64_t) {});
  DiskPool pool(1U);
  const auto volume = std::make_shared<Volume>(VolumeOptions{.id = 3, .objects_dir = folder, .block_size = kBlock},
                                               budget, pool, events);
  const auto other = std::make_shared<Volume>(VolumeOptions{.id = 4, .objects_dir = folder, .block_size = kBlock},
                                              budget, pool, events);
  const auto reads = std::make_shared<BufferReads>(pool, events);
  VolumeStats& stats = volume->stats();
  std::array<Place, 12> to;

  // A file that nobody has told of: parked until it is attached, then until its bytes come.
  reads->read(volume, {.task = 1, .ino = kIno, .offset = 4000, .into = to[1].part(200)});
  reads->read(volume, {.task = 2, .ino = kIno, .offset = 9990, .into = to[2].part(100)});
  reads->read(volume, {.task = 3, .ino = kIno, .offset = 10000, .into = to[3].part(100)});
  wait_for(pool);
  check(ended(events).empty(), "a read of an unknown file waits");
  volume->attach(kIno, body.size(), {}, false);
  wait_for(pool);
  auto done = ended(events);
  check(done.size() == 1 && done[3].error == 0 && done[3].bytes == 0, "behind the end there is nothing, and no error");
  auto sink = volume->start_run({.run = 9, .ino = kIno, .first = 0, .count = 3, .etag = ""});
  sink->accept({});
  feed(*sink, std::string_view(body).substr(0, 4100));
  wait_for(pool);
  check(ended(events).empty(), "bytes that are not all there answer nobody");
  feed(*sink, std::string_view(body).substr(4100, 2000));
  wait_for(pool);
  done = ended(events);
  check(done.size() == 1 && done[1].bytes == 200 && to[1].bytes.compare(0, 200, body, 4000, 200) == 0,
        "a read is answered as soon as its bytes are there, before the run has ended");
  check(to[1].bytes[200] == '?', "nothing is written behind the memory given");
  feed(*sink, std::string_view(body).substr(6100));
  sink->finish({});
  sink.reset();
  wait_for(pool);
  done = ended(events);
  check(done[2].error == 0 && done[2].bytes == 10 && to[2].bytes.compare(0, 10, body, 9990, 10) == 0,
        "a read over the end gets what is there");

  reads->read(volume, {.task = 4, .ino = kIno, .offset = 1, .into = to[4].part(9000)});
  wait_for(pool);
  done = ended(events);
  check(done[4].bytes == 9000 && to[4].bytes == body.substr(1, 9000), "resident blocks come from the cache file");
  reads->read(volume, {.task = 5, .ino = kIno, .offset = 0, .into = to[5].part(0)});
  reads->read(volume, {.task = 6, .ino = kIno, .offset = 1ULL << 63, .into = to[6].part(1)});
  wait_for(pool);
  done = ended(events);
  check(done[5].error == 0 && done[5].bytes == 0, "no bytes are no error");
  check(done[6].error == EIO, "an offset beyond any object is refused");

  // Failures, limits, the end.
  volume->attach(8, 5000, {}, false);
  reads->read(volume, {.task = 7, .ino = 8, .offset = 0, .into = to[7].part(10)});
  wait_for(pool);
  volume->fail_blocks(8, 0, 1, ESTALE);
  done = ended(events);
  check(done[7].error == ESTALE, "a failed block fails its reader with the errno");
  reads->read(volume, {.task = 8, .ino = 8, .offset = 0, .into = to[8].part(10), .timeout = milliseconds(500)});
  reads->read(volume, {.task = 9, .ino = 8, .offset = 0, .into = to[9].part(10)});
  wait_for(pool);
  reads->tick(steady_clock::now());
  check(ended(events).empty(), "a wait goes on up to its limit");
  reads->tick(steady_clock::now() + milliseconds(501));
  done = ended(events);
  check(done.size() == 1 && done[8].error == ETIMEDOUT, "and ends there; without a limit it does not");
  sink = volume->start_run({.run = 10, .ino = 8, .first = 0, .count = 1, .etag = ""});
  sink->accept({});
  feed(*sink, std::string_view(body).substr(0, 4096));
  sink->finish({});
  sink.reset();
  wait_for(pool);
  done = ended(events);
  check(done.size() == 1 && done[9].error == 0 && done[9].bytes == 10 && to[8].bytes[0] == '?',
        "bytes that come after the limit are not written to memory that was given back");
  reads->read(other, {.task = 12, .ino = 9, .offset = 0, .into = to[0].part(10)});
  wait_for(pool);
  reads->end(4, ENODEV);
  reads->read(other, {.task = 13, .ino = 9, .offset = 0, .into = to[0].part(10)});
  wait_for(pool);
  done = ended(events);
  check(done.size() == 2 && done[12].error == ENODEV && done[13].error == ENODEV,
        "a volume that goes takes its reads along, those on their way to the disk too");
  reads->read(volume, {.task = 10, .ino = 8, .offset = 4096, .into = to[10].part(10)});
  wait_for(pool);
  reads->abort(ENOTCONN);
  reads->read(volume, {.task = 11, .ino = 8, .offset = 4096, .into = to[11].part(10)});
  wait_for(pool);
  done = ended(events);
  check(done[10].error == ENOTCONN && done[11].error == ENOTCONN, "the end ends what waits and what comes later");
  volume->fail_blocks(8, 1, 1, EIO);
  check(ended(events).empty(), "once");
  check(stats.waited_reads == 4 && stats.failed_reads == 5 && stats.hit_reads >= 1,
        "reads are counted by how they went");

  std::filesystem::remove_all(folder);
  return dlfs::test::failures == 0 ? 0 : 1;
}
