#include "nkpk/simulation/report.hpp"

#include <algorithm>
#include <array>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <string_view>

#include "nkpk/solvers/chebyshev.hpp"

namespace nkpk {
namespace {

constexpr double alc_recovered_per_uL = 500;  // C44
constexpr double nadir_window_d = 60;         // C33
constexpr double settling_d = 1;              // C33: the 24 h after the end of an infusion
constexpr double beside_d = 1e-3;             // a minute and a half
constexpr double auc_end_d = 28, report_day_d = 28;

/// The observables that a report reads, in the order of their names.
enum Curve : std::size_t { donor, alc, fold, host, auc };
constexpr std::array<std::string_view, 5> curve_names{"donor_nk_count", "alc", "il15_fold", "host_nk_count", "donor_nk_auc"};
constexpr std::size_t n_curves = curve_names.size();
using Readings = std::array<double, n_curves>;

struct Extremum {
  double value = NAN, day = NAN;
};

/// The curves between two outputs: their values at Chebyshev points.
struct Piece {
  std::vector<double> times;
  std::array<std::vector<double>, n_curves> values;
  std::array<bool, n_curves> is_accurate{};
};
constexpr std::size_t fewest_intervals = 8, most_intervals = 32;

class Reader {
 public:
  explicit Reader(const Trajectory& t) : t_(t), times_(t.scenario->output_times_d) {
    const auto row = [&](std::size_t i) { return t_.solution.states.row(static_cast<Eigen::Index>(i)).data(); };
    visit_observables(t.scenario->constants, row(0), Leukocytes{}, [&](const char* name, const char*, const char*, const char*, double) {
      slots_.push_back(static_cast<std::size_t>(std::find(curve_names.begin(), curve_names.end(), name) - curve_names.begin()));
    });
    for (std::size_t i = 0; i < times_.size(); ++i) outputs_.push_back(read(row(i)));
  }

  double at_output(Curve f, std::size_t i) const { return outputs_[i][f]; }

  /// By an integration from the last output; NaN for a day that is NaN.
  Readings at(double day) const { return read(t_.at(day).data()); }
  double value(Curve f, double day) const { return at(day)[f]; }

  /// Largest value of sign*f on the outputs for which `allowed` holds, refined between allowed neighbours.
  Extremum largest(Curve f, double sign, const std::function<bool(double)>& allowed) {
    std::size_t best = times_.size();
    double best_value = -INFINITY;
    for (std::size_t i = 0; i < times_.size(); ++i) {
      if (!allowed(times_[i])) continue;
      const double v = sign * at_output(f, i);
      if (!std::isfinite(v)) return {};
      if (v > best_value) best_value = v, best = i;
    }
    if (best == times_.size()) return {};
    Extremum e{sign * best_value, times_[best]};
    double left = times_[best], right = times_[best];
    if (best > 0 && allowed(times_[best - 1])) left = times_[best - 1];
    if (best + 1 < times_.size() && allowed(times_[best + 1])) right = times_[best + 1];
    if (right > left) {
      const auto [value, day] = found(f, [&](const auto& curve) {
        constexpr int bits = 20;
        std::uintmax_t iterations = 60;
        return boost::math::tools::brent_find_minima([&](double d) { return -sign * curve(d); }, left, right, bits, iterations).first;
      });
      // a maximum that lies just beside an output, such as the last moment before an event, is shown as that day
      const double shown = std::abs(day - left) < beside_d ? left : std::abs(day - right) < beside_d ? right : std::abs(day - times_[best]) < beside_d ? times_[best] : day;
      if (sign * value > best_value) e = {value, shown};
    }
    return e;
  }

  /// Where f crosses `level` between two outputs that lie on different sides of it.
  double crossing(Curve f, double level, std::size_t i) {
    const double a = times_[i], b = times_[i + 1];
    const double fa = at_output(f, i) - level, fb = at_output(f, i + 1) - level;
    if (fa == 0) return a;
    if (!(fa * fb < 0)) return b;
    return found(f, [&](const auto& curve) {
      std::uintmax_t iterations = 60;
      const auto g = [&](double d) { return curve(d) - level; };
      const auto [low, high] = boost::math::tools::toms748_solve(g, a, b, fa, fb, boost::math::tools::eps_tolerance<double>(40), iterations);
      return 0.5 * (low + high);
    }).day;
  }

