// Many requests at once, on several threads, against an origin that answers rightly, wrongly or not at all, with
// cancellations and back-pressure in between: each finishes once, right bodies are right, nothing is left.
#include <random>
#include <string>

#include "http_check.h"
#include "http_client.h"

namespace {

using namespace dlfs::http;
using namespace dlfs::test;
using std::chrono::milliseconds;

constexpr std::size_t kLength = 20'000;

std::string body_at(std::uint64_t offset) {
  std::string body(kLength, '\0');
  for (std::size_t i = 0; i < kLength; ++i) body[i] = static_cast<char>((offset + i) * 131 >> 3);
  return body;
}

std::uint64_t offset_in(const std::string& head) { return std::stoull(head.substr(head.find("bytes=") + 6)); }

std::uint64_t fate_of(std::uint64_t id) { return id * 7 % 10; }

// The offset (seven times the id) decides what happens to a request, whichever connection carries it.
void serve(Peer& peer) {
  for (;;) {
    const std::string head = peer.read_head();
    if (head.empty()) return;
    const std::uint64_t offset = offset_in(head);
    const std::string right = partial(offset, kLength) + body_at(offset);
    switch (offset % 10) {
      case 0:
        return;
      case 1:
        peer.send(right.substr(0, right.size() / 2));
        return;
      case 2:
        peer.send("HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy");
        break;
      case 3:
        peer.send(partial(offset + 1, kLength) + body_at(offset));
        break;
      case 4:
        peer.send(right.substr(0, 300));
        peer.wait_for_close();
        return;
      default:
        peer.send(right);
    }
  }
}

}  // namespace

int main() {
  Suite suite;
  suite.test("1,024 requests of every fate, 64 at a time from two threads, finish once each and right", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 3, .max_idle_per_endpoint = 8});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    std::atomic<unsigned> ok{0};
    const auto drive = [&](unsigned seed) {
      std::mt19937 random(seed);
      for (unsigned batch = 0; batch < 16; ++batch) {
        std::vector<std::pair<std::uint64_t, std::shared_ptr<Fetch>>> running;
        for (unsigned i = 0; i < 32; ++i) {
          const std::uint64_t id = seed + 2 * (batch * 32 + i);
          const auto fetch = make_fetch();
          fetch->window_size = 1 + random() % 30'000;
          if (random() % 4 == 0) fetch->allow(random() % kLength);
          FetchRequest request = get(id, endpoint, fetch, id * 7, kLength);
          if (fate_of(id) == 4) request.stall_timeout = milliseconds(50);  // the one that stalls
          fetcher.submit(std::move(request));
          running.emplace_back(id, fetch);
        }
        for (const auto& [id, fetch] : running) {
          if (random() % 8 == 0) fetcher.cancel(id);
          fetch->allow(kLength);
          fetcher.resume(id);
        }
        for (const auto& [id, fetch] : running) {
          const FetchResult& result = fetch->wait();
          CHECK_EQ(fetch->finishes(), 1u);
          CHECK(body_at(id * 7).starts_with(fetch->body()));
          if (result.kind == FetchKind::kCancelled) continue;
          const std::uint64_t fate = fate_of(id);
          // Fate 0 closes without a byte: a fresh connection reports it, a kept one is replaced first.
          const FetchKind expected = fate <= 1   ? FetchKind::kReset
                                     : fate == 2 ? FetchKind::kHttpError
                                     : fate == 3 ? FetchKind::kProtocol
                                     : fate == 4 ? FetchKind::kTimeout
                                                 : FetchKind::kOk;
          if (result.kind != expected)
            throw std::runtime_error("fate " + std::to_string(fate) + " ended as " +
                                     std::string(to_string(result.kind)) + ": " + result.text);
          if (result.kind == FetchKind::kOk) {
            CHECK_EQ(fetch->body().size(), kLength);
            ++ok;
          }
        }
      }
    };
    std::exception_ptr failed;
    std::thread other([&] {
      try {
        drive(1);
      } catch (...) {
        failed = std::current_exception();
      }
    });
    try {
      drive(0);
    } catch (...) {
      failed = std::current_exception();
    }
    other.join();
    if (failed) std::rethrow_exception(failed);
    CHECK(ok > 150);
    const FetcherStats stats = fetcher.stats();
    CHECK_EQ(stats.submitted, 1024u);
    CHECK_EQ(stats.submitted, stats.finished);
    CHECK_EQ(stats.active, 0u);
    CHECK(stats.idle_connections <= 24);
    CHECK(stats.reused > 0);
  });
  return suite.exit_code();
}
