#include "nkpk/simulation/tangents.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "nkpk/generated/forcing.hpp"

namespace nkpk {
namespace {

constexpr std::size_t lanes = Directions::count;
static_assert(sizeof(Four) == lanes * sizeof(double) && ScalarTraits<Four>::lies_in_doubles);

}  // namespace

LiftedTangents::LiftedTangents(const Constants<double>& c, const Timeline<double>& timeline, std::span<const std::unique_ptr<Directions>> directions, Isa isa)
    : c_(c), timeline_(timeline), n_(c.n_states()) {
  if (directions.empty()) throw std::invalid_argument("LiftedTangents: no direction");
  for (const auto& d : directions) groups_.push_back(std::make_unique<Group>(*d, isa));
  trace_inputs();
  trace_links();
  trace_states();
  arithmetic_ = make_tangent_arithmetic(c, plan_, isa);
}

void LiftedTangents::trace_inputs() {
  inputs_.resize(timeline_.rates.size());
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t segment = 0; segment < inputs_.size(); ++segment)
      for (const auto& in : groups_[g]->directions.timeline.rates[segment])
        for (std::size_t lane = 0; lane < lanes; ++lane)
          if (in.rate.tangent[lane] != 0) inputs_[segment].emplace_back(at(g, in.state) + lane, in.rate.tangent[lane]);
}

/// Only those links run that start at a constant which moves, or at what such a link reaches.
void LiftedTangents::trace_links() {
  constexpr std::size_t none = -1;
  const std::size_t n_directions = groups_.size() * lanes;
  std::vector<std::size_t> numbers(forcing_nodes::count(c_.n_cohorts()) * n_directions, none);
  const auto number = [&](std::size_t node, std::size_t d) -> std::size_t& { return numbers[node * n_directions + d]; };
  for (std::size_t g = 0; g < groups_.size(); ++g)
    visit_forcing_constants(groups_[g]->directions.c, [&](std::size_t node, const D& value) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        if (value.tangent[lane] == 0) continue;
        number(node, g * lanes + lane) = plan_.constants.size();
        plan_.constants.push_back(value.tangent[lane]);
      }
    });
  struct Entry {
    ForcingEntry operator()(std::size_t i) const { return {i, 0}; }
    ForcingEntry operator()(std::size_t cohort, std::size_t i) const { return {forcing_nodes::n_core_entries + i, cohort}; }
  };
  std::vector<std::vector<ForcingPlan::Term>> rows;  // as first reached: later nodes read earlier ones only
  visit_forcing_links(c_.n_cohorts(), Entry{}, [&](std::size_t to, std::size_t from, const ForcingEntry& entry) {
    bool is_wanted = false;
    for (std::size_t d = 0; d < n_directions; ++d) {
      if (number(from, d) == none) continue;
      if (number(to, d) == none) {
        number(to, d) = plan_.constants.size() + rows.size();
        rows.emplace_back();
      }
      rows[number(to, d) - plan_.constants.size()].push_back({static_cast<std::uint32_t>(plan_.entries.size()), static_cast<std::uint32_t>(number(from, d))});
      is_wanted = true;
    }
    if (is_wanted) plan_.entries.push_back(entry);
  });
  for (const auto& row : rows) {
    const auto first = static_cast<std::uint32_t>(plan_.terms.size());
    plan_.terms.insert(plan_.terms.end(), row.begin(), row.end());
    plan_.rows.push_back({first, static_cast<std::uint32_t>(plan_.terms.size())});
  }
  for (std::size_t i = 0; i < n_; ++i)
    for (std::size_t d = 0; d < n_directions; ++d)
      if (const std::size_t x = number(forcing_nodes::rate(i), d); x != none) plan_.rates.emplace_back(at(d / lanes, i) + d % lanes, x);
}

