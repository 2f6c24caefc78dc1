// Is a thread being killed? Decides whether an interrupted request may be answered with EINTR.
#pragma once

#include <cstdint>

namespace dlfs {

// True when SIGKILL is pending for the thread `tid` or its process (the kernel sets it for every fatal signal without a
// core), or when the thread is gone. `tid` 0 (a caller outside our pid namespace) is unknown: false.
bool is_killed(uint32_t tid);

}  // namespace dlfs
