// The blocks of one dataset: answers reads from disk or memory, parks the others, takes in fetched runs, drops what the
// control plane evicts.
//
// A READ first tries `read()`; when all its blocks are resident, the caller gets one pread's worth of bytes and nobody
// else learns of it. Otherwise the caller registers the request and calls `park()`, which answers at once if the bytes
// came meanwhile, else asks the control plane for what is missing (kWant) and lets the request wait on the file. A
// RunSink receives a run; each time bytes arrive, the waiters that can now be answered are answered, from memory. A
// complete block is hashed and handed to the disk pool; when it is in the file, it becomes resident and its buffer
// goes.
//
// Invariants:
//  1. No lock of a volume is shared by two files but the table's shard lock, held for a lookup only.
//  2. A read is answered whole or with an errno; bytes come from one object version because a File is one.
//  3. Fetch threads never wait on the disk: a waiter that needs both disk and memory is answered by the disk pool.
//  4. A block that cannot be stored still answers its waiters.
//  5. However many reads wait, and however little memory there is for them, the oldest goes on.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "../base/events.h"
#include "../http/fetcher.h"
#include "buffer.h"
#include "cache_dir.h"
#include "disk_pool.h"
#include "file.h"
#include "shared_count.h"
#include "stats.h"

namespace dlfs {

struct VolumeOptions {
  uint32_t id = 0;
  std::string objects_dir;
  uint32_t block_size = 1U << 20;  // power of two
  size_t max_open_files = 4096;
  size_t max_files = 262144;                       // file states kept in memory
  std::shared_ptr<SharedCounts> counts = nullptr;  // both shared with other volumes; null: the volume has its own
  size_t max_volatile = 64U << 20;  // bytes of blocks that are kept in memory because they cannot be stored
};

// Registers and forgets backing files with the kernel. Implemented by Session.
class PassthroughHost {
 public:
  virtual ~PassthroughHost() = default;
  virtual int32_t backing_open(int fd) = 0;  // id > 0, or -errno
  virtual void backing_close(int32_t id) = 0;
};

struct OpenAnswer {
  bool known = false;  // false: parked
  bool passthrough = false;
  int32_t backing_id = 0;
};

enum class BlockState : uint8_t { kAbsent = 0, kWanted = 1, kReceiving = 2, kMemory = 3, kResident = 4 };

struct RunSpec {
  uint64_t run = 0;  // also the fetcher's request id
  uint64_t ino = 0;
  uint32_t first = 0, count = 0;
  std::string etag;      // what the response must carry; empty = not checked
  int64_t modified = 0;  // Last-Modified as listed, seconds since 1970, that second or the next; 0 = not checked
  bool demand = true;
  bool store = true;  // false: serve from memory only
};

class Volume : public std::enable_shared_from_this<Volume> {
 public:
  // Throws std::system_error when the folder cannot be opened. Budget, pool and events must outlive the volume.
  Volume(VolumeOptions options, Budget& budget, DiskPool& disk, EventQueue& events);
  ~Volume();

  // --- session threads ---
  // Bytes into `scratch` (>= length). Returns the count (0 = end of file), or -1: park() it.
  int64_t read(uint64_t ino, uint64_t offset, uint32_t length, uint32_t pid, std::span<std::byte> scratch);
  void park(std::weak_ptr<ReadClient> client, uint64_t slot, uint64_t ino, uint64_t offset, uint32_t length,
            uint32_t pid);
  OpenAnswer open(std::weak_ptr<ReadClient> client, PassthroughHost& host, uint64_t slot, uint64_t ino);
  void release(PassthroughHost& host, uint64_t ino);
  // The connection has ended: whatever it had open is closed.
  void disconnected(const PassthroughHost& host);
  // The kernel forgot the inode: its idle state can go.
  void forget(uint64_t ino);

  // --- control plane ---
  // Delivers a file's state. `resident`: bitmap, little end first, may be shorter than the file.
  void attach(uint64_t ino, uint64_t size, std::span<const std::byte> resident, bool published);
  // The same after an unclean stop: first reads `blocks` back; whose hash differs is taken out of the bitmap (kLost
  // each).
  void attach_checked(uint64_t task, uint64_t ino, uint64_t size, std::vector<std::byte> resident, bool published,
                      std::vector<uint32_t> blocks, std::vector<uint64_t> hashes);
  // The file cannot be had: everything parked on it fails with `error`.
  void detach(uint64_t ino, int error);
  void states(uint64_t ino, uint32_t first, std::span<std::byte> out);
  // What the waiting READs of the file need, as they asked for it: ranges may overlap.
  std::vector<BlockRange> awaited(uint64_t ino);
  // Null when the file is not attached or a block of the run is already there or under way.
  std::unique_ptr<http::BodySink> start_run(const RunSpec& spec);
  // Waiters of these blocks get `error`; blocks under way stay so.
  void fail_blocks(uint64_t ino, uint32_t first, uint32_t count, int error);
  void mark(uint64_t ino, uint32_t block);
  void drop_blocks(uint64_t task, uint64_t ino, uint32_t first, uint32_t count);
  void drop_file(uint64_t task, uint64_t ino);
  // kTaskDone's value: bytes read back; its errno: EILSEQ names a mismatch, whose blocks were made absent (kLost each).
  void verify(uint64_t task, uint64_t ino, std::vector<uint32_t> blocks, std::vector<uint64_t> hashes);
  // Allows passthrough. False when the file is not whole.
  bool publish(uint64_t ino);
  void sync(uint64_t task, std::vector<uint64_t> inos);
  std::vector<uint64_t> drain_touched();
  // Memory is short: gives back what can be had again, volatile blocks that nobody waits for. Where there are none, one
  // that is waited for, by a read that came after `asking`; never one that the oldest read needs. Without that rule
  // reads of several blocks each could hold all of the memory, and none would ever have its last block.
  void relieve(std::chrono::steady_clock::time_point asking = std::chrono::steady_clock::time_point::min());
  uint32_t open_count(uint64_t ino);

