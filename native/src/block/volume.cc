// Volume, the table of files and the control plane's view of their blocks.
#include "volume.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "run_sink.h"

namespace dlfs {
namespace {

// Marks of one file: a readahead window needs one; a few streams share a file.
constexpr size_t kMaxMarks = 64;
// 5 TiB in blocks of 4 KiB are 1.3 * 2^30: beyond this a bitmap would be hundreds of megabytes.
constexpr uint64_t kMaxBlocks = 1ULL << 31;

}  // namespace

Volume::Volume(VolumeOptions options, Budget& budget, DiskPool& disk, EventQueue& events)
    : options_(std::move(options)),
      shift_(static_cast<uint32_t>(std::countr_zero(options_.block_size))),
      budget_(budget),
      disk_(disk),
      events_(events),
      dir_(options_.objects_dir),
      counts_(options_.counts ? options_.counts
                              : std::make_shared<SharedCounts>(options_.max_open_files, options_.max_files)) {}

Volume::~Volume() {
  counts_->open_files.sub(open_fds_.load(std::memory_order_relaxed));
  for (const auto& s : shards_) counts_->states.sub(s.files.size());
}

void Volume::forgotten(size_t states) { counts_->states.sub(states); }

void Volume::close_fd(File& file) {
  if (!file.fd) return;
  file.fd.reset();
  open_fds_.fetch_sub(1, std::memory_order_relaxed);
  counts_->open_files.sub(1);
}

std::shared_ptr<File> Volume::find(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard lock(s.mu);
  const auto it = s.files.find(ino);
  return it == s.files.end() ? nullptr : it->second;
}

std::shared_ptr<File> Volume::find_or_create(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard lock(s.mu);
  auto& file = s.files[ino];
  if (!file) {
    const size_t most = std::min(options_.max_files, counts_->states.limit(kLeastStates * shards_.size()));
    if (s.files.size() > most / shards_.size()) sweep(s);
    file = std::make_shared<File>(ino);
    counts_->states.add(1);
  }
  return file;
}

void Volume::sweep(Shard& s) {
  // Second chance: an idle file goes when it was not read since the last sweep. Nobody else can hold a file whose only
  // reference is the table's, as new references are made under the shard's lock.
  forgotten(std::erase_if(s.files, [&](auto& entry) {
    auto& file = entry.second;
    if (!file || file.use_count() > 1) return false;
    std::lock_guard lock(file->mu);
    if (!file->idle()) return false;
    if (std::exchange(file->recent, false)) return false;
    close_fd(*file);
    return true;
  }));
}

bool Volume::ensure_fd(File& file, bool create) {
  if (file.fd) return true;
  if (file.doomed) {
    if (const int error = dir_.unlink(file.ino); error != 0) {
      errno = error;
      return false;
    }
    file.doomed = false;
    ++file.epoch;
  }
  UniqueFd fd = dir_.open(file.ino, false, true);
  // ELOOP: somebody put a link there. Neither holds bytes of ours.
  if (!fd && (errno == ENOENT || errno == ELOOP)) {
    const int error = errno;
    lose_beyond(file, 0, error);
    if (error == ELOOP) dir_.unlink(file.ino);
    if (!create) {
      errno = error;
      return false;
    }
    fd = dir_.open(file.ino, true, true);
  }
  if (!fd) return false;
  struct stat st {};
  if (::fstat(fd.get(), &st) == 0) lose_beyond(file, static_cast<uint64_t>(st.st_size), EIO);
  file.fd = std::make_shared<UniqueFd>(std::move(fd));
  counts_->open_files.add(1);
  if (open_fds_.fetch_add(1, std::memory_order_relaxed) + 1 > max_open_fds()) {
    disk_.submit([self = shared_from_this()] { self->close_idle_fds(); });
  }
  return true;
}

void Volume::close_idle_fds() {
  for (auto& s : shards_) {
    if (open_fds_.load(std::memory_order_relaxed) <= max_open_fds() * 3 / 4) return;
    std::lock_guard table(s.mu);
    for (auto& [ino, file] : s.files) {
      std::unique_lock lock(file->mu, std::try_to_lock);
      if (lock && file->pinned.empty()) close_fd(*file);
    }
  }
}

BlockRange Volume::blocks_of(uint64_t offset, uint32_t length) const {
  return {static_cast<uint32_t>(offset >> shift_), static_cast<uint32_t>((offset + length - 1) >> shift_)};
}

uint32_t Volume::block_count(const File& file) const {
  return static_cast<uint32_t>((file.size + options_.block_size - 1) >> shift_);
}

uint32_t Volume::block_bytes(const File& file, uint32_t block) const {
  const uint64_t start = static_cast<uint64_t>(block) << shift_;
  return static_cast<uint32_t>(std::min<uint64_t>(options_.block_size, file.size - start));
}

void Volume::unpin(File& file, BlockRange range) {
  const auto it = std::find(file.pinned.begin(), file.pinned.end(), range);
  if (it != file.pinned.end()) {
    *it = file.pinned.back();
    file.pinned.pop_back();
  }
  std::erase_if(file.punches, [&](PendingPunch& punch) {
    for (const auto& pin : file.pinned) {
      if (pin.overlaps(punch.range)) return false;
    }
    disk_.submit(std::move(punch.run));
    return true;
  });
}

void Volume::lose_bits(File& file, BlockRange range, int error) {
  bool any = false;
  for (uint32_t b = range.first; b <= range.last && b / 64 < file.resident.size(); ++b) {
    if (!file.is_resident(b)) continue;
    any = true;
    file.clear_resident(b);
    file.published = false;
    count(stats_->lost_blocks);
    events_.push(EventType::kLost, options_.id, static_cast<double>(file.ino), b, error);
  }
  if (any) rewant(file);
}

void Volume::lose_beyond(File& file, uint64_t size, int error) {
  if (!file.attached || size >= file.size || file.size == 0) return;
  lose_bits(file, {static_cast<uint32_t>(size >> shift_), block_count(file) - 1}, error);
}

void Volume::lost(File& file, BlockRange range, int error) {
  struct stat st {};
  // A file that is too short has lost more than what was just read.
  if (file.fd && ::fstat(file.fd->get(), &st) == 0) lose_beyond(file, static_cast<uint64_t>(st.st_size), error);
  lose_bits(file, range, error);
  close_fd(file);
}

void Volume::rewant(File& file) {
  for (const auto& waiter : file.waiters) want_missing(file, waiter.offset, waiter.length, 0);
}

bool Volume::whole(const File& file) const {
  const uint32_t blocks = block_count(file);
  for (uint32_t b = 0; b < blocks; ++b) {
    if (!file.is_resident(b)) return false;
  }
  return true;
}

void Volume::forget(uint64_t ino) {
  Shard& s = shard(ino);
  std::lock_guard table(s.mu);
  const auto it = s.files.find(ino);
  if (it == s.files.end() || it->second.use_count() > 1) return;
  {
    std::lock_guard lock(it->second->mu);
    if (!it->second->idle()) return;
    close_fd(*it->second);
  }
  s.files.erase(it);
  forgotten(1);
}

void Volume::attach(uint64_t ino, uint64_t size, std::span<const std::byte> resident, bool published) {
  // Block numbers are 32 bits everywhere; the control plane refuses larger objects before.
  if (((size + options_.block_size - 1) >> shift_) > kMaxBlocks) return detach(ino, EFBIG);
  const auto file = find_or_create(ino);
  std::vector<ParkedOp> parked;
  {
    std::lock_guard lock(file->mu);
    if (!file->attached) {
      file->size = size;
      file->resident.assign((block_count(*file) + 63) / 64, 0);
      if (!resident.empty()) {
        std::memcpy(file->resident.data(), resident.data(), std::min(resident.size(), file->resident.size() * 8));
      }
      file->published = published && whole(*file);
      file->attached = true;
    }
    file->asked = false;
    parked.swap(file->parked);
  }
  if (parked.empty()) return;
  // Answering may read the disk, and who attaches is the event loop.
  disk_.submit([self = shared_from_this(), file, parked = std::move(parked)] {
    for (const auto& op : parked) {
      if (op.open) {
        if (const auto client = op.client.lock()) client->reopen(op.slot, file->ino);
      } else {
        const auto waited = std::chrono::steady_clock::now() - op.since;
        count(self->stats_->waited_index_ns, static_cast<uint64_t>(std::chrono::nanoseconds(waited).count()));
        std::unique_lock lock(file->mu);
        self->wait_or_answer(file, lock, {op.client, op.slot, op.offset, op.length}, op.pid);
      }
    }
  });
}

void Volume::detach(uint64_t ino, int error) {
  const auto file = find(ino);
  if (!file) return;
  std::vector<ParkedOp> parked;
  {
    std::lock_guard lock(file->mu);
    file->asked = false;
    parked.swap(file->parked);
  }
  for (const auto& op : parked) {
    if (const auto client = op.client.lock()) client->fail(op.slot, error);
  }
}

void Volume::states(uint64_t ino, uint32_t first, std::span<std::byte> out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const auto file = find(ino);
  if (!file) return;
  std::lock_guard lock(file->mu);
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t b = first + static_cast<uint32_t>(i);
    BlockState state = BlockState::kAbsent;
    if (file->is_resident(b)) {
      state = BlockState::kResident;
    } else if (const auto it = file->arrivals.find(b); it != file->arrivals.end()) {
      switch (it->second.state) {
        case Arrival::State::kWanted:
          state = BlockState::kWanted;
          break;
        case Arrival::State::kReceiving:
          state = BlockState::kReceiving;
          break;
        default:
          state = BlockState::kMemory;
      }
    }
    out[i] = static_cast<std::byte>(state);
  }
}

