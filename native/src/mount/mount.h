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
};

struct Mounted {
  UniqueFd fuse;          // /dev/fuse, non-blocking
  int error = 0;          // errno of the step that failed, 0 on success
  const char* step = "";  // "open /dev/fuse" or "mount"
};

Mounted mount_fuse(const MountOptions& options);

// umount2(2); returns 0 or an errno. `lazy` detaches at once (MNT_DETACH).
int unmount(const std::string& dir, bool lazy);

}  // namespace dlfs
