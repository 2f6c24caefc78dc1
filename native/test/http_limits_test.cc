// The Fetcher under limits: timeouts, back-pressure, cancellation in every state, shutdown, failing addresses.
#include <semaphore>
#include <string>

#include "http_check.h"
#include "http_client.h"

namespace {

using namespace dlfs::http;
using namespace dlfs::test;
using std::chrono::milliseconds;

constexpr std::size_t kSize = 1000;
const std::string kBody(kSize, 'b');

void serve(Peer& peer) {
  while (!peer.read_head().empty()) peer.send(partial(0, kSize) + kBody);
}
// Half of the body, then silence.
void serve_half(Peer& peer) {
  peer.read_head();
  peer.send(partial(0, kSize) + kBody.substr(kSize / 2));
  peer.wait_for_close();
}
void stay_silent(Peer& peer) { peer.wait_for_close(); }

FetchRequest limited(std::uint64_t id, std::uint32_t endpoint, const std::shared_ptr<Fetch>& fetch,
                     milliseconds connect, milliseconds stall, milliseconds deadline) {
  FetchRequest request = get(id, endpoint, fetch, 0, kSize);
  request.connect_timeout = connect;
  request.stall_timeout = stall;
  request.deadline = deadline;
  return request;
}
constexpr milliseconds kLong{60'000};
// Above what a loaded machine takes to schedule a thread.
constexpr milliseconds kShort{250};

void test_timeouts(Suite& suite) {
  const auto timed_out = [](const Server& server, milliseconds connect, milliseconds stall, milliseconds deadline) {
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    const auto start = std::chrono::steady_clock::now();
    fetcher.submit(limited(1, fetcher.add_endpoint(to(server)), fetch, connect, stall, deadline));
    const FetchResult& result = fetch->wait();
    CHECK(result.kind == FetchKind::kTimeout);
    CHECK(std::chrono::steady_clock::now() - start >= kShort);
    CHECK_EQ(fetcher.stats().idle_connections, 0u);
    return result.text;
  };
  suite.test("a response that does not begin is a stall", [&] {
    const Server server(stay_silent);
    CHECK_EQ(timed_out(server, kLong, kShort, kLong), "no byte for 250 ms, no response yet");
  });
  suite.test("a body that stops is a stall that says how far it came", [&] {
    const Server server(serve_half);
    CHECK_EQ(timed_out(server, kLong, kShort, kLong), "no byte for 250 ms, 500 of 1000 bytes received");
  });
  suite.test("the whole deadline holds although bytes keep coming", [&] {
    const Server server([](Peer& peer) {
      peer.read_head();
      peer.send(partial(0, kSize));
      while (peer.send("b")) std::this_thread::sleep_for(milliseconds(5));
    });
    CHECK(timed_out(server, kLong, kLong, kShort).starts_with("not complete within 250 ms, "));
  });
  suite.test("bytes that keep coming are no stall", [&] {
    const Server server([](Peer& peer) {
      peer.read_head();
      peer.send(partial(0, 20));
      for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(milliseconds(15));  // 300 ms in all, above the stall limit
        peer.send("b");
      }
      peer.wait_for_close();
    });
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    FetchRequest request = get(1, fetcher.add_endpoint(to(server)), fetch, 0, 20);
    request.stall_timeout = kShort;
    fetcher.submit(std::move(request));
    CHECK_EQ(fetch->wait().text, "");
  });
  suite.test("an address that neither accepts nor refuses is a timeout of the connection", [] {
    const Blackhole hole;
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(limited(1, fetcher.add_endpoint(to({hole.port()})), fetch, kShort, kLong, kLong));
    CHECK(fetch->wait().kind == FetchKind::kTimeout);
    CHECK_EQ(fetch->wait().text, "no connection within 250 ms");
  });
  suite.test("a deadline of zero is none", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(limited(1, fetcher.add_endpoint(to(server)), fetch, kLong, kLong, milliseconds(0)));
    CHECK(fetch->wait().kind == FetchKind::kOk);
  });
}

