// Starts the threads of the data plane.
//
// Invariants:
//  1. A thread is born with every signal blocked: signals belong to the process's main thread, a system call of ours is
//     never interrupted, and a SIGPIPE from a library's write() stays an error code.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace dlfs {

// `name`: at most 15 characters, as `ps -L` and `perf` show it. Throws std::system_error where no thread can be had.
template <typename Run>
std::thread start_thread(const char* name, Run&& run) {
  struct AllSignalsBlocked {
    AllSignalsBlocked() {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    sigset_t before;
  };
  const AllSignalsBlocked blocked;
  std::thread thread(std::forward<Run>(run));
  ::pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace dlfs
