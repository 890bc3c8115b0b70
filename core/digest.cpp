#include "nkpk/core/digest.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdexcept>

namespace nkpk {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

namespace {

/// Fails only where OpenSSL is crippled: out of memory, or by a configuration without SHA-256.
void check(int result) {
  if (result != 1) throw std::runtime_error("OpenSSL computes no SHA-256");
}

}  // namespace

Sha256::Sha256() : state_(std::make_unique<State>()) { check(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr)); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(const void* bytes, std::size_t n) { check(EVP_DigestUpdate(state_->context, bytes, n)); }

Sha256::Bytes Sha256::finish() {
  Bytes digest{};
  check(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr));
  return digest;
}

std::string hex(const Sha256::Bytes& digest) {
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256_hex(std::string_view text) {
  Sha256 hash;
  hash.add(text);
  return hex(hash.finish());
}

std::string openssl_version() { return OpenSSL_version(OPENSSL_VERSION_STRING); }

}  // namespace nkpk
