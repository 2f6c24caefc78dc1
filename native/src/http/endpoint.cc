#include "endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace dlfs::http {
namespace {

// Long enough that a dead address does not slow every connection, short enough to come back after a repair.
constexpr std::chrono::seconds kAvoidFor{30};
// More attempts than this for one connection only make its failure later.
constexpr std::size_t kMaxTargets = 8;

std::int64_t nanoseconds(TimePoint at) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

Target parse_target(const Address& address) {
  Target target;
  target.avoid_until = std::make_shared<std::atomic<std::int64_t>>(0);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (address.port != 0 && ::inet_pton(AF_INET, address.ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&target.storage, &v4, sizeof v4);
    target.length = sizeof v4;
    target.text = address.ip + ":" + std::to_string(address.port);
  } else if (address.port != 0 && ::inet_pton(AF_INET6, address.ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&target.storage, &v6, sizeof v6);
    target.length = sizeof v6;
    target.text = "[" + address.ip + "]:" + std::to_string(address.port);
  } else {
    throw std::invalid_argument("not an address to connect to: " + address.ip + " port " +
                                std::to_string(address.port));
  }
  return target;
}

std::vector<Target> parse_targets(const std::vector<Address>& addresses) {
  if (addresses.empty()) throw std::invalid_argument("an endpoint needs an address");
  std::vector<Target> targets;
  targets.reserve(addresses.size());
  std::transform(addresses.begin(), addresses.end(), std::back_inserter(targets), parse_target);
  return targets;
}

bool holds_line_break(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
}

std::string connect_request(const std::optional<ProxyTunnel>& tunnel) {
  if (!tunnel) return {};
  if (tunnel->authority.empty() || holds_line_break(tunnel->authority) || holds_line_break(tunnel->authorization)) {
    throw std::invalid_argument("the proxy tunnel's authority or authorization is malformed");
  }
  std::string head = "CONNECT " + tunnel->authority + " HTTP/1.1\r\nHost: " + tunnel->authority + "\r\n";
  if (!tunnel->authorization.empty()) head += "Proxy-Authorization: " + tunnel->authorization + "\r\n";
  return head + "\r\n";
}

}  // namespace

Endpoint::Endpoint(std::uint32_t id, EndpointConfig config)
    : id_(id),
      config_(std::move(config)),
      tunnel_head_(connect_request(config_.tunnel)),
      targets_(parse_targets(config_.addresses)) {}

void Endpoint::update_addresses(const std::vector<Address>& addresses) {
  std::vector<Target> fresh = parse_targets(addresses);
  const std::lock_guard lock(mutex_);
  // What is known about an address outlives an update that keeps it.
  for (Target& target : fresh) {
    const auto old =
        std::find_if(targets_.begin(), targets_.end(), [&](const Target& t) { return t.text == target.text; });
    if (old != targets_.end()) target.avoid_until = old->avoid_until;
  }
  targets_ = std::move(fresh);
}

std::vector<Target> Endpoint::targets(TimePoint now) {
  std::vector<Target> order;
  {
    const std::lock_guard lock(mutex_);
    order = targets_;
    const std::size_t start = next_++ % order.size();
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(start), order.end());
  }
  const std::int64_t at = nanoseconds(now);
  std::stable_partition(order.begin(), order.end(),
                        [at](const Target& t) { return t.avoid_until->load(std::memory_order_relaxed) <= at; });
  if (order.size() > kMaxTargets) order.resize(kMaxTargets);
  return order;
}

void Endpoint::avoid(const Target& target, TimePoint now) noexcept {
  target.avoid_until->store(nanoseconds(now + kAvoidFor), std::memory_order_relaxed);
}

}  // namespace dlfs::http
