#include "session.h"

#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "killed.h"

namespace dlfs {
namespace {

using std::chrono::steady_clock;

// How long after an interrupt the kernel is asked to send it again. A killed process is gone within a second; the check
// itself costs some microseconds, so this can be frequent.
constexpr auto kInterruptAgain = std::chrono::milliseconds(200);

// ioctls of /dev/fuse: _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t).
const unsigned long kBackingOpen = _IOW(229, 1, wire::BackingMap);
const unsigned long kBackingClose = _IOW(229, 2, uint32_t);

constexpr int kMaxErrno = 511;

// Requests of a turn: what one thread does in a millisecond or two, and a hundred times the cost of taking turns.
constexpr unsigned kTurn = 128;

// Beyond any object; keeps sums of offset and length far from overflow.
constexpr uint64_t kMaxOffset = 1ULL << 62;

constexpr uint64_t kWantedFlags = wire::kInitAsyncRead | wire::kInitDoReaddirplus | wire::kInitReaddirplusAuto |
                                  wire::kInitAsyncDio | wire::kInitNoOpenSupport | wire::kInitParallelDirops |
                                  wire::kInitMaxPages | wire::kInitNoOpendirSupport | wire::kInitExplicitInvalData |
                                  wire::kInitExt | wire::kInitAllowIdmap;

template <typename T>
bool parse(std::span<const std::byte> body, T& out) {
  if (body.size() < sizeof(T)) return false;
  std::memcpy(&out, body.data(), sizeof(T));
  return true;
}

// Nanoseconds that a request has waited.
uint64_t since(const Pending& pending) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(steady_clock::now() - pending.since).count());
}

// A NUL-terminated name at the start of `body`.
std::string_view parse_name(std::span<const std::byte> body) {
  const auto* text = reinterpret_cast<const char*>(body.data());
  return {text, ::strnlen(text, body.size())};
}

}  // namespace

Session::Session(SessionOptions options, UniqueFd fuse, std::shared_ptr<Volume> volume, EventQueue& events)
    : options_(options),
      fuse_(std::move(fuse)),
      volume_(std::move(volume)),
      events_(events),
      stats_(volume_->stats()),
      io_timeout_(options.io_timeout.count()) {}

Session::~Session() { volume_->disconnected(*this); }

Served Session::serve(const Scratch& scratch, Spin& spin) {
  bool spinning = false;
  auto until = Spin::Clock::time_point::max();
  for (unsigned handled = 0; !ended_.load(std::memory_order_relaxed);) {
    if (handled == kTurn) {
      if (spinning) spin.end(true);
      return Served::kMore;
    }
    const ssize_t n = ::read(fuse_.get(), scratch.request.data(), scratch.request.size());
    if (n < 0) {
      if (errno == EAGAIN) {
        if (!spinning) {
          if (!spin.begin()) return Served::kIdle;
          spinning = true;
          until = Spin::Clock::now() + Spin::kLength;
        } else if (Spin::Clock::now() >= until) {
          spin.end(false);
          return Served::kIdle;
        }
        continue;
      }
      // Only these end the connection; a request that was withdrawn (ENOENT) or a lack of memory does not.
      if (errno != ENODEV && errno != ECONNABORTED && errno != EBADF) continue;
      const int error = errno;
      if (spinning) spin.end(false);
      if (!ended_.exchange(true)) {
        events_.push(EventType::kSessionEnd, options_.id, 0, error == ENODEV ? 0 : error);
        slots_.take_all();
      }
      return Served::kEnded;
    }
    if (spinning) {
      spin.end(true);
      spinning = false;
    }
    wire::InHeader in;
    const auto bytes = scratch.request.first(static_cast<size_t>(n));
    if (!parse(bytes, in) || in.len != bytes.size()) continue;
    count(stats_.requests);
    ++handled;
    // Credentials of the caller's cgroup extensions, if any, are behind the body.
    const size_t ext = static_cast<size_t>(in.total_extlen) * 8;
    const auto body = bytes.subspan(sizeof in);
    handle(in, body.first(body.size() - std::min(ext, body.size())), scratch);
  }
  if (spinning) spin.end(false);
  return Served::kEnded;
}

uint64_t Session::park(const wire::InHeader& in) {
  return slots_.add({in.unique, in.nodeid, in.opcode, in.pid, steady_clock::now()});
}

std::optional<Pending> Session::take_metadata(uint64_t slot) {
  auto pending = slots_.take(slot);
  if (pending) {
    count(stats_.metadata_requests);
    count(stats_.metadata_ns, since(*pending));
  }
  return pending;
}