void test_addresses(Suite& suite) {
  // A port that refuses: bound, not listening.
  struct Refusing {
    Refusing() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t length = sizeof at;
      CHECK_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), length), 0);
      CHECK_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &length), 0);
      port = ntohs(at.sin_port);
    }
    dlfs::UniqueFd fd;
    std::uint16_t port = 0;
  };

  suite.test("a refused connection names the address", [] {
    const Refusing refusing;
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(get(1, fetcher.add_endpoint(to({refusing.port})), fetch, 0, kSize));
    CHECK(fetch->wait().kind == FetchKind::kConnectFailed);
    CHECK_EQ(fetch->wait().text, "connect to 127.0.0.1:" + std::to_string(refusing.port) + ": Connection refused");
  });
  suite.test("a failing address is passed over, and avoided from then on", [] {
    const Refusing refusing;
    const Server server([](Peer& peer) {
      peer.read_head();
      peer.send(partial(0, kSize, "Connection: close\r\n") + kBody);
    });
    Fetcher fetcher({.threads = 1});
    const std::uint32_t endpoint = fetcher.add_endpoint(to({refusing.port, server.port()}));
    for (std::uint64_t id = 0; id < 6; ++id) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id, endpoint, fetch, 0, kSize));
      CHECK_EQ(fetch->wait().text, "");
    }
    CHECK_EQ(fetcher.stats().connect_failures, 1u);
    CHECK_EQ(fetcher.stats().connects, 6u);
  });
  suite.test("a silent address has its part of the time, then the next one its own", [] {
    const Blackhole hole;
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(
        limited(1, fetcher.add_endpoint(to({hole.port(), server.port()})), fetch, milliseconds(1000), kLong, kLong));
    CHECK_EQ(fetch->wait().text, "");
    CHECK(fetch->wait().timings.connect >= milliseconds(500));
  });
  suite.test("connections go round the addresses", [] {
    const Server one(serve);
    const Server other(serve);
    Fetcher fetcher({.threads = 1, .max_idle_per_endpoint = 0});
    const std::uint32_t endpoint = fetcher.add_endpoint(to({one.port(), other.port()}));
    for (std::uint64_t id = 0; id < 6; ++id) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id, endpoint, fetch, 0, kSize));
      CHECK(fetch->wait().kind == FetchKind::kOk);
    }
    CHECK_EQ(one.connections(), 3u);
    CHECK_EQ(other.connections(), 3u);
  });
  suite.test("new addresses take effect for new connections", [] {
    const Refusing refusing;
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const std::uint32_t endpoint = fetcher.add_endpoint(to({refusing.port}));
    fetcher.update_addresses(endpoint, {{"127.0.0.1", server.port()}});
    const auto fetch = make_fetch();
    fetcher.submit(get(1, endpoint, fetch, 0, kSize));
    CHECK(fetch->wait().kind == FetchKind::kOk);
  });
  suite.test("IPv6 works where the machine has it, and an unreachable family fails over", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    EndpointConfig config = to(server);
    config.addresses.insert(config.addresses.begin(), {"::1", server.port()});  // nobody listens there
    const auto fetch = make_fetch();
    fetcher.submit(get(1, fetcher.add_endpoint(std::move(config)), fetch, 0, kSize));
    CHECK_EQ(fetch->wait().text, "");
  });
  suite.test("what is no address, no request or no endpoint is refused at once", [] {
    Fetcher fetcher({.threads = 1});
    const auto refused = [](auto&& what) {
      try {
        what();
      } catch (const std::invalid_argument&) {
        return true;
      }
      return false;
    };
    CHECK(refused([&] { fetcher.add_endpoint({}); }));
    CHECK(refused([&] { fetcher.add_endpoint({.addresses = {{"localhost", 80}}, .tls = nullptr, .tunnel = {}}); }));
    CHECK(refused([&] { fetcher.add_endpoint({.addresses = {{"127.0.0.1", 0}}, .tls = nullptr, .tunnel = {}}); }));
    CHECK(refused([&] {
      fetcher.add_endpoint({.addresses = {{"::1", 1}}, .tls = nullptr, .tunnel = ProxyTunnel{"a:1\r\nX: y", ""}});
    }));
    CHECK(refused([&] { fetcher.update_addresses(99, {{"::1", 1}}); }));
    const std::uint32_t endpoint = fetcher.add_endpoint(to({1}));
    const auto fetch = make_fetch();
    CHECK(refused([&] { fetcher.submit(get(1, 99, fetch, 0, 1)); }));
    CHECK(refused([&] { fetcher.submit(get(1, endpoint, fetch, 0, 0)); }));
    CHECK(refused([&] { fetcher.submit(get(1, endpoint, fetch, UINT64_MAX, 1)); }));
    FetchRequest headless = get(1, endpoint, fetch, 0, 1);
    headless.head = "GET / HTTP/1.1\r\n";
    CHECK(refused([&] { fetcher.submit(std::move(headless)); }));
    CHECK(!fetch->finished());
  });
}

