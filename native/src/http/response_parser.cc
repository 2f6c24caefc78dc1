#include "response_parser.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

#include "http_date.h"

namespace dlfs::http {
namespace {

enum : std::uint8_t { kToken = 1, kText = 2 };

// RFC 9110: token characters of field names, and the bytes of a field value (VCHAR, obs-text, SP, HTAB).
constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 0x20; c < 256; ++c) {
    if (c != 0x7f) table[static_cast<std::size_t>(c)] |= kText;
  }
  table['\t'] |= kText;
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] |= kToken;
  }
  return table;
}();

bool all_of_class(std::string_view text, std::uint8_t wanted) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [wanted](char c) { return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0; });
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// `word` is lower case.
bool is_word(std::string_view text, std::string_view word) noexcept {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool lists_word(std::string_view list, std::string_view word) noexcept {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (is_word(trim(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// "bytes 0-9/100", "bytes 0-9/*", "bytes */100"
bool parse_content_range(std::string_view value, ResponseHead& head) noexcept {
  constexpr std::size_t kUnit = 5;
  if (value.size() <= kUnit || !is_word(value.substr(0, kUnit), "bytes") || value[kUnit] != ' ') return false;
  value.remove_prefix(kUnit + 1);
  const std::size_t slash = value.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view range = value.substr(0, slash);
  const std::string_view total = value.substr(slash + 1);
  head.range_total = total == "*" ? -1 : parse_decimal(total);
  if (total != "*" && head.range_total < 0) return false;
  if (range == "*") return head.range_total >= 0;
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return false;
  head.range_first = parse_decimal(range.substr(0, dash));
  head.range_last = parse_decimal(range.substr(dash + 1));
  if (head.range_first < 0 || head.range_last < head.range_first) return false;
  return head.range_total < 0 || head.range_last < head.range_total;
}

// "HTTP/1.x NNN reason"; false when it is not.
bool parse_status_line(std::string_view line, ResponseHead& head, bool& http10) noexcept {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (line.size() < 12 || line.substr(0, kVersion.size()) != kVersion) return false;
  if ((line[7] != '0' && line[7] != '1') || line[8] != ' ') return false;
  http10 = line[7] == '0';
  const std::int64_t status = parse_decimal(line.substr(9, 3));
  if (status < 100 || status > 599) return false;
  if (line.size() > 12 && line[12] != ' ') return false;
  head.status = static_cast<int>(status);
  return all_of_class(line.substr(12), kText);
}

// Where the optional texts go; the first occurrence counts, a second ETag is an error.
const char* parse_field(std::string_view name, std::string_view value, ResponseHead& head, bool& has_range) {
  switch (name.size()) {
    case 4:
      if (is_word(name, "etag")) {
        if (!head.etag.empty()) return "ETag appears twice";
        head.etag = value;
      } else if (is_word(name, "date") && head.date.empty()) {
        head.date = value;
      }
      break;
    case 10:
      if (is_word(name, "connection") && lists_word(value, "close")) head.keep_alive = false;
      break;
    case 11:
      if (is_word(name, "retry-after") && head.retry_after.empty()) head.retry_after = value;
      break;
    case 13:
      if (is_word(name, "last-modified")) head.last_modified = parse_http_date(value);
      if (is_word(name, "content-range")) {
        if (has_range) return "Content-Range appears twice";
        has_range = true;
        if (!parse_content_range(value, head)) return "Content-Range is malformed";
      }
      break;
    case 14:
      if (is_word(name, "content-length")) {
        if (head.content_length >= 0) return "Content-Length appears twice";
        head.content_length = parse_decimal(value);
        if (head.content_length < 0) return "Content-Length is malformed";
      }
      break;
    case 16:
      if (is_word(name, "content-encoding") && head.content_encoding.empty()) head.content_encoding = value;
      break;
    case 17:
      if (is_word(name, "transfer-encoding")) {
        if (head.chunked || !is_word(value, "chunked")) return "Transfer-Encoding is not plain chunked";
        head.chunked = true;
      }
      break;
    case 19:
      if (is_word(name, "x-amz-bucket-region") && head.region.empty()) head.region = value;
      break;
    default:
      break;
  }
  return nullptr;
}

// `text` is the head without its empty line; every LF in it follows a CR.
const char* parse_lines(std::string_view text, ResponseHead& head) {
  bool http10 = false;
  bool has_range = false;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end - 1);
    text.remove_prefix(end + 1);
    if (first) {
      if (!parse_status_line(line, head, http10)) return "the status line is malformed";
      first = false;
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') return "a field is folded over lines";
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || !all_of_class(line.substr(0, colon), kToken))
      return "a field's name is malformed";
    const std::string_view value = trim(line.substr(colon + 1));
    if (!all_of_class(value, kText)) return "a field's value holds control bytes";
    if (const char* wrong = parse_field(line.substr(0, colon), value, head, has_range)) return wrong;
  }
  if (head.chunked && head.content_length >= 0) return "Content-Length and Transfer-Encoding contradict each other";
  if (http10 && head.chunked) return "Transfer-Encoding in HTTP/1.0";
  if (http10) head.keep_alive = false;
  return nullptr;
}

ParseOutcome invalid(std::string_view reason) noexcept { return {.state = ParseState::kInvalid, .reason = reason}; }

}  // namespace

std::int64_t parse_decimal(std::string_view text) noexcept {
  if (text.empty()) return -1;
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  std::int64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    const std::int64_t digit = c - '0';
    if (number > (kMax - digit) / 10) return -1;
    number = number * 10 + digit;
  }
  return number;
}

ParseOutcome ResponseParser::parse(std::string_view bytes, ResponseHead& head) {
  constexpr std::string_view kStart = "HTTP/1.";
  const std::string_view start = bytes.substr(0, kStart.size());
  if (start != kStart.substr(0, start.size())) return invalid("it does not begin with HTTP/1.");
  const std::string_view window = bytes.substr(0, kMaxHead);
  while (scanned_ < window.size()) {
    const std::size_t lf = window.find('\n', scanned_);
    if (lf == std::string_view::npos) {
      scanned_ = window.size();
      break;
    }
    if (lf == 0 || window[lf - 1] != '\r') return invalid("a line ends without CR");
    scanned_ = lf + 1;
    // The empty line: its CR follows the LF of the line before.
    if (lf >= 3 && window[lf - 2] == '\n') {
      ResponseHead parsed;
      if (const char* wrong = parse_lines(window.substr(0, lf - 1), parsed)) return invalid(wrong);
      head = std::move(parsed);
      return {.state = ParseState::kDone, .consumed = lf + 1};
    }
  }
  if (window.size() == kMaxHead) return invalid("the head is longer than 64 KiB");
  return {};
}

}  // namespace dlfs::http
