#include "http_date.h"

#include <array>
#include <ctime>

#include "response_parser.h"

namespace dlfs::http {
namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT": what stands where.
constexpr std::size_t kLength = 29;
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::int64_t parse_http_date(std::string_view text) noexcept {
  if (text.size() != kLength || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return -1;
  if (text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') return -1;
  int month = 0;
  while (month < 12 && kMonths[static_cast<std::size_t>(month)] != text.substr(8, 3)) ++month;
  const auto number = [&](std::size_t at, std::size_t digits) {
    return static_cast<int>(parse_decimal(text.substr(at, digits)));
  };
  std::tm time{};
  time.tm_mday = number(5, 2);
  time.tm_mon = month;
  time.tm_year = number(12, 4) - 1900;
  time.tm_hour = number(17, 2);
  time.tm_min = number(20, 2);
  time.tm_sec = number(23, 2);
  if (month == 12 || time.tm_year < 70 || time.tm_mday < 1 || time.tm_mday > 31) return -1;
  if (time.tm_hour < 0 || time.tm_hour > 23 || time.tm_min < 0 || time.tm_min > 59) return -1;
  if (time.tm_sec < 0 || time.tm_sec > 60) return -1;
  return static_cast<std::int64_t>(::timegm(&time));
}

}  // namespace dlfs::http
