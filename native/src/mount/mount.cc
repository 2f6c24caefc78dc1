#include "mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace dlfs {
namespace {

// Of linux/mount.h, which cannot be included beside sys/mount.h; older headers lack some. The calls are made by number:
// their wrappers are younger (glibc 2.36) than the systems that the addon is to run on.
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsconfigSetFlag = 0;
constexpr unsigned kFsconfigSetString = 1;
constexpr unsigned kFsconfigCreate = 6;
constexpr unsigned kFsmountCloexec = 1;
constexpr unsigned kMountRdonly = 0x1;
constexpr unsigned kMountNosuid = 0x2;
constexpr unsigned kMountNodev = 0x4;
constexpr unsigned kMountNoatime = 0x10;
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kMoveEmptyPath = 0x4;
constexpr unsigned kMoveBeneath = 0x200;

int fsopen(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, kFsopenCloexec)); }

bool configure(int context, unsigned command, const char* key, const char* value) {
  return ::syscall(SYS_fsconfig, context, command, key, value, 0) == 0;
}

// The parameters of a FUSE mount that both ways of mounting share.
constexpr const char* kRootMode = "40000";
constexpr const char* kMaxRead = "1048576";

// mount(2) in steps, so that the mount exists before anybody sees it.
bool mount_detached(const MountOptions& options, Mounted& out) {
  const UniqueFd context(fsopen("fuse"));
  if (!context) return false;
  const std::string fd = std::to_string(out.fuse.get());
  const std::array<std::array<const char*, 2>, 7> texts{{{"source", options.source.c_str()},
                                                         {"subtype", "dlfs"},
                                                         {"fd", fd.c_str()},
                                                         {"rootmode", kRootMode},
                                                         {"user_id", "0"},
                                                         {"group_id", "0"},
                                                         {"max_read", kMaxRead}}};
  for (const auto& [key, value] : texts) {
    if (!configure(context.get(), kFsconfigSetString, key, value)) return false;
  }
  std::vector<const char*> flags{"ro", "default_permissions"};
  if (options.allow_other) flags.push_back("allow_other");
  for (const char* flag : flags) {
    if (!configure(context.get(), kFsconfigSetFlag, flag, nullptr)) return false;
  }
  if (!configure(context.get(), kFsconfigCreate, nullptr, nullptr)) return false;
  constexpr unsigned kAttributes = kMountRdonly | kMountNosuid | kMountNodev | kMountNoatime;
  out.mount.reset(static_cast<int>(::syscall(SYS_fsmount, context.get(), kFsmountCloexec, kAttributes)));
  return static_cast<bool>(out.mount);
}

bool mount_at_once(const MountOptions& options, const Mounted& out) {
  std::string data = "fd=" + std::to_string(out.fuse.get()) + ",rootmode=" + kRootMode +
                     ",user_id=0,group_id=0,max_read=" + kMaxRead + ",default_permissions";
  if (options.allow_other) data += ",allow_other";
  return ::mount(options.source.c_str(), options.dir.c_str(), "fuse.dlfs",
                 MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME, data.c_str()) == 0;
}

}  // namespace

Mounted mount_fuse(const MountOptions& options) {
  Mounted out;
  out.fuse.reset(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!out.fuse) {
    out.error = errno;
    out.step = "open /dev/fuse";
    return out;
  }
  if (!(options.detached ? mount_detached(options, out) : mount_at_once(options, out))) {
    out.error = errno;
    out.step = "mount";
    out.fuse.reset();
  }
  return out;
}

Attached attach(const UniqueFd& mount, const std::string& dir, Place place) {
  Attached out;
  struct statx found {};
  // Without AT_STATX_DONT_SYNC the kernel would ask us, and wait.
  if (::statx(mount.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &found) != 0) {
    out.error = errno;
    return out;
  }
  out.major = found.stx_dev_major;
  out.minor = found.stx_dev_minor;
  const unsigned flags = kMoveEmptyPath | (place == Place::kBeneath ? kMoveBeneath : 0U);
  if (::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, dir.c_str(), flags) != 0) out.error = errno;
  return out;
}

Attached show(const std::string& from, const std::string& dir, Place place) {
  constexpr unsigned kFlags = kOpenTreeClone | O_CLOEXEC | AT_SYMLINK_NOFOLLOW;
  const UniqueFd mount(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, from.c_str(), kFlags)));
  if (!mount) return {.error = errno};
  return attach(mount, dir, place);
}

int unmount(const std::string& dir, bool lazy) {
  return ::umount2(dir.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 ? 0 : errno;
}

}  // namespace dlfs
