// The folder of cache files: one sparse file per object version, `<2 hex digits>/<ino>` below a directory descriptor.
//
// Invariants:
//  1. Names are made from numbers here and nowhere else; nothing from the network becomes a path.
//  2. Files are 0600, opened with O_NOFOLLOW and O_CLOEXEC; nothing but a regular file is ever handed out, nor waited
//  for.
#pragma once

#include <cstdint>
#include <string>

#include "../base/unique_fd.h"

namespace dlfs {

class CacheDir {
 public:
  // Opens `path`, an existing directory of the caller. Throws std::system_error.
  explicit CacheDir(const std::string& path);

  // The cache file of `ino`, or an invalid fd with errno set: ELOOP where something lies there that is no regular file.
  // `create` makes it (and its folder). Without write access to the disk, `writable` is left out unless it is to be
  // made.
  UniqueFd open(uint64_t ino, bool create, bool writable) const;
  // 0 or an errno; a missing file is fine.
  int unlink(uint64_t ino) const;
  // Syncs the whole file system that holds the folder: one call settles any number of files.
  int sync_all() const;

 private:
  UniqueFd dir_;
};

}  // namespace dlfs