void test_back_pressure(Suite& suite) {
  suite.test("a sink without a window stops its own connection only, without a stall, and goes on where it was", [] {
    const std::size_t length = 4'000'000;
    const std::string body(length, 'x');
    const Server big([&](Peer& peer) {
      peer.read_head();
      peer.send(partial(0, length) + body);
      peer.wait_for_close();
    });
    const Server small(serve);
    Fetcher fetcher({.threads = 1});
    const auto slow = make_fetch();
    slow->allow(100'000);
    FetchRequest request = get(1, fetcher.add_endpoint(to(big)), slow, 0, length);
    request.stall_timeout = kShort;
    fetcher.submit(std::move(request));
    slow->wait_for_back_pressure();
    const std::uint32_t endpoint = fetcher.add_endpoint(to(small));
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t id = 2; std::chrono::steady_clock::now() - start < 2 * kShort; ++id) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id, endpoint, fetch, 0, kSize));
      CHECK(fetch->wait().kind == FetchKind::kOk);
    }
    CHECK(!slow->finished());
    CHECK_EQ(slow->body().size(), 100'000u);
    slow->allow(length);
    fetcher.resume(1);
    CHECK_EQ(slow->wait().text, "");
    CHECK(slow->body() == body);
    CHECK(fetcher.stats().back_pressure >= 1);
  });
  suite.test("bytes that came with the head wait for the window too", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetch->allow(0);
    fetcher.submit(get(7, fetcher.add_endpoint(to(server)), fetch, 0, kSize));
    for (std::size_t allowed = 0; allowed < kSize; ++allowed) {
      fetch->wait_for_bytes(allowed);
      fetch->allow(allowed + 1);
      fetcher.resume(7);
    }
    CHECK_EQ(fetch->wait().text, "");
    CHECK(fetch->body() == kBody);
  });
  suite.test("the whole deadline holds during back-pressure", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetch->allow(1);
    fetcher.submit(limited(1, fetcher.add_endpoint(to(server)), fetch, kLong, kShort, 3 * kShort));
    CHECK_EQ(fetch->wait().text, "not complete within 750 ms, 1 of 1000 bytes received");
  });
  suite.test("a stall counts again after back-pressure has ended", [] {
    const Server server(serve_half);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetch->allow(1);
    fetcher.submit(limited(1, fetcher.add_endpoint(to(server)), fetch, kLong, kShort, kLong));
    fetch->wait_for_back_pressure();
    fetch->allow(kSize);
    fetcher.resume(1);
    CHECK_EQ(fetch->wait().text, "no byte for 250 ms, 500 of 1000 bytes received");
  });
  suite.test("a resume that nobody waits for is harmless", [] {
    const Server server(serve);
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.resume(1);
    fetcher.submit(get(1, fetcher.add_endpoint(to(server)), fetch, 0, kSize));
    for (int i = 0; i < 100; ++i) fetcher.resume(1);
    CHECK(fetch->wait().kind == FetchKind::kOk);
    fetcher.resume(1);
  });
}

// The states that a request can be in, each with a way to know that it is there.
struct State {
  const char* name;
  std::function<void(Peer&)> script;  // null: connecting
  std::size_t allowed;
  std::size_t bytes;  // to wait for
};
const std::vector<State>& states() {
  static const std::vector<State> all = {
      {"connecting", nullptr, kSize, 0},
      {"waiting for the head", stay_silent, kSize, 0},
      {"in the head",
       [](Peer& peer) {
         peer.read_head();
         peer.send("HTTP/1.1 2");
         peer.wait_for_close();
       },
       kSize, 0},
      {"in the body", serve_half, kSize, kSize / 2},
      {"in back-pressure", serve, 10, 10},
      {"in an error body",
       [](Peer& peer) {
         peer.read_head();
         peer.send("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nabc");
         peer.wait_for_close();
       },
       kSize, 0},
  };
  return all;
}

