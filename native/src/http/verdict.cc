#include "verdict.h"

namespace dlfs::http {

Verdict judge(const ResponseHead& head, std::uint64_t offset, std::uint64_t length, std::string& text) {
  if (head.status != 200 && head.status != 206) return Verdict::kHttpError;
  const auto first = static_cast<std::int64_t>(offset);
  const auto size = static_cast<std::int64_t>(length);
  const auto asked = [&] { return "bytes " + std::to_string(offset) + "-" + std::to_string(offset + length - 1); };
  if (head.chunked) {
    text = "status " + std::to_string(head.status) + " came chunked instead of with its length";
  } else if (head.status == 206 && head.range_first < 0) {
    text = "status 206 without a Content-Range, asked for " + asked();
  } else if (head.status == 206 && (head.range_first != first || head.range_last != first + size - 1)) {
    text = "asked for " + asked() + ", the answer is bytes " + std::to_string(head.range_first) + "-" +
           std::to_string(head.range_last);
  } else if (head.content_length < 0) {
    text = "status " + std::to_string(head.status) + " without a Content-Length";
  } else if (head.status == 200 && (offset != 0 || head.content_length != size)) {
    text = "asked for " + asked() + ", the answer is the whole object of " + std::to_string(head.content_length) +
           " bytes (status 200)";
  } else if (head.content_length != size) {
    text = "asked for " + std::to_string(length) + " bytes, Content-Length is " + std::to_string(head.content_length);
  } else {
    return Verdict::kDeliver;
  }
  return Verdict::kProtocol;
}

}  // namespace dlfs::http
