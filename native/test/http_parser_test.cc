// The response parser, the chunked decoder and the verdict on golden and hostile bytes.
#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../src/http/chunked.h"
#include "../src/http/http_date.h"
#include "../src/http/response_parser.h"
#include "../src/http/verdict.h"
#include "http_check.h"

namespace {

using namespace dlfs::http;
using dlfs::test::Suite;

constexpr std::string_view kGolden =
    "HTTP/1.1 206 Partial Content\r\n"
    "x-amz-id-2: Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==\r\n"
    "Date:  Wed, 28 Oct 2009 22:32:00 GMT \r\n"
    "Last-Modified: Wed, 28 Oct 2009 12:00:00 GMT\r\n"
    "ETag: \"b54357faf0632cce46e942fa68356b38\"\r\n"
    "Accept-Ranges: bytes\r\n"
    "content-RANGE: bytes 9-18/443\r\n"
    "Content-Type: binary/octet-stream\r\n"
    "Content-Length: 10\r\n"
    "X-Amz-Bucket-Region: eu-central-1\r\n"
    "Content-Encoding: gzip\r\n"
    "Retry-After: 7\r\n"
    "Empty:\r\n"
    "\r\n";

std::string head(std::string_view fields, std::string_view status = "HTTP/1.1 200 OK") {
  return std::string(status) + "\r\n" + std::string(fields) + "\r\n";
}

ParseOutcome parse(std::string_view bytes, ResponseHead& into) { return ResponseParser().parse(bytes, into); }

void check_golden(const ResponseHead& got) {
  CHECK_EQ(got.status, 206);
  CHECK_EQ(got.content_length, 10);
  CHECK_EQ(got.range_first, 9);
  CHECK_EQ(got.range_last, 18);
  CHECK_EQ(got.range_total, 443);
  CHECK_EQ(got.etag, "\"b54357faf0632cce46e942fa68356b38\"");
  CHECK_EQ(got.date, "Wed, 28 Oct 2009 22:32:00 GMT");
  CHECK_EQ(got.last_modified, 1256731200);
  CHECK_EQ(got.retry_after, "7");
  CHECK_EQ(got.region, "eu-central-1");
  CHECK_EQ(got.content_encoding, "gzip");
  CHECK(!got.chunked);
  CHECK(got.keep_alive);
}

// What is not accepted, and the word that the reason must hold.
struct Hostile {
  std::string bytes;
  std::string_view reason;
};

std::vector<Hostile> hostile() {
  using std::string_literals::operator""s;
  return {
      {"SSH-2.0-OpenSSH", "begin with HTTP"},
      {"http/1.1 200 OK\r\n\r\n", "begin with HTTP"},
      {"HTTP/2 200\r\n\r\n", "begin with HTTP"},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", "begin with HTTP"},
      {head("", "HTTP/1.2 200 OK"), "status line"},
      {head("", "HTTP/1.1  200 OK"), "status line"},
      {head("", "HTTP/1.1 20 OK"), "status line"},
      {head("", "HTTP/1.1 2000"), "status line"},
      {head("", "HTTP/1.1 099 No"), "status line"},
      {head("", "HTTP/1.1 600 No"), "status line"},
      {head("", "HTTP/1.1 -20 No"), "status line"},
      {head("", "HTTP/1.1 200 O\x01K"), "status line"},
      {"HTTP/1.1 200 OK\n\n", "without CR"},
      {"HTTP/1.1 200 OK\r\nA: b\n\r\n", "without CR"},
      {head("A: b\r\n c\r\n"), "folded"},
      {head("A: b\r\n\tc\r\n"), "folded"},
      {head("A : b\r\n"), "name"},
      {head(": b\r\n"), "name"},
      {head("no colon\r\n"), "name"},
      {head("A\x80: b\r\n"), "name"},
      {head("A: b\0c\r\n"s), "control"},
      {head("A\0: b\r\n"s), "name"},
      {head("A: b\rc\r\n"), "control"},
      {head("A: \x7f\r\n"), "control"},
      {head("Content-Length: 5\r\nContent-Length: 5\r\n"), "twice"},
      {head("Content-Length: 5\r\ncontent-length: 6\r\n"), "twice"},
      {head("Content-Length: 5, 5\r\n"), "Content-Length is malformed"},
      {head("Content-Length: +5\r\n"), "Content-Length is malformed"},
      {head("Content-Length: -5\r\n"), "Content-Length is malformed"},
      {head("Content-Length: 0x5\r\n"), "Content-Length is malformed"},
      {head("Content-Length:\r\n"), "Content-Length is malformed"},
      {head("Content-Length: 9223372036854775808\r\n"), "Content-Length is malformed"},
      {head("Content-Length: 99999999999999999999999999\r\n"), "Content-Length is malformed"},
      {head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "contradict"},
      {head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "Transfer-Encoding"},
      {head("Transfer-Encoding: gzip, chunked\r\n"), "Transfer-Encoding"},
      {head("Transfer-Encoding: identity\r\n"), "Transfer-Encoding"},
      {head("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK"), "HTTP/1.0"},
      {head("Content-Range: bytes 0-4/5\r\nContent-Range: bytes 0-4/5\r\n"), "twice"},
      {head("Content-Range: bytes 5-4/9\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes 0-9/9\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes 0-/9\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes -5/9\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes 0-4\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes */*\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes\r\n"), "Content-Range is malformed"},
      {head("Content-Range: lines 0-4/9\r\n"), "Content-Range is malformed"},
      {head("Content-Range: bytes 0-18446744073709551615/*\r\n"), "Content-Range is malformed"},
      {head("ETag: \"a\"\r\nETag: \"b\"\r\n"), "ETag"},
      {"HTTP/1.1 200 OK\r\nA: " + std::string(kMaxHead, 'x'), "64 KiB"},
  };
}

void test_parser(Suite& suite) {
  suite.test("a head as S3 sends it is read field by field, whatever its case and spaces", [] {
    ResponseHead got;
    const ParseOutcome outcome = parse(std::string(kGolden) + "body", got);
    CHECK(outcome.state == ParseState::kDone);
    CHECK_EQ(outcome.consumed, kGolden.size());
    check_golden(got);
  });

  suite.test("every split of a head into two pieces gives the same", [] {
    for (std::size_t cut = 0; cut < kGolden.size(); ++cut) {
      ResponseParser parser;
      ResponseHead got;
      CHECK(parser.parse(kGolden.substr(0, cut), got).state == ParseState::kMore);
      CHECK(parser.parse(kGolden, got).state == ParseState::kDone);
      check_golden(got);
    }
  });

  suite.test("a head that comes byte by byte gives the same", [] {
    ResponseParser parser;
    ResponseHead got;
    for (std::size_t n = 0; n < kGolden.size(); ++n)
      CHECK(parser.parse(kGolden.substr(0, n), got).state == ParseState::kMore);
    CHECK_EQ(parser.parse(kGolden, got).consumed, kGolden.size());
    check_golden(got);
  });

  suite.test("a status line needs no reason and no field", [] {
    for (const char* line : {"HTTP/1.1 503 Slow Down", "HTTP/1.1 503 ", "HTTP/1.1 503"}) {
      ResponseHead got;
      CHECK(parse(head("", line), got).state == ParseState::kDone);
      CHECK_EQ(got.status, 503);
      CHECK_EQ(got.content_length, -1);
      CHECK(got.keep_alive);
    }
  });

  suite.test("close in any list of Connection, and HTTP/1.0, end the connection", [] {
    ResponseHead got;
    CHECK(parse(head("Connection: foo, CLOSE\r\n"), got).state == ParseState::kDone);
    CHECK(!got.keep_alive);
    CHECK(parse(head("Connection: closed\r\n"), got).state == ParseState::kDone);
    CHECK(got.keep_alive);
    CHECK(parse(head("Connection: keep-alive\r\n", "HTTP/1.0 200 OK"), got).state == ParseState::kDone);
    CHECK(!got.keep_alive);
  });

  suite.test("Content-Range with an unknown total, and of an unsatisfied range", [] {
    ResponseHead got;
    CHECK(parse(head("Content-Range: bytes 0-4/*\r\n"), got).state == ParseState::kDone);
    CHECK_EQ(got.range_last, 4);
    CHECK_EQ(got.range_total, -1);
    CHECK(parse(head("Content-Range: bytes */77\r\n"), got).state == ParseState::kDone);
    CHECK_EQ(got.range_first, -1);
    CHECK_EQ(got.range_total, 77);
  });

  suite.test("the largest numbers are read, one more is not", [] {
    ResponseHead got;
    CHECK(parse(head("Content-Length: 9223372036854775807\r\n"), got).state == ParseState::kDone);
    CHECK_EQ(got.content_length, INT64_MAX);
    CHECK_EQ(parse_decimal("0000000000000000000000012"), 12);
    CHECK_EQ(parse_decimal("9223372036854775808"), -1);
    CHECK_EQ(parse_decimal(""), -1);
    CHECK_EQ(parse_decimal(" 1"), -1);
  });

  suite.test("a head of exactly 64 KiB passes, one byte more does not", [] {
    const std::string frame = head("A: \r\n");
    for (const std::size_t more : {0u, 1u}) {
      const std::string bytes = head("A: " + std::string(kMaxHead - frame.size() + more, 'x') + "\r\n");
      CHECK_EQ(bytes.size(), kMaxHead + more);
      ResponseHead got;
      CHECK(parse(bytes, got).state == (more == 0 ? ParseState::kDone : ParseState::kInvalid));
    }
  });

  suite.test("hostile heads are refused with their reason and write nothing", [] {
    for (const Hostile& bad : hostile()) {
      ResponseHead got;
      const ParseOutcome outcome = parse(bad.bytes, got);
      if (outcome.state != ParseState::kInvalid || outcome.reason.find(bad.reason) == std::string_view::npos) {
        throw std::runtime_error("'" + bad.bytes.substr(0, 60) + "' gave '" + std::string(outcome.reason) + "'");
      }
      CHECK_EQ(got.status, 0);
    }
  });

  suite.test("mutated heads never crash, and what is accepted keeps the invariants", [] {
    std::mt19937 random(42);
    const std::string_view alphabet("\r\n\0 :-/0123456789,aTc\x80\t", 24);
    std::size_t accepted = 0;
    for (int round = 0; round < 60'000; ++round) {
      std::string bytes(kGolden);
      const unsigned changes = 1 + random() % 3;
      for (unsigned i = 0; i < changes; ++i) {
        const std::size_t at = random() % bytes.size();
        const char c = alphabet[random() % alphabet.size()];
        switch (random() % 3) {
          case 0:
            bytes[at] = c;
            break;
          case 1:
            bytes.insert(at, 1, c);
            break;
          default:
            bytes.erase(at, 1 + random() % 5);
            break;
        }
      }
      // An exact-size heap copy, so that AddressSanitizer sees any read beyond it.
      const std::vector<char> exact(bytes.begin(), bytes.end());
      ResponseHead got;
      const ParseOutcome outcome = parse({exact.data(), exact.size()}, got);
      if (outcome.state != ParseState::kDone) continue;
      ++accepted;
      CHECK(outcome.consumed <= bytes.size());
      CHECK(got.status >= 100 && got.status <= 599);
      CHECK(got.content_length >= -1);
      CHECK(got.range_first < 0 || got.range_first <= got.range_last);
      CHECK(!got.chunked || got.content_length < 0);
      CHECK(got.etag.find_first_of("\r\n") == std::string::npos && got.etag.find('\0') == std::string::npos);
    }
    CHECK(accepted > 1000);
  });
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string decode(std::string_view in, ChunkState expected, std::size_t cap, std::size_t piece) {
  ChunkedDecoder decoder;
  std::vector<std::byte> out;
  ChunkState state = ChunkState::kMore;
  for (std::size_t at = 0; at < in.size() && state == ChunkState::kMore; at += piece) {
    std::size_t consumed = 0;
    state = decoder.decode(bytes_of(in.substr(at, piece)), out, cap, consumed);
    if (state == ChunkState::kMore) CHECK_EQ(consumed, std::min(piece, in.size() - at));
  }
  CHECK(state == expected);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

void test_chunked(Suite& suite) {
  suite.test("a chunked body is the same in pieces of any size, extensions and trailers skipped", [] {
    const std::string body =
        "5;name=\"v\"\r\nhello\r\n00000006\r\n world\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    for (std::size_t piece = 1; piece <= body.size(); ++piece)
      CHECK_EQ(decode(body, ChunkState::kDone, 1000, piece), "hello world0123456789");
  });
  suite.test("what follows the last chunk is not consumed", [] {
    ChunkedDecoder decoder;
    std::vector<std::byte> out;
    std::size_t consumed = 0;
    CHECK(decoder.decode(bytes_of("0\r\n\r\nHTTP/1.1"), out, 10, consumed) == ChunkState::kDone);
    CHECK_EQ(consumed, 5u);
  });
  suite.test("beyond the cap bytes are counted and dropped", [] {
    ChunkedDecoder decoder;
    std::vector<std::byte> out;
    std::size_t consumed = 0;
    CHECK(decoder.decode(bytes_of("A\r\n0123456789\r\n0\r\n\r\n"), out, 4, consumed) == ChunkState::kDone);
    CHECK_EQ(out.size(), 4u);
    CHECK_EQ(decoder.dropped(), 6u);
  });
  suite.test("malformed chunks are refused", [] {
    for (const std::string& bad :
         {std::string("\r\n"), std::string("g\r\n"), std::string("-1\r\n"), std::string("5\nhello"),
          std::string("5 \r\nhello"), std::string("5\r\nhello5\r\n"), std::string("5\r\nhello\n"),
          std::string("FFFFFFFFFFF\r\n"), std::string("0\r\n\rX"), std::string("0\r\nA: b\n"),
          std::string("5;\x01\r\n"), "5;" + std::string(9000, 'x'), "0\r\n" + std::string(9000, 'x')}) {
      for (const std::size_t piece : {std::size_t{1}, bad.size()}) decode(bad, ChunkState::kInvalid, 100, piece);
    }
  });
  suite.test("random bytes never crash the decoder", [] {
    std::mt19937 random(7);
    const std::string_view alphabet = "0123456789abcdefF\r\n;: x";
    for (int round = 0; round < 20'000; ++round) {
      std::vector<std::byte> in(random() % 64);
      for (std::byte& b : in) b = static_cast<std::byte>(alphabet[random() % alphabet.size()]);
      ChunkedDecoder decoder;
      std::vector<std::byte> out;
      std::size_t consumed = 0;
      decoder.decode(in, out, 16, consumed);
      CHECK(consumed <= in.size() && out.size() <= 16);
    }
  });
}

void test_verdict(Suite& suite) {
  const auto verdict_of = [](int status, std::int64_t length, std::int64_t first, std::int64_t last,
                             std::uint64_t offset, std::uint64_t expected, std::string& text) {
    ResponseHead got;
    got.status = status;
    got.content_length = length;
    got.range_first = first;
    got.range_last = last;
    return judge(got, offset, expected, text);
  };
  suite.test("only exactly the asked bytes are delivered; anything else names the discrepancy", [&] {
    std::string text;
    CHECK(verdict_of(206, 10, 5, 14, 5, 10, text) == Verdict::kDeliver);
    CHECK(verdict_of(200, 10, -1, -1, 0, 10, text) == Verdict::kDeliver);
    CHECK(verdict_of(404, 10, -1, -1, 0, 10, text) == Verdict::kHttpError);
    CHECK(verdict_of(201, 10, -1, -1, 0, 10, text) == Verdict::kHttpError);
    CHECK(text.empty());
    CHECK(verdict_of(206, 10, 0, 9, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "asked for bytes 5-14, the answer is bytes 0-9");
    CHECK(verdict_of(206, 10, 5, 13, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "asked for bytes 5-14, the answer is bytes 5-13");
    CHECK(verdict_of(206, 10, -1, -1, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "status 206 without a Content-Range, asked for bytes 5-14");
    CHECK(verdict_of(206, 9, 5, 14, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "asked for 10 bytes, Content-Length is 9");
    CHECK(verdict_of(206, -1, 5, 14, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "status 206 without a Content-Length");
    CHECK(verdict_of(200, 100, -1, -1, 5, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "asked for bytes 5-14, the answer is the whole object of 100 bytes (status 200)");
    CHECK(verdict_of(200, 11, -1, -1, 0, 10, text) == Verdict::kProtocol);
    CHECK(verdict_of(200, -1, -1, -1, 0, 10, text) == Verdict::kProtocol);
  });
  suite.test("a date is read in the one form that is sent, and nothing else is a date", [] {
    CHECK_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    CHECK_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    CHECK_EQ(parse_http_date("Tue, 19 Jan 2038 03:14:08 GMT"), 2147483648);
    for (const std::string_view text :
         {"", "0", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 UTC",
          "Sun, 6 Nov 1994 08:49:37 GMT ", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
          "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 -1:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT"})
      CHECK_EQ(parse_http_date(text), -1);
  });
  suite.test("a chunked body is never object bytes", [] {
    ResponseHead got;
    got.status = 200;
    got.chunked = true;
    std::string text;
    CHECK(judge(got, 0, 10, text) == Verdict::kProtocol);
    CHECK_EQ(text, "status 200 came chunked instead of with its length");
  });
}

}  // namespace

int main() {
  Suite suite;
  test_parser(suite);
  test_chunked(suite);
  test_verdict(suite);
  return suite.exit_code();
}