  const std::vector<double>& times() const { return times_; }

  Readings read(const double* y) const {
    std::array<double, n_curves + 1> all;  // the last one takes what no metric needs
    all.fill(NAN);
    std::size_t j = 0;
    visit_observables(t_.scenario->constants, y, Leukocytes{}, [&](const char*, const char*, const char*, const char*, double v) { all[slots_[j++]] = v; });
    Readings wanted;
    std::copy_n(all.begin(), n_curves, wanted.begin());
    return wanted;
  }

 private:
  /// The day that `search` finds on the polynomials, and the exact value there. Where they differ, the search is repeated on exact values.
  template <class Search>
  Extremum found(Curve f, const Search& search) {
    const auto smooth = [&](double d) { return polynomial(f, d); };
    const double day = search(smooth), exact = value(f, day);
    if (std::abs(smooth(day) - exact) <= 10 * t_.options.rtol * std::abs(exact)) return {exact, day};
    const double again = search([&](double d) { return value(f, d); });
    return {value(f, again), again};
  }

  double polynomial(Curve f, double day) {
    if (!(day >= times_.front() && day <= times_.back())) return NAN;  // a search over values that are not numbers ends anywhere
    const auto i = static_cast<std::size_t>(std::upper_bound(times_.begin(), times_.end(), day) - times_.begin()) - 1;
    if (times_[i] == day) return outputs_[i][f];
    const Piece& p = piece(f, i);
    return p.is_accurate[f] ? chebyshev::value(p.times, p.values[f], day) : value(f, day);
  }

  /// Between outputs i and i + 1, where no event lies; made once for all curves, with more points when f needs them.
  const Piece& piece(Curve f, std::size_t i) {
    Piece& p = pieces_[i];
    if (p.times.empty()) p = with_intervals(i, fewest_intervals);
    while (!p.is_accurate[f] && p.times.size() <= most_intervals) p = with_intervals(i, 2 * (p.times.size() - 1));
    return p;
  }

  Piece with_intervals(std::size_t i, std::size_t n) const {
    Piece p{chebyshev::points(times_[i], times_[i + 1], n), {}, {}};
    const RowMatrix states = t_.within(i, p.times);
    for (Eigen::Index j = 0; j < states.rows(); ++j) {
      const Readings r = read(states.row(j).data());
      for (std::size_t f = 0; f < n_curves; ++f) p.values[f].push_back(r[f]);
    }
    for (std::size_t f = 0; f < n_curves; ++f) {
      // twice the points square the error: 0.1 sqrt(rtol) with half of them is 0.01 rtol with all
      const auto magnitude = [](double a, double b) { return std::abs(a) < std::abs(b); };
      const auto [least, most] = std::minmax_element(p.values[f].begin(), p.values[f].end(), magnitude);
      const double largest = std::abs(*most), scale = std::max(std::abs(*least), 1e-6 * largest);
      p.is_accurate[f] = chebyshev::error_of_half(p.times, p.values[f]) <= 0.1 * std::sqrt(t_.options.rtol * scale * largest);
    }
    return p;
  }

