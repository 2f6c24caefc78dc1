// What an HTTP response's head says, as far as a fetch of object bytes needs it.
//
// Invariants
// 1. Everything here was checked by the parser (response_parser.h): numbers are in range, texts hold no control bytes.
// 2. Texts that an origin controls are bounded by the cap on the head (64 KiB); whoever logs them bounds them further.
#pragma once

#include <cstdint>
#include <string>

namespace dlfs::http {

// Numbers are -1 where the field is absent.
struct ResponseHead {
  int status = 0;
  std::int64_t content_length = -1;
  // Content-Range: bytes range_first-range_last/range_total; the total is -1 for '*'. An unsatisfied range (416,
  // "bytes */N") has only the total.
  std::int64_t range_first = -1;
  std::int64_t range_last = -1;
  std::int64_t range_total = -1;
  std::int64_t last_modified = -1;  // seconds since 1970
  std::string etag;                 // as sent, with its quotes
  std::string date;                 // as sent; the caller corrects its clock by it
  std::string retry_after;          // as sent
  std::string region;               // x-amz-bucket-region
  std::string content_encoding;  // as sent. S3 sends what the object was stored with: metadata, the bytes are as stored
  bool chunked = false;          // Transfer-Encoding: chunked
  bool keep_alive = true;        // the connection may carry another request after this response
};

}  // namespace dlfs::http
