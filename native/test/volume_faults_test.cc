// A volume against what a machine does to it: no descriptors left, a disk that is full or read-only, files that are
// none, threads that cannot be had, connections that end with files open.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <system_error>

#include "volume_check.h"

using namespace dlfs;
using namespace dlfs::test;

namespace {

constexpr size_t kSize = 10000;
constexpr std::byte kAll{0b111};

struct World {
  std::shared_ptr<Volume> volume(VolumeOptions options = {}) {
    options.id = 3;
    options.objects_dir = folder.path;
    options.block_size = kBlock;
    return std::make_shared<Volume>(std::move(options), budget, pool, events);
  }
  // Writes a whole cache file, as if it had been fetched.
  void put(uint64_t ino) {
    std::filesystem::create_directories(std::filesystem::path(folder.file(ino)).parent_path());
    std::ofstream(folder.file(ino)) << content_of(ino, kSize);
  }
  size_t seen(EventType type) {
    const auto all = drain(events);
    return static_cast<size_t>(
        std::count_if(all.begin(), all.end(), [&](const Seen& e) { return e.type == static_cast<double>(type); }));
  }

  Folder folder;
  EventQueue events{[] {}};
  Budget budget{64 * kBlock, [](uint64_t) {}};
  DiskPool pool{1U};
  std::shared_ptr<Client> client = std::make_shared<Client>();
  std::vector<std::byte> scratch = std::vector<std::byte>(1U << 20);
};

// No descriptor beyond those that are open now.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    const rlimit now{static_cast<rlim_t>(next), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

void without_descriptors() {
  World w;
  w.put(1);
  w.put(2);
  const auto volume = w.volume();
  volume->attach(1, kSize, {&kAll, 1}, false);
  volume->attach(2, kSize, {&kAll, 1}, false);
  {
    const NoDescriptors none;
    check(volume->read(1, 0, 10, 7, w.scratch) == -1, "without a descriptor a read waits");
    volume->park(w.client, 1, 1, 0, 10, 7);
    check(w.client->errors[1] == EIO, "and fails with EIO when there is none to be had");
    volume->verify(8, 1, {0}, {1234});
    wait_for(w.pool);
    check(w.seen(EventType::kLost) == 0, "but nothing counts as lost for it");
  }
  check(volume->read(1, 0, 10, 7, w.scratch) == 10, "with a descriptor the same read is a hit");
  {
    const NoDescriptors none;
    volume->park(w.client, 2, 2, 5000, 10, 7);
    check(w.client->answers[2] == content_of(2, kSize).substr(5000, 10),
          "where an idle file holds a descriptor, that one is closed for the reader");
  }
  {
    const NoDescriptors none;
    volume->attach(4, kSize, {}, false);
    volume->park(w.client, 4, 4, 0, 10, 7);
    auto sink = volume->start_run({.run = 1, .ino = 4, .first = 0, .count = 1, .etag = ""});
    feed(*sink, content_of(4, kBlock));
    sink->finish({});
    wait_for(w.pool);
    check(w.client->answers[4] == content_of(4, 10) && w.seen(EventType::kStored) == 1,
          "a block is stored by the descriptor of an idle file");
  }
}

void with_a_limited_disk() {
  World w;
  const auto volume = w.volume();
  volume->attach(1, kSize, {}, false);
  volume->park(w.client, 1, 1, 4096, 100, 7);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit half{6144, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &half);
  auto sink = volume->start_run({.run = 1, .ino = 1, .first = 1, .count = 1, .etag = ""});
  feed(*sink, content_of(1, kSize).substr(4096, kBlock));
  sink->finish({});
  wait_for(w.pool);
  ::setrlimit(RLIMIT_FSIZE, &before);
  struct stat st {};
  check(w.seen(EventType::kStoreFailed) == 1 && w.client->answers[1] == content_of(1, kSize).substr(4096, 100),
        "a block that fits on the disk by half is served from memory");
  check(::stat(w.folder.file(1).c_str(), &st) == 0 && st.st_size > 4096 && st.st_blocks == 0,
        "and its half gives its space back");
}

void with_files_that_are_none() {
  World w;
  w.put(1);
  std::filesystem::remove(w.folder.file(1));
  check(::mkfifo(w.folder.file(1).c_str(), 0600) == 0, "a FIFO lies where a cache file should be");
  const auto volume = w.volume();
  volume->attach(1, kSize, {&kAll, 1}, true);
  check(volume->read(1, 0, 10, 7, w.scratch) == -1, "nobody waits for its other end");
  volume->park(w.client, 1, 1, 0, 10, 7);
  check(w.seen(EventType::kLost) == 3, "its blocks are lost");
  auto sink = volume->start_run({.run = 1, .ino = 1, .first = 0, .count = 1, .etag = ""});
  feed(*sink, content_of(1, kBlock));
  sink->finish({});
  wait_for(w.pool);
  check(w.client->answers[1] == content_of(1, 10) && std::filesystem::is_regular_file(w.folder.file(1)),
        "and fetched into a file of ours");
}

class Host final : public PassthroughHost {
 public:
  explicit Host(int32_t id) : id_(id) {}
  int32_t backing_open(int) override { return id_; }
  void backing_close(int32_t id) override { closed += id == id_ ? 1 : 100; }
  int closed = 0;

