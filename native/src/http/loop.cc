#include "loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace dlfs::http {
namespace {

// A head with the first bytes of its body; a head is rarely above 1 KiB, and what is beyond it is copied once more.
constexpr std::size_t kScratch = 16 * 1024;
constexpr int kEventsPerTurn = 256;

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return UniqueFd(fd);
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

FetchLoop::FetchLoop(const FetcherOptions& options)
    : options_(options),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      scratch_(kScratch) {
  epoll_event event{};
  // Edge-triggered: each post() is an edge, so the counter never needs to be read.
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

FetchLoop::~FetchLoop() = default;

void FetchLoop::post(Message message) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = inbox_.empty();
    inbox_.push_back(std::move(message));
  }
  if (wake) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
  }
}

void FetchLoop::run() {
  std::array<epoll_event, kEventsPerTurn> events;
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, timeout());
    now_ = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr != nullptr) on_event(*static_cast<Connection*>(event.data.ptr), event.events);
    }
    work_off();
    drain_mailbox();
    expire();
    graveyard_.clear();
  }
  while (cancel_leftovers()) {
  }
}

bool FetchLoop::cancel_leftovers() {
  stopping_ = true;
  now_ = std::chrono::steady_clock::now();
  const bool any = !exchanges_.empty() || [this] {
    const std::lock_guard lock(mutex_);
    return !inbox_.empty();
  }();
  drain_mailbox();
  cancel_all("the fetcher is shutting down");
  for (auto& [endpoint, connections] : idle_) {
    for (std::unique_ptr<Connection>& connection : std::exchange(connections, {})) discard(std::move(connection));
  }
  counters_.idle.store(0, std::memory_order_relaxed);
  graveyard_.clear();
  return any;
}

int FetchLoop::timeout() const {
  if (!ready_.empty()) return 0;
  TimePoint earliest = TimePoint::max();
  if (!deadlines_.empty()) earliest = deadlines_.earliest();
  if (!idle_deadlines_.empty()) earliest = std::min(earliest, idle_deadlines_.earliest());
  if (earliest == TimePoint::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(earliest - std::chrono::steady_clock::now()).count();
  constexpr std::int64_t kLongest = 3'600'000;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kLongest));
}

void FetchLoop::on_event(Connection& connection, std::uint32_t events) {
  if (!connection.fd) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.hangup = true;
  if (Exchange* const user = connection.user) {
    settle(*user, user->drive());
  } else {
    on_idle_event(connection);
  }
}

// An idle connection has nothing to say: a byte or an end means that it is of no more use. (A TLS record without
// application data, such as a session ticket, is taken in by the read.)
void FetchLoop::on_idle_event(Connection& connection) {
  std::byte unexpected{};
  if (connection.hangup || connection.transport->read({&unexpected, 1}, nullptr).io != Io::kWouldBlock)
    discard(extract_idle(connection));
}

void FetchLoop::work_off() {
  for (const std::uint64_t id : std::exchange(ready_, {})) {
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end() || !found->second->queued) continue;
    found->second->queued = false;
    settle(*found->second, found->second->drive());
  }
}

void FetchLoop::drain_mailbox() {
  {
    const std::lock_guard lock(mutex_);
    work_.swap(inbox_);
  }
  // A message may be younger than this turn.
  if (!work_.empty()) now_ = std::chrono::steady_clock::now();
  for (Message& message : work_) {
    std::visit([this](auto& what) { handle(std::move(what)); }, message);
  }
  work_.clear();
}

void FetchLoop::expire() {
  while (Exchange* exchange = deadlines_.pop_due(now_)) settle(*exchange, exchange->expire());
  while (Connection* connection = idle_deadlines_.pop_due(now_)) {
    if (connection->user != nullptr) continue;  // in use; it comes back when it is parked again
    if (now_ < connection->idle_until) {
      idle_deadlines_.ensure(*connection, connection->idle_until);
    } else {
      discard(extract_idle(*connection));
    }
  }
}

void FetchLoop::handle(SubmitMessage&& message) {
  add(counters_.submitted, 1);
  add(counters_.active, 1);
  const std::uint64_t id = message.request.id;
  auto exchange = std::make_unique<Exchange>(*this, std::move(message.request), message.endpoint, message.submitted);
  const auto [place, added] = exchanges_.try_emplace(id, std::move(exchange));
  if (!added) {
    exchange->cancel("the id of the request is in use");
    add(counters_.active, static_cast<std::uint64_t>(-1));
    add(counters_.finished, 1);
    exchange->deliver();
    return;
  }
  Exchange& started = *place->second;
  if (stopping_ || message.endpoint->retired()) {
    settle(started, started.cancel("the endpoint is gone"));
  } else {
    settle(started, started.start(take_idle(message.endpoint->id())));
  }
}

void FetchLoop::handle(const CancelMessage& message) {
  const auto found = exchanges_.find(message.id);
  if (found != exchanges_.end()) settle(*found->second, found->second->cancel("cancelled"));
}

