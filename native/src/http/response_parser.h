// Parses the head of an HTTP/1.x response, strictly (RFC 9112, without its leniencies).
//
// Pure: bytes in, ResponseHead out. The caller gathers bytes and calls parse() with all of them each time more arrived;
// the parser remembers how far it has looked, so a head that trickles in costs linear time.
//
// Invariants
// 1. Lines end in CRLF; a bare LF, a NUL or another control byte, a folded line, or a space before the colon is an
// error.
// 2. Content-Length and Content-Range appear at most once, are plain digits below 2^63, and Content-Length never meets
//    Transfer-Encoding: a message with two readings has none.
// 3. The only transfer coding is "chunked".
// 4. A head is at most 64 KiB.
#pragma once

#include <cstddef>
#include <string_view>

#include "response.h"

namespace dlfs::http {

// nginx and S3 send well below 1 KiB; 64 KiB is what Node's own parser would never accept, and a bound for a hostile
// origin.
inline constexpr std::size_t kMaxHead = 64 * 1024;

enum class ParseState { kMore, kDone, kInvalid };

struct ParseOutcome {
  ParseState state = ParseState::kMore;
  std::size_t consumed = 0;      // kDone: length of the head with its empty line
  std::string_view reason = {};  // kInvalid: a constant
};

class ResponseParser {
 public:
  // `bytes` starts with the bytes of every earlier call since reset(). `head` is written at kDone only.
  ParseOutcome parse(std::string_view bytes, ResponseHead& head);
  void reset() noexcept { scanned_ = 0; }

 private:
  std::size_t scanned_ = 0;
};

// Decimal digits only, below 2^63; -1 otherwise.
std::int64_t parse_decimal(std::string_view text) noexcept;

}  // namespace dlfs::http
