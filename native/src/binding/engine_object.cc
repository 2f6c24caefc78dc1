#include "engine_object.h"

#include <cerrno>
#include <cstring>

#include "../http/tls.h"
#include "../mount/mount.h"
#include "values.h"

namespace dlfs::binding {
namespace {

// Destroys the engine away from the event loop: joining threads may wait for the disk.
class CloseWorker final : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<Engine> engine, Napi::ThreadSafeFunction wake)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), engine_(std::move(engine)), wake_(wake) {}
  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  void Execute() override { engine_.reset(); }
  void OnOK() override {
    wake_.Release();
    deferred_.Resolve(Env().Undefined());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Engine> engine_;
  Napi::ThreadSafeFunction wake_;
};

std::vector<http::Address> addresses(const Napi::Value& value) {
  std::vector<http::Address> out;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto one = list.Get(i).As<Napi::Object>();
    out.push_back({text(one.Get("address"), "address"), static_cast<uint16_t>(small(one.Get("port"), "port"))});
  }
  return out;
}

std::vector<uint32_t> block_list(const Napi::Value& value) {
  std::vector<uint32_t> out;
  for (const uint64_t block : integers(value, "blocks")) out.push_back(static_cast<uint32_t>(block));
  return out;
}

Napi::Object stats_object(Napi::Env env, const StatsValues& values) {
  auto out = Napi::Object::New(env);
  for (size_t i = 0; i < kCounters.size(); ++i) out.Set(kCounters[i].name, static_cast<double>(values[i]));
  return out;
}

wire::Node node_at(const Napi::CallbackInfo& info, size_t at) {
  return {integer(info[at], "ino"), integer(info[at + 1], "size"), milliseconds(number(info[at + 2], "mtimeMs")),
          boolean(info[at + 3], "dir")};
}

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  using E = EngineObject;
  return DefineClass(env, "Engine",
                     {InstanceMethod<&E::drain>("drain"),
                      InstanceMethod<&E::close>("close"),
                      InstanceMethod<&E::stats>("stats"),
                      InstanceMethod<&E::volume_stats>("volumeStats"),
                      InstanceMethod<&E::add_volume>("addVolume"),
                      InstanceMethod<&E::remove_volume>("removeVolume"),
                      InstanceMethod<&E::attach>("attach"),
                      InstanceMethod<&E::attach_checked>("attachChecked"),
                      InstanceMethod<&E::detach>("detach"),
                      InstanceMethod<&E::states>("states"),
                      InstanceMethod<&E::awaited>("awaited"),
                      InstanceMethod<&E::fail_blocks>("failBlocks"),
                      InstanceMethod<&E::mark>("mark"),
                      InstanceMethod<&E::drop_blocks>("dropBlocks"),
                      InstanceMethod<&E::drop_file>("dropFile"),
                      InstanceMethod<&E::verify>("verify"),
                      InstanceMethod<&E::publish>("publish"),
                      InstanceMethod<&E::sync>("sync"),
                      InstanceMethod<&E::drain_touched>("drainTouched"),
                      InstanceMethod<&E::open_count>("openCount"),
                      InstanceMethod<&E::read>("read"),
                      InstanceMethod<&E::add_endpoint>("addEndpoint"),
                      InstanceMethod<&E::update_addresses>("updateAddresses"),
                      InstanceMethod<&E::remove_endpoint>("removeEndpoint"),
                      InstanceMethod<&E::fetch>("fetch"),
                      InstanceMethod<&E::cancel>("cancel"),
                      InstanceMethod<&E::mount>("mount"),
                      InstanceMethod<&E::attach_mount>("attachMount"),
                      InstanceMethod<&E::set_io_timeout>("setIoTimeout"),
                      InstanceMethod<&E::remove_session>("removeSession"),
                      InstanceMethod<&E::reply_error>("replyError"),
                      InstanceMethod<&E::reply_entry>("replyEntry"),
                      InstanceMethod<&E::reply_attr>("replyAttr"),
                      InstanceMethod<&E::reply_dir>("replyDir"),
                      InstanceMethod<&E::reply_xattr>("replyXattr"),
                      InstanceMethod<&E::reply_statfs>("replyStatfs"),
                      InstanceMethod<&E::invalidate>("invalidate"),
                      InstanceMethod<&E::lookup_count>("lookupCount")});
}

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const auto o = info[0].As<Napi::Object>();
  EngineOptions options;
  options.session_threads = small(o.Get("sessionThreads"), "sessionThreads");
  options.disk_threads = small(o.Get("diskThreads"), "diskThreads");
  options.fetch_threads = small(o.Get("fetchThreads"), "fetchThreads");
  options.memory = integer(o.Get("memory"), "memory");
  options.open_files = integer(o.Get("openFiles"), "openFiles");
  options.file_states = integer(o.Get("fileStates"), "fileStates");
  wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "dlfs-events", 0, 1);
  try {
    engine_ = std::make_shared<Engine>(options, [wake = wake_]() mutable { wake.NonBlockingCall(); });
  } catch (const std::exception& error) {
    wake_.Release();  // or the event loop would wait for it for ever
    throw Napi::Error::New(info.Env(), error.what());
  }
}

