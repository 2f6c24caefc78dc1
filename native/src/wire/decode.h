// Bodies of FUSE requests as structs and names.
//
// Invariants:
//  1. Nothing is read beyond the body, whatever lengths it claims.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "fuse_abi.h"

namespace dlfs::wire {

// The struct at the start of `body`; false when it is cut.
template <typename T>
bool parse(std::span<const std::byte> body, T& out) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (body.size() < sizeof(T)) return false;
  std::memcpy(&out, body.data(), sizeof(T));
  return true;
}

// The NUL-terminated name at the start of `body`.
inline std::string_view parse_name(std::span<const std::byte> body) {
  const auto* text = reinterpret_cast<const char*>(body.data());
  return {text, ::strnlen(text, body.size())};
}

}  // namespace dlfs::wire
