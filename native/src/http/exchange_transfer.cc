// The part of an exchange that sends the request and takes in the response.
#include <algorithm>
#include <cstring>
#include <utility>

#include "exchange.h"
#include "text_bytes.h"
#include "verdict.h"

namespace dlfs::http {
namespace {

// Of an error body: the XML of an S3 error is below 2 KiB; the rest is for the log of whoever debugs a strange origin.
constexpr std::size_t kMaxErrorBody = 64 * 1024;
// One read: bounds how long one connection holds its thread (about 0.1 ms of copying).
constexpr std::size_t kMaxRead = 512 * 1024;
// One turn of a connection before the others have theirs.
constexpr std::size_t kTurn = 2 * 1024 * 1024;
constexpr unsigned kMaxInterim = 8;

}  // namespace

Exchange::Step Exchange::send() {
  const IoResult result = connection_->transport->write(as_bytes(std::string_view(request_.head).substr(sent_)));
  if (result.io == Io::kWouldBlock) return Step::kWait;
  if (result.io != Io::kDone) return broken(result, "while sending the request");
  touch();
  sent_ += result.bytes;
  if (sent_ == request_.head.size()) phase_ = Phase::kHead;
  return Step::kNext;
}

Exchange::Step Exchange::receive_head() {
  for (;;) {
    const IoResult result = connection_->transport->read(host_.scratch(), nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    if (result.io != Io::kDone) return broken(result, "before a response");
    touch();
    if (!any_byte_) result_.timings.first_byte = host_.now() - submitted_;
    any_byte_ = true;
    std::string_view bytes = as_text(host_.scratch().first(result.bytes));
    if (!partial_.empty()) bytes = partial_.append(bytes);
    for (;;) {
      const ParseOutcome outcome = parser_.parse(bytes, result_.head);
      if (outcome.state == ParseState::kInvalid)
        return end(FetchKind::kProtocol, "malformed response: " + std::string(outcome.reason));
      if (outcome.state == ParseState::kMore) break;
      bytes.remove_prefix(outcome.consumed);
      if (result_.head.status >= 200) return begin_body(bytes);
      if (result_.head.status == 101 || ++interim_ > kMaxInterim)
        return end(FetchKind::kProtocol, "unexpected interim response " + std::to_string(result_.head.status));
      result_.head = {};
      parser_.reset();
    }
    if (bytes.data() != partial_.data()) partial_ = std::string(bytes);
    if (!must_read_on(result)) return Step::kWait;
  }
}

// `rest` are the bytes that came with the head.
Exchange::Step Exchange::begin_body(std::string_view rest) {
  const ResponseHead& head = result_.head;
  std::string text;
  switch (judge(head, request_.expect_offset, request_.expect_length, text)) {
    case Verdict::kProtocol:
      return end(FetchKind::kProtocol, std::move(text));
    case Verdict::kHttpError:
      phase_ = Phase::kErrorBody;
      if (head.status == 204 || head.status == 304) return end_http_error(rest.empty());
      remaining_ = head.content_length >= 0 ? static_cast<std::uint64_t>(head.content_length) : 0;
      return take_error_bytes(as_bytes(rest));
    case Verdict::kDeliver:
      break;
  }
  if (!request_.sink->accept(head)) return end(FetchKind::kRejected, "the response was not accepted");
  remaining_ = request_.expect_length;
  phase_ = Phase::kBody;
  if (rest.size() > remaining_) return end(FetchKind::kProtocol, "bytes follow the body");
  std::span<const std::byte> bytes = as_bytes(rest);
  while (!bytes.empty()) {
    const std::span<std::byte> window = request_.sink->window();
    if (window.empty()) {
      stash_.assign(bytes.begin(), bytes.end());
      paused_ = true;
      host_.count(Count::kBackPressure, 1);
      return Step::kWait;
    }
    const std::size_t n = std::min(window.size(), bytes.size());
    std::memcpy(window.data(), bytes.data(), n);
    bytes = bytes.subspan(n);
    advance(n);
  }
  return remaining_ == 0 ? complete() : Step::kNext;
}

Exchange::Step Exchange::receive_body() {
  std::size_t turn = 0;
  while (turn < kTurn) {
    const std::span<std::byte> window = request_.sink->window();
    if (window.empty()) {
      paused_ = true;
      host_.count(Count::kBackPressure, 1);
      return Step::kWait;
    }
    if (stash_taken_ < stash_.size()) {
      const std::size_t n = std::min(window.size(), stash_.size() - stash_taken_);
      std::memcpy(window.data(), stash_.data() + stash_taken_, n);
      stash_taken_ += n;
      advance(n);
      if (remaining_ == 0) return complete();
      continue;
    }
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>({window.size(), remaining_, kMaxRead}));
    std::byte spare{};
    const IoResult result = connection_->transport->read(window.first(want), want == remaining_ ? &spare : nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    if (result.io != Io::kDone) return broken(result, "in the body");
    touch();
    advance(std::min(result.bytes, want));
    if (result.bytes > want) return end(FetchKind::kProtocol, "bytes follow the body");
    if (remaining_ == 0) return complete();
    if (!must_read_on(result)) return Step::kWait;
    turn += result.bytes;
  }
  return Step::kAgain;
}

void Exchange::advance(std::size_t n) {
  remaining_ -= n;
  result_.received += n;
  host_.count(Count::kBytes, n);
  request_.sink->advance(n);
}

Exchange::Step Exchange::complete() {
  if (connection_->transport->buffered()) {
    std::byte extra{};
    if (connection_->transport->read({&extra, 1}, nullptr).io == Io::kDone)
      return end(FetchKind::kProtocol, "bytes follow the body");
  }
  return end(FetchKind::kOk);
}

Exchange::Step Exchange::receive_error_body() {
  for (;;) {
    const IoResult result = connection_->transport->read(host_.scratch(), nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    // However it ends, the status is what matters.
    if (result.io != Io::kDone) return end_http_error(false);
    touch();
    const Step step = take_error_bytes(host_.scratch().first(result.bytes));
    if (step != Step::kNext) return step;
    if (!must_read_on(result)) return Step::kWait;
  }
}

Exchange::Step Exchange::take_error_bytes(std::span<const std::byte> bytes) {
  std::vector<std::byte>& body = result_.body;
  if (result_.head.chunked) {
    std::size_t consumed = 0;
    const ChunkState state = chunks_.decode(bytes, body, kMaxErrorBody, consumed);
    if (state == ChunkState::kDone) return end_http_error(consumed == bytes.size());
    return state == ChunkState::kInvalid || chunks_.dropped() > 0 ? end_http_error(false) : Step::kNext;
  }
  const bool sized = result_.head.content_length >= 0;
  const std::size_t mine =
      sized ? static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size())) : bytes.size();
  const std::size_t kept = std::min(mine, kMaxErrorBody - body.size());
  body.insert(body.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
  if (sized) {
    remaining_ -= mine;
    if (remaining_ == 0) return end_http_error(mine == bytes.size());
  }
  return body.size() == kMaxErrorBody ? end_http_error(false) : Step::kNext;
}

}  // namespace dlfs::http