/// States that can differ in some direction at some time: those of mechanisms that a moving constant, dose or event reaches.
void LiftedTangents::trace_states() {
  const auto entries = state_entries(c_.n_cohorts());
  std::vector<bool> moving(n_);
  const auto state_of = [this](std::size_t place) { return place / lanes % n_; };
  for (const auto& rate : plan_.rates) moving[state_of(rate.first)] = true;
  for (const auto& segment : inputs_)
    for (const auto& input : segment) moving[state_of(input.first)] = true;
  for (const auto& group : groups_) {
    const Directions& d = group->directions;
    for (std::size_t i = 0; i < n_; ++i) moving[i] = moving[i] || moves(d.initial[i]);
    for (std::size_t event = 0; event < d.timeline.times.size(); ++event) {
      bool event_moves = std::any_of(d.timeline.jump_times[event].begin(), d.timeline.jump_times[event].end(), [](const D& when) { return moves(when); });
      for (const auto& change : d.timeline.rate_changes[event]) event_moves = event_moves || moves(change.when);
      if (event_moves) moving.assign(n_, true);
      for (const auto& jump : d.timeline.jumps[event])
        for (const auto& line : jump) {
          bool line_moves = moves(line.add);
          for (const auto& source : line.sources) line_moves = line_moves || moves(source.second) || source.first != line.target;
          if (line_moves) moving[line.target] = true;
        }
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> pattern;
  visit_entries(SparseMatrix<double>{}, c_.n_cohorts(), [&](std::size_t i, std::size_t j, double) { pattern.emplace_back(i, j); });
  std::vector<bool> reached(std::size_t(Module::count));
  for (bool grows = true; grows;) {
    grows = false;
    for (std::size_t i = 0; i < n_; ++i)
      if (moving[i]) reached[std::size_t(entries[i].module)] = true;
    for (const auto& [i, j] : pattern)
      if (reached[std::size_t(entries[j].module)] && !moving[i]) grows = moving[i] = true;
  }
  for (ModuleSet on : timeline_.awake) {
    for (std::size_t m = 0; m < reached.size(); ++m)
      if (!reached[m]) on.set(Module(m), false);
    on_.push_back(on);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < n_; ++i) {
      const std::size_t first = at(g, i), last = at(g, i + 1);
      atol_.insert(atol_.end(), last - first, entries[i].atol);
      if (!on_.back().has(entries[i].module)) continue;
      if (live_.empty() || live_.back().second != first) live_.emplace_back(first, first);
      live_.back().second = last;
    }
}

TangentSystem LiftedTangents::system() {
  TangentSystem s;
  s.size = atol_.size();
  s.live = live_;
  s.atol = atol_;
  s.linearize = linearize_;
  s.factorize = factorize_;
  s.solve = solve_;
  s.rate = rate_;
  s.jump = jump_;
  return s;
}

std::vector<double> LiftedTangents::initial() const {
  std::vector<double> s(atol_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < n_; ++i) std::copy_n(groups_[g]->directions.initial[i].tangent.begin(), lanes, &s[at(g, i)]);
  return s;
}

void LiftedTangents::linearize(std::size_t segment, std::span<const double, TangentSystem::moments> t, std::span<const double> y, std::span<const double> y_end) {
  segment_ = segment;
  arithmetic_->linearize(timeline_.awake[segment], timeline_.windows[segment], t, y, y_end);
}

void LiftedTangents::force(std::size_t moment, std::span<double> s) const {
  arithmetic_->force(moment, s.data());
  for (const auto& [place, rate] : inputs_[segment_]) s[place] += rate;
}

void LiftedTangents::solve(std::size_t moment, std::span<double> s, bool is_forced) {
  if (is_forced) force(moment, s);
  for (std::size_t g = 0; g < groups_.size(); ++g) arithmetic_->solve(moment, on_[segment_], in_place<Four>(s.subspan(at(g, 0))));
}

void LiftedTangents::rate(std::size_t moment, std::span<const double> s, std::span<double> out) {
  for (std::size_t g = 0; g < groups_.size(); ++g) arithmetic_->rate(moment, in_place<Four>(s.subspan(at(g, 0))), in_place<Four>(out.subspan(at(g, 0))));
  force(moment, out);
}

void LiftedTangents::jump(std::size_t event, std::span<double> y, std::span<double> s) {
  std::vector<double> after(y.begin(), y.end());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = *groups_[g];
    for (std::size_t i = 0; i < n_; ++i) group.states[i] = states(g, y, s)[i];
    store<D>(group.states, group.flat);
    group.lifted.system().jump(event, group.flat);
    load<D>(group.flat, group.states);
    for (std::size_t i = 0; i < n_; ++i) {
      after[i] = group.states[i].value;
      std::copy_n(group.states[i].tangent.begin(), lanes, &s[at(g, i)]);
    }
  }
  std::copy(after.begin(), after.end(), y.begin());
}

}  // namespace nkpk