  uint32_t id() const { return options_.id; }
  uint32_t block_size() const { return options_.block_size; }
  VolumeStats& stats() const { return *stats_; }
  const std::shared_ptr<VolumeStats>& shared_stats() const { return stats_; }

 private:
  friend class RunSink;
  struct Shard {
    std::mutex mu;
    std::unordered_map<uint64_t, std::shared_ptr<File>> files;
  };
  // Readers of a volume can always have so many files open, and so many states a shard.
  static constexpr size_t kLeastOpen = 16;
  static constexpr size_t kLeastStates = 64;
  struct Volatile {
    std::weak_ptr<File> file;
    uint32_t block;
    size_t bytes;
  };

  Shard& shard(uint64_t ino) { return shards_[(ino ^ (ino >> 8)) % shards_.size()]; }
  std::shared_ptr<File> find(uint64_t ino);
  std::shared_ptr<File> find_or_create(uint64_t ino);
  void sweep(Shard& shard);                 // under shard.mu
  void close_idle_fds(size_t limit);        // down to so many; no lock held
  bool ensure_fd(File& file, bool create);  // under file.mu
  void close_fd(File& file);                // under file.mu
  size_t max_open_fds() const { return std::min(options_.max_open_files, counts_->open_files.limit(kLeastOpen)); }
  void forgotten(size_t states);                                        // so many file states have left the table
  void close_opened(File& file, std::vector<Opened>::iterator opened);  // under file.mu
  uint32_t block_bytes(const File& file, uint32_t block) const;
  uint32_t block_count(const File& file) const;
  bool all_resident(const File& file, uint64_t offset, uint32_t length) const;
  bool answerable(const File& file, uint64_t offset, uint32_t length) const;
  void want_missing(File& file, uint64_t offset, uint32_t length, uint32_t pid);
  void note_read(File& file, uint64_t offset, uint32_t length, uint32_t pid);  // under file.mu
  void unpin(File& file, BlockRange range);                                    // under file.mu
  // Which blocks a byte range touches; length > 0.
  BlockRange blocks_of(uint64_t offset, uint32_t length) const;
  void wait_or_answer(const std::shared_ptr<File>& file, std::unique_lock<std::mutex>& lock, const ReadWaiter& waiter,
                      uint32_t pid);
  // Answers a satisfied waiter from disk and memory; called without locks.
  void deliver(const std::shared_ptr<File>& file, const ReadWaiter& waiter, bool again = false);
  // What the process ran out of says nothing about the bytes on the disk: nothing is lost for it.
  static bool shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }
  void take_ready(File& file, std::vector<ReadWaiter>& from_memory,
                  std::vector<ReadWaiter>& from_disk);  // under file.mu
  void count_wait(const ReadWaiter& waiter, bool disk);
  void answer_ready(const std::shared_ptr<File>& file, const std::vector<ReadWaiter>& from_memory,
                    const std::vector<ReadWaiter>& from_disk);
  void block_complete(const std::shared_ptr<File>& file, uint32_t block, std::shared_ptr<Buffer> buffer, bool store);
  void store_block(const std::shared_ptr<File>& file, uint32_t block, const std::shared_ptr<Buffer>& buffer,
                   uint64_t hash);
  void keep_volatile(const std::shared_ptr<File>& file, uint32_t block, size_t bytes);  // no lock held
  void trim_volatile(size_t limit);
  void give_way(std::chrono::steady_clock::time_point asking);  // see relieve(); no lock held
  // When the oldest of the reads came that wait for this block; max() where none does. Under file.mu.
  std::chrono::steady_clock::time_point awaited_since(const File& file, uint32_t block) const;
  // Whether `length` bytes of the block at `fd` hash to `expected`; uses `buffer`.
  bool intact(int fd, uint32_t block, uint32_t length, uint64_t expected, std::span<std::byte> buffer) const;
  void lost(File& file, BlockRange range, int error);       // under file.mu; reopens the file
  void lose_bits(File& file, BlockRange range, int error);  // under file.mu
  void lose_beyond(File& file, uint64_t size, int error);   // under file.mu; blocks that end behind `size`
  void rewant(File& file);             // under file.mu: blocks went away, and a reader may still need them
  bool whole(const File& file) const;  // under file.mu

  const VolumeOptions options_;
  const uint32_t shift_;
  Budget& budget_;
  DiskPool& disk_;
  EventQueue& events_;
  const std::shared_ptr<VolumeStats> stats_ = std::make_shared<VolumeStats>();
  CacheDir dir_;
  const std::shared_ptr<SharedCounts> counts_;
  std::array<Shard, 64> shards_;
  std::atomic<size_t> open_fds_{0};
  std::mutex volatile_mu_;
  std::list<Volatile> volatile_;
  size_t volatile_bytes_ = 0;
  std::mutex touched_mu_;
  std::vector<uint64_t> touched_;
};

}  // namespace dlfs
