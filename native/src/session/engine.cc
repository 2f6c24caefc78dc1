#include "engine.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "../base/threads.h"

namespace dlfs {
namespace {

// Room for a BATCH_FORGET of thousands and any request with a name.
constexpr size_t kRequestBuffer = 64 * 1024;
// The largest READ: 256 pages.
constexpr size_t kDataBuffer = 1U << 20;
constexpr auto kTick = std::chrono::milliseconds(50);
// Edge triggered: each arriving request wakes one thread, and a thread reads until there is nothing left.
constexpr uint32_t kSessionEvents = EPOLLIN | EPOLLET;

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};
using Aligned = std::unique_ptr<std::byte, FreeDeleter>;

Aligned aligned(size_t size) {
  Aligned out(static_cast<std::byte*>(std::aligned_alloc(4096, size)));
  if (!out) throw std::bad_alloc();
  return out;
}

int checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

}  // namespace

Engine::Engine(const EngineOptions& options, std::function<void()> wake)
    : events_(std::move(wake)),
      counts_(std::make_shared<SharedCounts>(options.open_files, options.file_states)),
      budget_(options.memory, [this](uint64_t id) { resume(id); }),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      stop_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      disk_(std::make_unique<DiskPool>(options.disk_threads)),
      notifier_(std::make_unique<Notifier>()),
      reads_(std::make_shared<BufferReads>(*disk_, events_)),
      fetcher_(std::make_unique<http::Fetcher>(http::FetcherOptions{.threads = options.fetch_threads})) {
  epoll_event event{};
  event.events = EPOLLIN;  // level triggered: every thread sees it
  event.data.u32 = 0;
  checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event), "epoll_ctl");
  try {
    for (unsigned i = 0; i < options.session_threads; ++i) {
      threads_.push_back(start_thread("dlfs-session", [this] { serve_loop(); }));
    }
    threads_.push_back(start_thread("dlfs-tick", [this] { tick_loop(); }));
  } catch (...) {
    stop_threads();
    throw;
  }
}

Engine::~Engine() {
  std::vector<std::shared_ptr<Session>> all;
  {
    std::lock_guard lock(mu_);
    for (auto& [id, one] : sessions_) {
      one.leaving = true;
      all.push_back(one.session);
    }
  }
  for (const auto& one : all) one->refuse(ENOTCONN);
  notifier_.reset();
  // A reader of resident blocks would keep a thread in serve() for ever.
  for (const auto& one : all) one->end();
  all.clear();
  reads_->abort(ENOTCONN);
  stop_threads();
  std::unique_ptr<http::Fetcher> fetcher;
  {
    std::lock_guard lock(fetcher_mu_);
    fetcher = std::move(fetcher_);
  }
  fetcher.reset();  // finishes its requests as cancelled: their sinks still need volumes and the disk pool
  disk_.reset();
  sessions_.clear();
  volumes_.clear();
}

void Engine::stop_threads() {
  stopping_ = true;
  const uint64_t one = 1;
  while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Engine::resume(uint64_t run) {
  std::lock_guard lock(fetcher_mu_);
  if (fetcher_) fetcher_->resume(run);
}

uint32_t Engine::add_volume(VolumeOptions options) {
  std::lock_guard lock(mu_);
  options.id = next_id_++;
  options.counts = counts_;
  const uint32_t id = options.id;
  auto volume = std::make_shared<Volume>(std::move(options), budget_, *disk_, events_);
  counted_.push_back(volume->shared_stats());
  volumes_.emplace(id, std::move(volume));
  return id;
}

void Engine::remove_volume(uint32_t id) {
  {
    std::lock_guard lock(mu_);
    volumes_.erase(id);
  }
  reads_->end(id, ENOTCONN);
}

std::shared_ptr<Volume> Engine::volume(uint32_t id) {
  std::lock_guard lock(mu_);
  const auto it = volumes_.find(id);
  return it == volumes_.end() ? nullptr : it->second;
}

StatsValues Engine::stats() {
  std::lock_guard lock(mu_);
  std::erase_if(counted_, [&](const auto& one) {
    if (one.use_count() > 1) return false;
    // Giving back a reference orders what the others counted before they gave back theirs; a look at the count does
    // not.
    std::shared_ptr<VolumeStats>(one).reset();
    add_to(ended_, *one);
    return true;
  });
  StatsValues sums = ended_;
  for (const auto& one : counted_) add_to(sums, *one);
  return sums;
}

uint32_t Engine::add_session(SessionOptions options, UniqueFd fuse, UniqueFd mount, std::shared_ptr<Volume> volume) {
  std::lock_guard lock(mu_);
  options.id = next_id_++;
  const auto session = std::make_shared<Session>(options, std::move(fuse), std::move(volume), events_);
  sessions_.emplace(options.id, Entry{session});
  if (mount) detached_.emplace(options.id, std::move(mount));
  epoll_event event{};
  event.events = kSessionEvents;
  event.data.u32 = options.id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session->fd(), &event) != 0) {
    const int error = errno;
    sessions_.erase(options.id);
    detached_.erase(options.id);
    throw std::system_error(error, std::generic_category(), "epoll_ctl");
  }
  return options.id;
}

