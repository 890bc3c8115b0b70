#include "nkpk/interop/sbml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <pugixml.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "nkpk/interop/equations.hpp"
#include "nkpk/interop/mathml.hpp"
#include "nkpk/simulation/lift.hpp"
#include "nkpk/version.hpp"

// What stands for what:
//
//   given numbers              constant parameters
//   computed constants         constant parameters with initial assignments
//   states                     parameters with initial assignments and rate rules
//   signals, observables       parameters with assignment rules
//   infusions, windows         parameters that events change
//   boluses, graft, fractions  one event for each time, which assigns all at once from the values before it

namespace nkpk {
namespace {

const char* const explanation =
    "Parameters carry the names of nkpk's parameter file. c_NAME: a constant that is computed from them once; signal_NAME: what a mechanism tells the others; "
    "rate_NAME: what a mechanism uses in several rates; "
    "amount_DOSE: what is given; input_STATE: an infusion into a state; window_NAME: a window of treatment; leukocytes_NAME: other leukocytes, an input. "
    "States and observables carry the names of nkpk's archives. Time is in days from the start; day is the day of the calendar. "
    "Cells are items; international units are dimensionless.";

std::string identifier(std::string text) {
  for (char& c : text)
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) c = '_';
  return text.empty() || (text[0] >= '0' && text[0] <= '9') ? "_" + text : text;
}

/// The id of a variable of equations.hpp.
std::string id_of(const std::string& name) {
  const auto colon = name.find(':');
  if (colon == std::string::npos) return identifier(name);
  static const std::map<char, std::string> prefixes{{'p', ""}, {'y', ""}, {'c', "c_"}, {'s', "signal_"}, {'r', "rate_"}, {'w', "window_"}, {'m', "leukocytes_"}, {'i', "input_"}};
  return prefixes.at(name[0]) + identifier(name.substr(colon + 1));
}

/// A count over time (CountTable::at) as an expression of `day`.
Symbol count(const CountTable& table, const Symbol& day) {
  if (table.empty()) return 0;
  Symbol value = table.values.back();
  for (std::size_t i = table.times_d.size(); i-- > 0;) {
    const double t = table.times_d[i];
    // log-linear up to the next point; a first value of 1 would vanish with its unit
    if (i + 1 < table.times_d.size()) {
      const double next = table.times_d[i + 1], slope = std::log(table.values[i + 1] / table.values[i]) / (next - t);
      const Symbol between = slope == 0              ? Symbol(table.values[i])
                             : table.values[i] == 1 ? table.values[i + 1] * exp(slope * (day - next))
                                                    : table.values[i] * exp(slope * (day - t));
      value = if_positive(next - day, between, value);
    }
    if (i == 0) value = if_positive(t - day, table.zero_before ? 0 : table.values[0], value);
  }
  return value;
}

/// As leukocytes_at.
LeukocytesOf<Symbol> leukocytes(const LeukocyteTables& t, const Symbol& day) {
  LeukocytesOf<Symbol> m;
  m.host = count(t.host, day), m.graft = count(t.graft, day);
  if (!t.monocytes_host.empty()) m.monocytes_host = count(t.monocytes_host, day), m.monocytes_graft = count(t.monocytes_graft, day);
  m.blasts = count(t.blasts, day);
  if (!t.wbc.empty()) {
    const double from = std::max(t.wbc.times_d.front(), t.alc.times_d.front());
    const Symbol sum = max0(count(t.wbc, day) - count(t.alc, day)), table = m.host + m.graft;
    const Symbol graft_share = if_positive(table, m.graft / table, 0);
    const Symbol host = m.host, graft = m.graft;
    m.host = if_positive(from - day, host, (1.0 - graft_share) * sum);
    m.graft = if_positive(from - day, graft, graft_share * sum);
  }
  return m;
}

class Export {
 public:
  explicit Export(const Scenario& s)
      : s_(s), math_(units_, id_of, [this](const std::string& name) { return unit_.at(name); }) {
    day_ = Symbol::variable("day");
    unit_["day"] = unit_of("d");
  }

