// Decodes a chunked body (RFC 9112 section 7.1), strictly; used for error bodies only, object bytes never come chunked.
//
// Invariants
// 1. Pure and incremental: any split of the input gives the same output. 2. Extensions and trailers are skipped, within
// a bound of 8 KiB in all. 3. Lines end in CRLF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dlfs::http {

enum class ChunkState { kMore, kDone, kInvalid };

class ChunkedDecoder {
 public:
  // Appends decoded bytes to `out` until it holds `cap`; what is beyond is counted and dropped. `consumed` is how much
  // of `in` belongs to the body: all of it at kMore, less at kDone when other bytes follow.
  ChunkState decode(std::span<const std::byte> in, std::vector<std::byte>& out, std::size_t cap, std::size_t& consumed);
  // Bytes dropped because of the cap.
  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  enum class At { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailerStart, kTrailer, kTrailerLf, kEndLf };
  bool step(char c);

  At at_ = At::kSize;
  std::uint64_t size_ = 0;
  unsigned digits_ = 0;
  std::size_t overhead_ = 0;
  std::uint64_t dropped_ = 0;
  bool done_ = false;
};

}  // namespace dlfs::http
