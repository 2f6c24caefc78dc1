// A check for the small native test programs: prints `ok` or `not ok` with the sentence, counts failures.
#pragma once

#include <cstdio>

namespace dlfs::test {

inline int failures = 0;

inline void check(bool good, const char* sentence) {
  std::printf("%s - %s\n", good ? "ok" : "not ok", sentence);
  if (!good) ++failures;
}

}  // namespace dlfs::test