void Session::handle(const wire::InHeader& in, std::span<const std::byte> body, const Scratch& scratch) {
  const auto ino = static_cast<double>(in.nodeid);
  switch (in.opcode) {
    case wire::kRead:
      return read(in, body, scratch);
    case wire::kLookup:
      events_.push(EventType::kLookup, options_.id, static_cast<double>(park(in)), ino, in.pid, 0, 0, 0,
                   parse_name(body));
      return;
    case wire::kGetattr:
      events_.push(EventType::kGetattr, options_.id, static_cast<double>(park(in)), ino);
      return;
    case wire::kReaddir:
    case wire::kReaddirplus: {
      wire::ReadIn args{};
      if (!parse(body, args)) return send(in.unique, EINVAL);
      events_.push(EventType::kReaddir, options_.id, static_cast<double>(park(in)), ino,
                   static_cast<double>(args.offset), args.size, in.opcode == wire::kReaddirplus ? 1 : 0);
      return;
    }
    case wire::kOpen:
      return open(in);
    case wire::kRelease:
      if (options_.passthrough) volume_->release(*this, in.nodeid);
      return send(in.unique, 0);
    case wire::kForget: {
      wire::ForgetIn args{};
      if (parse(body, args) && counts_.forget(in.nodeid, args.nlookup)) volume_->forget(in.nodeid);
      return;
    }
    case wire::kBatchForget:
      return batch_forget(body);
    case wire::kInterrupt:
      return interrupt(in, body);
    case wire::kGetxattr:
    case wire::kListxattr:
      return xattr(in, body);
    case wire::kStatfs:
      events_.push(EventType::kStatfs, options_.id, static_cast<double>(park(in)));
      return;
    case wire::kInit:
      return init(in, body);
    case wire::kDestroy:
      return send(in.unique, 0);
    case wire::kReadlink:
      return send(in.unique, EINVAL);
    case wire::kSetattr:
    case wire::kSymlink:
    case wire::kMknod:
    case wire::kMkdir:
    case wire::kUnlink:
    case wire::kRmdir:
    case wire::kRename:
    case wire::kRename2:
    case wire::kLink:
    case wire::kWrite:
    case wire::kSetxattr:
    case wire::kRemovexattr:
    case wire::kCreate:
    case wire::kFallocate:
    case wire::kTmpfile:
    case wire::kCopyFileRange:
      return send(in.unique, EROFS);
    default:
      // OPENDIR, FLUSH, FSYNC, LSEEK, ACCESS, STATX, locks, ioctl, poll: once ENOSYS, the kernel does without us.
      return send(in.unique, ENOSYS);
  }
}

void Session::init(const wire::InHeader& in, std::span<const std::byte> body) {
  wire::InitIn args{};
  std::memcpy(&args, body.data(), std::min(body.size(), sizeof args));
  if (args.major != wire::kMajor || args.minor < 31) {
    send(in.unique, EPROTO);
    return;
  }
  const uint64_t offered = args.flags | ((args.flags & wire::kInitExt) != 0 ? uint64_t{args.flags2} << 32 : 0);
  uint64_t flags = offered & kWantedFlags;
  wire::InitOut out{};
  if (options_.passthrough && (offered & wire::kInitPassthrough) != 0) {
    flags |= wire::kInitPassthrough;
    out.max_stack_depth = 1;
  }
  out.major = wire::kMajor;
  out.minor = std::min(wire::kMinor, args.minor);
  out.max_readahead = options_.max_readahead;
  out.flags = static_cast<uint32_t>(flags);
  out.flags2 = static_cast<uint32_t>(flags >> 32);
  out.max_background = options_.max_background;
  out.congestion_threshold = options_.congestion_threshold;
  out.max_write = 4096;  // nothing is ever written; keeps the receive buffer small
  out.time_gran = 1000000;
  out.max_pages = static_cast<uint16_t>(std::max<long>(1, (1L << 20) / ::sysconf(_SC_PAGESIZE)));
  send_struct(in.unique, out);
  events_.push(EventType::kSessionReady, options_.id, 0, args.minor, static_cast<double>(flags >> 32),
               static_cast<double>(flags & 0xffffffffU));
}

void Session::read(const wire::InHeader& in, std::span<const std::byte> body, const Scratch& scratch) {
  wire::ReadIn args{};
  if (!parse(body, args)) return send(in.unique, EINVAL);
  count(stats_.reads);
  // max_read forbids it; fewer bytes than asked for would be taken for the end of the file.
  if (args.size > scratch.data.size() || args.offset > kMaxOffset) return send(in.unique, EIO);
  if (args.size == 0) return send(in.unique, 0);
  const int64_t n = volume_->read(in.nodeid, args.offset, args.size, in.pid, scratch.data);
  if (n >= 0) {
    const std::span<const std::byte> piece = scratch.data.first(static_cast<size_t>(n));
    count(stats_.read_bytes, static_cast<uint64_t>(n));
    return send(in.unique, 0, {&piece, 1});
  }
  volume_->park(weak_from_this(), park(in), in.nodeid, args.offset, args.size, in.pid);
}

