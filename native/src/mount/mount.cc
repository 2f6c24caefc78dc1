#include "mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

namespace dlfs {

Mounted mount_fuse(const MountOptions& options) {
  Mounted out;
  out.fuse.reset(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!out.fuse) {
    out.error = errno;
    out.step = "open /dev/fuse";
    return out;
  }
  std::string data = "fd=" + std::to_string(out.fuse.get()) +
                     ",rootmode=40000,user_id=0,group_id=0,max_read=1048576,default_permissions";
  if (options.allow_other) data += ",allow_other";
  if (::mount(options.source.c_str(), options.dir.c_str(), "fuse.dlfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME,
              data.c_str()) != 0) {
    out.error = errno;
    out.step = "mount";
    out.fuse.reset();
  }
  return out;
}

int unmount(const std::string& dir, bool lazy) {
  return ::umount2(dir.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 ? 0 : errno;
}

}  // namespace dlfs
