// Connections without a kernel: the engine serves one end of a socket pair, the test is the kernel at the other end.
// Requests go in as /dev/fuse would give them, replies come out byte by byte.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <type_traits>

#include "../src/session/engine.h"
#include "volume_check.h"

using namespace dlfs;
using namespace dlfs::test;
using namespace std::chrono_literals;

namespace {

constexpr auto kSoon = 10s;     // comes at once, on a machine under load too
constexpr auto kQuiet = 400ms;  // longer than a repeated interrupt or a look at the killed takes

struct Reply {
  uint64_t unique = 0;
  int error = 0;
  std::string body;
};

// A request without a body of its own.
struct None {};

// The kernel's end of a connection.
class Kernel {
 public:
  Kernel() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    mine_.reset(ends[0]);
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    theirs_.reset(ends[1]);
  }
  UniqueFd take() { return std::move(theirs_); }

  // Sends a request; returns its number, 0 where the other end is gone.
  template <typename Body>
  uint64_t ask(uint32_t opcode, uint64_t ino, const Body& body, uint32_t pid = 0, std::string_view name = {}) {
    constexpr size_t kBody = std::is_empty_v<Body> ? 0 : sizeof(Body);
    std::string bytes(sizeof(wire::InHeader) + kBody, '\0');
    wire::InHeader in{};
    in.len = static_cast<uint32_t>(bytes.size() + (name.empty() ? 0 : name.size() + 1));
    in.opcode = opcode;
    in.unique = (next_ += 2) | mark;
    in.nodeid = ino;
    in.pid = pid;
    std::memcpy(bytes.data(), &in, sizeof in);
    std::memcpy(bytes.data() + sizeof in, &body, kBody);
    if (!name.empty()) bytes.append(name).push_back('\0');
    if (::send(mine_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return 0;
    return in.unique;
  }
  uint64_t read(uint64_t ino, uint64_t offset, uint32_t size, uint32_t pid = 0, uint32_t flags = 0) {
    wire::ReadIn in{};
    in.offset = offset;
    in.size = size;
    in.flags = flags;
    return ask(wire::kRead, ino, in, pid);
  }
  std::optional<Reply> reply(std::chrono::milliseconds limit = kSoon) {
    pollfd one{mine_.get(), POLLIN, 0};
    if (::poll(&one, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
    std::string bytes(2U << 20, '\0');
    const ssize_t n = ::recv(mine_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < static_cast<ssize_t>(sizeof(wire::OutHeader))) return std::nullopt;
    wire::OutHeader out{};
    std::memcpy(&out, bytes.data(), sizeof out);
    if (out.len != static_cast<uint32_t>(n)) return std::nullopt;
    return Reply{out.unique, -out.error, bytes.substr(sizeof out, static_cast<size_t>(n) - sizeof out)};
  }
  // Whether the next reply answers this request with this errno.
  bool answered(uint64_t unique, int error) {
    const auto got = reply();
    return got && got->unique == unique && got->error == error;
  }
  // A bit in the number of each request: after FUSE_NOTIFY_RESEND the kernel sets bit 63.
  uint64_t mark = 0;

  bool ended() {
    pollfd one{mine_.get(), POLLIN, 0};
    return ::poll(&one, 1, static_cast<int>(std::chrono::milliseconds(kSoon).count())) == 1 &&
           (one.revents & POLLHUP) != 0;
  }

 private:
  UniqueFd mine_, theirs_;
  uint64_t next_ = 100;
};

struct World {
  explicit World(unsigned session_threads = 2)
      : engine(std::make_unique<Engine>(EngineOptions{session_threads, 1, 1, 16U << 20}, [] {})),
        volume(engine->add_volume({.objects_dir = folder.path, .block_size = kBlock})) {}
  uint32_t connect(Kernel& kernel, SessionOptions options = {}) {
    return engine->add_session(options, kernel.take(), {}, engine->volume(volume));
  }
  std::vector<Seen> until(EventType type) {
    std::vector<Seen> all;
    const auto end = std::chrono::steady_clock::now() + kSoon;
    while (std::chrono::steady_clock::now() < end) {
      for (const Seen& e : drain(engine->events())) all.push_back(e);
      if (std::any_of(all.begin(), all.end(), [&](const Seen& e) { return e.type == static_cast<double>(type); }))
        break;
      std::this_thread::yield();
    }
    return all;
  }

  Folder folder;
  std::unique_ptr<Engine> engine;
  uint32_t volume;
};

// A process that is gone.
uint32_t dead_pid() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
  return static_cast<uint32_t>(pid);
}

void handshake() {
  World w;
  Kernel kernel;
  w.connect(kernel);
  wire::InitIn in{7, 45, 1U << 20, 0xffffffffU, 0xffffffffU, {}};
  const uint64_t unique = kernel.ask(wire::kInit, 0, in);
  const auto got = kernel.reply();
  wire::InitOut out{};
  check(got && got->unique == unique && got->error == 0 && got->body.size() == sizeof out, "INIT is answered");
  if (got && got->body.size() == sizeof out) std::memcpy(&out, got->body.data(), sizeof out);
  const uint64_t flags = out.flags | static_cast<uint64_t>(out.flags2) << 32;
  check((flags & wire::kInitPassthrough) == 0 && out.max_stack_depth == 0,
        "a stateless connection asks for no passthrough");
  check((flags & wire::kInitAutoInvalData) == 0 && (flags & wire::kInitAsyncDio) != 0 &&
            (flags & wire::kInitParallelDirops) != 0 && (flags & wire::kInitAllowIdmap) != 0 &&
            (flags & wire::kInitMaxPages) != 0 && out.max_pages == 256,
        "of what the kernel offers, what a reader needs is taken and nothing else");
  check(out.max_write + sizeof(wire::InHeader) + 16 <= 64 * 1024,
        "requests fit into the buffer that they are read into");

  Kernel old;
  w.connect(old);
  wire::InitIn older{7, 30, 0, 0, 0, {}};
  check(old.answered(old.ask(wire::kInit, 0, older), EPROTO), "a kernel of before 7.31 is refused");

  Kernel third;
  SessionOptions through;
  through.passthrough = true;
  w.connect(third, through);
  third.ask(wire::kInit, 0, in);
  const auto offered = third.reply();
  if (offered && offered->body.size() == sizeof out) std::memcpy(&out, offered->body.data(), sizeof out);
  check((out.flags2 & (wire::kInitPassthrough >> 32)) != 0 && out.max_stack_depth == 1,
        "a passthrough connection asks for it, one level deep");
}

void requests() {
  World w;
  Kernel kernel;
  w.connect(kernel);
  const wire::GetxattrIn size{100, 0};
  check(kernel.answered(kernel.ask(wire::kGetxattr, 5, size, 0, "security.capability"), ENODATA),
        "foreign attributes are answered without the control plane, and never with ENOSYS");
  check(kernel.answered(kernel.ask(wire::kOpen, 5, wire::OpenIn{}), ENOSYS), "a stateless OPEN is answered ENOSYS");
  bool refused = true;
  for (const uint32_t opcode : {wire::kSetattr, wire::kWrite, wire::kUnlink, wire::kRename2, wire::kCreate,
                                wire::kSetxattr, wire::kFallocate, wire::kMkdir}) {
    refused = refused && kernel.answered(kernel.ask(opcode, 5, wire::ReadIn{}), EROFS);
  }
  check(refused, "everything that writes is answered EROFS");
  check(kernel.answered(kernel.ask(wire::kLseek, 5, wire::ReadIn{}), ENOSYS) &&
            kernel.answered(kernel.ask(wire::kFlush, 5, wire::ReadIn{}), ENOSYS) &&
            kernel.answered(kernel.ask(4000, 5, wire::ReadIn{}), ENOSYS),
        "what is unknown or better done by the kernel is answered ENOSYS");
  check(kernel.answered(kernel.ask(wire::kRead, 5, wire::GetxattrIn{}), EINVAL), "a READ that is cut is refused");
  check(
      kernel.answered(kernel.read(5, 0, (1U << 20) + 1), EIO) && kernel.answered(kernel.read(5, ~0ULL - 10, 100), EIO),
      "a READ beyond what was agreed fails instead of being cut short");
  check(kernel.answered(kernel.read(5, 0, 0), 0), "a READ of nothing brings nothing");

  // FORGET takes no reply: the next one that comes is that of what follows.
  kernel.ask(wire::kForget, 5, wire::ForgetIn{1});
  kernel.ask(wire::kBatchForget, 0, wire::BatchForgetIn{0xffffffffU, 0});
  check(kernel.answered(kernel.ask(wire::kDestroy, 0, wire::ForgetIn{}), 0),
        "FORGETs take no reply, whatever they claim");
}

void answers() {
  World w;
  Kernel kernel;
  const uint32_t id = w.connect(kernel);
  const uint64_t lookup = kernel.ask(wire::kLookup, 1, None{}, 0, "name");
  auto seen = w.until(EventType::kLookup);
  const auto slot = static_cast<uint64_t>(seen.at(0).a);
  const auto session = w.engine->session(id);
  session->reply_entry(slot, {7, 10, 0, false});
  const auto got = kernel.reply();
  check(got && got->unique == lookup && got->body.size() == sizeof(wire::EntryOut) && session->lookup_count(7) == 1,
        "a LOOKUP is answered through its slot, and counted");
  session->reply_error(slot, EIO);
  session->reply_entry(slot, {7, 10, 0, false});
  check(session->lookup_count(7) == 1 && !kernel.reply(kQuiet), "a slot that was answered is not answered again");
  kernel.ask(wire::kForget, 7, wire::ForgetIn{1});
  kernel.answered(kernel.ask(wire::kDestroy, 0, wire::ForgetIn{}), 0);
  check(session->lookup_count(7) == 0, "FORGET counts down");

  kernel.ask(wire::kLookup, 1, None{}, 0, "name");
  seen = w.until(EventType::kLookup);
  session->reply_error(static_cast<uint64_t>(seen.at(0).a), 100000);
  const auto wrong = kernel.reply();
  check(wrong && wrong->error == EIO, "what is no errno becomes EIO: the kernel would drop the reply");
}

void sent_again() {
  World w;
  Kernel kernel;
  const uint32_t id = w.connect(kernel);
  kernel.mark = wire::kUniqueResend;
  const uint64_t at_once = kernel.ask(wire::kGetxattr, 5, wire::GetxattrIn{}, 0, "security.capability");
  check(at_once >> 63 == 1 && kernel.answered(at_once, ENODATA),
        "a request that the kernel sends again is answered under the number it came with");
  const uint64_t lookup = kernel.ask(wire::kLookup, 1, None{}, 0, "name");
  const auto seen = w.until(EventType::kLookup);
  w.engine->session(id)->reply_error(static_cast<uint64_t>(seen.at(0).a), ENOENT);
  check(kernel.answered(lookup, ENOENT), "so is one that waits for the control plane");
  const uint64_t read = kernel.read(5, 0, 100, dead_pid());
  kernel.ask(wire::kInterrupt, 0, wire::InterruptIn{read});
  check(kernel.answered(read, EINTR), "and an interrupt finds it by that number");
}

void interrupts() {
  World w;
  Kernel kernel;
  w.connect(kernel);
  const auto self = static_cast<uint32_t>(::getpid());
  const uint64_t alive = kernel.read(5, 0, 100, self);
  w.until(EventType::kResolve);
  const uint64_t first = kernel.ask(wire::kInterrupt, 0, wire::InterruptIn{alive});
  check(kernel.answered(first, EAGAIN), "an interrupt of a process that lives is asked for again");
  check(!kernel.reply(kQuiet), "and its request waits on");
  const uint64_t gone = kernel.read(5, 0, 100, dead_pid());
  kernel.ask(wire::kInterrupt, 0, wire::InterruptIn{gone});
  check(kernel.answered(gone, EINTR), "the request of a killed process ends with EINTR");
  const uint64_t unknown = kernel.read(5, 0, 100, 0);
  const uint64_t whose = kernel.ask(wire::kInterrupt, 0, wire::InterruptIn{unknown});
  check(kernel.answered(whose, EAGAIN), "who is in another pid namespace counts as alive");
  const uint64_t early = kernel.ask(wire::kInterrupt, 0, wire::InterruptIn{999'999});
  check(kernel.answered(early, EAGAIN), "an interrupt that overtook its request is asked for again");
  kernel.read(5, 0, 100, dead_pid());
  check(!kernel.reply(kQuiet), "a request that can be interrupted is not looked at without");
  const uint64_t deaf = kernel.read(5, 0, 4096, dead_pid(), O_DIRECT);
  check(kernel.answered(deaf, EINTR), "an O_DIRECT read of a killed process ends although no interrupt ever comes");
}

void timeouts() {
  World w;
  Kernel kernel;
  SessionOptions options;
  options.io_timeout = 100ms;
  w.connect(kernel, options);
  const uint64_t read = kernel.read(5, 0, 100);
  check(kernel.answered(read, EIO), "a wait ends with EIO after its limit");
  const auto seen = w.until(EventType::kTimeout);
  check(!seen.empty() && seen.back().b == 5 && static_cast<uint32_t>(seen.back().c) == wire::kRead, "and is told");
}

void leaving() {
  World w;
  Kernel kernel;
  const uint32_t id = w.connect(kernel);
  const uint64_t parked = kernel.read(5, 0, 100);
  w.until(EventType::kResolve);
  // A notification waits in the kernel for a request that we have not even read.
  std::promise<void> answered;
  std::atomic<bool> told{false};
  w.engine->notifier().submit(id, [&] {
    answered.get_future().wait();
    told = true;
  });
  // Another connection's notification does not wait for it.
  std::promise<void> other;
  w.engine->notifier().submit(id + 1000, [&] { other.set_value(); });
  check(other.get_future().wait_for(kSoon) == std::future_status::ready,
        "a notification that waits delays no other connection");

  w.engine->remove_session(id);
  check(w.engine->session(id) == nullptr, "a removed connection is gone for the control plane");
  check(kernel.answered(parked, ENOTCONN), "what waits at a removed connection ends with ENOTCONN");
  check(kernel.answered(kernel.read(5, 0, 100), ENOTCONN) &&
            kernel.answered(kernel.ask(wire::kLookup, 1, None{}, 0, "name"), ENOTCONN),
        "and so does what comes as long as a notification is on its way");
  check(!told, "which is still waiting");
  answered.set_value();
  check(kernel.ended(), "then the connection is closed");
  check(told, "after its last notification");

  Kernel last;
  const uint32_t second = w.connect(last);
  std::promise<void> asked;
  w.engine->notifier().submit(second, [&] { asked.get_future().wait(); });
  std::thread closing([&] { w.engine.reset(); });
  const bool served = last.answered(last.read(5, 0, 100), ENOTCONN);
  asked.set_value();
  closing.join();
  check(served, "an engine that stops answers what its notifications wait for, and ends");
}

void fairness() {
  World w(1);
  Kernel busy, other;
  w.connect(busy);
  w.connect(other);
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    while (!stop) busy.ask(wire::kDestroy, 0, wire::ForgetIn{});
  });
  std::thread sink([&] {
    while (!stop) busy.reply(10ms);
  });
  bool served = true;
  for (int i = 0; i < 20; ++i) served = served && other.answered(other.ask(wire::kDestroy, 0, wire::ForgetIn{}), 0);
  stop = true;
  sink.join();
  // A full socket would keep it from seeing `stop`.
  w.engine.reset();
  flood.join();
  check(served, "a connection that is never quiet leaves the only thread to others, too");
}

}  // namespace

int main() {
  handshake();
  requests();
  answers();
  sent_again();
  interrupts();
  timeouts();
  leaving();
  fairness();
  return failures == 0 ? 0 : 1;
}