EngineObject::~EngineObject() {
  if (engine_) {
    engine_.reset();
    wake_.Release();
  }
}

Engine& EngineObject::engine(const Napi::CallbackInfo& info) {
  if (!engine_) throw Napi::Error::New(info.Env(), "the engine is closed");
  return *engine_;
}

std::shared_ptr<Volume> EngineObject::volume(const Napi::CallbackInfo& info) {
  auto found = engine(info).volume(small(info[0], "volume"));
  if (!found) throw Napi::Error::New(info.Env(), "no such volume");
  return found;
}

std::shared_ptr<Session> EngineObject::session(const Napi::CallbackInfo& info) {
  return engine(info).session(small(info[0], "session"));
}

Napi::Value EngineObject::drain(const Napi::CallbackInfo& info) {
  if (!engine_) return Napi::Number::New(info.Env(), 0);
  const size_t n = engine_->events().drain(array<std::byte>(info[0], "buffer"));
  return Napi::Number::New(info.Env(), n == SIZE_MAX ? -1.0 : static_cast<double>(n));
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  engine(info);
  auto* worker = new CloseWorker(info.Env(), std::move(engine_), wake_);  // deletes itself when it is done
  const auto promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value EngineObject::stats(const Napi::CallbackInfo& info) {
  Engine& e = engine(info);
  auto out = stats_object(info.Env(), e.stats());
  const auto f = e.fetcher().stats();
  const auto put = [&](const char* name, uint64_t value) { out.Set(name, static_cast<double>(value)); };
  put("memoryUsed", e.budget().used());
  put("memoryCap", e.budget().cap());
  put("fetchSubmitted", f.submitted);
  put("fetchFinished", f.finished);
  put("fetchActive", f.active);
  put("fetchConnects", f.connects);
  put("fetchConnectFailures", f.connect_failures);
  put("fetchReused", f.reused);
  put("fetchBytes", f.bytes);
  put("fetchBackPressure", f.back_pressure);
  return out;
}

Napi::Value EngineObject::volume_stats(const Napi::CallbackInfo& info) {
  StatsValues values{};
  add_to(values, volume(info)->stats());
  return stats_object(info.Env(), values);
}

Napi::Value EngineObject::add_volume(const Napi::CallbackInfo& info) {
  const auto o = info[0].As<Napi::Object>();
  VolumeOptions options;
  options.objects_dir = text(o.Get("objectsDir"), "objectsDir");
  options.block_size = small(o.Get("blockSize"), "blockSize");
  options.max_open_files = options.max_files = SIZE_MAX;  // as many as the engine's counts give
  options.max_volatile = integer(o.Get("maxVolatile"), "maxVolatile");
  try {
    return Napi::Number::New(info.Env(), engine(info).add_volume(std::move(options)));
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

void EngineObject::remove_volume(const Napi::CallbackInfo& info) {
  engine(info).remove_volume(small(info[0], "volume"));
}

void EngineObject::attach(const Napi::CallbackInfo& info) {
  volume(info)->attach(integer(info[1], "ino"), integer(info[2], "size"), array<std::byte>(info[3], "resident"),
                       boolean(info[4], "published"));
}

void EngineObject::detach(const Napi::CallbackInfo& info) {
  volume(info)->detach(integer(info[1], "ino"), static_cast<int>(small(info[2], "errno")));
}

void EngineObject::states(const Napi::CallbackInfo& info) {
  volume(info)->states(integer(info[1], "ino"), small(info[2], "first"), array<std::byte>(info[3], "out"));
}

Napi::Value EngineObject::awaited(const Napi::CallbackInfo& info) {
  const auto ranges = volume(info)->awaited(integer(info[1], "ino"));
  auto out = Napi::Float64Array::New(info.Env(), ranges.size() * 2);
  for (size_t i = 0; i < ranges.size(); ++i) {
    out[i * 2] = ranges[i].first;
    out[i * 2 + 1] = ranges[i].last - ranges[i].first + 1;
  }
  return out;
}

void EngineObject::fail_blocks(const Napi::CallbackInfo& info) {
  volume(info)->fail_blocks(integer(info[1], "ino"), small(info[2], "first"), small(info[3], "count"),
                            static_cast<int>(small(info[4], "errno")));
}

void EngineObject::mark(const Napi::CallbackInfo& info) {
  volume(info)->mark(integer(info[1], "ino"), small(info[2], "block"));
}

void EngineObject::drop_blocks(const Napi::CallbackInfo& info) {
  volume(info)->drop_blocks(integer(info[1], "task"), integer(info[2], "ino"), small(info[3], "first"),
                            small(info[4], "count"));
}

void EngineObject::drop_file(const Napi::CallbackInfo& info) {
  volume(info)->drop_file(integer(info[1], "task"), integer(info[2], "ino"));
}

void EngineObject::attach_checked(const Napi::CallbackInfo& info) {
  const auto resident = array<std::byte>(info[4], "resident");
  const auto hashes = array<uint64_t>(info[7], "hashes");
  volume(info)->attach_checked(integer(info[1], "task"), integer(info[2], "ino"), integer(info[3], "size"),
                               {resident.begin(), resident.end()}, boolean(info[5], "published"), block_list(info[6]),
                               {hashes.begin(), hashes.end()});
}

void EngineObject::verify(const Napi::CallbackInfo& info) {
  const auto hashes = array<uint64_t>(info[4], "hashes");
  volume(info)->verify(integer(info[1], "task"), integer(info[2], "ino"), block_list(info[3]),
                       {hashes.begin(), hashes.end()});
}

Napi::Value EngineObject::publish(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), volume(info)->publish(integer(info[1], "ino")));
}

void EngineObject::sync(const Napi::CallbackInfo& info) {
  volume(info)->sync(integer(info[1], "task"), integers(info[2], "inos"));
}

Napi::Value EngineObject::drain_touched(const Napi::CallbackInfo& info) {
  const auto inos = volume(info)->drain_touched();
  auto out = Napi::Float64Array::New(info.Env(), inos.size());
  for (size_t i = 0; i < inos.size(); ++i) out[i] = static_cast<double>(inos[i]);
  return out;
}

Napi::Value EngineObject::open_count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), volume(info)->open_count(integer(info[1], "ino")));
}