  std::string text() {
    collect();
    pugi::xml_document document;
    pugi::xml_node declaration = document.append_child(pugi::node_declaration);
    declaration.append_attribute("version") = "1.0";
    declaration.append_attribute("encoding") = "UTF-8";
    pugi::xml_node root = document.append_child("sbml");
    root.append_attribute("xmlns") = "http://www.sbml.org/sbml/level3/version2/core";
    root.append_attribute("xmlns:sbml") = "http://www.sbml.org/sbml/level3/version2/core";
    root.append_attribute("level") = 3;
    root.append_attribute("version") = 2;
    pugi::xml_node model = root.append_child("model");
    model.append_attribute("id") = identifier(s_.regimen.name + "_" + s_.label).c_str();
    model.append_attribute("name") = fmt::format("{}, {}", s_.regimen.title, s_.label).c_str();
    model.append_attribute("timeUnits") = units_.id(unit_of("d")).c_str();
    notes(model);
    pugi::xml_node definitions = model.append_child("listOfUnitDefinitions");  // filled at the end
    pugi::xml_node parameters = model.append_child("listOfParameters");
    pugi::xml_node assignments = model.append_child("listOfInitialAssignments");
    pugi::xml_node rules = model.append_child("listOfRules");
    write_given(parameters);
    for (const Equation& e : equations_.computed) {
      declare(parameters, e, true);
      initial(assignments, e);
    }
    for (const Equation& e : equations_.states) {
      declare(parameters, e, false);
      initial(assignments, e);
    }
    for (const auto& [name, at_start] : switched_) {
      declare(parameters, {name, "", "", at_start}, false).append_attribute("value") = at_start.number();
    }
    for (const auto* list : {&inputs_, &equations_.first, &equations_.second, &equations_.own, &equations_.observables})
      for (const Equation& e : *list) {
        declare(parameters, e, false);
        assign(rules, e);
      }
    for (const Equation& e : equations_.rates) {
      pugi::xml_node rule = rules.append_child("rateRule");
      rule.append_attribute("variable") = id_of(e.name).c_str();
      const auto input = std::find_if(switched_.begin(), switched_.end(), [&](const auto& x) { return x.first == "i:" + e.name.substr(2); });
      math_.append(rule, input == switched_.end() ? e.value : e.value + Symbol::variable(input->first), unit_.at(e.name) / unit_of("d"));
    }
    write_events(model);
    write_units(definitions);
    std::ostringstream out;
    document.save(out, " ", pugi::format_default, pugi::encoding_utf8);
    return out.str();
  }

 private:
  struct Given {
    std::string name, unit, title;
    double value;
  };

  Symbol given(const std::string& name, const std::string& unit, const std::string& title, double value) {
    given_.push_back({"p:" + name, unit, title, value});
    unit_["p:" + name] = unit_of(unit);
    return Symbol::variable("p:" + name);
  }
  void know(const std::vector<Equation>& all) {
    for (const Equation& e : all) unit_[e.name] = unit_of(e.unit);
  }

