// Session, what comes from the kernel: requests, told apart.
#include "session.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../wire/decode.h"

namespace dlfs {
namespace {

using std::chrono::steady_clock;

// ioctls of /dev/fuse: _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t).
const unsigned long kBackingOpen = _IOW(229, 1, wire::BackingMap);
const unsigned long kBackingClose = _IOW(229, 2, uint32_t);

// Requests of a turn: what one thread does in a millisecond or two, and a hundred times the cost of taking turns.
constexpr unsigned kTurn = 128;

// Beyond any object; keeps sums of offset and length far from overflow.
constexpr uint64_t kMaxOffset = 1ULL << 62;

constexpr uint64_t kWantedFlags = wire::kInitAsyncRead | wire::kInitDoReaddirplus | wire::kInitReaddirplusAuto |
                                  wire::kInitAsyncDio | wire::kInitNoOpenSupport | wire::kInitParallelDirops |
                                  wire::kInitMaxPages | wire::kInitNoOpendirSupport | wire::kInitExplicitInvalData |
                                  wire::kInitExt | wire::kInitAllowIdmap;

}  // namespace

Session::Session(SessionOptions options, UniqueFd fuse, std::shared_ptr<Volume> volume, EventQueue& events)
    : options_(options),
      fuse_(std::move(fuse)),
      volume_(std::move(volume)),
      events_(events),
      stats_(volume_->stats()),
      io_timeout_(options.io_timeout.count()) {}

Session::~Session() {
  if (options_.passthrough) volume_->disconnected(*this);
}

Served Session::serve(const Scratch& scratch, Spin& spin) {
  bool spinning = false;
  auto until = Spin::Clock::time_point::max();
  for (unsigned handled = 0; !ended_.load(std::memory_order_relaxed);) {
    if (handled == kTurn) return Served::kMore;
    const ssize_t n = ::read(fuse_.get(), scratch.request.data(), scratch.request.size());
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) {
        handled = 0;
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
      const int error = n == 0 ? ENODEV : errno;
      if (error != ENODEV && error != ECONNABORTED && error != EBADF) continue;
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
    if (!wire::parse(bytes, in) || in.len != bytes.size()) continue;
    count(stats_.requests);
    // Credentials of the caller's cgroup extensions, if any, are behind the body.
    const size_t ext = static_cast<size_t>(in.total_extlen) * 8;
    const auto body = bytes.subspan(sizeof in);
    handle(in, body.first(body.size() - std::min(ext, body.size())), scratch);
    ++handled;
  }
  if (spinning) spin.end(false);
  return Served::kEnded;
}

void Session::handle(const wire::InHeader& in, std::span<const std::byte> body, const Scratch& scratch) {
  if (refused(in)) return;
  const auto ino = static_cast<double>(in.nodeid);
  switch (in.opcode) {
    case wire::kRead:
      return read(in, body, scratch);
    case wire::kLookup:
      events_.push(EventType::kLookup, options_.id, static_cast<double>(park(in)), ino, in.pid, 0, 0, 0,
                   wire::parse_name(body));
      return;
    case wire::kGetattr:
      events_.push(EventType::kGetattr, options_.id, static_cast<double>(park(in)), ino);
      return;
    case wire::kReaddir:
    case wire::kReaddirplus: {
      wire::ReadIn args{};
      if (!wire::parse(body, args)) return send(in.unique, EINVAL);
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
      if (wire::parse(body, args) && counts_.forget(in.nodeid, args.nlookup)) volume_->forget(in.nodeid);
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
  if (!wire::parse(body, args)) return send(in.unique, EINVAL);
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
  const uint64_t slot = park(in, (args.flags & O_DIRECT) != 0);
  volume_->park(weak_from_this(), slot, in.nodeid, args.offset, args.size, in.pid);
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
  if (!wire::parse(body, args)) return;
  body = body.subspan(sizeof args);
  for (uint32_t i = 0; i < args.count; ++i) {
    wire::ForgetOne one{};
    if (!wire::parse(body, one)) return;
    body = body.subspan(sizeof one);
    if (counts_.forget(one.nodeid, one.nlookup)) volume_->forget(one.nodeid);
  }
}

void Session::xattr(const wire::InHeader& in, std::span<const std::byte> body) {
  wire::GetxattrIn args{};
  if (!wire::parse(body, args)) return send(in.unique, EINVAL);
  const auto ino = static_cast<double>(in.nodeid);
  if (in.opcode == wire::kListxattr) {
    events_.push(EventType::kListxattr, options_.id, static_cast<double>(park(in)), ino, args.size);
    return;
  }
  const std::string_view name = wire::parse_name(body.subspan(sizeof args));
  // security.capability and friends are asked for all the time and never exist here.
  if (!name.starts_with("user.dlfs.")) return send(in.unique, ENODATA);
  events_.push(EventType::kGetxattr, options_.id, static_cast<double>(park(in)), ino, args.size, 0, 0, 0, name);
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
