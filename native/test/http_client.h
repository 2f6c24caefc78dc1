// What the tests of the Fetcher fetch with: a sink that records everything, and a handle that waits for the result.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../src/http/fetcher.h"
#include "http_server.h"

namespace dlfs::test {

// Far above anything that a passing test needs, so that a hang ends as a failure that names its line.
inline constexpr std::chrono::seconds kPatience{20};

// Shared by a test and the sink of one of its requests.
class Fetch {
 public:
  // What the sink does; set before submit().
  bool accepts = true;
  std::size_t window_size = 1 << 20;  // the largest window that it offers
  std::function<void()> on_finish;    // called last, on the fetch thread

  // How many bytes the sink may take before it has no window; default: no limit. Any thread; call Fetcher::resume()
  // after.
  void allow(std::size_t bytes) { allowed_.store(bytes); }

  // Blocks until finish().
  http::FetchResult& wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [this] { return finishes_ > 0; }))
      throw std::runtime_error("the request did not finish");
    return result_;
  }
  // Blocks until the sink has told that it has no window.
  void wait_for_back_pressure() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [this] { return starved_; })) throw std::runtime_error("no back-pressure");
  }
  // Blocks until this many bytes have come.
  void wait_for_bytes(std::size_t n) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return body_.size() >= n; }))
      throw std::runtime_error("the bytes did not come");
  }
  bool finished() {
    const std::lock_guard lock(mutex_);
    return finishes_ > 0;
  }
  unsigned finishes() {
    const std::lock_guard lock(mutex_);
    return finishes_;
  }
  std::string body() {
    const std::lock_guard lock(mutex_);
    return body_;
  }

  class Sink final : public http::BodySink {
   public:
    explicit Sink(std::shared_ptr<Fetch> fetch) : fetch_(std::move(fetch)) {}
    bool accept(const http::ResponseHead&) override { return fetch_->accepts; }
    std::span<std::byte> window() override {
      const std::size_t taken = fetch_->taken_;
      const std::size_t size =
          std::min(fetch_->window_size, fetch_->allowed_.load() - std::min(fetch_->allowed_.load(), taken));
      if (size == 0) {
        const std::lock_guard lock(fetch_->mutex_);
        fetch_->starved_ = true;
        fetch_->changed_.notify_all();
      }
      // A fresh buffer of the exact size, so that AddressSanitizer sees any byte too many.
      window_ = std::make_unique_for_overwrite<std::byte[]>(size);
      return {window_.get(), size};
    }
    void advance(std::size_t n) override {
      fetch_->taken_ += n;
      const std::lock_guard lock(fetch_->mutex_);
      fetch_->body_.append(reinterpret_cast<const char*>(window_.get()), n);
      fetch_->changed_.notify_all();
    }
    void finish(http::FetchResult&& result) override {
      const std::shared_ptr<Fetch> fetch = fetch_;
      if (fetch->on_finish) fetch->on_finish();
      const std::lock_guard lock(fetch->mutex_);
      fetch->result_ = std::move(result);
      ++fetch->finishes_;
      fetch->changed_.notify_all();
    }

   private:
    const std::shared_ptr<Fetch> fetch_;
    std::unique_ptr<std::byte[]> window_;
  };

 private:
  std::atomic<std::size_t> allowed_{static_cast<std::size_t>(-1)};
  std::size_t taken_ = 0;  // the fetch thread's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string body_;
  http::FetchResult result_;
  unsigned finishes_ = 0;
  bool starved_ = false;
};

inline std::shared_ptr<Fetch> make_fetch() { return std::make_shared<Fetch>(); }

inline http::EndpointConfig to(std::initializer_list<std::uint16_t> ports) {
  http::EndpointConfig config;
  for (const std::uint16_t port : ports) config.addresses.push_back({"127.0.0.1", port});
  return config;
}
inline http::EndpointConfig to(const Server& server) { return to({server.port()}); }

// A request for `length` bytes at `offset`; the head is what a script expects to read.
inline http::FetchRequest get(std::uint64_t id, std::uint32_t endpoint, const std::shared_ptr<Fetch>& fetch,
                              std::uint64_t offset, std::uint64_t length) {
  http::FetchRequest request;
  request.id = id;
  request.endpoint = endpoint;
  request.head = "GET /object HTTP/1.1\r\nHost: origin\r\nRange: bytes=" + std::to_string(offset) + "-" +
                 std::to_string(offset + length - 1) + "\r\n\r\n";
  request.expect_offset = offset;
  request.expect_length = length;
  request.sink = std::make_unique<Fetch::Sink>(fetch);
  return request;
}

// A right answer to get(), without its body.
inline std::string partial(std::uint64_t offset, std::uint64_t length, const std::string& more = "") {
  return "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(offset) + "-" +
         std::to_string(offset + length - 1) + "/100000000\r\nContent-Length: " + std::to_string(length) + "\r\n" +
         more + "\r\n";
}

// Waits, without a limit of its own on speed, for what has no event to wait for, such as a counter.
template <typename Condition>
void until(Condition holds, const char* what) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error(std::string("in vain: ") + what);
    std::this_thread::yield();
  }
}

}  // namespace dlfs::test