  /// Runs the scenario on symbols.
  void collect() {
    given("start_day", "d", "day of the calendar on which the simulation starts", s_.t_start_d);
    Parameters<double>::visit(s_.p, [&](std::string_view module, std::string_view key, const char* unit, auto, const double& value) {
      const std::string name = fmt::format("{}.{}", module, key);
      given(name, unit, s_.parameters.at(name).title, value);
    });
    SymbolicInputs in;
    in.p = named_parameters();
    std::map<std::string, std::string> body_unit;
    Body<double>::visit(s_.constants.body, [&](std::string_view key, const char* unit, auto) { body_unit[std::string(key)] = unit; });
    in.body = Physiology::body<Symbol>(s_.patient, in.p.physiology, [&](const char* key, double number) {
      return given(fmt::format("body.{}", key), body_unit.at(key), fmt::format("{} of this patient", key), number);
    });
    in.chi = chi_of(s_.regimen.donor, in.p);
    for (std::size_t k = 0; k < s_.lots.size(); ++k) {
      const std::string lot = fmt::format("product_{}", k + 1);
      ProductParams<double>::visit(s_.lots[k].product, [&](std::string_view key, const char* unit, auto, const double& value) {
        given(fmt::format("{}.{}", lot, key), unit, fmt::format("{} of the product of infusion {}", key, s_.cohorts[k].name), value);
      });
      in.cohorts.push_back({Symbol(s_.lots[k].start_d), named_product(lot)});
    }
    in.modules = s_.constants.modules;
    in.linear_quadratic = s_.parameters.linear_quadratic;

    const auto window = [&](const char* name, const char* unit, double Windows::*member) {
      const auto& all = s_.timeline.windows;
      if (std::all_of(all.begin(), all.end(), [&](const Windows& w) { return w.*member == 0; })) return Symbol(0);
      const std::string variable = fmt::format("w:{}", name);
      unit_[variable] = unit_of(unit);
      switched_.emplace_back(variable, all.front().*member);
      windows_.emplace_back(variable, member);
      return Symbol::variable(variable);
    };
    in.windows.steroid = window("steroid", "1", &Windows::steroid);
    in.windows.treg_depletion = window("treg_depletion", "1/d", &Windows::treg_depletion);
    in.windows.il15_induction = window("il15_induction", "1", &Windows::il15_induction);

    inputs_.push_back({"day", "d", "day of the calendar", Symbol::variable("") + Symbol::variable("p:start_day")});
    unit_[""] = unit_of("d");
    in.leukocytes = leukocytes(s_.leukocytes, day_);
    const auto input = [&](const char* name, const char* title, Symbol& value) {
      if (value.op() == Symbol::Op::number) return;
      inputs_.push_back({fmt::format("m:{}", name), "cells/uL", title, value});
      value = Symbol::variable(inputs_.back().name);
    };
    input("host", "other leukocytes of the host in blood", in.leukocytes.host);
    input("graft", "other leukocytes of the graft in blood", in.leukocytes.graft);
    input("monocytes_host", "monocytes of the host in blood", in.leukocytes.monocytes_host);
    input("monocytes_graft", "monocytes of the graft in blood", in.leukocytes.monocytes_graft);
    input("blasts", "blasts in blood", in.leukocytes.blasts);
    know(inputs_);

    equations_ = equations(in);
    std::set<std::string> states;
    for (const auto* list : {&equations_.computed, &equations_.states, &equations_.first, &equations_.second, &equations_.own}) know(*list);
    for (const Equation& e : equations_.states) states.insert(e.name);
    // the fold of IL-15 and the area under the count are states
    std::erase_if(equations_.observables, [&](const Equation& e) { return states.contains("y:" + e.name); });
    know(equations_.observables);
    for (const auto* list : {&equations_.computed, &equations_.first, &equations_.second, &equations_.own, &equations_.observables})
      for (const Equation& e : *list)
        if (e.value.op() != Symbol::Op::variable && e.value.op() != Symbol::Op::number) math_.name(e.value, e.name);

    std::map<std::string, int> nth;
    std::set<std::string> taken;
    std::vector<Entering<Symbol>> entering;
    for (const Administration& a : s_.administrations) {
      const DoseEntry& dose = s_.regimen.doses[a.dose];
      Symbol amount = 0;
      if (std::isfinite(a.amount) && drug_route(dose).action != Action::record) {
        const int n = ++nth[dose.id];
        std::string name = dose.times_d.size() > 1 ? fmt::format("amount.{}.{}", dose.id, n) : fmt::format("amount.{}", dose.id);
        while (!taken.insert(identifier(name)).second) name += "_";  // the second time of "nk" is not the dose "nk-2"
        amount = given(name, a.unit, fmt::format("{}, day {:g}", drug_route(dose).what, a.start_d), a.amount);
        if (a.cohort >= 0) amount = viable_nk(amount, in.cohorts[static_cast<std::size_t>(a.cohort)].product);
      }
      entering.push_back({amount, a.start_d, a.duration_d});
    }
    timeline_ = make_timeline(s_, in.p, equations_.constants, entering);
    const auto entries = state_entries(s_.cohorts.size());
    std::set<std::size_t> infused;
    for (const auto& rates : timeline_.rates)
      for (const auto& in_rate : rates) infused.insert(in_rate.state);
    for (const std::size_t i : infused) {
      const std::string variable = "i:" + entries[i].name;
      unit_[variable] = unit_of(entries[i].unit) / unit_of("d");
      switched_.emplace_back(variable, 0);
    }
  }

  void notes(pugi::xml_node model) {
    pugi::xml_node body = model.append_child("notes").append_child("body");
    body.append_attribute("xmlns") = "http://www.w3.org/1999/xhtml";
    const auto say = [&](const std::string& text) { body.append_child("p").text() = text.c_str(); };
    say(fmt::format("{}: {}", s_.regimen.name, s_.regimen.title));
    say(fmt::format("arm: {}", s_.label));
    say(fmt::format("patient: {}{}", s_.patient.name, s_.patient.title.empty() ? "" : ", " + s_.patient.title));
    if (!s_.regimen.registration.empty()) say(fmt::format("registration: {}", s_.regimen.registration));
    for (const std::string& off : s_.switched_off) say(fmt::format("switched off: {}", off));
    say(fmt::format("generated by nkpk {} from its equations; do not edit by hand", version));
    say(explanation);
  }

