#include "chunked.h"

#include <algorithm>

namespace dlfs::http {
namespace {

constexpr std::size_t kMaxOverhead = 8 * 1024;
// 2^40: far above any error document, far below an overflow.
constexpr unsigned kMaxDigits = 10;

int hex(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

// One byte outside of chunk data; false when it has no place there.
bool ChunkedDecoder::step(char c) {
  const bool text = static_cast<unsigned char>(c) >= 0x20 || c == '\t';
  switch (at_) {
    case At::kSize:
      if (const int digit = hex(c); digit >= 0) {
        size_ = size_ * 16 + static_cast<unsigned>(digit);
        return ++digits_ <= kMaxDigits;
      }
      if (digits_ == 0) return false;
      if (c == '\r') {
        at_ = At::kSizeLf;
        return true;
      }
      at_ = At::kExtension;
      return c == ';' && ++overhead_ <= kMaxOverhead;
    case At::kExtension:
      if (c == '\r') {
        at_ = At::kSizeLf;
        return true;
      }
      return text && ++overhead_ <= kMaxOverhead;
    case At::kSizeLf:
      at_ = size_ == 0 ? At::kTrailerStart : At::kData;
      return c == '\n';
    case At::kDataCr:
      at_ = At::kDataLf;
      return c == '\r';
    case At::kDataLf:
      at_ = At::kSize;
      digits_ = 0;
      size_ = 0;
      return c == '\n';
    case At::kTrailerStart:
      at_ = c == '\r' ? At::kEndLf : At::kTrailer;
      return (c == '\r' || text) && ++overhead_ <= kMaxOverhead;
    case At::kTrailer:
      if (c == '\r') {
        at_ = At::kTrailerLf;
        return true;
      }
      return text && ++overhead_ <= kMaxOverhead;
    case At::kTrailerLf:
      at_ = At::kTrailerStart;
      return c == '\n';
    case At::kEndLf:
      done_ = true;
      return c == '\n';
    case At::kData:
      break;
  }
  return false;
}

ChunkState ChunkedDecoder::decode(std::span<const std::byte> in, std::vector<std::byte>& out, std::size_t cap,
                                  std::size_t& consumed) {
  consumed = 0;
  while (consumed < in.size() && !done_) {
    if (at_ != At::kData) {
      if (!step(static_cast<char>(in[consumed]))) return ChunkState::kInvalid;
      ++consumed;
      continue;
    }
    const std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(size_, in.size() - consumed));
    const std::size_t kept = std::min(here, cap - std::min(cap, out.size()));
    const auto from = in.begin() + static_cast<std::ptrdiff_t>(consumed);
    out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(kept));
    dropped_ += here - kept;
    consumed += here;
    size_ -= here;
    if (size_ == 0) at_ = At::kDataCr;
  }
  return done_ ? ChunkState::kDone : ChunkState::kMore;
}

}  // namespace dlfs::http
