// The FUSE kernel ABI as far as a read-only file system speaks it: request and reply structs, opcodes and flags.
//
// Written from the ABI's documentation (Linux `include/uapi/linux/fuse.h`, protocol 7.45) because distributions still
// ship headers of 7.38, which lack passthrough, resend and epoch. Everything is little structs of fixed layout in host
// byte order.
//
// Invariants:
//  1. Every struct has the kernel's size; the static_asserts below pin it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dlfs::wire {

inline constexpr uint32_t kMajor = 7;
inline constexpr uint32_t kMinor = 45;
// The kernel refuses to be read with a buffer below this (FUSE_MIN_READ_BUFFER).
inline constexpr size_t kMinReadBuffer = 8192;
inline constexpr uint64_t kRootIno = 1;
// Set in `unique` when the kernel sends a request again after FUSE_NOTIFY_RESEND.
inline constexpr uint64_t kUniqueResend = 1ULL << 63;

enum Opcode : uint32_t {
  kLookup = 1,
  kForget = 2,
  kGetattr = 3,
  kSetattr = 4,
  kReadlink = 5,
  kSymlink = 6,
  kMknod = 8,
  kMkdir = 9,
  kUnlink = 10,
  kRmdir = 11,
  kRename = 12,
  kLink = 13,
  kOpen = 14,
  kRead = 15,
  kWrite = 16,
  kStatfs = 17,
  kRelease = 18,
  kFsync = 20,
  kSetxattr = 21,
  kGetxattr = 22,
  kListxattr = 23,
  kRemovexattr = 24,
  kFlush = 25,
  kInit = 26,
  kOpendir = 27,
  kReaddir = 28,
  kReleasedir = 29,
  kFsyncdir = 30,
  kGetlk = 31,
  kSetlk = 32,
  kSetlkw = 33,
  kAccess = 34,
  kCreate = 35,
  kInterrupt = 36,
  kBmap = 37,
  kDestroy = 38,
  kIoctl = 39,
  kPoll = 40,
  kBatchForget = 42,
  kFallocate = 43,
  kReaddirplus = 44,
  kRename2 = 45,
  kLseek = 46,
  kCopyFileRange = 47,
  kTmpfile = 51,
  kStatx = 52,
};

enum NotifyCode : int32_t { kNotifyInvalInode = 2, kNotifyInvalEntry = 3, kNotifyIncEpoch = 8 };

// INIT flags (64 bits: flags | flags2 << 32).
inline constexpr uint64_t kInitAsyncRead = 1ULL << 0;
inline constexpr uint64_t kInitExportSupport = 1ULL << 4;
inline constexpr uint64_t kInitAutoInvalData = 1ULL << 12;
inline constexpr uint64_t kInitDoReaddirplus = 1ULL << 13;
inline constexpr uint64_t kInitReaddirplusAuto = 1ULL << 14;
inline constexpr uint64_t kInitAsyncDio = 1ULL << 15;
inline constexpr uint64_t kInitNoOpenSupport = 1ULL << 17;
inline constexpr uint64_t kInitParallelDirops = 1ULL << 18;
inline constexpr uint64_t kInitMaxPages = 1ULL << 22;
inline constexpr uint64_t kInitNoOpendirSupport = 1ULL << 24;
inline constexpr uint64_t kInitExplicitInvalData = 1ULL << 25;
inline constexpr uint64_t kInitExt = 1ULL << 30;
inline constexpr uint64_t kInitPassthrough = 1ULL << 37;
inline constexpr uint64_t kInitAllowIdmap = 1ULL << 40;

inline constexpr uint32_t kFopenDirectIo = 1U << 0;
inline constexpr uint32_t kFopenKeepCache = 1U << 1;
inline constexpr uint32_t kFopenPassthrough = 1U << 7;

struct InHeader {
  uint32_t len, opcode;
  uint64_t unique, nodeid;
  uint32_t uid, gid, pid;
  uint16_t total_extlen, padding;
};
struct OutHeader {
  uint32_t len;
  int32_t error;
  uint64_t unique;
};
struct InitIn {
  uint32_t major, minor, max_readahead, flags, flags2, unused[11];
};
struct InitOut {
  uint32_t major, minor, max_readahead, flags;
  uint16_t max_background, congestion_threshold;
  uint32_t max_write, time_gran;
  uint16_t max_pages, map_alignment;
  uint32_t flags2, max_stack_depth;
  uint16_t request_timeout, unused[11];
};
struct Attr {
  uint64_t ino, size, blocks, atime, mtime, ctime;
  uint32_t atimensec, mtimensec, ctimensec, mode, nlink, uid, gid, rdev, blksize, flags;
};
struct AttrOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec, dummy;
  Attr attr;
};
struct EntryOut {
  uint64_t nodeid, generation, entry_valid, attr_valid;
  uint32_t entry_valid_nsec, attr_valid_nsec;
  Attr attr;
};
struct OpenIn {
  uint32_t flags, open_flags;
};
struct OpenOut {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
struct ReleaseIn {
  uint64_t fh;
  uint32_t flags, release_flags;
  uint64_t lock_owner;
};
struct ReadIn {
  uint64_t fh, offset;
  uint32_t size, read_flags;
  uint64_t lock_owner;
  uint32_t flags, padding;
};
struct Dirent {
  uint64_t ino, off;
  uint32_t namelen, type;
};
struct StatfsOut {
  uint64_t blocks, bfree, bavail, files, ffree;
  uint32_t bsize, namelen, frsize, padding, spare[6];
};
struct GetxattrIn {
  uint32_t size, padding;
};
struct GetxattrOut {
  uint32_t size, padding;
};
struct InterruptIn {
  uint64_t unique;
};
struct ForgetIn {
  uint64_t nlookup;
};
struct ForgetOne {
  uint64_t nodeid, nlookup;
};
struct BatchForgetIn {
  uint32_t count, dummy;
};
struct NotifyInvalInodeOut {
  uint64_t ino;
  int64_t off, len;
};
struct NotifyInvalEntryOut {
  uint64_t parent;
  uint32_t namelen, flags;
};
struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};

static_assert(sizeof(InHeader) == 40 && sizeof(OutHeader) == 16 && sizeof(InitIn) == 64 && sizeof(InitOut) == 64);
static_assert(sizeof(Attr) == 88 && sizeof(AttrOut) == 104 && sizeof(EntryOut) == 128 && sizeof(Dirent) == 24);
static_assert(sizeof(OpenOut) == 16 && sizeof(ReadIn) == 40 && sizeof(ReleaseIn) == 24 && sizeof(StatfsOut) == 80);
static_assert(sizeof(ForgetOne) == 16 && sizeof(BatchForgetIn) == 8 && sizeof(BackingMap) == 16);

}  // namespace dlfs::wire