  pugi::xml_node declare(pugi::xml_node parameters, const Equation& e, bool is_constant) {
    if (!ids_.insert(id_of(e.name)).second) throw std::logic_error("two quantities have the SBML name " + id_of(e.name));
    pugi::xml_node p = parameters.append_child("parameter");
    p.append_attribute("id") = id_of(e.name).c_str();
    if (!e.title.empty()) p.append_attribute("name") = e.title.c_str();
    p.append_attribute("units") = units_.id(unit_.at(e.name)).c_str();
    p.append_attribute("constant") = is_constant;
    return p;
  }
  void write_given(pugi::xml_node parameters) {
    for (const Given& g : given_) declare(parameters, {g.name, g.unit, g.title, 0}, true).append_attribute("value") = fmt::format("{}", g.value).c_str();
  }
  void initial(pugi::xml_node to, const Equation& e) {
    pugi::xml_node node = to.append_child("initialAssignment");
    node.append_attribute("symbol") = id_of(e.name).c_str();
    math_.append(node, e.value, unit_.at(e.name), e.name);
  }
  void assign(pugi::xml_node to, const Equation& e) {
    pugi::xml_node node = to.append_child("assignmentRule");
    node.append_attribute("variable") = id_of(e.name).c_str();
    math_.append(node, e.value, unit_.at(e.name), e.name);
  }

  void write_events(pugi::xml_node model) {
    const auto entries = state_entries(s_.cohorts.size());
    pugi::xml_node events;
    for (std::size_t k = 0; k < timeline_.times.size(); ++k) {
      std::vector<std::pair<std::string, Symbol>> changes;
      std::vector<Symbol> y = equations_.y, scratch;
      for (const auto& jump : timeline_.jumps[k]) apply_jump(jump, y.data(), y.size(), scratch);
      for (std::size_t i = 0; i < y.size(); ++i)
        if (s_.constants.modules.has(entries[i].module) && y[i].identity() != equations_.y[i].identity()) changes.emplace_back("y:" + entries[i].name, y[i]);
      std::set<std::size_t> switched;
      for (const auto& change : timeline_.rate_changes[k])
        for (const auto& rate : change.rates) switched.insert(rate.state);
      for (const std::size_t i : switched) {
        Symbol sum = 0;
        for (const auto& rate : timeline_.rates[k + 1])
          if (rate.state == i) sum += rate.rate;
        changes.emplace_back("i:" + entries[i].name, sum);
      }
      for (const auto& [variable, member] : windows_)
        if (s_.timeline.windows[k].*member != s_.timeline.windows[k + 1].*member) changes.emplace_back(variable, s_.timeline.windows[k + 1].*member);
      if (changes.empty()) continue;
      if (!events) events = model.append_child("listOfEvents");
      pugi::xml_node event = events.append_child("event");
      event.append_attribute("id") = fmt::format("event_{}", k + 1).c_str();
      event.append_attribute("name") = fmt::format("day {}", timeline_.times[k]).c_str();
      event.append_attribute("useValuesFromTriggerTime") = true;
      pugi::xml_node trigger = event.append_child("trigger");
      trigger.append_attribute("initialValue") = true;
      trigger.append_attribute("persistent") = true;
      math_.append_from_time(trigger, timeline_.times[k] - s_.t_start_d);
      pugi::xml_node list = event.append_child("listOfEventAssignments");
      for (const auto& [variable, value] : changes) {
        pugi::xml_node node = list.append_child("eventAssignment");
        node.append_attribute("variable") = id_of(variable).c_str();
        math_.append(node, value, unit_.at(variable));
      }
    }
  }

  void write_units(pugi::xml_node list) {
    for (const auto& d : units_.definitions()) {
      pugi::xml_node definition = list.append_child("unitDefinition");
      definition.append_attribute("id") = d.id.c_str();
      definition.append_attribute("name") = d.name.c_str();
      pugi::xml_node parts = definition.append_child("listOfUnits");
      for (const auto& part : d.parts) {
        pugi::xml_node unit = parts.append_child("unit");
        unit.append_attribute("kind") = part.kind.c_str();
        unit.append_attribute("exponent") = part.exponent;
        unit.append_attribute("scale") = part.scale;
        unit.append_attribute("multiplier") = fmt::format("{}", part.multiplier).c_str();
      }
    }
  }

  const Scenario& s_;
  std::map<std::string, Unit> unit_;  ///< of every variable
  UnitBook units_;
  MathWriter math_;
  Symbol day_;
  std::vector<Given> given_;
  std::vector<Equation> inputs_;
  std::vector<std::pair<std::string, Symbol>> switched_;  ///< what events alone change, and its value at the start
  std::vector<std::pair<std::string, double Windows::*>> windows_;
  Equations equations_;
  Timeline<Symbol> timeline_;
  std::set<std::string> ids_;
};

}  // namespace

std::string to_sbml(const Scenario& scenario) { return Export(scenario).text(); }

}  // namespace nkpk