void FetchLoop::handle(const ResumeMessage& message) {
  const auto found = exchanges_.find(message.id);
  if (found != exchanges_.end()) settle(*found->second, found->second->resume());
}

void FetchLoop::handle(const RemoveEndpointMessage& message) {
  drop_idle(message.endpoint);
  std::vector<Exchange*> ending;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->endpoint_id() == message.endpoint) ending.push_back(exchange.get());
  }
  for (Exchange* exchange : ending) settle(*exchange, exchange->cancel("the endpoint is gone"));
}

void FetchLoop::handle(const StopMessage&) { stopping_ = true; }

void FetchLoop::settle(Exchange& exchange, Progress progress) {
  if (progress == Progress::kFinished) {
    deadlines_.remove(exchange);
    auto node = exchanges_.extract(exchange.id());
    add(counters_.active, static_cast<std::uint64_t>(-1));
    add(counters_.finished, 1);
    node.mapped()->deliver();
    return;
  }
  if (progress == Progress::kAgain && !exchange.queued) {
    exchange.queued = true;
    ready_.push_back(exchange.id());
  }
  deadlines_.ensure(exchange, exchange.due());
}

void FetchLoop::cancel_all(const char* text) {
  while (!exchanges_.empty()) {
    Exchange& exchange = *exchanges_.begin()->second;
    settle(exchange, exchange.cancel(text));
  }
}

void FetchLoop::count(Count what, std::uint64_t by) {
  switch (what) {
    case Count::kConnect:
      return add(counters_.connects, by);
    case Count::kConnectFailure:
      return add(counters_.connect_failures, by);
    case Count::kReused:
      return add(counters_.reused, by);
    case Count::kStaleRetry:
      return add(counters_.stale_retries, by);
    case Count::kTlsResumed:
      return add(counters_.tls_resumed, by);
    case Count::kBytes:
      return add(counters_.bytes, by);
    case Count::kBackPressure:
      return add(counters_.back_pressure, by);
  }
}

bool FetchLoop::watch(Connection& connection) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &connection;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.fd.get(), &event) == 0;
}

void FetchLoop::park(std::unique_ptr<Connection> connection) {
  if (connection->endpoint->retired() || options_.max_idle_per_endpoint == 0) return discard(std::move(connection));
  connection->user = nullptr;
  connection->served = true;
  connection->idle_until = now_ + options_.idle_timeout;
  idle_deadlines_.ensure(*connection, connection->idle_until);
  std::vector<std::unique_ptr<Connection>>& kept = idle_[connection->endpoint->id()];
  if (kept.size() >= options_.max_idle_per_endpoint) {
    discard(std::move(kept.front()));
    kept.erase(kept.begin());
  } else {
    add(counters_.idle, 1);
  }
  kept.push_back(std::move(connection));
}

// Closes the socket now, so that it leaves the epoll set; the object stays until the end of the turn (invariant 1).
void FetchLoop::discard(std::unique_ptr<Connection> connection) {
  idle_deadlines_.remove(*connection);
  connection->user = nullptr;
  connection->transport.reset();
  connection->fd.reset();
  graveyard_.push_back(std::move(connection));
}

std::unique_ptr<Connection> FetchLoop::take_idle(std::uint32_t endpoint) {
  const auto found = idle_.find(endpoint);
  if (found == idle_.end() || found->second.empty()) return nullptr;
  std::unique_ptr<Connection> connection = std::move(found->second.back());
  found->second.pop_back();
  add(counters_.idle, static_cast<std::uint64_t>(-1));
  return connection;
}

std::unique_ptr<Connection> FetchLoop::extract_idle(Connection& connection) {
  std::vector<std::unique_ptr<Connection>>& kept = idle_[connection.endpoint->id()];
  const auto place =
      std::find_if(kept.begin(), kept.end(), [&](const auto& owned) { return owned.get() == &connection; });
  std::unique_ptr<Connection> owned = std::move(*place);
  kept.erase(place);
  add(counters_.idle, static_cast<std::uint64_t>(-1));
  return owned;
}

void FetchLoop::drop_idle(std::uint32_t endpoint) {
  while (std::unique_ptr<Connection> connection = take_idle(endpoint)) discard(std::move(connection));
  idle_.erase(endpoint);
}

void FetchLoop::add_to(FetcherStats& stats) const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  stats.submitted += read(counters_.submitted);
  stats.finished += read(counters_.finished);
  stats.active += read(counters_.active);
  stats.idle_connections += read(counters_.idle);
  stats.connects += read(counters_.connects);
  stats.connect_failures += read(counters_.connect_failures);
  stats.reused += read(counters_.reused);
  stats.stale_retries += read(counters_.stale_retries);
  stats.tls_resumed += read(counters_.tls_resumed);
  stats.bytes += read(counters_.bytes);
  stats.back_pressure += read(counters_.back_pressure);
}

}  // namespace dlfs::http
