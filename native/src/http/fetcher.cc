#include "fetcher.h"

#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>

#include "../base/threads.h"
#include "endpoint.h"
#include "loop.h"
#include "tls.h"

namespace dlfs::http {

class Fetcher::Impl {
 public:
  explicit Impl(const FetcherOptions& options) {
    if (options.threads == 0) throw std::invalid_argument("a fetcher needs a thread");
    for (unsigned i = 0; i < options.threads; ++i) loops_.push_back(std::make_unique<FetchLoop>(options));
    threads_.reserve(options.threads);
    try {
      for (unsigned i = 0; i < options.threads; ++i) {
        const std::string name = "dlfs-fetch-" + std::to_string(i % 1000);
        threads_.push_back(start_thread(name.c_str(), [loop = loops_[i].get()] { loop->run(); }));
      }
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Impl() { stop(); }

  std::uint32_t add_endpoint(EndpointConfig config) {
    const std::lock_guard lock(mutex_);
    auto endpoint = std::make_shared<Endpoint>(next_endpoint_, std::move(config));
    endpoints_.emplace(next_endpoint_, std::move(endpoint));
    return next_endpoint_++;
  }

  std::shared_ptr<Endpoint> endpoint(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = endpoints_.find(id);
    return found == endpoints_.end() ? nullptr : found->second;
  }

  void remove_endpoint(std::uint32_t id) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = endpoints_.find(id);
      if (found == endpoints_.end()) return;
      found->second->retire();
      endpoints_.erase(found);
    }
    for (const auto& loop : loops_) loop->post(RemoveEndpointMessage{id});
  }

  FetchLoop& loop_of(std::uint64_t id) { return *loops_[id % loops_.size()]; }

  FetcherStats stats() const {
    FetcherStats sum;
    for (const auto& loop : loops_) loop->add_to(sum);
    return sum;
  }

 private:
  void stop() {
    for (const auto& loop : loops_) loop->post(StopMessage{});
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    // A sink that finished on one thread may have submitted to another one that had already ended.
    for (bool any = true; any;) {
      any = false;
      for (const auto& loop : loops_) any = loop->cancel_leftovers() || any;
    }
  }

  std::vector<std::unique_ptr<FetchLoop>> loops_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::shared_ptr<Endpoint>> endpoints_;  // under mutex_
  std::uint32_t next_endpoint_ = 1;                                         // under mutex_
};

std::string_view to_string(FetchKind kind) noexcept {
  switch (kind) {
    case FetchKind::kOk:
      return "ok";
    case FetchKind::kHttpError:
      return "http_error";
    case FetchKind::kConnectFailed:
      return "connect_failed";
    case FetchKind::kTlsFailed:
      return "tls_failed";
    case FetchKind::kTimeout:
      return "timeout";
    case FetchKind::kReset:
      return "reset";
    case FetchKind::kProtocol:
      return "protocol";
    case FetchKind::kCancelled:
      return "cancelled";
    case FetchKind::kRejected:
      return "rejected";
  }
  return "unknown";
}

Fetcher::Fetcher(const FetcherOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Fetcher::~Fetcher() = default;

std::uint32_t Fetcher::add_endpoint(EndpointConfig config) { return impl_->add_endpoint(std::move(config)); }

void Fetcher::update_addresses(std::uint32_t endpoint, const std::vector<Address>& addresses) {
  const std::shared_ptr<Endpoint> known = impl_->endpoint(endpoint);
  if (!known) throw std::invalid_argument("no such endpoint");
  known->update_addresses(addresses);
}

void Fetcher::remove_endpoint(std::uint32_t endpoint) { impl_->remove_endpoint(endpoint); }

void Fetcher::submit(FetchRequest request) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!request.sink) throw std::invalid_argument("a request needs a sink");
  if (!request.head.ends_with("\r\n\r\n")) throw std::invalid_argument("a request's head ends with an empty line");
  if (request.expect_length == 0 || request.expect_length > kMax ||
      request.expect_offset > kMax - request.expect_length) {
    throw std::invalid_argument("a request's range is empty or beyond 2^63");
  }
  std::shared_ptr<Endpoint> endpoint = impl_->endpoint(request.endpoint);
  if (!endpoint) throw std::invalid_argument("no such endpoint");
  FetchLoop& loop = impl_->loop_of(request.id);
  loop.post(SubmitMessage{std::move(request), std::move(endpoint), std::chrono::steady_clock::now()});
}

void Fetcher::cancel(std::uint64_t id) { impl_->loop_of(id).post(CancelMessage{id}); }
void Fetcher::resume(std::uint64_t id) { impl_->loop_of(id).post(ResumeMessage{id}); }
FetcherStats Fetcher::stats() const { return impl_->stats(); }

}  // namespace dlfs::http
