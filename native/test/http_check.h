// The smallest test harness: named tests in order, one line each, exit code 1 when one failed.
#pragma once

#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace dlfs::test {

class Suite {
 public:
  // Runs `body`; it fails by throwing (see CHECK).
  void test(const std::string& name, const std::function<void()>& body) {
    try {
      body();
      std::cout << "ok " << name << std::endl;
    } catch (const std::exception& error) {
      failed_ = true;
      std::cout << "not ok " << name << ": " << error.what() << std::endl;
    }
  }
  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

template <typename A, typename B>
void check_equal(const A& actual, const B& expected, const char* what, int line) {
  if (actual == expected) return;
  std::ostringstream text;
  text << "line " << line << ": " << what << " is " << actual << ", not " << expected;
  throw std::runtime_error(text.str());
}

inline void check_true(bool holds, const char* what, int line) {
  if (!holds) throw std::runtime_error("line " + std::to_string(line) + ": " + what + " does not hold");
}

}  // namespace dlfs::test

#define CHECK(what) ::dlfs::test::check_true(static_cast<bool>(what), #what, __LINE__)
#define CHECK_EQ(actual, expected) ::dlfs::test::check_equal((actual), (expected), #actual, __LINE__)
