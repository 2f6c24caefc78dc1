// Mounting and unmounting a FUSE file system by system calls: no fusermount, no shell.
//
// Invariants:
//  1. A mount made here is read-only, nosuid and nodev, whatever the caller asks.
//  2. Nothing here touches the mounted path after the mount stands: that would wait for ourselves.
#pragma once

#include <cstdint>
#include <string>

#include "../base/unique_fd.h"

namespace dlfs {

struct MountOptions {
  std::string dir;     // absolute path of an existing directory
  std::string source;  // what `mount` and `df` show, e.g. s3://bucket/prefix
  bool allow_other = true;
  bool detached = false;  // not at `dir` yet: attach() puts it there when it is ready
};

struct Mounted {
  UniqueFd fuse;          // /dev/fuse, non-blocking
  UniqueFd mount;         // of a detached one
  int error = 0;          // errno of the step that failed, 0 on success
  const char* step = "";  // "open /dev/fuse" or "mount"
};

Mounted mount_fuse(const MountOptions& options);

// Where a mount that is attached goes, if the directory is a mount point already.
enum class Place : uint8_t {
  kOver,     // over what is there
  kBeneath,  // beneath what is there, which stays in sight until it is unmounted (Linux 6.5)
};

struct Attached {
  int error = 0;
  uint32_t major = 0, minor = 0;  // the mount's device
};

// Puts a detached mount at `dir`, in one step: whoever looks sees what was there before, or the mount.
Attached attach(const UniqueFd& mount, const std::string& dir, Place place);

// The same with a mount that is seen at `from`, which stays in sight there.
Attached show(const std::string& from, const std::string& dir, Place place);

// umount2(2); returns 0 or an errno. `lazy` detaches at once (MNT_DETACH).
int unmount(const std::string& dir, bool lazy);

}  // namespace dlfs