std::vector<BlockRange> Volume::awaited(uint64_t ino) {
  std::vector<BlockRange> out;
  const auto file = find(ino);
  if (!file) return out;
  std::lock_guard lock(file->mu);
  out.reserve(file->waiters.size());
  for (const ReadWaiter& waiter : file->waiters) out.push_back(blocks_of(waiter.offset, waiter.length));
  return out;
}

std::unique_ptr<http::BodySink> Volume::start_run(const RunSpec& spec) {
  const auto file = find(spec.ino);
  if (!file || spec.count == 0) return nullptr;
  std::lock_guard lock(file->mu);
  if (!file->attached || static_cast<uint64_t>(spec.first) + spec.count > block_count(*file)) return nullptr;
  for (uint32_t b = spec.first; b < spec.first + spec.count; ++b) {
    if (file->is_resident(b)) return nullptr;
    const auto it = file->arrivals.find(b);
    if (it != file->arrivals.end() && it->second.state != Arrival::State::kWanted) return nullptr;
  }
  const auto now = std::chrono::steady_clock::now();
  for (uint32_t b = spec.first; b < spec.first + spec.count; ++b) {
    Arrival& arrival = file->arrivals[b];
    arrival.state = Arrival::State::kReceiving;
    arrival.sent = now;
  }
  return std::make_unique<RunSink>(shared_from_this(), file, spec);
}

