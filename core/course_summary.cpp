#include "nkpk/core/course_summary.hpp"

#include <algorithm>
#include <atomic>
#include <future>

namespace nkpk {
namespace {

constexpr std::size_t tile = 8;  // distributions that one thread fills at a time: the numbers of a cache line
constexpr const char* quantiles_attribute = "quantiles";

}  // namespace

CourseSummary::CourseSummary(std::vector<NamedArray> observables, std::size_t n_times, std::vector<double> quantiles)
    : observables_(std::move(observables)), n_times_(n_times), quantiles_(std::move(quantiles)) {
  for (NamedArray& o : observables_) {
    o.dims = {"time"};
    o.shape = {0};
    o.data = std::vector<double>{};
  }
}

CourseSummary::CourseSummary(const Group& form, std::size_t n_times) : CourseSummary(form.arrays, n_times, {}) {
  const auto it = form.attributes.find(quantiles_attribute);
  if (it == form.attributes.end() || !std::holds_alternative<std::vector<double>>(it->second)) throw BytesError("no quantiles are named");
  quantiles_ = std::get<std::vector<double>>(it->second);
  if (!std::ranges::all_of(quantiles_, [](double q) { return q >= 0 && q <= 1; })) throw BytesError("no quantiles");
}

Group CourseSummary::form() const { return {observables_, {{quantiles_attribute, quantiles_}}, {}}; }

void CourseSummary::add(std::span<const double> values, unsigned n_threads) {
  const std::size_t n = n_times_ * observables_.size();
  if (n == 0) return;
  if (distributions_.empty()) distributions_ = std::vector<Distribution>(n);
  std::atomic<std::size_t> next = 0;
  const auto fill = [&] {
    for (std::size_t first = next.fetch_add(tile); first < n; first = next.fetch_add(tile))
      for (std::size_t i = 0; i < values.size() / n; ++i)
        for (std::size_t j = first; j < std::min(first + tile, n); ++j) distributions_[j].add(values[i * n + j]);
  };
  std::vector<std::future<void>> helpers;
  for (unsigned i = 1; i < n_threads; ++i) helpers.push_back(std::async(std::launch::async, fill));
  fill();
  for (auto& helper : helpers) helper.get();  // with what it threw
}

void CourseSummary::add(const Group& rows, unsigned n_threads) {
  std::vector<const std::vector<double>*> courses;
  for (const NamedArray& o : observables_) {
    const auto it = std::ranges::find(rows.arrays, o.name, &NamedArray::name);
    if (it == rows.arrays.end() || it->dims != std::vector<std::string>{"patient", "time"} || it->shape[1] != n_times_ ||
        !std::holds_alternative<std::vector<double>>(it->data))
      throw BytesError("no courses of " + o.name);
    courses.push_back(&std::get<std::vector<double>>(it->data));
    if (courses.back()->size() != courses.front()->size()) throw BytesError("not as many courses of " + o.name);
  }
  if (courses.empty()) return;
  std::vector<double> values(courses.size() * courses[0]->size());
  for (std::size_t k = 0; k < courses.size(); ++k)
    for (std::size_t i = 0; i < courses[k]->size(); ++i) values[i * courses.size() + k] = (*courses[k])[i];
  add(values, n_threads);
}

const Distribution& CourseSummary::at(std::size_t observable, std::size_t time) const {
  static const Distribution none;
  return distributions_.empty() ? none : distributions_[time * observables_.size() + observable];
}

Group CourseSummary::over_time(const std::string& what, double (Distribution::*value)() const) const {
  Group g;
  for (std::size_t k = 0; k < observables_.size(); ++k) {
    const NamedArray& o = observables_[k];
    std::vector<double> values;
    for (std::size_t t = 0; t < n_times_; ++t) values.push_back((at(k, t).*value)());
    g.arrays.push_back({o.name, o.unit, what + " over the patients: " + o.long_name, {"time"}, {n_times_}, std::move(values), o.attributes});
  }
  return g;
}

std::vector<Group::Entry> CourseSummary::groups() const {
  Group quantiles, counts;
  quantiles.arrays.push_back({"quantile", "1", "share of the patients below", {"quantile"}, {quantiles_.size()}, quantiles_});
  for (std::size_t k = 0; k < observables_.size(); ++k) {
    const NamedArray& o = observables_[k];
    std::vector<double> values;
    for (const double q : quantiles_)
      for (std::size_t t = 0; t < n_times_; ++t) values.push_back(at(k, t).quantile(q));
    const std::string title = "quantiles over the patients: " + o.long_name;
    quantiles.arrays.push_back({o.name, o.unit, title, {"quantile", "time"}, {quantiles_.size(), n_times_}, std::move(values), o.attributes});
    std::vector<std::int64_t> known;
    for (std::size_t t = 0; t < n_times_; ++t) known.push_back(static_cast<std::int64_t>(at(k, t).n()));
    counts.arrays.push_back({o.name, "1", "patients with a value: " + o.long_name, {"time"}, {n_times_}, std::move(known)});
  }
  return {{"quantiles", std::move(quantiles)},
          {"mean", over_time("mean", &Distribution::mean)},
          {"minimum", over_time("minimum", &Distribution::min)},
          {"maximum", over_time("maximum", &Distribution::max)},
          {"count", std::move(counts)}};
}

void CourseSummary::write(ByteWriter& out) const {
  out.count(distributions_.size());
  for (const Distribution& d : distributions_) d.write(out);
}

void CourseSummary::read(ByteReader& in) {
  const std::uint64_t n = in.count_of(2);
  if (n != 0 && n != n_times_ * observables_.size()) throw BytesError("summaries of other courses");
  distributions_.clear();
  while (distributions_.size() < n) distributions_.push_back(Distribution::read(in));
  if (!in.is_at_end()) throw BytesError("more than a summary");
}

}  // namespace nkpk
