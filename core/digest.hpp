#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace nkpk {

/// SHA-256 of a stream of bytes.
class Sha256 {
 public:
  using Bytes = std::array<unsigned char, 32>;

  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(const void* bytes, std::size_t n);
  void add(std::string_view text) { add(text.data(), text.size()); }
  /// Of all that was added. Nothing can be added afterwards.
  Bytes finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 64 lower-case digits, as sha256sum prints them.
std::string hex(const Sha256::Bytes& digest);
std::string sha256_hex(std::string_view text);

/// "3.0.17" and the like: the OpenSSL library in use.
std::string openssl_version();

}  // namespace nkpk