  const Trajectory& t_;
  const std::vector<double>& times_;
  std::vector<std::size_t> slots_;  ///< of each observable, its place among the curves
  std::vector<Readings> outputs_;
  std::map<std::size_t, Piece> pieces_;
};

}  // namespace

std::vector<Metric> report(const Trajectory& trajectory) {
  const Scenario& s = *trajectory.scenario;
  Reader reader(trajectory);
  const auto& times = reader.times();
  const bool infused = !s.cohorts.empty();
  const double first = infused ? s.cohorts.front().start_d : INFINITY;
  const auto settled = [&](double t) {
    return t >= first && std::none_of(s.cohorts.begin(), s.cohorts.end(), [&](const CohortInfo& c) { return t >= c.start_d && t < c.end_d + settling_d; });
  };
  const auto everywhere = [](double) { return true; };
  const auto early = [](double t) { return t <= nadir_window_d; };

  std::vector<Metric> m;
  const Extremum cmax = reader.largest(donor, 1, settled);
  m.push_back({"donor_nk_cmax", "cells/uL", "largest infused NK count, from 24 h after infusions", cmax.value});
  m.push_back({"donor_nk_tmax", "d", "day of the largest infused NK count", cmax.day});
  m.push_back({"donor_nk_cmax_cont", "cells/uL", "largest infused NK count at any time: the distribution spike",
               reader.largest(donor, 1, [&](double t) { return t >= first; }).value});
  const bool reaches_28 = s.t_end_d >= auc_end_d;
  const double from = std::max(0.0, s.t_start_d);
  m.push_back({"donor_nk_auc_0_28", "d*cells/uL", "area under the infused NK count, day 0 to 28",
               infused && reaches_28 ? reader.value(auc, auc_end_d) - reader.value(auc, from) : NAN});

  double last = NAN;
  std::string qualifier;
  for (std::size_t i = times.size(); i-- > 0;) {
    const double v = reader.at_output(donor, i);
    if (!std::isfinite(v)) break;
    if (v < 1) continue;
    if (i + 1 == times.size())
      last = times[i], qualifier = ">";
    else
      last = reader.crossing(donor, 1, i);
    break;
  }
  m.push_back({"donor_nk_last_day_above_1", "d", "last day with 1 infused NK cell per uL or more", last, qualifier});

  const Extremum nadir = reader.largest(alc, -1, early);
  m.push_back({"alc_nadir", "cells/uL", "lowest lymphocyte count up to day 60", nadir.value});
  m.push_back({"alc_nadir_day", "d", "day of the lowest lymphocyte count", nadir.day});
  double recovery = NAN;
  if (nadir.value < alc_recovered_per_uL)
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (!(times[i] > nadir.day && reader.at_output(alc, i) >= alc_recovered_per_uL)) continue;
      recovery = i > 0 && reader.at_output(alc, i - 1) < alc_recovered_per_uL ? reader.crossing(alc, alc_recovered_per_uL, i - 1) : times[i];
      break;
    }
  // an infusion can lift the count by itself: the reader must see that this is no recovery
  const Readings then = reader.at(recovery);
  const bool infused_mostly = then[donor] > 0.5 * then[alc];
  m.push_back({"alc_recovery_day", "d", "first day after the nadir with 500 lymphocytes per uL or more", recovery, infused_mostly ? "*" : ""});

  const Extremum peak = reader.largest(fold, 1, everywhere);
  m.push_back({"il15_peak_fold", "1", "highest IL-15 over the patient's own baseline", peak.value});
  m.push_back({"il15_peak_day", "d", "day of the highest IL-15", peak.day});
  const Extremum low = reader.largest(host, -1, early);
  m.push_back({"host_nk_nadir", "cells/uL", "lowest host NK count up to day 60", low.value});
  m.push_back({"host_nk_nadir_day", "d", "day of the lowest host NK count", low.day});
  m.push_back({"host_nk_day_28", "cells/uL", "host NK count on day 28", s.t_end_d >= report_day_d ? reader.read(trajectory.before(report_day_d).data())[host] : NAN});

  for (const SurvivalReport& r : s.regimen.reports) {
    double share = NAN;
    for (std::size_t k = 0; k < s.cohorts.size(); ++k) {
      if (s.cohorts[k].name != r.infusion) continue;
      const auto cells = [&](double day) { return cohort_body(trajectory.before(day).data(), k); };
      share = cells(r.day) / (r.since_day ? cells(*r.since_day) : s.cohorts[k].nk_dosed);
    }
    m.push_back({r.name, "1", r.title, share, "", r.column});
  }
  return m;
}

}  // namespace nkpk
