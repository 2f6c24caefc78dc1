// The Fetcher and what an origin may answer: right ranges, wrong ranges, error statuses, cut and overlong bodies,
// reuse.
#include <semaphore>
#include <string>

#include "http_check.h"
#include "http_client.h"

namespace {

using namespace dlfs::http;
using namespace dlfs::test;
using std::chrono::milliseconds;

constexpr std::size_t kSmall = 10;
const std::string kTen = "0123456789";

// One request for bytes 5-14 to a server that answers each connection's first request with `answer` and then closes or
// waits.
struct Single {
  explicit Single(std::string answer, bool close = false)
      : server([answer = std::move(answer), close](Peer& peer) {
          while (!peer.read_head().empty()) {
            if (!peer.send(answer) || close) return;
          }
        }),
        fetcher(FetcherOptions{.threads = 1}),
        endpoint(fetcher.add_endpoint(to(server))) {}

  FetchResult& run(std::uint64_t offset = 5, std::uint64_t length = kSmall) {
    fetch = make_fetch();
    fetcher.submit(get(next_id++, endpoint, fetch, offset, length));
    return fetch->wait();
  }

  Server server;
  Fetcher fetcher;
  const std::uint32_t endpoint;
  std::shared_ptr<Fetch> fetch;
  std::uint64_t next_id = 0;
};

std::string body_text(const FetchResult& result) {
  return {reinterpret_cast<const char*>(result.body.data()), result.body.size()};
}

void test_right_answers(Suite& suite) {
  suite.test("a right range arrives byte for byte and its connection is used again", [] {
    Single single(partial(5, kSmall, "ETag: \"e\"\r\n") + kTen);
    for (int i = 0; i < 5; ++i) {
      const FetchResult& result = single.run();
      CHECK_EQ(result.text, "");
      CHECK(result.kind == FetchKind::kOk);
      CHECK_EQ(single.fetch->body(), kTen);
      CHECK_EQ(result.received, kSmall);
      CHECK_EQ(result.head.etag, "\"e\"");
      CHECK_EQ(result.reused_connection, i > 0);
      CHECK(result.timings.first_byte.count() > 0 && result.timings.total >= result.timings.first_byte);
    }
    CHECK_EQ(single.server.connections(), 1u);
    const FetcherStats stats = single.fetcher.stats();
    CHECK_EQ(stats.connects, 1u);
    CHECK_EQ(stats.reused, 4u);
    CHECK_EQ(stats.bytes, 5 * kSmall);
    CHECK_EQ(stats.finished, 5u);
    CHECK_EQ(stats.active, 0u);
    CHECK_EQ(stats.idle_connections, 1u);
  });

  suite.test("status 200 is taken for a request of the whole object", [] {
    Single single("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + kTen);
    CHECK(single.run(0, kSmall).kind == FetchKind::kOk);
    CHECK_EQ(single.fetch->body(), kTen);
  });

  suite.test("an object that is stored with a Content-Encoding arrives as stored", [] {
    Single single(partial(5, kSmall, "Content-Encoding: gzip\r\n") + kTen);
    const FetchResult& result = single.run();
    CHECK(result.kind == FetchKind::kOk);
    CHECK_EQ(result.head.content_encoding, "gzip");
  });

  suite.test("interim responses are passed over", [] {
    Single single("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + partial(5, kSmall) +
                  kTen);
    CHECK(single.run().kind == FetchKind::kOk);
    CHECK_EQ(single.fetch->body(), kTen);
  });

  suite.test("a response that comes byte by byte is the same", [] {
    const std::string answer = "HTTP/1.1 100 Continue\r\n\r\n" + partial(5, kSmall) + kTen;
    Server server([&](Peer& peer) {
      peer.read_head();
      for (const char c : answer) peer.send({&c, 1});
      peer.wait_for_close();
    });
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(get(1, fetcher.add_endpoint(to(server)), fetch, 5, kSmall));
    CHECK(fetch->wait().kind == FetchKind::kOk);
    CHECK_EQ(fetch->body(), kTen);
  });

  suite.test("a large body arrives whole through windows of any size", [] {
    std::string body(9'000'001, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 251);
    Server server([&](Peer& peer) {
      while (!peer.read_head().empty()) peer.send(partial(0, body.size()) + body);
    });
    Fetcher fetcher({.threads = 1});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    for (const std::size_t window : std::initializer_list<std::size_t>{1000, 4096, 1'000'003, 10'000'000}) {
      const auto fetch = make_fetch();
      fetch->window_size = window;
      fetcher.submit(get(window, endpoint, fetch, 0, body.size()));
      CHECK_EQ(fetch->wait().text, "");
      CHECK(fetch->body() == body);
    }
    CHECK_EQ(server.connections(), 1u);
  });

  suite.test("a request may be submitted from inside finish()", [] {
    Single single(partial(5, kSmall) + kTen);
    const auto first = make_fetch();
    const auto second = make_fetch();
    first->on_finish = [&] { single.fetcher.submit(get(1, single.endpoint, second, 5, kSmall)); };
    single.fetcher.submit(get(1, single.endpoint, first, 5, kSmall));  // the same id: it is free again by then
    CHECK(second->wait().kind == FetchKind::kOk);
    CHECK(second->wait().reused_connection);
  });
}

void test_connection_end(Suite& suite) {
  suite.test("Connection: close and HTTP/1.0 are respected: the next request connects anew", [] {
    Single closing(partial(5, kSmall, "Connection: close\r\n") + kTen);
    Single old("HTTP/1.0" + partial(5, kSmall).substr(8) + kTen);
    for (Single* single : {&closing, &old}) {
      CHECK(single->run().kind == FetchKind::kOk);
      CHECK_EQ(single->fetcher.stats().idle_connections, 0u);
      CHECK(single->run().kind == FetchKind::kOk);
      CHECK_EQ(single->server.connections(), 2u);
    }
  });

  suite.test("a body that ends early is a reset that says how far it came", [] {
    Single single(partial(5, kSmall) + "0123", true);
    const FetchResult& result = single.run();
    CHECK(result.kind == FetchKind::kReset);
    CHECK_EQ(result.text, "connection closed in the body, 4 of 10 bytes received");
    CHECK_EQ(result.received, 4u);
    CHECK_EQ(result.head.status, 206);
  });

  suite.test("a connection that closes without a response is a reset", [] {
    for (const std::string& answer :
         {std::string(), std::string("HTTP/1.1 2"), std::string("HTTP/1.1 206 OK\r\nContent-Le")}) {
      Single single(answer, true);
      const FetchResult& result = single.run();
      CHECK(result.kind == FetchKind::kReset);
      CHECK_EQ(result.text, "connection closed before a response, no response yet");
      CHECK_EQ(single.server.connections(), 1u);
    }
  });

  suite.test("a connection broken by RST in the body is a reset", [] {
    Server server([](Peer& peer) {
      peer.read_head();
      peer.send(partial(5, kSmall) + "0123");
      peer.reset_at_end();
    });
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetcher.submit(get(1, fetcher.add_endpoint(to(server)), fetch, 5, kSmall));
    CHECK(fetch->wait().kind == FetchKind::kReset);
  });
}

void test_wrong_answers(Suite& suite) {
  struct Wrong {
    const char* name;
    std::string answer;
    std::string text;
  };
  const std::string ten = kTen;
  const std::vector<Wrong> wrongs = {
      {"another range", partial(0, 10) + ten, "asked for bytes 5-14, the answer is bytes 0-9"},
      {"a shorter range", partial(5, 9) + ten, "asked for bytes 5-14, the answer is bytes 5-13"},
      {"the whole object instead of a part", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + ten,
       "asked for bytes 5-14, the answer is the whole object of 10 bytes (status 200)"},
      {"no Content-Range", "HTTP/1.1 206 OK\r\nContent-Length: 10\r\n\r\n" + ten,
       "status 206 without a Content-Range, asked for bytes 5-14"},
      {"no Content-Length", "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-14/100\r\n\r\n" + ten,
       "status 206 without a Content-Length"},
      {"a chunked range",
       "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-14/100\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n" + ten +
           "\r\n0\r\n\r\n",
       "status 206 came chunked instead of with its length"},
      {"something that is not HTTP", "220 smtp.example ESMTP\r\n",
       "malformed response: it does not begin with HTTP/1."},
      {"a switch of protocols", "HTTP/1.1 101 Switching\r\n\r\n", "unexpected interim response 101"},
      {"interim responses without end",
       [] {
         std::string many;
         for (int i = 0; i < 100; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
         return many;
       }(),
       "unexpected interim response 100"},
      {"a head without end", "HTTP/1.1 206 OK\r\nA: " + std::string(100'000, 'x'),
       "malformed response: the head is longer than 64 KiB"},
      {"bytes behind the body", partial(5, 10) + ten + "HTTP/1.1 200 OK\r\n", "bytes follow the body"},
  };
  for (const Wrong& wrong : wrongs) {
    suite.test(std::string("a protocol failure, the connection closed: ") + wrong.name, [&] {
      Single single(wrong.answer);
      const FetchResult& result = single.run();
      CHECK_EQ(result.text, wrong.text);
      CHECK(result.kind == FetchKind::kProtocol);
      CHECK_EQ(single.fetcher.stats().idle_connections, 0u);
    });
  }

  suite.test("bytes behind a body that comes without its head are seen with the body's last read", [] {
    const std::size_t length = 10'000;  // with its extra byte still one segment on loopback
    std::binary_semaphore head_taken(0);
    std::binary_semaphore body_sent(0);
    Server server([&](Peer& peer) {
      peer.read_head();
      peer.send(partial(0, length));
      head_taken.acquire();
      peer.send(std::string(length, 'b') + "X");
      body_sent.release();
      peer.wait_for_close();
    });
    Fetcher fetcher({.threads = 1});
    const auto fetch = make_fetch();
    fetch->allow(0);
    fetcher.submit(get(1, fetcher.add_endpoint(to(server)), fetch, 0, length));
    fetch->wait_for_back_pressure();
    head_taken.release();
    body_sent.acquire();
    fetch->allow(length);
    fetcher.resume(1);
    CHECK_EQ(fetch->wait().text, "bytes follow the body");
    CHECK(fetch->wait().kind == FetchKind::kProtocol);
    CHECK(fetch->body() == std::string(length, 'b'));
    CHECK_EQ(fetcher.stats().idle_connections, 0u);
  });

  suite.test("a sink that does not accept drops the connection", [] {
    Single single(partial(5, kSmall) + kTen);
    single.fetch = make_fetch();
    single.fetch->accepts = false;
    single.fetcher.submit(get(1, single.endpoint, single.fetch, 5, kSmall));
    CHECK(single.fetch->wait().kind == FetchKind::kRejected);
    CHECK_EQ(single.fetch->body(), "");
    CHECK_EQ(single.fetcher.stats().idle_connections, 0u);
  });
}

void test_error_statuses(Suite& suite) {
  const std::string xml = "<Error><Code>SlowDown</Code></Error>";
  suite.test("an error status brings its head and body, and its connection is used again", [&] {
    Single single("HTTP/1.1 503 Slow Down\r\nRetry-After: 3\r\nContent-Length: " + std::to_string(xml.size()) +
                  "\r\n\r\n" + xml);
    for (int i = 0; i < 2; ++i) {
      const FetchResult& result = single.run();
      CHECK(result.kind == FetchKind::kHttpError);
      CHECK_EQ(result.text, "status 503");
      CHECK_EQ(result.head.status, 503);
      CHECK_EQ(result.head.retry_after, "3");
      CHECK_EQ(body_text(result), xml);
      CHECK_EQ(single.fetch->body(), "");
    }
    CHECK_EQ(single.server.connections(), 1u);
  });

  suite.test("a chunked error body, as S3 sends it", [&] {
    Single single("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n<Error>\r\n" +
                  std::string("1d\r\n") + xml.substr(7) + "\r\n0\r\n\r\n");
    for (int i = 0; i < 2; ++i) CHECK_EQ(body_text(single.run()), xml);
    CHECK_EQ(single.server.connections(), 1u);
  });

  suite.test("an error body without a length ends with the connection", [&] {
    Single single("HTTP/1.1 500 No\r\n\r\n" + xml, true);
    CHECK_EQ(body_text(single.run()), xml);
    CHECK_EQ(single.fetcher.stats().idle_connections, 0u);
  });

  suite.test("a status without a body keeps the connection", [&] {
    Single single("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
    for (int i = 0; i < 2; ++i) CHECK_EQ(single.run().head.status, 304);
    CHECK_EQ(single.server.connections(), 1u);
    Single empty("HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n");
    for (int i = 0; i < 2; ++i) CHECK_EQ(empty.run().head.status, 412);
    CHECK_EQ(empty.server.connections(), 1u);
  });

  suite.test("an error body is cut at 64 KiB, whatever its framing, and the connection closed", [&] {
    const std::string big(300'000, 'e');
    for (const std::string& answer :
         {"HTTP/1.1 500 No\r\nContent-Length: 300000\r\n\r\n" + big, "HTTP/1.1 500 No\r\n\r\n" + big,
          "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + big + "\r\n0\r\n\r\n"}) {
      Single single(answer);
      const FetchResult& result = single.run();
      CHECK(result.kind == FetchKind::kHttpError);
      CHECK(body_text(result) == big.substr(0, 65536));
      CHECK_EQ(single.fetcher.stats().idle_connections, 0u);
    }
  });

  suite.test("an error body that breaks off, breaks its framing or stalls still tells the status", [&] {
    Single cut("HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nabc", true);
    CHECK_EQ(body_text(cut.run()), "abc");
    Single bad("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
    CHECK_EQ(body_text(bad.run()), "abc");
    Single stalled("HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nabc");
    const auto fetch = make_fetch();
    FetchRequest request = get(1, stalled.endpoint, fetch, 5, kSmall);
    request.stall_timeout = milliseconds(250);
    stalled.fetcher.submit(std::move(request));
    CHECK(fetch->wait().kind == FetchKind::kHttpError);
    CHECK_EQ(fetch->wait().head.status, 503);
    CHECK_EQ(body_text(fetch->wait()), "abc");
  });
}

void test_stale(Suite& suite) {
  suite.test("a kept connection that turns out to be closed is replaced once, unseen", [] {
    // Each connection answers one request and closes at the second, before any byte.
    Server server([](Peer& peer) {
      peer.read_head();
      peer.send(partial(5, kSmall) + kTen);
      peer.read_head();
    });
    Fetcher fetcher({.threads = 1});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    for (std::uint64_t id = 0; id < 3; ++id) {
      const auto fetch = make_fetch();
      fetcher.submit(get(id, endpoint, fetch, 5, kSmall));
      CHECK_EQ(fetch->wait().text, "");
      CHECK_EQ(fetch->body(), kTen);
      CHECK(!fetch->wait().reused_connection);
    }
    CHECK_EQ(server.connections(), 3u);
    CHECK_EQ(fetcher.stats().stale_retries, 2u);
  });

  suite.test("the replacement is not replaced again, nor is a connection that sent a byte", [] {
    for (const bool byte : {false, true}) {
      Server server([byte](Peer& peer) {
        if (peer.index() > 0) return;  // closes at once
        peer.read_head();
        peer.send(partial(5, kSmall) + kTen);
        peer.read_head();
        if (byte) peer.send("H");
      });
      Fetcher fetcher({.threads = 1});
      const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
      const auto first = make_fetch();
      fetcher.submit(get(1, endpoint, first, 5, kSmall));
      CHECK(first->wait().kind == FetchKind::kOk);
      const auto second = make_fetch();
      fetcher.submit(get(2, endpoint, second, 5, kSmall));
      CHECK(second->wait().kind == FetchKind::kReset);
      CHECK_EQ(server.connections(), byte ? 1u : 2u);
    }
  });

  suite.test("an idle connection that the origin closes, or speaks on, is dropped at once", [] {
    for (const bool speaks : {false, true}) {
      Server server([speaks](Peer& peer) {
        peer.read_head();
        peer.send(partial(5, kSmall) + kTen);
        if (!speaks) return;
        peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
        peer.wait_for_close();
      });
      Fetcher fetcher({.threads = 1});
      const auto fetch = make_fetch();
      fetcher.submit(get(1, fetcher.add_endpoint(to(server)), fetch, 5, kSmall));
      fetch->wait();
      until([&] { return fetcher.stats().idle_connections == 0; }, "the idle connection is dropped");
    }
  });

  suite.test("an idle connection is closed after its time, and no more are kept than allowed", [] {
    Server server([](Peer& peer) {
      while (!peer.read_head().empty()) peer.send(partial(5, kSmall) + kTen);
    });
    Fetcher fetcher({.threads = 1, .max_idle_per_endpoint = 2, .idle_timeout = milliseconds(60)});
    const std::uint32_t endpoint = fetcher.add_endpoint(to(server));
    std::vector<std::shared_ptr<Fetch>> fetches;
    for (std::uint64_t id = 0; id < 6; ++id) {
      fetches.push_back(make_fetch());
      fetcher.submit(get(id, endpoint, fetches.back(), 5, kSmall));
    }
    for (const auto& fetch : fetches) CHECK(fetch->wait().kind == FetchKind::kOk);
    CHECK(fetcher.stats().idle_connections <= 2);
    until([&] { return fetcher.stats().idle_connections == 0; }, "idle connections are closed");
  });
}

}  // namespace

int main() {
  Suite suite;
  test_right_answers(suite);
  test_connection_end(suite);
  test_wrong_answers(suite);
  test_error_statuses(suite);
  test_stale(suite);
  return suite.exit_code();
}
