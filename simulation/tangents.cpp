#include "nkpk/simulation/tangents.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "nkpk/generated/forcing.hpp"

namespace nkpk {
namespace {

constexpr std::size_t lanes = Directions::count;
static_assert(sizeof(Four) == lanes * sizeof(double) && ScalarTraits<Four>::lies_in_doubles);

Four tangents_of(const Directions::D& x) {
  Four to;
  load<Four>(x.tangent, {&to, 1});
  return to;
}

}  // namespace

LiftedTangents::LiftedTangents(const Constants<double>& c, const Timeline<double>& timeline, std::span<const std::unique_ptr<Directions>> directions, Isa isa)
    : c_(c), timeline_(timeline), arithmetic_(make_tangent_arithmetic(c, isa)), n_(c.n_states()) {
  if (directions.empty()) throw std::invalid_argument("LiftedTangents: no direction");
  for (const auto& d : directions) groups_.push_back(std::make_unique<Group>(*d, isa));
  for (std::size_t first = 0; first < groups_.size(); first += most_fours) blocks_.push_back({first, std::min(most_fours, groups_.size() - first), {}, {}});
  trace_inputs();
  trace_links();
  trace_states();
}

void LiftedTangents::trace_inputs() {
  for (std::size_t segment = 0; segment < timeline_.rates.size(); ++segment) {
    std::map<std::size_t, std::size_t> index;
    for (const auto& group : groups_)
      for (const auto& in : group->directions.timeline.rates[segment])
        if (moves(in.rate)) index.try_emplace(in.state, index.size());
    inputs_.emplace_back(index.begin(), index.end());
    for (Block& block : blocks_) {
      auto& infused = block.infused.emplace_back(index.size() * block.groups);
      for (std::size_t g = 0; g < block.groups; ++g)
        for (const auto& in : groups_[block.first + g]->directions.timeline.rates[segment])
          if (moves(in.rate)) infused[index[in.state] * block.groups + g] += tangents_of(in.rate);
    }
  }
}

/// Only those links run that start at a constant which moves in some direction, or at what such a link reaches.
void LiftedTangents::trace_links() {
  const std::size_t n_nodes = forcing_nodes::count(c_.n_cohorts());
  std::vector<bool> moves_with(n_nodes);
  for (Block& block : blocks_) {
    block.nodes.resize(n_nodes * block.groups);
    for (std::size_t g = 0; g < block.groups; ++g)
      visit_forcing_constants(groups_[block.first + g]->directions.c, [&](std::size_t node, const D& value) {
        moves_with[node] = moves_with[node] || moves(value);
        block.nodes[node * block.groups + g] = tangents_of(value);
      });
  }
  struct Entry {
    std::size_t operator()(std::size_t i) const { return i; }
    std::size_t operator()(std::size_t cohort, std::size_t i) const { return forcing_nodes::n_core_entries + forcing_nodes::n_cohort_entries * cohort + i; }
  };
  std::vector<std::size_t> order;  // of nodes, as first reached: later ones read earlier ones only
  std::map<std::size_t, std::vector<Link>> into;
  ModuleSet wanted;
  for (std::size_t m = 0; m < std::size_t(Module::count); ++m) wanted.set(Module(m), false);
  visit_forcing_links(c_.n_cohorts(), Entry{}, [&](std::size_t to, std::size_t from, std::size_t entry, int module) {
    if (!moves_with[from]) return;
    moves_with[to] = true;
    if (into[to].empty()) order.push_back(to);
    into[to].push_back({static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(entry)});
    if (module >= 0) wanted.set(Module(module), true);
  });
  for (const std::size_t node : order) {
    const auto first = static_cast<std::uint32_t>(links_.size());
    links_.insert(links_.end(), into[node].begin(), into[node].end());
    rows_.push_back({static_cast<std::uint32_t>(node), first, static_cast<std::uint32_t>(links_.size())});
  }
  for (std::size_t i = 0; i < n_; ++i)
    if (into.contains(forcing_nodes::rate(i))) forced_.emplace_back(i, forcing_nodes::rate(i));
  for (ModuleSet awake : timeline_.awake) {
    for (std::size_t m = 0; m < std::size_t(Module::count); ++m) awake.set(Module(m), awake.has(Module(m)) && wanted.has(Module(m)));
    wanted_.push_back(awake);
  }
}

/// States that can differ in some direction at some time: those of mechanisms that a moving constant, dose or event reaches.
void LiftedTangents::trace_states() {
  const auto entries = state_entries(c_.n_cohorts());
  std::vector<bool> moving(n_);
  for (const auto& [state, node] : forced_) moving[state] = true;
  for (const auto& segment : inputs_)
    for (const auto& input : segment) moving[input.first] = true;
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

void LiftedTangents::linearize(std::size_t segment, std::span<const double, TangentSystem::moments> t, std::span<const double> y) {
  segment_ = segment;
  arithmetic_->linearize(timeline_.awake[segment], wanted_[segment], timeline_.windows[segment], t, y);
}

Forcing LiftedTangents::forcing(Block& block) { return {rows_, links_, forced_, inputs_[segment_], block.infused[segment_].data(), block.nodes.data()}; }

void LiftedTangents::solve(std::size_t moment, std::span<double> s, bool is_forced) {
  for (Block& block : blocks_) {
    const Forcing f = forcing(block);
    arithmetic_->solve(moment, on_[segment_], block.groups, is_forced ? &f : nullptr, in_place<Four>(s.subspan(at(block.first, 0))));
  }
}

void LiftedTangents::rate(std::size_t moment, std::span<const double> s, std::span<double> out) {
  for (Block& block : blocks_)
    arithmetic_->rate(moment, block.groups, forcing(block), in_place<Four>(s.subspan(at(block.first, 0))), in_place<Four>(out.subspan(at(block.first, 0))));
}

void LiftedTangents::jump(std::size_t event, std::span<double> y, std::span<double> s) {
  std::vector<double> after(y.begin(), y.end());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = *groups_[g];
    states(g, y, s);
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

const LiftedTangents::D* LiftedTangents::states(std::size_t g, std::span<const double> y, std::span<const double> s) {
  std::vector<D>& states = groups_[g]->states;
  for (std::size_t i = 0; i < n_; ++i) {
    states[i].value = y[i];
    std::copy_n(&s[at(g, i)], lanes, states[i].tangent.begin());
  }
  return states.data();
}

}  // namespace nkpk
