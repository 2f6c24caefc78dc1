// Plain values in and out of JavaScript, checked.
//
// Invariants:
//  1. Only plain values cross: numbers, booleans, strings, typed arrays, objects of those.
//  2. A wrong type throws a TypeError that names the field; validation of meaning stays in TypeScript.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dlfs::binding {

inline double number(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}
inline uint64_t whole(Napi::Env env, double d, const char* name) {
  if (!(d >= 0 && d <= 9007199254740991.0)) {
    throw Napi::RangeError::New(env, std::string(name) + " must be a non-negative integer");
  }
  return static_cast<uint64_t>(d);
}
inline uint64_t integer(const Napi::Value& value, const char* name) {
  return whole(value.Env(), number(value, name), name);
}
// A time that an origin wrote: whatever is none is the epoch.
inline int64_t milliseconds(double d) {
  constexpr double kMost = 8.64e15;  // what a JavaScript Date holds
  return d >= -kMost && d <= kMost ? static_cast<int64_t>(d) : 0;
}
inline uint32_t small(const Napi::Value& value, const char* name) {
  const uint64_t wide = integer(value, name);
  if (wide > UINT32_MAX) throw Napi::RangeError::New(value.Env(), std::string(name) + " is out of range");
  return static_cast<uint32_t>(wide);
}
inline bool boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}
inline std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}
// A view of a typed array's memory; valid during the call only.
template <typename T>
std::span<T> array(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a typed array");
  const auto a = value.As<Napi::TypedArray>();
  if (a.ElementSize() != sizeof(T)) throw Napi::TypeError::New(value.Env(), std::string(name) + ": wrong element type");
  auto* data = static_cast<std::byte*>(a.ArrayBuffer().Data()) + a.ByteOffset();
  return {reinterpret_cast<T*>(data), a.ElementLength()};
}
inline std::vector<uint64_t> integers(const Napi::Value& value, const char* name) {
  std::vector<uint64_t> out;
  for (const double d : array<double>(value, name)) out.push_back(whole(value.Env(), d, name));
  return out;
}

}  // namespace dlfs::binding
