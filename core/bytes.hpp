#pragma once
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// Numbers and texts as bytes, little-endian, and back. What is read may come from a damaged file: no length is believed before
// the bytes behind it are seen to be there.

namespace nkpk {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie in memory");

/// Bytes that mean nothing.
struct BytesError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class Number>
concept Plain = std::is_arithmetic_v<Number>;

class ByteWriter {
 public:
  ByteWriter() = default;
  /// Into memory that is there already; what it holds goes.
  explicit ByteWriter(std::string memory) : bytes_(std::move(memory)) { bytes_.clear(); }

  template <Plain Number>
  void number(Number x) {
    bytes_.append(reinterpret_cast<const char*>(&x), sizeof x);
  }
  template <Plain Number>
  void numbers(std::span<const Number> values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  /// Small ones take one byte.
  void count(std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) bytes_.push_back(static_cast<char>(n | 0x80));
    bytes_.push_back(static_cast<char>(n));
  }
  void text(std::string_view text) {
    count(text.size());
    bytes_.append(text);
  }
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Every method throws BytesError where the bytes end too early.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <Plain Number>
  Number number() {
    Number x;
    std::memcpy(&x, some(sizeof x).data(), sizeof x);
    return x;
  }
  template <Plain Number>
  std::vector<Number> numbers(std::uint64_t n) {
    expect(n, sizeof(Number));
    std::vector<Number> values(n);
    if (n > 0) std::memcpy(values.data(), some(n * sizeof(Number)).data(), n * sizeof(Number));
    return values;
  }
  std::uint64_t count() {
    std::uint64_t n = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(some(1)[0]);
      if (shift == 63 && byte > 1) break;
      n |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return n;
    }
    throw BytesError("a count has too many digits");
  }
  /// A number of things that take so many bytes each, or more.
  std::uint64_t count_of(std::size_t least_bytes) {
    const std::uint64_t n = count();
    expect(n, least_bytes);
    return n;
  }
  std::string text() { return std::string(some(count_of(1))); }
  bool is_at_end() const { return rest_.empty(); }

 private:
  void expect(std::uint64_t n, std::size_t bytes) const {
    if (n > rest_.size() / bytes) throw BytesError("ends too early");
  }
  std::string_view some(std::size_t n) {
    expect(n, 1);
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::string_view rest_;
};

}  // namespace nkpk
