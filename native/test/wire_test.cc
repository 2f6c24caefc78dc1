// Golden bytes of the FUSE replies that carry names and attributes.
#include <array>
#include <cstring>
#include <string>

#include "../src/wire/encode.h"
#include "check.h"

using namespace dlfs::wire;
using dlfs::test::check;

namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const auto b : bytes) {
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x", static_cast<unsigned>(b));
    out += two.data();
  }
  return out;
}

}  // namespace

int main() {
  const Ownership own{1000, 100, 0440, 0550};
  const Node file{0x1122, 513, 1700000000123, false};

  const Attr attr = encode_attr(file, own);
  check(hex(std::as_bytes(std::span(&attr, 1))) ==
            "2211000000000000"
            "0102000000000000"
            "0200000000000000"  // ino, size, blocks of 512
            "00f1536500000000"
            "00f1536500000000"
            "00f1536500000000"  // atime, mtime, ctime
            "c0d45407"
            "c0d45407"
            "c0d45407"  // their nanoseconds: 123 ms
            "20810000"
            "01000000"
            "e8030000"
            "64000000"  // mode 0100440, nlink, uid, gid
            "00000000"
            "00001000"
            "00000000",  // rdev, blksize 1 MiB, flags
        "a file's attributes have the kernel's bytes");

  const Attr before = encode_attr({2, 0, -1, false}, own);
  check(static_cast<int64_t>(before.mtime) == -1 && before.mtimensec == 999000000,
        "a time before 1970 keeps a non-negative nanosecond part");

  const Attr dir = encode_attr({1, 77, 0, true}, own);
  check(dir.size == 0 && dir.mode == (0040000 | 0550) && dir.nlink == 1,
        "a directory has size 0, one link and its own mode");

  const EntryOut negative = encode_entry({0, 0, 0, false}, own, {600, 5});
  check(negative.nodeid == 0 && negative.entry_valid == 600 && negative.attr.mode == 0,
        "a negative entry has node 0, a lifetime and no attributes");

  std::array<std::byte, 80> buffer{};
  const size_t used = append_dirent(buffer, 0, file, "abc", 7, nullptr);
  check(used == 32 && hex(std::span(buffer).first(32)) ==
                          "2211000000000000"
                          "0700000000000000"
                          "03000000"
                          "08000000"
                          "616263"
                          "0000000000",
        "a directory record is padded to eight bytes");
  check(append_dirent(buffer, used, file, "0123456789", 8, nullptr) == 72, "records follow each other");
  check(append_dirent(buffer, 72, file, "a", 9, nullptr) == 72, "a record that does not fit is left out whole");
  const EntryOut entry = encode_entry(file, own, {1, 1});
  check(append_dirent(buffer, 0, file, "abc", 7, &entry) == 0, "a record with attributes needs their room too");
  return dlfs::test::failures == 0 ? 0 : 1;
}
