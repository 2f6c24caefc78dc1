// One TCP connection to an endpoint. Owned by the exchange that uses it, or by the loop's idle ones.
//
// Invariants
// 1. In the epoll set from its connect() on, edge-triggered and for everything: whoever reads or writes goes on until
// the
//    socket says "would block", or remembers that it did not. Nothing is ever changed in the epoll set.
#pragma once

#include <memory>

#include "../base/unique_fd.h"
#include "deadline_heap.h"
#include "endpoint.h"
#include "transport.h"

namespace dlfs::http {

class Exchange;

struct Connection final : Deadlined {
  UniqueFd fd;
  std::unique_ptr<Transport> transport;  // null until TCP (and the tunnel) stands
  std::shared_ptr<Endpoint> endpoint;
  Exchange* user = nullptr;  // null while idle
  bool hangup = false;       // an event said end or error: a short read does not mean that the socket is empty
  bool served = false;       // carried a whole response before
  TimePoint idle_until{};    // while idle
};

}  // namespace dlfs::http
