#pragma once
#include <string>

#include "nkpk/core/error.hpp"

namespace nkpk::test {

/// The message of the InputError that the action throws, or "no refusal".
std::string refusal_of(const auto& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no refusal";
}

}  // namespace nkpk::test
