// One FUSE connection: takes requests off /dev/fuse, answers what needs no decision, hands the rest to the control
// plane.
//
// Engine threads call serve() when the descriptor is readable. READ, and OPEN and RELEASE in passthrough, go to the
// volume; FORGET and INTERRUPT are handled here; names and attributes become events and are answered by the control
// plane through the reply_* functions.
//
// A process that waits for a request which we have read ignores SIGKILL until we answer, and FUSE_INTERRUPT comes for
// any signal, while EINTR would reach the application. So an INTERRUPT is answered with EINTR for the request only if
// the process is really being killed (/proc/TID/status); else the INTERRUPT itself gets EAGAIN a little later, which
// makes the kernel send it again: a kill that comes afterwards is seen. O_DIRECT reads are sent in the background and
// waited for without signals, so no INTERRUPT ever comes for them: what has waited for a while is looked at by the
// ticker too.
//
// A reader that works through small files sends its next request some tens of microseconds after an answer. A thread
// that has just answered therefore looks for it for a moment before it sleeps (spin.h): a wake-up costs more than that.
//
// Invariants:
//  1. Every request that takes a reply gets exactly one.
//  2. A failure is an errno, never fewer bytes than asked for (short data is end of file to the kernel).
//  3. Stateless connections answer OPEN and OPENDIR with ENOSYS: the kernel never asks again.
//  4. A wait ends after `io_timeout` with EIO (0 = never).
//  5. Nothing here touches the mounted path.
//  6. A turn ends after some requests, however many wait: readers of one dataset that never pause do not keep those of
//  another from a thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "../base/events.h"
#include "../base/unique_fd.h"
#include "../block/volume.h"
#include "../wire/encode.h"
#include "lookup_counts.h"
#include "slots.h"
#include "spin.h"

namespace dlfs {

struct SessionOptions {
  uint32_t id = 0;
  bool passthrough = false;  // else stateless
  wire::Ownership ownership;
  wire::Ttl ttl;
  uint32_t max_readahead = 16U << 20;
  std::chrono::milliseconds io_timeout{300000};
  uint16_t max_background = 128, congestion_threshold = 96;
};

// Per-thread memory of an engine thread.
struct Scratch {
  std::span<std::byte> request;  // >= 64 KiB
  std::span<std::byte> data;     // 1 MiB, page aligned
};

// How a turn of a session ended.
enum class Served : uint8_t {
  kIdle,  // nothing is left: the descriptor tells when there is
  kMore,  // there may be more: it is others' turn
  kEnded,
};

class Session : public ReadClient, public PassthroughHost, public std::enable_shared_from_this<Session> {
 public:
  Session(SessionOptions options, UniqueFd fuse, std::shared_ptr<Volume> volume, EventQueue& events);
  ~Session() override;

  int fd() const { return fuse_.get(); }
  // Handles requests until there is none, or until others are to have their turn.
  Served serve(const Scratch& scratch, Spin& spin);
  // Of waits from now on, and of those under way.
  void set_io_timeout(std::chrono::milliseconds timeout) { io_timeout_ = timeout.count(); }
  // Every ~100 ms: due interrupts and timeouts.
  void tick(std::chrono::steady_clock::time_point now);

  // --- control plane; a slot that was answered meanwhile is ignored ---
  void reply_error(uint64_t slot, int error);
  void reply_entry(uint64_t slot, const wire::Node& node);  // ino 0: a negative entry
  void reply_attr(uint64_t slot, const wire::Node& node);
  void reply_xattr(uint64_t slot, uint32_t asked, std::string_view value);
  void reply_statfs(uint64_t slot, const wire::StatfsOut& out);
  // Entries for READDIR(PLUS) in order; takes as many as fit into `size`.
  struct DirEntry {
    wire::Node node;
    std::string_view name;
    uint64_t cookie;
  };
  void reply_dir(uint64_t slot, uint32_t size, bool plus, std::span<const DirEntry> entries);

  // Kernel notifications; 0 or an errno. Call from a thread that serves nothing.
  int notify_inval_inode(uint64_t ino);
  int notify_inval_entry(uint64_t parent, std::string_view name);
  int notify_inc_epoch();
  uint64_t lookup_count(uint64_t ino) { return counts_.count(ino); }
  // Ends every wait and the connection; serve() returns false from then on.
  void abort_pending(int error);

  // ReadClient
  void answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) override;
  void fail(uint64_t slot, int error) override { reply_error(slot, error); }
  void reopen(uint64_t slot, uint64_t ino) override;
  // PassthroughHost
  int32_t backing_open(int fd) override;
  void backing_close(int32_t id) override;


 private:
  struct DueInterrupt {
    uint64_t unique;
    std::chrono::steady_clock::time_point at;
  };

  void handle(const wire::InHeader& in, std::span<const std::byte> body, const Scratch& scratch);
  void init(const wire::InHeader& in, std::span<const std::byte> body);
  void read(const wire::InHeader& in, std::span<const std::byte> body, const Scratch& scratch);
  void open(const wire::InHeader& in);
  void forget(std::span<const std::byte> body, uint64_t ino);
  void end_killed(std::chrono::steady_clock::time_point now);
  void batch_forget(std::span<const std::byte> body);
  void interrupt(const wire::InHeader& in, std::span<const std::byte> body);
  void xattr(const wire::InHeader& in, std::span<const std::byte> body);
  void send(uint64_t unique, int error, std::span<const std::span<const std::byte>> pieces);
  void send(uint64_t unique, int error) { send(unique, error, {}); }
  template <typename T>
  void send_struct(uint64_t unique, const T& value) {
    const std::span<const std::byte> piece = std::as_bytes(std::span(&value, 1));
    send(unique, 0, {&piece, 1});
  }
  int notify(int32_t code, std::span<const std::span<const std::byte>> pieces);
  uint64_t park(const wire::InHeader& in);
  // Takes a request that the control plane answers, and counts how long that took.
  std::optional<Pending> take_metadata(uint64_t slot);
  void send_open(uint64_t unique, const OpenAnswer& answer);

  const SessionOptions options_;
  const UniqueFd fuse_;
  const std::shared_ptr<Volume> volume_;
  EventQueue& events_;
  VolumeStats& stats_;  // the volume's
  Slots slots_;
  LookupCounts counts_;
  std::mutex interrupts_mu_;
  std::vector<DueInterrupt> interrupts_;
  std::chrono::steady_clock::time_point looked_{};  // when end_killed() last looked; the ticker's own
  std::atomic<int64_t> io_timeout_;  // milliseconds
  std::atomic<bool> ended_{false};
};

}  // namespace dlfs
