#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>

#include "nkpk/core/symbol.hpp"

namespace nkpk {

/// Numbers expressions so that two have one number when they are written alike, wherever they were computed.
class Structure {
 public:
  std::size_t of(const Symbol& e);

 private:
  std::unordered_map<const void*, std::pair<Symbol, std::size_t>> known_;  // keeps the key's node alive
  std::map<std::string, std::size_t> numbers_;
};

}  // namespace nkpk