void Engine::remove_session(uint32_t id) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard lock(mu_);
    const auto it = sessions_.find(id);
    if (it == sessions_.end() || std::exchange(it->second.leaving, true)) return;
    session = it->second.session;
    detached_.erase(id);
  }
  session->refuse(ENOTCONN);
  try {
    notifier_->submit(id, [this, id] { end_session(id); });
  } catch (const std::system_error&) {
    // No thread to be had: a notification that is under way may then wait until the kernel ends the connection.
    end_session(id);
  }
}

void Engine::end_session(uint32_t id) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard lock(mu_);
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    session = std::move(it->second.session);
    sessions_.erase(it);
  }
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session->fd(), nullptr);
  session->end();
}

std::shared_ptr<Session> Engine::served(uint32_t id) {
  std::lock_guard lock(mu_);
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.session;
}

UniqueFd Engine::take_mount(uint32_t session) {
  std::lock_guard lock(mu_);
  const auto it = detached_.find(session);
  if (it == detached_.end()) return {};
  UniqueFd mount = std::move(it->second);
  detached_.erase(it);
  return mount;
}

std::shared_ptr<Session> Engine::session(uint32_t id) {
  std::lock_guard lock(mu_);
  const auto it = sessions_.find(id);
  return it == sessions_.end() || it->second.leaving ? nullptr : it->second.session;
}

void Engine::serve_loop() {
  const Aligned request = aligned(kRequestBuffer);
  const Aligned data = aligned(kDataBuffer);
  const Scratch scratch{{request.get(), kRequestBuffer}, {data.get(), kDataBuffer}};
  while (!stopping_.load(std::memory_order_relaxed)) {
    epoll_event event{};
    const int n = ::epoll_wait(epoll_.get(), &event, 1, -1);
    if (n <= 0 || event.data.u32 == 0) continue;
    const auto one = served(event.data.u32);
    if (!one) continue;
    switch (one->serve(scratch, spin_)) {
      case Served::kIdle:
        break;
      case Served::kMore:
        // Armed anew, it is ready at once, behind those that were ready before it.
        event.events = kSessionEvents;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, one->fd(), &event);
        break;
      case Served::kEnded:
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, one->fd(), nullptr);
        break;
    }
  }
}

void Engine::tick_loop() {
  pollfd stop{stop_.get(), POLLIN, 0};
  while (!stopping_.load(std::memory_order_relaxed)) {
    ::poll(&stop, 1, static_cast<int>(kTick.count()));
    std::vector<std::shared_ptr<Session>> all;
    std::vector<std::shared_ptr<Volume>> volumes;
    {
      std::lock_guard lock(mu_);
      for (const auto& [id, one] : sessions_) all.push_back(one.session);
      if (budget_.starved()) {
        for (const auto& [id, one] : volumes_) volumes.push_back(one);
      }
    }
    const auto now = std::chrono::steady_clock::now();
    for (const auto& one : all) one->tick(now);
    reads_->tick(now);
    for (const auto& one : volumes) one->relieve();
  }
}

}  // namespace dlfs
