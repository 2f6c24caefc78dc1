// The native side of the fetch spike: the product's Fetcher, driven from JavaScript one request at a time, with
// completions in batches, as the daemon does it. Bodies go into pooled buffers; with a file, a disk thread writes each
// as one pwrite.
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../../../native/src/base/unique_fd.h"
#include "../../../native/src/http/fetcher.h"
#include "../../../native/src/http/tls.h"

namespace {

using namespace dlfs::http;

struct Buffer {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;
};

struct Done {
  std::uint32_t id;
  std::string text;
};

class Spike {
 public:
  Spike(unsigned threads, EndpointConfig config, std::size_t buffer_size, int file, napi_threadsafe_function report)
      : buffer_size_(buffer_size),
        file_(file),
        report_(report),
        disk_([this] { write_out(); }),
        fetcher_(std::make_unique<Fetcher>(FetcherOptions{.threads = threads})) {
    endpoint_ = fetcher_->add_endpoint(std::move(config));
  }

  ~Spike() {
    fetcher_.reset();
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    disk_.join();
    napi_release_threadsafe_function(report_, napi_tsfn_release);
  }

  void submit(std::uint32_t id, std::string head, std::uint64_t offset, std::uint64_t length) {
    fetcher_->submit({.id = id,
                      .endpoint = endpoint_,
                      .head = std::move(head),
                      .expect_offset = offset,
                      .expect_length = length,
                      .sink = std::make_unique<Sink>(*this, id, offset)});
  }

  std::vector<Done> take_done() {
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

  FetcherStats stats() const { return fetcher_->stats(); }

 private:
  class Sink final : public BodySink {
   public:
    Sink(Spike& spike, std::uint32_t id, std::uint64_t offset) : spike_(spike), id_(id), offset_(offset) {}
    bool accept(const ResponseHead&) override {
      buffer_ = spike_.take_buffer();
      return true;
    }
    std::span<std::byte> window() override { return {buffer_.bytes.get() + filled_, buffer_.size - filled_}; }
    void advance(std::size_t n) override { filled_ += n; }
    void finish(FetchResult&& result) override {
      const bool ok = result.kind == FetchKind::kOk;
      if (ok && spike_.file_) {
        spike_.write_later({std::move(buffer_), filled_, offset_, id_});
      } else {
        spike_.complete(std::move(buffer_), id_, ok ? "" : std::string(to_string(result.kind)) + ": " + result.text);
      }
    }

   private:
    Spike& spike_;
    const std::uint32_t id_;
    const std::uint64_t offset_;
    Buffer buffer_;
    std::size_t filled_ = 0;
  };

  struct Write {
    Buffer buffer;
    std::size_t length;
    std::uint64_t offset;
    std::uint32_t id;
  };

  Buffer take_buffer() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return {std::make_unique_for_overwrite<std::byte[]>(buffer_size_), buffer_size_};
    Buffer buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }

  void complete(Buffer&& buffer, std::uint32_t id, std::string text) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (buffer.bytes) free_.push_back(std::move(buffer));
      first = done_.empty();
      done_.push_back({id, std::move(text)});
    }
    if (first) napi_call_threadsafe_function(report_, nullptr, napi_tsfn_nonblocking);
  }

  void write_later(Write&& write) {
    {
      const std::lock_guard lock(mutex_);
      writes_.push_back(std::move(write));
    }
    changed_.notify_one();
  }

  void write_out() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closing_ || !writes_.empty(); });
      if (writes_.empty()) return;
      Write write = std::move(writes_.front());
      writes_.pop_front();
      lock.unlock();
      const ssize_t put =
          ::pwrite(file_.get(), write.buffer.bytes.get(), write.length, static_cast<off_t>(write.offset));
      complete(std::move(write.buffer), write.id, put == static_cast<ssize_t>(write.length) ? "" : "pwrite failed");
      lock.lock();
    }
  }

  const std::size_t buffer_size_;
  const dlfs::UniqueFd file_;
  const napi_threadsafe_function report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Write> writes_;
  std::vector<Done> done_;
  std::vector<Buffer> free_;
  bool closing_ = false;
  std::thread disk_;
  std::unique_ptr<Fetcher> fetcher_;
  std::uint32_t endpoint_ = 0;
};