void Session::send_open(uint64_t unique, const OpenAnswer& answer) {
  wire::OpenOut out{};
  out.open_flags = answer.passthrough ? wire::kFopenPassthrough : wire::kFopenKeepCache;
  out.backing_id = answer.passthrough ? answer.backing_id : 0;
  send_struct(unique, out);
}

void Session::open(const wire::InHeader& in) {
  if (!options_.passthrough) return send(in.unique, ENOSYS);
  const uint64_t slot = park(in);
  const OpenAnswer answer = volume_->open(weak_from_this(), *this, slot, in.nodeid);
  if (!answer.known) return;
  if (const auto pending = slots_.take(slot)) {
    send_open(pending->unique, answer);
  } else {
    volume_->release(*this, in.nodeid);  // killed meanwhile: nobody will send RELEASE
  }
}

void Session::reopen(uint64_t slot, uint64_t ino) {
  const auto pending = take_metadata(slot);
  if (!pending) return;
  const OpenAnswer answer = volume_->open(weak_from_this(), *this, slot, ino);
  if (answer.known) {
    send_open(pending->unique, answer);
  } else {
    send(pending->unique, EIO);
  }
}

void Session::batch_forget(std::span<const std::byte> body) {
  wire::BatchForgetIn args{};
  if (!parse(body, args)) return;
  body = body.subspan(sizeof args);
  for (uint32_t i = 0; i < args.count; ++i) {
    wire::ForgetOne one{};
    if (!parse(body, one)) return;
    body = body.subspan(sizeof one);
    if (counts_.forget(one.nodeid, one.nlookup)) volume_->forget(one.nodeid);
  }
}

void Session::interrupt(const wire::InHeader& in, std::span<const std::byte> body) {
  wire::InterruptIn args{};
  if (!parse(body, args)) return;
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
  for (const auto& [ticket, pid] : slots_.waiting_since(now - kInterruptAgain)) {
    if (!is_killed(pid)) continue;
    const auto pending = slots_.take(ticket);
    if (!pending) continue;
    count(stats_.killed);
    send(pending->unique, EINTR);
  }
}

void Session::xattr(const wire::InHeader& in, std::span<const std::byte> body) {
  wire::GetxattrIn args{};
  if (!parse(body, args)) return send(in.unique, EINVAL);
  const auto ino = static_cast<double>(in.nodeid);
  if (in.opcode == wire::kListxattr) {
    events_.push(EventType::kListxattr, options_.id, static_cast<double>(park(in)), ino, args.size);
    return;
  }
  const std::string_view name = parse_name(body.subspan(sizeof args));
  // security.capability and friends are asked for all the time and never exist here.
  if (!name.starts_with("user.dlfs.")) return send(in.unique, ENODATA);
  events_.push(EventType::kGetxattr, options_.id, static_cast<double>(park(in)), ino, args.size, 0, 0, 0, name);
}

void Session::send(uint64_t unique, int error, std::span<const std::span<const std::byte>> pieces) {
  // The kernel drops an answer with a number that is no errno, and whoever asked would wait for ever.
  if (error < 0 || error > kMaxErrno) error = EIO;
  wire::OutHeader out{sizeof(wire::OutHeader), -error, unique};
  std::array<iovec, 8> few{};
  std::vector<iovec> many;
  std::span<iovec> iov = few;
  if (pieces.size() + 1 > few.size()) {
    many.resize(pieces.size() + 1);
    iov = many;
  }
  iov[0] = {&out, sizeof out};
  for (size_t i = 0; i < pieces.size(); ++i) {
    iov[i + 1] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
    out.len += static_cast<uint32_t>(pieces[i].size());
  }
  // ENOENT: the request was aborted; ENODEV: unmounted. Both leave nobody to answer.
  while (::writev(fuse_.get(), iov.data(), static_cast<int>(pieces.size() + 1)) < 0 && errno == EINTR) {
  }
}

void Session::answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) {
  const auto pending = slots_.take(slot);
  if (!pending) return;
  uint64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  count(stats_.waited_reads);
  count(stats_.waited_ns, since(*pending));
  count(stats_.read_bytes, bytes);
  send(pending->unique, 0, pieces);
}

