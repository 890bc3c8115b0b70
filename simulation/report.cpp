#include "nkpk/simulation/report.hpp"

#include <algorithm>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <functional>

namespace nkpk {
namespace {

constexpr double alc_recovered_per_uL = 500;  // C44
constexpr double nadir_window_d = 60;         // C33
constexpr double settling_d = 1;              // C33: the 24 h after the end of an infusion
constexpr double beside_d = 1e-3;             // a minute and a half
constexpr double auc_end_d = 28, report_day_d = 28;

using Curve = std::function<double(const double* y)>;

struct Extremum {
  double value = NAN, day = NAN;
};

class Reader {
 public:
  explicit Reader(const Trajectory& t) : t_(t), times_(t.scenario->output_times_d) {}

  double value(const Curve& f, double day) const {
    const auto y = t_.at(day);
    return f(y.data());
  }
  double at_output(const Curve& f, std::size_t i) const { return f(t_.solution.states.row(static_cast<Eigen::Index>(i)).data()); }

  /// Largest value of sign*f on the outputs for which `allowed` holds, refined between allowed neighbours.
  Extremum largest(const Curve& f, double sign, const std::function<bool(double)>& allowed) const {
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
      constexpr int bits = 20;
      std::uintmax_t iterations = 60;
      const auto [day, value] = boost::math::tools::brent_find_minima([&](double d) { return -sign * this->value(f, d); }, left, right, bits, iterations);
      // a maximum that lies just beside an output, such as the last moment before an event, is shown as that day
      const double shown = std::abs(day - left) < beside_d ? left : std::abs(day - right) < beside_d ? right : std::abs(day - times_[best]) < beside_d ? times_[best] : day;
      if (-value > best_value) e = {-sign * value, shown};
    }
    return e;
  }

  /// Where f crosses `level` between two outputs that lie on different sides of it.
  double crossing(const Curve& f, double level, std::size_t i) const {
    const auto g = [&](double day) { return this->value(f, day) - level; };
    const double a = times_[i], b = times_[i + 1];
    const double fa = g(a), fb = g(b);
    if (fa == 0) return a;
    if (!(fa * fb < 0)) return b;
    std::uintmax_t iterations = 60;
    const auto [low, high] = boost::math::tools::toms748_solve(g, a, b, fa, fb, boost::math::tools::eps_tolerance<double>(40), iterations);
    return 0.5 * (low + high);
  }

  const std::vector<double>& times() const { return times_; }

 private:
  const Trajectory& t_;
  const std::vector<double>& times_;
};

// The observable of that name; looked up once, read as often as needed.
Curve observable(const Scenario& s, const std::string& wanted) {
  return [&s, wanted](const double* y) {
    double result = NAN;
    visit_observables(s.constants, y, Leukocytes{}, [&](const char* name, const char*, const char*, const char*, double value) {
      if (wanted == name) result = value;
    });
    return result;
  };
}

}  // namespace

std::vector<Metric> report(const Trajectory& trajectory) {
  const Scenario& s = *trajectory.scenario;
  const Reader reader(trajectory);
  const auto& times = reader.times();
  const Curve donor = observable(s, "donor_nk_count"), alc = observable(s, "alc"), fold = observable(s, "il15_fold"),
              host = observable(s, "host_nk_count"), auc = observable(s, "donor_nk_auc");
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
  const bool infused_mostly = std::isfinite(recovery) && reader.value(donor, recovery) > 0.5 * reader.value(alc, recovery);
  m.push_back({"alc_recovery_day", "d", "first day after the nadir with 500 lymphocytes per uL or more", recovery, infused_mostly ? "*" : ""});

  const Extremum peak = reader.largest(fold, 1, everywhere);
  m.push_back({"il15_peak_fold", "1", "highest IL-15 over the patient's own baseline", peak.value});
  m.push_back({"il15_peak_day", "d", "day of the highest IL-15", peak.day});
  const Extremum low = reader.largest(host, -1, early);
  m.push_back({"host_nk_nadir", "cells/uL", "lowest host NK count up to day 60", low.value});
  m.push_back({"host_nk_nadir_day", "d", "day of the lowest host NK count", low.day});
  m.push_back({"host_nk_day_28", "cells/uL", "host NK count on day 28", s.t_end_d >= report_day_d ? host(trajectory.before(report_day_d).data()) : NAN});

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
