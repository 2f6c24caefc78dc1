// The disk pool and the notifier: long tasks of some leave threads to the short ones of others.
#include <atomic>
#include <chrono>
#include <future>
#include <vector>

#include "../src/block/disk_pool.h"
#include "../src/block/shared_count.h"
#include "../src/session/notifier.h"
#include "check.h"

using namespace dlfs;
using dlfs::test::check;

namespace {

using namespace std::chrono_literals;

void long_tasks_leave_threads() {
  DiskPool pool(4);
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> running{0};
  std::vector<std::future<void>> long_ones;
  for (int i = 0; i < 8; ++i) {
    auto done = std::make_shared<std::promise<void>>();
    long_ones.push_back(done->get_future());
    pool.submit(
        [&running, released, done] {
          ++running;
          released.wait();
          done->set_value();
        },
        i % 2 == 0 ? DiskWork::kLong : DiskWork::kIdle);
  }
  // Short ones are done although eight long ones wait, and no more than half of the threads ran any of those.
  for (int i = 0; i < 100; ++i) {
    std::promise<void> done;
    pool.submit([&done] { done.set_value(); });
    check(done.get_future().wait_for(10s) == std::future_status::ready, "a short task is done beside long ones");
  }
  check(running.load() == 2, "half of the threads run long tasks");
  release.set_value();
  for (auto& one : long_ones) check(one.wait_for(10s) == std::future_status::ready, "every long task is done");
}

void a_long_task_is_not_starved() {
  DiskPool pool(1);
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  pool.submit([open] { open.wait(); });
  std::atomic<int> before{0};
  std::promise<int> seen;
  for (int i = 0; i < 100; ++i) pool.submit([&before] { ++before; });
  pool.submit([&] { seen.set_value(before.load()); }, DiskWork::kLong);
  gate.set_value();
  check(seen.get_future().get() < 10, "a sync takes its turn among writes");
}

void everything_queued_is_run() {
  std::atomic<int> ran{0};
  {
    DiskPool pool(2);
    for (int i = 0; i < 300; ++i) {
      pool.submit([&ran] { ++ran; }, i % 3 == 0 ? DiskWork::kLong : i % 3 == 1 ? DiskWork::kIdle : DiskWork::kShort);
    }
  }
  check(ran.load() == 300, "the destructor runs what is queued");
}

void notifications_of_one_do_not_hold_up_another() {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::vector<int> order;
  Notifier notifier;
  notifier.submit(1, [open] { open.wait(); });
  notifier.submit(1, [&order] { order.push_back(1); });
  notifier.submit(1, [&order] { order.push_back(2); });
  std::promise<void> done;
  notifier.submit(2, [&done] { done.set_value(); });
  check(done.get_future().wait_for(10s) == std::future_status::ready, "another session's notification is told");
  gate.set_value();
  std::promise<void> last;
  notifier.submit(1, [&last] { last.set_value(); });
  last.get_future().wait();
  check(order == std::vector<int>({1, 2}), "those of one session are told in order");
}

void shares_of_a_count() {
  SharedCount count(100);
  check(count.limit(4) == 100, "all is free");
  count.add(50);
  check(count.limit(4) == 50, "one that has half has its limit");
  count.add(60);
  check(count.limit(4) == 4, "what is over is nobody's, but the least is everybody's");
  count.sub(60);
  check(count.limit(4) == 50, "what was given back is free");
}

}  // namespace

int main() {
  long_tasks_leave_threads();
  a_long_task_is_not_starved();
  everything_queued_is_run();
  notifications_of_one_do_not_hold_up_another();
  shares_of_a_count();
  return dlfs::test::failures == 0 ? 0 : 1;
}
