// The addon's door: the Engine class and the few system calls that node has no function for.
#include <dlfcn.h>
#include <napi.h>
#include <openssl/opensslv.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/unique_fd.h"
#include "binding/engine_object.h"
#include "binding/values.h"
#include "block/xxh64.h"
#include "mount/mount.h"

namespace {

using namespace dlfs::binding;

// unmount(dir, lazy) → errno
Napi::Value unmount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), dlfs::unmount(text(info[0], "dir"), boolean(info[1], "lazy")));
}

// showMount(from, dir, beneath) → { errno, device }
Napi::Value show_mount(const Napi::CallbackInfo& info) {
  const auto place = boolean(info[2], "beneath") ? dlfs::Place::kBeneath : dlfs::Place::kOver;
  return placed(info.Env(), dlfs::show(text(info[0], "from"), text(info[1], "dir"), place));
}

// lock(fd) → errno: an exclusive flock(2) that lives as long as the descriptor; EWOULDBLOCK when another process has
// it.
Napi::Value lock(const Napi::CallbackInfo& info) {
  const int fd = static_cast<int>(small(info[0], "fd"));
  return Napi::Number::New(info.Env(), ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno);
}

// raiseDescriptorLimit() → the soft limit after raising it to the hard one
Napi::Value raise_descriptor_limit(const Napi::CallbackInfo& info) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return Napi::Number::New(info.Env(), static_cast<double>(limit.rlim_cur));
}

// preload(path) → '' or why the library cannot be loaded. It stays in the process: libraries loaded later that need one
// of its name find it, wherever it lies.
Napi::Value preload(const Napi::CallbackInfo& info) {
  const bool loaded = ::dlopen(text(info[0], "path").c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) != nullptr;
  const char* why = loaded ? "" : ::dlerror();
  return Napi::String::New(info.Env(), why != nullptr ? why : "unknown");
}

// sendDatagram(path, text) → errno: one datagram to a Unix socket, without waiting; a path that starts with @ is of the
// abstract namespace (unix(7)).
Napi::Value send_datagram(const Napi::CallbackInfo& info) {
  const std::string path = text(info[0], "path");
  const std::string message = text(info[1], "text");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  int error = 0;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    error = EINVAL;
  } else {
    std::memcpy(address.sun_path, path.data(), path.size());
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    const dlfs::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd || ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                        reinterpret_cast<const sockaddr*>(&address), length) < 0) {
      error = errno;
    }
  }
  return Napi::Number::New(info.Env(), error);
}

// xxh64(bytes) → bigint
Napi::Value hash(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), dlfs::xxh64(array<std::byte>(info[0], "bytes")));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineObject::define(env));
  exports.Set("sendDatagram", Napi::Function::New(env, send_datagram));
  exports.Set("showMount", Napi::Function::New(env, show_mount));
  exports.Set("unmount", Napi::Function::New(env, unmount));
  exports.Set("lock", Napi::Function::New(env, lock));
  exports.Set("raiseDescriptorLimit", Napi::Function::New(env, raise_descriptor_limit));
  exports.Set("preload", Napi::Function::New(env, preload));
  exports.Set("xxh64", Napi::Function::New(env, hash));
  // OpenSSL keeps its ABI within a major version; src/native/addon-file.ts compares this one with node's own.
  exports.Set("opensslMajor", Napi::Number::New(env, OPENSSL_VERSION_MAJOR));
  return exports;
}

NODE_API_MODULE(dlfs, init)

}  // namespace