void test_cancel(Suite& suite) {
  for (const State& state : states()) {
    suite.test(std::string("a cancelled request finishes, its connection closed: ") + state.name, [&] {
      const Blackhole hole;
      std::counting_semaphore<> closed(0);
      const Server server([&](Peer& peer) {
        if (state.script) state.script(peer);
        peer.wait_for_close();
        closed.release();
      });
      Fetcher fetcher({.threads = 1});
      const auto fetch = make_fetch();
      fetch->allow(state.allowed);
      fetcher.submit(get(1, fetcher.add_endpoint(to({state.script ? server.port() : hole.port()})), fetch, 0, kSize));
      if (state.script) until([&] { return fetcher.stats().connects == 1; }, "it connects");
      fetch->wait_for_bytes(state.bytes);
      fetcher.cancel(1);
      CHECK(fetch->wait().kind == FetchKind::kCancelled);
      CHECK_EQ(fetch->wait().text, "cancelled");
      CHECK_EQ(fetch->body().size(), state.bytes);
      if (state.script) closed.acquire();
      CHECK_EQ(fetcher.stats().active, 0u);
      CHECK_EQ(fetcher.stats().idle_connections, 0u);
    });
  }
  suite.test("cancelling at once, twice, afterwards or an unknown one is harmless", [] {
    const Server server(stay_silent);
    Fetcher fetcher({.threads = 2});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    for (std::uint64_t id = 0; id < 100; ++id) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id, endpoint, fetch, 0, kSize));
      fetcher.cancel(id);
      fetcher.cancel(id);
      CHECK(fetch->wait().kind == FetchKind::kCancelled);
      fetcher.cancel(id);
      CHECK_EQ(fetch->finishes(), 1u);
    }
  });
  suite.test("an id in use is refused without harm to its owner", [] {
    const Server server(serve_half);
    Fetcher fetcher({.threads = 1});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    const auto owner = make_fetch();
    fetcher.submit(get(1, endpoint, owner, 0, kSize));
    const auto intruder = make_fetch();
    fetcher.submit(get(1, endpoint, intruder, 0, kSize));
    CHECK(intruder->wait().kind == FetchKind::kCancelled);
    CHECK(!owner->finished());
  });
  suite.test("a removed endpoint cancels its requests, closes its idle connections, and no other's", [] {
    const Server server(serve);
    const Server silent(stay_silent);
    Fetcher fetcher({.threads = 1});
    const std::uint32_t gone = fetcher.add_endpoint(to(server));
    const std::uint32_t quiet = fetcher.add_endpoint(to(silent));
    const std::uint32_t stays = fetcher.add_endpoint(to(server));
    std::uint64_t id = 0;
    for (const std::uint32_t endpoint : {gone, stays}) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id++, endpoint, fetch, 0, kSize));
      CHECK(fetch->wait().kind == FetchKind::kOk);
    }
    const auto waiting = make_fetch();
    fetcher.submit(get(id++, quiet, waiting, 0, kSize));
    fetcher.remove_endpoint(gone);
    fetcher.remove_endpoint(quiet);
    fetcher.remove_endpoint(12345);
    CHECK(waiting->wait().kind == FetchKind::kCancelled);
    until([&] { return fetcher.stats().idle_connections == 1; }, "the removed endpoint's connections are closed");
    const auto again = make_fetch();
    fetcher.submit(get(id++, stays, again, 0, kSize));
    CHECK(again->wait().reused_connection);
  });
}

void test_shutdown(Suite& suite) {
  suite.test("shutdown finishes requests in every state, once each", [] {
    const Blackhole hole;
    std::vector<std::unique_ptr<Server>> servers;
    std::vector<std::shared_ptr<Fetch>> fetches;
    {
      Fetcher fetcher({.threads = 2});
      std::uint64_t id = 0;
      for (const State& state : states()) {
        if (state.script) servers.push_back(std::make_unique<Server>(state.script));
        const std::uint32_t endpoint = fetcher.add_endpoint(to({state.script ? servers.back()->port() : hole.port()}));
        for (int i = 0; i < 4; ++i) {
          fetches.push_back(make_fetch());
          fetches.back()->allow(state.allowed);
          fetcher.submit(get(id++, endpoint, fetches.back(), 0, kSize));
          fetches.back()->wait_for_bytes(state.bytes);
        }
      }
    }
    for (const auto& fetch : fetches) {
      CHECK_EQ(fetch->finishes(), 1u);
      CHECK(fetch->wait().kind == FetchKind::kCancelled);
    }
  });
  suite.test("a request submitted by a sink during shutdown finishes too, on whichever thread", [] {
    const Server server(stay_silent);
    std::vector<std::shared_ptr<Fetch>> late;
    std::mutex mutex;
    {
      Fetcher fetcher({.threads = 3});
      const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
      for (std::uint64_t id = 0; id < 30; ++id) {
        const auto first = make_fetch();
        first->on_finish = [&, id] {
          const auto fetch = make_fetch();
          {
            const std::lock_guard lock(mutex);
            late.push_back(fetch);
          }
          fetcher.submit(get(100 + 7 * id, endpoint, fetch, 0, kSize));
        };
        fetcher.submit(get(id, endpoint, first, 0, kSize));
      }
    }
    CHECK_EQ(late.size(), 30u);
    for (const auto& fetch : late) CHECK_EQ(fetch->finishes(), 1u);
  });
}

}  // namespace

int main() {
  Suite suite;
  test_timeouts(suite);
  test_addresses(suite);
  test_back_pressure(suite);
  test_cancel(suite);
  test_shutdown(suite);
  return suite.exit_code();
}
