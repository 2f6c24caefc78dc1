// Session, requests that wait: parked, interrupted, timed out, refused when the connection leaves.
#include <cerrno>

#include "../wire/decode.h"
#include "killed.h"
#include "session.h"

namespace dlfs {
namespace {

using std::chrono::steady_clock;

// How long after an interrupt the kernel is asked to send it again. A killed process is gone within a second; the check
// itself costs some microseconds, so this can be frequent.
constexpr auto kInterruptAgain = std::chrono::milliseconds(200);

}  // namespace

uint64_t Session::park(const wire::InHeader& in, bool deaf) {
  const uint64_t ticket = slots_.add({in.unique, in.nodeid, in.opcode, in.pid, deaf, steady_clock::now()});
  // Parked after refuse() took what waited: nobody else will answer it.
  if (const int error = refusing_.load(); error != 0) {
    if (const auto pending = slots_.take(ticket)) send(pending->unique, error);
  }
  return ticket;
}

// Answers a request of a connection that is leaving. What gives something back to us is handled as ever.
bool Session::refused(const wire::InHeader& in) {
  const int error = refusing_.load(std::memory_order_relaxed);
  if (error == 0) return false;
  switch (in.opcode) {
    case wire::kForget:
    case wire::kBatchForget:
    case wire::kInterrupt:
    case wire::kRelease:
    case wire::kDestroy:
      return false;
    default:
      send(in.unique, error);
      return true;
  }
}

void Session::interrupt(const wire::InHeader& in, std::span<const std::byte> body) {
  wire::InterruptIn args{};
  if (!wire::parse(body, args)) return;
  count(stats_.interrupts);
  if (const auto ticket = slots_.find(args.unique); ticket) {
    const auto waiting = slots_.peek(*ticket);
    if (waiting && is_killed(waiting->pid)) {
      const auto pending = slots_.take(*ticket);
      if (!pending) return;
      count(stats_.killed);
      return send(pending->unique, EINTR);
    }
  }
  // Not waiting (being answered right now) or not killed: have the kernel send the interrupt again.
  std::lock_guard lock(interrupts_mu_);
  interrupts_.push_back({in.unique, steady_clock::now() + kInterruptAgain});
}

void Session::tick(steady_clock::time_point now) {
  std::vector<uint64_t> due;
  {
    std::lock_guard lock(interrupts_mu_);
    std::erase_if(interrupts_, [&](const DueInterrupt& one) {
      if (one.at > now) return false;
      due.push_back(one.unique);
      return true;
    });
  }
  for (const uint64_t unique : due) send(unique, EAGAIN);
  if (now - looked_ >= kInterruptAgain) {
    looked_ = now;
    end_killed(now);
  }
  const std::chrono::milliseconds timeout(io_timeout_.load(std::memory_order_relaxed));
  if (timeout.count() == 0) return;
  for (const auto& pending : slots_.take_older(now - timeout)) {
    send(pending.unique, EIO);
    events_.push(EventType::kTimeout, options_.id, 0, static_cast<double>(pending.ino), pending.opcode);
  }
}

void Session::end_killed(steady_clock::time_point now) {
  for (const auto& [ticket, pid] : slots_.deaf_since(now - kInterruptAgain)) {
    if (!is_killed(pid)) continue;
    const auto pending = slots_.take(ticket);
    if (!pending) continue;
    count(stats_.killed);
    send(pending->unique, EINTR);
  }
}

void Session::refuse(int error) {
  refusing_.store(error);
  for (const auto& pending : slots_.take_all()) send(pending.unique, error);
}

void Session::end() {
  ended_.store(true);
  slots_.take_all();
}

}  // namespace dlfs
