// RunSink: takes in the body of one run (consecutive blocks fetched by one GET).
//
// Bytes go straight into the block's buffer; after each piece the reads that it completes are answered; a full block is
// handed to the volume to be hashed and stored.
//
// Invariants:
//  1. Blocks of a run complete in order; what finish() reports as delivered is exactly the completed prefix.
//  2. When a run ends early, or was never taken by the fetcher, a block that somebody waits for stays wanted, the
//  others become absent.
#pragma once

#include "volume.h"

namespace dlfs {

class RunSink final : public http::BodySink {
 public:
  RunSink(std::shared_ptr<Volume> volume, std::shared_ptr<File> file, RunSpec spec);

  ~RunSink() override;

  bool accept(const http::ResponseHead& head) override;
  std::span<std::byte> window() override;
  void advance(size_t n) override;
  void finish(http::FetchResult&& result) override;

 private:
  // Gives up the blocks that did not arrive.
  void give_up();
  uint32_t block() const { return spec_.first + delivered_; }

  const std::shared_ptr<Volume> volume_;
  const std::shared_ptr<File> file_;
  const RunSpec spec_;
  uint32_t delivered_ = 0;
  uint32_t filled_ = 0;
  std::shared_ptr<Buffer> buffer_;
  bool changed_ = false;
  bool finished_ = false;
};

}  // namespace dlfs
