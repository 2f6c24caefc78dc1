// Whether a response answers the ranged GET it was asked for. Pure.
//
// Invariants
// 1. kDeliver only when exactly the bytes offset … offset+length-1 follow: 206 with that Content-Range, or 200 when the
// range
//    is the whole object; Content-Length equal to the length; no transfer coding.
// 2. A Content-Encoding does not matter: an object store sends the one that the object was stored with, and the bytes
// of a
//    range are as stored. A proxy that recodes on the way would break 1.
#pragma once

#include <cstdint>
#include <string>

#include "response.h"

namespace dlfs::http {

enum class Verdict : std::uint8_t { kDeliver, kHttpError, kProtocol };

// `text` is set for kProtocol: one line that names the discrepancy.
Verdict judge(const ResponseHead& head, std::uint64_t offset, std::uint64_t length, std::string& text);

}  // namespace dlfs::http