// The one call that keeps a typed array's memory: the caller holds it until taskDone.
void EngineObject::read(const Napi::CallbackInfo& info) {
  const auto into = array<std::byte>(info[4], "buffer");
  if (into.size() > kMaxBufferRead) throw Napi::RangeError::New(info.Env(), "buffer is larger than a read may be");
  engine(info).reads().read(volume(info), {.task = integer(info[1], "task"),
                                           .ino = integer(info[2], "ino"),
                                           .offset = integer(info[3], "offset"),
                                           .into = into,
                                           .reader = small(info[5], "reader"),
                                           .timeout = std::chrono::milliseconds(integer(info[6], "timeoutMs"))});
}

Napi::Value EngineObject::add_endpoint(const Napi::CallbackInfo& info) {
  const auto o = info[0].As<Napi::Object>();
  try {
    http::EndpointConfig config;
    config.addresses = addresses(o.Get("addresses"));
    if (o.Get("tls").IsObject()) {
      const auto tls = o.Get("tls").As<Napi::Object>();
      http::TlsConfig t;
      t.server_name = text(tls.Get("serverName"), "tls.serverName");
      const auto pems = tls.Get("caPems").As<Napi::Array>();
      for (uint32_t i = 0; i < pems.Length(); ++i) t.ca_pems.push_back(text(pems.Get(i), "tls.caPems"));
      config.tls = http::make_tls_context(t);
    }
    if (o.Get("tunnel").IsObject()) {
      const auto tunnel = o.Get("tunnel").As<Napi::Object>();
      config.tunnel = http::ProxyTunnel{text(tunnel.Get("authority"), "tunnel.authority"),
                                        text(tunnel.Get("authorization"), "tunnel.authorization")};
    }
    return Napi::Number::New(info.Env(), engine(info).fetcher().add_endpoint(std::move(config)));
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

void EngineObject::update_addresses(const Napi::CallbackInfo& info) {
  try {
    engine(info).fetcher().update_addresses(small(info[0], "endpoint"), addresses(info[1]));
  } catch (const std::invalid_argument& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

void EngineObject::remove_endpoint(const Napi::CallbackInfo& info) {
  engine(info).fetcher().remove_endpoint(small(info[0], "endpoint"));
}

Napi::Value EngineObject::fetch(const Napi::CallbackInfo& info) {
  const auto o = info[1].As<Napi::Object>();
  RunSpec spec;
  spec.run = integer(o.Get("run"), "run");
  spec.ino = integer(o.Get("ino"), "ino");
  spec.first = small(o.Get("first"), "first");
  spec.count = small(o.Get("count"), "count");
  spec.etag = text(o.Get("etag"), "etag");
  spec.modified = static_cast<int64_t>(integer(o.Get("modified"), "modified"));
  spec.demand = boolean(o.Get("demand"), "demand");
  spec.store = boolean(o.Get("store"), "store");
  http::FetchRequest request;
  request.id = spec.run;
  request.endpoint = small(o.Get("endpoint"), "endpoint");
  const auto head = array<char>(o.Get("head"), "head");
  request.head.assign(head.begin(), head.end());
  request.expect_offset = integer(o.Get("offset"), "offset");
  request.expect_length = integer(o.Get("length"), "length");
  request.connect_timeout = std::chrono::milliseconds(integer(o.Get("connectTimeoutMs"), "connectTimeoutMs"));
  request.stall_timeout = std::chrono::milliseconds(integer(o.Get("stallTimeoutMs"), "stallTimeoutMs"));
  request.deadline = std::chrono::milliseconds(integer(o.Get("deadlineMs"), "deadlineMs"));
  request.sink = volume(info)->start_run(spec);
  if (!request.sink) return Napi::Boolean::New(info.Env(), false);
  try {
    engine(info).fetcher().submit(std::move(request));
  } catch (const std::invalid_argument& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
  return Napi::Boolean::New(info.Env(), true);
}

void EngineObject::cancel(const Napi::CallbackInfo& info) { engine(info).fetcher().cancel(integer(info[0], "run")); }

Napi::Value EngineObject::mount(const Napi::CallbackInfo& info) {
  const auto o = info[1].As<Napi::Object>();
  const auto vol = volume(info);
  SessionOptions options;
  options.passthrough = boolean(o.Get("passthrough"), "passthrough");
  options.ownership = {small(o.Get("uid"), "uid"), small(o.Get("gid"), "gid"), small(o.Get("fileMode"), "fileMode"),
                       small(o.Get("dirMode"), "dirMode")};
  options.ttl = {integer(o.Get("entryTtl"), "entryTtl"), integer(o.Get("attrTtl"), "attrTtl")};
  options.max_readahead = small(o.Get("maxReadahead"), "maxReadahead");
  options.io_timeout = std::chrono::milliseconds(integer(o.Get("ioTimeoutMs"), "ioTimeoutMs"));
  auto mounted = mount_fuse({text(o.Get("dir"), "dir"), text(o.Get("source"), "source"),
                             boolean(o.Get("allowOther"), "allowOther"), boolean(o.Get("detached"), "detached")});
  uint32_t session = 0;
  if (mounted.error == 0) {
    const bool attached = !mounted.mount;
    try {
      session = engine(info).add_session(options, std::move(mounted.fuse), std::move(mounted.mount), vol);
    } catch (const std::system_error& error) {
      mounted.error = error.code().value();
      mounted.step = "serve";
      if (attached) dlfs::unmount(text(o.Get("dir"), "dir"), true);
    }
  }
  auto out = Napi::Object::New(info.Env());
  out.Set("errno", mounted.error);
  out.Set("step", mounted.step);
  out.Set("session", session);
  return out;
}

Napi::Value EngineObject::attach_mount(const Napi::CallbackInfo& info) {
  const UniqueFd mount = engine(info).take_mount(small(info[0], "session"));
  if (!mount) throw Napi::Error::New(info.Env(), "the session has no mount that could be attached");
  const auto place = boolean(info[2], "beneath") ? Place::kBeneath : Place::kOver;
  return placed(info.Env(), dlfs::attach(mount, text(info[1], "dir"), place));
}

void EngineObject::set_io_timeout(const Napi::CallbackInfo& info) {
  const std::chrono::milliseconds timeout(integer(info[1], "ioTimeoutMs"));
  if (const auto s = session(info)) s->set_io_timeout(timeout);
}

void EngineObject::remove_session(const Napi::CallbackInfo& info) {
  engine(info).remove_session(small(info[0], "session"));
}

void EngineObject::reply_error(const Napi::CallbackInfo& info) {
  if (const auto s = session(info)) s->reply_error(integer(info[1], "slot"), static_cast<int>(small(info[2], "errno")));
}

void EngineObject::reply_entry(const Napi::CallbackInfo& info) {
  if (const auto s = session(info)) s->reply_entry(integer(info[1], "slot"), node_at(info, 2));
}

void EngineObject::reply_attr(const Napi::CallbackInfo& info) {
  if (const auto s = session(info)) s->reply_attr(integer(info[1], "slot"), node_at(info, 2));
}

void EngineObject::reply_dir(const Napi::CallbackInfo& info) {
  const auto s = session(info);
  if (!s) return;
  // Six doubles an entry: ino, size, mtimeMs, dir, cookie, bytes of the name; the names follow each other.
  constexpr size_t kFields = 6;
  const auto meta = array<double>(info[4], "meta");
  const auto names = array<char>(info[5], "names");
  std::vector<Session::DirEntry> entries;
  entries.reserve(meta.size() / kFields);
  size_t at = 0;
  for (size_t i = 0; i + kFields <= meta.size(); i += kFields) {
    const uint64_t length = whole(info.Env(), meta[i + 5], "bytes of a name");
    if (length > names.size() - at) throw Napi::RangeError::New(info.Env(), "names are shorter than meta says");
    entries.push_back({{whole(info.Env(), meta[i], "ino"), whole(info.Env(), meta[i + 1], "size"),
                        milliseconds(meta[i + 2]), meta[i + 3] != 0},
                       std::string_view(names.data() + at, length),
                       whole(info.Env(), meta[i + 4], "cookie")});
    at += length;
  }
  s->reply_dir(integer(info[1], "slot"), small(info[2], "size"), boolean(info[3], "plus"), entries);
}

void EngineObject::reply_xattr(const Napi::CallbackInfo& info) {
  const auto s = session(info);
  if (s) s->reply_xattr(integer(info[1], "slot"), small(info[2], "asked"), text(info[3], "value"));
}

void EngineObject::reply_statfs(const Napi::CallbackInfo& info) {
  const auto s = session(info);
  if (!s) return;
  wire::StatfsOut out{};
  out.bsize = out.frsize = small(info[2], "blockSize");
  out.blocks = integer(info[3], "blocks");
  out.files = integer(info[4], "files");
  out.namelen = 255;
  s->reply_statfs(integer(info[1], "slot"), out);
}

void EngineObject::invalidate(const Napi::CallbackInfo& info) {
  const auto s = session(info);
  Engine& e = engine(info);
  const uint64_t task = integer(info[1], "task");
  const bool epoch = boolean(info[2], "epoch");
  auto inodes = integers(info[3], "inodes");
  auto parents = integers(info[4], "parents");
  std::vector<std::string> names;
  const auto list = info[5].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) names.push_back(text(list.Get(i), "names"));
  e.notifier().submit(small(info[0], "session"), [&events = e.events(), s, task, epoch, inodes = std::move(inodes),
                                                  parents = std::move(parents), names = std::move(names)] {
    int error = s ? 0 : ENOTCONN;
    const auto note = [&error](int result) {
      if (error == 0) error = result;
    };
    if (s && epoch) note(s->notify_inc_epoch());
    for (size_t i = 0; s && i < names.size() && i < parents.size(); ++i)
      note(s->notify_inval_entry(parents[i], names[i]));
    for (size_t i = 0; s && i < inodes.size(); ++i) note(s->notify_inval_inode(inodes[i]));
    events.push(EventType::kTaskDone, 0, static_cast<double>(task), error);
  });
}

Napi::Value EngineObject::lookup_count(const Napi::CallbackInfo& info) {
  const auto s = session(info);
  return Napi::Number::New(info.Env(), s ? static_cast<double>(s->lookup_count(integer(info[1], "ino"))) : 0.0);
}

}  // namespace dlfs::binding
