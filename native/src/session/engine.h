// The engine: all native threads of the process, shared by every session and volume.
//
// One epoll holds the /dev/fuse descriptors of all sessions; any session thread serves whichever becomes readable. So
// an idle dataset costs no thread, and a thousand datasets no more threads than one. A ticker delivers due interrupts
// and timeouts.
//
// Invariants:
//  1. A session thread never waits for the origin: a request that cannot be answered is parked.
//  2. Destruction order: fetcher (no more bytes), session threads, disk pool (drains its writes), then the rest.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "../base/events.h"
#include "../base/unique_fd.h"
#include "../block/buffer.h"
#include "../block/disk_pool.h"
#include "../block/stats.h"
#include "../block/volume.h"
#include "../http/fetcher.h"
#include "buffer_reads.h"
#include "notifier.h"
#include "session.h"

namespace dlfs {

struct EngineOptions {
  unsigned session_threads = 16;
  unsigned disk_threads = 4;
  unsigned fetch_threads = 2;
  size_t memory = 512U << 20;  // bytes of block buffers
  size_t open_files = 4096;    // cache files open at once, of all volumes
  size_t file_states = 1U << 20;
};

class Engine {
 public:
  Engine(const EngineOptions& options, std::function<void()> wake);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  uint32_t add_volume(VolumeOptions options);
  void remove_volume(uint32_t id);
  std::shared_ptr<Volume> volume(uint32_t id);

  // Takes over a mounted /dev/fuse descriptor and starts to serve it. `mount`: a mount that is to be attached later.
  uint32_t add_session(SessionOptions options, UniqueFd fuse, UniqueFd mount, std::shared_ptr<Volume> volume);
  // The mount that is not attached yet; none where it is.
  UniqueFd take_mount(uint32_t session);
  // Answers what waits with ENOTCONN... and closes the connection (the mount dies if it still stands).
  void remove_session(uint32_t id);
  std::shared_ptr<Session> session(uint32_t id);

  EventQueue& events() { return events_; }
  // Sums over all volumes, also those that were removed.
  StatsValues stats();
  Budget& budget() { return budget_; }
  // Threads for kernel notifications, which may wait for reads in flight and hence must serve nothing.
  Notifier& notifier() { return *notifier_; }
  http::Fetcher& fetcher() { return *fetcher_; }
  // Reads that come from the control plane.
  BufferReads& reads() { return *reads_; }

 private:
  void serve_loop();
  // A buffer was freed: let the run that waited for it go on.
  void resume(uint64_t run);
  void tick_loop();

  EventQueue events_;
  Spin spin_;
  const std::shared_ptr<SharedCounts> counts_;
  Budget budget_;
  UniqueFd epoll_, stop_;
  std::mutex mu_;
  uint32_t next_id_ = 1;
  std::unordered_map<uint32_t, std::shared_ptr<Volume>> volumes_;
  std::unordered_map<uint32_t, std::shared_ptr<Session>> sessions_;
  std::unordered_map<uint32_t, UniqueFd> detached_;  // mounts that are to be attached, by session
  std::vector<std::shared_ptr<VolumeStats>> counted_;  // of every volume that something still counts for
  StatsValues ended_{};                                // sums of those that are gone
  std::atomic<bool> stopping_{false};
  std::unique_ptr<DiskPool> disk_;
  std::unique_ptr<Notifier> notifier_;
  const std::shared_ptr<BufferReads> reads_;
  std::mutex fetcher_mu_;  // guards the pointer against resume() while the engine is destroyed
  std::unique_ptr<http::Fetcher> fetcher_;
  std::vector<std::thread> threads_;
};

}  // namespace dlfs
