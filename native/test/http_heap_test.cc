// DeadlineHeap against a sorted map, under random operations.
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "../src/http/deadline_heap.h"
#include "http_check.h"

namespace {

using dlfs::http::DeadlineHeap;
using dlfs::http::TimePoint;

struct Member final : dlfs::http::Deadlined {};

}  // namespace

int main() {
  dlfs::test::Suite suite;
  suite.test("the heap gives members in order of their earliest deadline, whatever leaves in between", [] {
    std::mt19937 random(1);
    std::vector<std::unique_ptr<Member>> members;
    for (int i = 0; i < 200; ++i) members.push_back(std::make_unique<Member>());
    DeadlineHeap<Member> heap;
    std::map<Member*, TimePoint> model;
    for (int round = 0; round < 200'000; ++round) {
      Member& member = *members[random() % members.size()];
      const TimePoint at(std::chrono::milliseconds(random() % 1000));
      switch (random() % 3) {
        case 0: {
          heap.ensure(member, at);
          const auto [place, added] = model.try_emplace(&member, at);
          if (!added) place->second = std::min(place->second, at);
          break;
        }
        case 1:
          heap.remove(member);
          model.erase(&member);
          break;
        default:
          if (Member* due = heap.pop_due(at)) {
            const TimePoint its = model.at(due);
            CHECK(its <= at);
            for (const auto& [other, when] : model) CHECK(its <= when);
            model.erase(due);
          } else {
            for (const auto& [other, when] : model) CHECK(when > at);
          }
      }
      CHECK_EQ(heap.size(), model.size());
      CHECK_EQ(member.scheduled(), model.contains(&member));
    }
  });
  return suite.exit_code();
}
