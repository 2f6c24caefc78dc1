// The time that a date field of HTTP names (RFC 9110, 5.6.7: IMF-fixdate, the only form that is still sent).
#pragma once

#include <cstdint>
#include <string_view>

namespace dlfs::http {

// Seconds since 1970; -1 for a text that is no such date, or one before 1970.
std::int64_t parse_http_date(std::string_view text) noexcept;

}  // namespace dlfs::http
