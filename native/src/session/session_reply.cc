// Session, what goes to the kernel: replies to requests, and notifications.
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "session.h"

namespace dlfs {
namespace {

constexpr int kMaxErrno = 511;

// Nanoseconds that a request has waited.
uint64_t since(const Pending& pending) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - pending.since).count());
}

}  // namespace

std::optional<Pending> Session::take_metadata(uint64_t slot) {
  auto pending = slots_.take(slot);
  if (pending) {
    count(stats_.metadata_requests);
    count(stats_.metadata_ns, since(*pending));
  }
  return pending;
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

}  // namespace dlfs