 private:
  const int32_t id_;
};

void with_ended_connections() {
  World w;
  w.put(1);
  const auto volume = w.volume();
  volume->attach(1, kSize, {&kAll, 1}, true);
  Host first(11), second(22);
  check(volume->open(w.client, first, 1, 1).backing_id == 11 && volume->open(w.client, first, 2, 1).backing_id == 11,
        "opens of one connection share its backing file");
  check(volume->open(w.client, second, 3, 1).backing_id == 22, "another connection has its own");
  volume->release(first, 1);
  check(first.closed == 0 && volume->open_count(1) == 2, "which stays until the last release");
  volume->release(first, 1);
  check(first.closed == 1 && volume->open_count(1) == 1, "and no longer");
  volume->release(first, 1);
  check(volume->open_count(1) == 1, "a release of what is not open changes nothing");
  volume->drop_file(5, 1);
  wait_for(w.pool);
  const auto seen = drain(w.events);
  check(std::any_of(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 13 && e.a == 5 && e.c == 1; }),
        "a dropped file that is open says that its space is still taken");
  volume->disconnected(second);
  check(w.seen(EventType::kFreed) == 1 && volume->open_count(1) == 0,
        "a connection that ends without a release frees it");
  Host third(33);
  check(volume->open(w.client, third, 4, 1).known && volume->open_count(1) == 1,
        "and the next connection opens the file as if nothing had been");
}

// What `run` says in a process of its own, which may change what it likes.
bool apart(const std::function<bool()>& run) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(run() ? 0 : 1);
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool read_only_disk() {
  if (::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  World w;
  if (::mount("none", w.folder.path.c_str(), "tmpfs", 0, "size=1m") != 0) return false;
  w.put(1);
  if (::mount(nullptr, w.folder.path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return false;
  bool good;
  {
    const auto volume = w.volume();
    const std::byte some{0b011};
    volume->attach(1, kSize, {&some, 1}, false);
    good = volume->read(1, 0, 10, 7, w.scratch) == 10;
    volume->park(w.client, 1, 1, 9000, 10, 7);
    auto sink = volume->start_run({.run = 1, .ino = 1, .first = 2, .count = 1, .etag = ""});
    feed(*sink, content_of(1, kSize).substr(8192));
    sink->finish({});
    wait_for(w.pool);
    const auto seen = drain(w.events);
    good = good && w.client->answers[1] == content_of(1, kSize).substr(9000, 10) &&
           std::any_of(seen.begin(), seen.end(), [](const Seen& e) { return e.type == 11 && e.c == EROFS; });
    if (::mount(nullptr, w.folder.path.c_str(), nullptr, MS_REMOUNT, nullptr) != 0) return false;
    good = good && volume->read(1, 0, 10, 7, w.scratch) == 10;
  }
  ::umount2(w.folder.path.c_str(), MNT_DETACH);
  return good;
}

bool no_more_threads() {
  const rlimit none{0, 0};
  if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
  if (::setrlimit(RLIMIT_NPROC, &none) != 0) return false;
  try {
    const DiskPool pool(4U);
  } catch (const std::system_error&) {
    return true;
  }
  return false;
}

void with_a_room_of_many_blocks() {
  constexpr size_t kLarge = 40U << 20;
  constexpr uint32_t kCount = kLarge / kBlock;
  constexpr uint32_t kKept = kCount / 2;
  World w;
  w.put(1);
  {
    const UniqueFd fd(::open(w.folder.file(1).c_str(), O_RDWR | O_CLOEXEC));
    check(::posix_fallocate(fd.get(), 0, kLarge) == 0, "a cache file of 40 MiB is on the disk");
  }
  const auto volume = w.volume();
  const std::vector<std::byte> all(kCount / 8, std::byte{0xff});
  volume->attach(1, kLarge, all, false);
  // The pool has one thread: it punches only when the block is on its way to the disk.
  std::promise<void> go_on;
  w.pool.submit([&go_on] { go_on.get_future().wait(); });
  volume->drop_blocks(8, 1, 0, kCount);
  auto sink = volume->start_run({.run = 1, .ino = 1, .first = kKept, .count = 1, .etag = ""});
  feed(*sink, content_of(1, kBlock));
  sink->finish({});
  go_on.set_value();
  wait_for(w.pool);
  struct stat st {};
  check(::stat(w.folder.file(1).c_str(), &st) == 0 && st.st_size == kLarge && st.st_blocks == kBlock / 512,
        "a large room is given back whole, but for a block that came back meanwhile");
  check(w.seen(EventType::kTaskDone) == 1, "and told once");
  check(volume->read(1, uint64_t{kKept} * kBlock, kBlock, 7, w.scratch) == kBlock &&
            std::memcmp(w.scratch.data(), content_of(1, kBlock).data(), kBlock) == 0,
        "that one is whole");
}

}  // namespace

int main() {
  check(apart(read_only_disk), "a disk that turned read-only still serves what it holds, and memory serves the rest");
  check(apart(no_more_threads), "a pool without threads is an exception, not the end of the process");
  without_descriptors();
  with_a_limited_disk();
  with_files_that_are_none();
  with_ended_connections();
  with_a_room_of_many_blocks();
  return failures == 0 ? 0 : 1;
}