std::string text_of(napi_env env, napi_value value) {
  std::size_t length = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

double number_of(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

Spike* self_of(napi_env env, napi_value value) {
  void* self = nullptr;
  napi_get_value_external(env, value, &self);
  return static_cast<Spike*>(self);
}

template <std::size_t N>
std::array<napi_value, N> arguments(napi_env env, napi_callback_info info) {
  std::array<napi_value, N> values{};
  std::size_t count = N;
  napi_get_cb_info(env, info, &count, values.data(), nullptr, nullptr);
  return values;
}

// open(ip, port, serverName, caPem | '', threads, bufferSize, file | '', onDone(): void) → handle
napi_value open_spike(napi_env env, napi_callback_info info) {
  const auto args = arguments<8>(env, info);
  napi_value name = nullptr;
  napi_create_string_utf8(env, "spike", NAPI_AUTO_LENGTH, &name);
  napi_threadsafe_function report = nullptr;
  napi_create_threadsafe_function(env, args[7], nullptr, name, 0, 1, nullptr, nullptr, nullptr, nullptr, &report);
  EndpointConfig config;
  config.addresses = {{text_of(env, args[0]), static_cast<std::uint16_t>(number_of(env, args[1]))}};
  try {
    const std::string ca = text_of(env, args[3]);
    if (!ca.empty()) config.tls = make_tls_context({.server_name = text_of(env, args[2]), .ca_pems = {ca}});
    const std::string path = text_of(env, args[6]);
    const int file = path.empty() ? -1 : ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    auto* spike = new Spike(static_cast<unsigned>(number_of(env, args[4])), std::move(config),
                            static_cast<std::size_t>(number_of(env, args[5])), file, report);
    napi_value handle = nullptr;
    napi_create_external(env, spike, nullptr, nullptr, &handle);
    return handle;
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
}

// submit(handle, id, head: Uint8Array, offset, length)
napi_value submit(napi_env env, napi_callback_info info) {
  const auto args = arguments<5>(env, info);
  void* data = nullptr;
  std::size_t length = 0;
  napi_get_typedarray_info(env, args[2], nullptr, &length, &data, nullptr, nullptr);
  try {
    self_of(env, args[0])
        ->submit(
            static_cast<std::uint32_t>(number_of(env, args[1])), std::string(static_cast<const char*>(data), length),
            static_cast<std::uint64_t>(number_of(env, args[3])), static_cast<std::uint64_t>(number_of(env, args[4])));
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

// take(handle) → [id, text, id, text, …]
napi_value take(napi_env env, napi_callback_info info) {
  const auto args = arguments<1>(env, info);
  napi_value list = nullptr;
  napi_create_array(env, &list);
  std::uint32_t at = 0;
  for (const Done& done : self_of(env, args[0])->take_done()) {
    napi_value id = nullptr;
    napi_value text = nullptr;
    napi_create_uint32(env, done.id, &id);
    napi_create_string_utf8(env, done.text.data(), done.text.size(), &text);
    napi_set_element(env, list, at++, id);
    napi_set_element(env, list, at++, text);
  }
  return list;
}

// close(handle)
napi_value close_spike(napi_env env, napi_callback_info info) {
  const auto args = arguments<1>(env, info);
  const std::unique_ptr<Spike> owned(self_of(env, args[0]));
  return nullptr;
}

napi_value init(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"open", nullptr, open_spike, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"submit", nullptr, submit, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"take", nullptr, take, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, close_spike, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(properties), properties);
  return exports;
}

}  // namespace

NAPI_MODULE(fetch_spike, init)