void Volume::fail_blocks(uint64_t ino, uint32_t first, uint32_t count, int error) {
  const auto file = find(ino);
  if (!file || count == 0) return;
  const BlockRange range{first, first + count - 1};
  std::vector<ReadWaiter> failed;
  {
    std::lock_guard lock(file->mu);
    std::erase_if(file->arrivals, [&](const auto& entry) {
      return entry.second.state == Arrival::State::kWanted && entry.first >= range.first && entry.first <= range.last;
    });
    std::erase_if(file->waiters, [&](const ReadWaiter& waiter) {
      if (!blocks_of(waiter.offset, waiter.length).overlaps(range)) return false;
      failed.push_back(waiter);
      return true;
    });
  }
  for (const auto& waiter : failed) {
    if (const auto client = waiter.client.lock()) client->fail(waiter.slot, error);
  }
}

void Volume::mark(uint64_t ino, uint32_t block) {
  const auto file = find(ino);
  if (!file) return;
  std::lock_guard lock(file->mu);
  if (std::find(file->marks.begin(), file->marks.end(), block) != file->marks.end()) return;
  // The oldest mark belongs to a stream that went elsewhere.
  if (file->marks.size() >= kMaxMarks) file->marks.erase(file->marks.begin());
  file->marks.push_back(block);
}

bool Volume::publish(uint64_t ino) {
  const auto file = find(ino);
  if (!file) return false;
  std::lock_guard lock(file->mu);
  if (!file->attached || !file->arrivals.empty() || file->size == 0) return false;
  if (file->doomed || !whole(*file)) return false;
  file->published = true;
  return true;
}

std::vector<uint64_t> Volume::drain_touched() {
  std::vector<uint64_t> out;
  {
    std::lock_guard lock(touched_mu_);
    out.swap(touched_);
  }
  for (const uint64_t ino : out) {
    if (const auto file = find(ino)) {
      std::lock_guard lock(file->mu);
      file->touched = false;
    }
  }
  return out;
}

uint32_t Volume::open_count(uint64_t ino) {
  const auto file = find(ino);
  if (!file) return 0;
  std::lock_guard lock(file->mu);
  return std::accumulate(file->opened.begin(), file->opened.end(), uint32_t{0},
                         [](uint32_t sum, const Opened& one) { return sum + one.opens; });
}

}  // namespace dlfs