void Session::reply_error(uint64_t slot, int error) {
  const auto pending = slots_.take(slot);
  if (!pending) return;
  if (pending->opcode == wire::kRead) {
    count(stats_.failed_reads);
  } else {
    count(stats_.metadata_requests);
    count(stats_.metadata_ns, since(*pending));
  }
  send(pending->unique, error);
}

void Session::reply_entry(uint64_t slot, const wire::Node& node) {
  const auto pending = take_metadata(slot);
  if (!pending) return;
  if (node.ino != 0) counts_.add(node.ino);
  send_struct(pending->unique, wire::encode_entry(node, options_.ownership, options_.ttl));
}

void Session::reply_attr(uint64_t slot, const wire::Node& node) {
  const auto pending = take_metadata(slot);
  if (pending) send_struct(pending->unique, wire::encode_attr_out(node, options_.ownership, options_.ttl));
}

void Session::reply_xattr(uint64_t slot, uint32_t asked, std::string_view value) {
  const auto pending = take_metadata(slot);
  if (!pending) return;
  if (asked == 0) {
    send_struct(pending->unique, wire::GetxattrOut{static_cast<uint32_t>(value.size()), 0});
  } else if (value.size() > asked) {
    send(pending->unique, ERANGE);
  } else {
    const std::span<const std::byte> piece = std::as_bytes(std::span(value.data(), value.size()));
    send(pending->unique, 0, {&piece, 1});
  }
}

void Session::reply_statfs(uint64_t slot, const wire::StatfsOut& out) {
  const auto pending = take_metadata(slot);
  if (pending) send_struct(pending->unique, out);
}

void Session::reply_dir(uint64_t slot, uint32_t size, bool plus, std::span<const DirEntry> entries) {
  const auto pending = take_metadata(slot);
  if (!pending) return;
  std::vector<std::byte> out(std::min<size_t>(size, 1U << 20));
  size_t used = 0;
  for (const auto& entry : entries) {
    wire::EntryOut full{};
    const bool dots = entry.name == "." || entry.name == "..";
    if (plus && !dots) full = wire::encode_entry(entry.node, options_.ownership, options_.ttl);
    const size_t next = wire::append_dirent(out, used, entry.node, entry.name, entry.cookie, plus ? &full : nullptr);
    if (next == used) break;
    used = next;
    if (plus && !dots) counts_.add(entry.node.ino);
  }
  const std::span<const std::byte> piece = std::span(out).first(used);
  send(pending->unique, 0, {&piece, 1});
}

int Session::notify(int32_t code, std::span<const std::span<const std::byte>> pieces) {
  wire::OutHeader out{sizeof(wire::OutHeader), code, 0};
  std::array<iovec, 4> iov{};
  iov[0] = {&out, sizeof out};
  for (size_t i = 0; i < pieces.size(); ++i) {
    iov[i + 1] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
    out.len += static_cast<uint32_t>(pieces[i].size());
  }
  const ssize_t n = ::writev(fuse_.get(), iov.data(), static_cast<int>(pieces.size() + 1));
  return n >= 0 || errno == ENOENT ? 0 : errno;  // ENOENT: the kernel does not have it cached
}

int Session::notify_inval_inode(uint64_t ino) {
  const wire::NotifyInvalInodeOut body{ino, 0, 0};
  const std::span<const std::byte> piece = std::as_bytes(std::span(&body, 1));
  return notify(wire::kNotifyInvalInode, {&piece, 1});
}

int Session::notify_inval_entry(uint64_t parent, std::string_view name) {
  const wire::NotifyInvalEntryOut body{parent, static_cast<uint32_t>(name.size()), 0};
  const std::array<std::byte, 1> nul{};
  const std::array<std::span<const std::byte>, 3> pieces{std::as_bytes(std::span(&body, 1)),
                                                         std::as_bytes(std::span(name.data(), name.size())), nul};
  return notify(wire::kNotifyInvalEntry, pieces);
}

int Session::notify_inc_epoch() { return notify(wire::kNotifyIncEpoch, {}); }

void Session::abort_pending(int error) {
  ended_.store(true);
  for (const auto& pending : slots_.take_all()) send(pending.unique, error);
}

int32_t Session::backing_open(int fd) {
  wire::BackingMap map{fd, 0, 0};
  const int id = ::ioctl(fuse_.get(), kBackingOpen, &map);
  return id >= 0 ? id : -errno;
}

void Session::backing_close(int32_t id) {
  auto value = static_cast<uint32_t>(id);
  ::ioctl(fuse_.get(), kBackingClose, &value);
}

}  // namespace dlfs
