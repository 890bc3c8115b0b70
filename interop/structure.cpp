#include "nkpk/interop/structure.hpp"

#include <fmt/format.h>

namespace nkpk {

std::size_t Structure::of(const Symbol& e) {
  if (const auto found = known_.find(e.identity()); found != known_.end()) return found->second.second;
  std::string text;
  if (e.op() == Symbol::Op::number) text = fmt::format("{}", e.number());
  else if (e.op() == Symbol::Op::variable) text = ":" + e.name();
  else text = fmt::format("({}", static_cast<int>(e.op()));
  for (const Symbol& argument : e.arguments()) text += fmt::format(" {}", of(argument));
  const std::size_t number = numbers_.try_emplace(text, numbers_.size()).first->second;
  known_.emplace(e.identity(), std::pair{e, number});
  return number;
}

}  // namespace nkpk
