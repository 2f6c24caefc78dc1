// A tunnel through an HTTP proxy: CONNECT first, then the origin as if it were there. (TLS inside of it is tested
// through the addon; the tunnel is the same with and without.)
#include <string>

#include "http_check.h"
#include "http_client.h"

namespace {

using namespace dlfs::http;
using namespace dlfs::test;

const std::string kTen = "0123456789";

struct Tunnelled {
  Tunnelled(std::string answer, const std::string& authorization, bool close = false)
      : proxy([this, answer = std::move(answer), close](Peer& peer) {
          const std::string connect = peer.read_head();
          {
            const std::lock_guard lock(mutex);
            heads.push_back(connect);
          }
          peer.send(answer);
          if (close) return;
          while (!peer.read_head().empty()) peer.send(partial(0, 10) + kTen);
        }) {
    EndpointConfig config = to(proxy);
    config.tunnel = ProxyTunnel{.authority = "bucket.example:443", .authorization = authorization};
    endpoint = fetcher.add_endpoint(std::move(config));
  }
  FetchResult& run() {
    fetch = make_fetch();
    fetcher.submit(get(next_id++, endpoint, fetch, 0, 10));
    return fetch->wait();
  }

  std::mutex mutex;
  std::vector<std::string> heads;
  Server proxy;
  Fetcher fetcher{FetcherOptions{.threads = 1}};
  std::uint32_t endpoint = 0;
  std::shared_ptr<Fetch> fetch;
  std::uint64_t next_id = 0;
};

}  // namespace

int main() {
  Suite suite;
  suite.test("a tunnel is asked for once, with its authorization, and carries several requests", [] {
    Tunnelled tunnelled("HTTP/1.1 200 Connection established\r\n\r\n", "Basic dTpw");
    for (int i = 0; i < 3; ++i) {
      CHECK_EQ(tunnelled.run().text, "");
      CHECK_EQ(tunnelled.fetch->body(), kTen);
    }
    CHECK_EQ(tunnelled.proxy.connections(), 1u);
    CHECK_EQ(
        tunnelled.heads.at(0),
        "CONNECT bucket.example:443 HTTP/1.1\r\nHost: bucket.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
  });
  suite.test("without an authorization none is sent", [] {
    Tunnelled tunnelled("HTTP/1.1 200 OK\r\n\r\n", "");
    tunnelled.run();
    CHECK_EQ(tunnelled.heads.at(0), "CONNECT bucket.example:443 HTTP/1.1\r\nHost: bucket.example:443\r\n\r\n");
  });
  suite.test("a proxy that refuses is named with its status, and never with the secret", [] {
    Tunnelled tunnelled("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "Basic c2VjcmV0");
    const FetchResult& result = tunnelled.run();
    CHECK(result.kind == FetchKind::kConnectFailed);
    CHECK_EQ(result.text, "the proxy refused the tunnel with status 407");
    CHECK_EQ(result.head.status, 407);
  });
  suite.test("a proxy that closes, talks nonsense or puts bytes into the tunnel is a failed connection", [] {
    struct Case {
      std::string answer;
      bool close;
      std::string text;
    };
    for (const Case& bad :
         {Case{"", true, "the proxy closed the connection"},
          Case{"SOCKS\r\n\r\n", false, "the proxy's answer is malformed: it does not begin with HTTP/1."},
          Case{"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 206 OK\r\n", false, "the proxy sent bytes into the tunnel"}}) {
      Tunnelled tunnelled(bad.answer, "", bad.close);
      const FetchResult& result = tunnelled.run();
      CHECK(result.kind == FetchKind::kConnectFailed);
      CHECK_EQ(result.text, "connect to 127.0.0.1:" + std::to_string(tunnelled.proxy.port()) + ": " + bad.text);
    }
  });
  suite.test("after a proxy that talks nonsense the next address starts afresh", [] {
    const Server nonsense([](Peer& peer) {
      peer.read_head();
      peer.send("HTTP/1.1 200 OK\r\nHalf a field");
    });
    Tunnelled tunnelled("HTTP/1.1 200 OK\r\n\r\n", "");
    EndpointConfig config = to({nonsense.port(), tunnelled.proxy.port()});
    config.tunnel = ProxyTunnel{.authority = "bucket.example:443", .authorization = ""};
    tunnelled.endpoint = tunnelled.fetcher.add_endpoint(std::move(config));
    CHECK_EQ(tunnelled.run().text, "");
    CHECK_EQ(tunnelled.fetcher.stats().connect_failures, 1u);
  });
  suite.test("a proxy that does not answer is a timeout of the connection", [] {
    Tunnelled tunnelled("", "");
    tunnelled.fetch = make_fetch();
    FetchRequest request = get(1, tunnelled.endpoint, tunnelled.fetch, 0, 10);
    request.connect_timeout = std::chrono::milliseconds(250);
    tunnelled.fetcher.submit(std::move(request));
    CHECK(tunnelled.fetch->wait().kind == FetchKind::kTimeout);
    CHECK_EQ(tunnelled.fetch->wait().text, "no connection within 250 ms");
  });
  return suite.exit_code();
}
