// The JavaScript class `Engine`: the engine and, by number, its volumes, sessions and endpoints. BOUNDARY.md lists
// every method; src/native/binding.ts types them in the same order.
//
// Invariants:
//  1. Methods are cheap and never wait, but for close(), which joins threads on a worker thread.
//  2. After close() every method throws.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "../mount/mount.h"
#include "../session/engine.h"

namespace dlfs::binding {

// Where a mount was put, as { errno, device }.
inline Napi::Value placed(Napi::Env env, const Attached& attached) {
  auto out = Napi::Object::New(env);
  out.Set("errno", attached.error);
  out.Set("device", std::to_string(attached.major) + ":" + std::to_string(attached.minor));
  return out;
}

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value volume_stats(const Napi::CallbackInfo& info);

  Napi::Value add_volume(const Napi::CallbackInfo& info);
  void remove_volume(const Napi::CallbackInfo& info);
  void attach(const Napi::CallbackInfo& info);
  void attach_checked(const Napi::CallbackInfo& info);
  void detach(const Napi::CallbackInfo& info);
  void states(const Napi::CallbackInfo& info);
  void fail_blocks(const Napi::CallbackInfo& info);
  void mark(const Napi::CallbackInfo& info);
  void drop_blocks(const Napi::CallbackInfo& info);
  void drop_file(const Napi::CallbackInfo& info);
  void verify(const Napi::CallbackInfo& info);
  Napi::Value publish(const Napi::CallbackInfo& info);
  void sync(const Napi::CallbackInfo& info);
  Napi::Value awaited(const Napi::CallbackInfo& info);
  Napi::Value drain_touched(const Napi::CallbackInfo& info);
  Napi::Value open_count(const Napi::CallbackInfo& info);
  void read(const Napi::CallbackInfo& info);

  Napi::Value add_endpoint(const Napi::CallbackInfo& info);
  void update_addresses(const Napi::CallbackInfo& info);
  void remove_endpoint(const Napi::CallbackInfo& info);
  Napi::Value fetch(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);

  Napi::Value mount(const Napi::CallbackInfo& info);
  Napi::Value attach_mount(const Napi::CallbackInfo& info);
  void set_io_timeout(const Napi::CallbackInfo& info);
  void remove_session(const Napi::CallbackInfo& info);
  void reply_error(const Napi::CallbackInfo& info);
  void reply_entry(const Napi::CallbackInfo& info);
  void reply_attr(const Napi::CallbackInfo& info);
  void reply_dir(const Napi::CallbackInfo& info);
  void reply_xattr(const Napi::CallbackInfo& info);
  void reply_statfs(const Napi::CallbackInfo& info);
  void invalidate(const Napi::CallbackInfo& info);
  Napi::Value lookup_count(const Napi::CallbackInfo& info);

  Engine& engine(const Napi::CallbackInfo& info);
  std::shared_ptr<Volume> volume(const Napi::CallbackInfo& info);    // from argument 0; throws when unknown
  std::shared_ptr<Session> session(const Napi::CallbackInfo& info);  // from argument 0; null when it has ended

  std::shared_ptr<Engine> engine_;
  Napi::ThreadSafeFunction wake_;
};

}  // namespace dlfs::binding
