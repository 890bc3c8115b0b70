#pragma once
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "nkpk/core/error.hpp"
#include "nkpk/dosing/regimen.hpp"

// Regimens of a few lines with made-up drugs: dosing knows names, times and amounts, no biology.

namespace nkpk::test {

inline const std::vector<Route>& routes() {
  static const std::vector<Route> all{{"cells", "iv", "cells", true}, {"drug", "iv", "mg", true}, {"drug", "po", "mg", false}, {"graft", "iv", "", false}};
  return all;
}

inline TomlFile file_of(const std::string& rest) {
  return parse_toml("format = 1\nname = 'r'\npatient = 'p'\ndonor = 'matched'\nhorizon = '30 d'\n" + rest, "f");
}

inline std::string drug(const std::string& id, const std::string& rest) {
  return "[[dose]]\nid = '" + id + "'\ndrug = 'drug'\nroute = 'po'\n" + rest + "\n";
}

inline Regimen regimen_of(const std::string& rest, const std::vector<std::string>& arms = {}, const std::vector<std::string>& sets = {}) {
  const TomlFile file = file_of(rest);
  const auto groups = option_groups(file);
  std::vector<Patch> patches;
  for (const auto& set : sets) patches.push_back(parse_patch(set, "--set " + set));
  return parse_regimen(resolve(file, groups, select_choices(groups, arms, {}, "f"), patches), routes());
}

template <class Action>
std::string refusal_of(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no refusal";
}

inline std::string refusal(const std::string& rest, const std::vector<std::string>& arms = {}, const std::vector<std::string>& sets = {}) {
  return refusal_of([&] { regimen_of(rest, arms, sets); });
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace nkpk::test
