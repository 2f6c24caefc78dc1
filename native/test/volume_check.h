// What the tests of the block layer share: a client that collects answers, events as values, a body fed by hand.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "../src/base/events.h"
#include "../src/block/volume.h"
#include "check.h"

namespace dlfs::test {

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

struct Seen {
  double type, a, b, c, d;
};

inline std::vector<Seen> drain(EventQueue& queue) {
  std::vector<Seen> out;
  std::vector<std::byte> buffer(65536);
  while (const size_t n = queue.drain(buffer)) {
    for (size_t at = 0; at < n;) {
      std::array<double, 10> r{};
      std::memcpy(r.data(), buffer.data() + at, sizeof r);
      out.push_back({r[0], r[2], r[3], r[4], r[5]});
      at += static_cast<size_t>(r[1]) * 8;
    }
  }
  return out;
}

// Collects answers by slot.
class Client final : public ReadClient {
 public:
  void answer(uint64_t slot, std::span<const std::span<const std::byte>> pieces) override {
    std::string text;
    for (const auto& piece : pieces) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    std::lock_guard lock(mu);
    answers[slot] = text;
  }
  void fail(uint64_t slot, int error) override {
    std::lock_guard lock(mu);
    errors[slot] = error;
  }
  void reopen(uint64_t, uint64_t) override {}
  std::mutex mu;
  std::map<uint64_t, std::string> answers;
  std::map<uint64_t, int> errors;
};

inline constexpr uint32_t kBlock = 4096;

// Waits until what was queued before has run; the pool has one thread.
inline void wait_for(DiskPool& pool) {
  std::promise<void> done;
  pool.submit([&done] { done.set_value(); });
  done.get_future().wait();
}

inline void feed(http::BodySink& sink, const std::string& body) {
  size_t at = 0;
  while (at < body.size()) {
    const auto window = sink.window();
    const size_t n = std::min({window.size(), body.size() - at, size_t{1000}});
    std::memcpy(window.data(), body.data() + at, n);
    sink.advance(n);
    at += n;
  }
}

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/dlfs-native-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  // Where the cache file of an inode lies.
  std::string file(uint64_t ino) const {
    std::array<char, 4> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", static_cast<unsigned>(ino & 0xff));
    return path + "/" + hex.data() + "/" + std::to_string(ino);
  }
  std::string path;
};

// Bytes in which every position of every object is its own.
inline std::string content_of(uint64_t ino, size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251 + ino * 17);
  return text;
}

}  // namespace dlfs::test
