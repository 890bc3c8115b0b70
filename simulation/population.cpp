#include "nkpk/simulation/population.hpp"

#include <Random123/philox.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <memory>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

constexpr int most_attempts = 1000;

/// FNV-1a: a name's own stream of deviates, the same everywhere.
std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

bool overridden(const DoseEntry& dose, std::string_view key) {
  return (key == "f_NK" && dose.f_NK) || (key == "f_T" && dose.f_T) || (key == "viability" && dose.viability);
}

/// Every column that the scenario could have.
std::vector<Column> all_columns(const Scenario& s) {
  std::vector<Column> all;
  std::size_t field = 0;
  Parameters<double>::visit(s.p, [&](std::string_view module, const char* key, const char* unit, Domain domain, const double&) {
    all.push_back({fmt::format("{}.{}", module, key), unit, domain, field++, {}, false});
  });
  for (const Product& product : s.products) {
    field = 0;
    const ProductParams<double> fields{};
    ProductParams<double>::visit(fields, [&](const char* key, const char* unit, Domain domain, const double&) {
      Column column{s.products.size() > 1 ? fmt::format("product[{}].{}", product.name, key) : fmt::format("product.{}", key), unit, domain, field++, {}, true};
      for (const Administration& a : s.administrations)
        if (a.cohort >= 0 && s.cohorts[static_cast<std::size_t>(a.cohort)].product == product.name && !overridden(s.regimen.doses[a.dose], key))
          column.cohorts.push_back(static_cast<std::size_t>(a.cohort));
      all.push_back(std::move(column));
    });
  }
  return all;
}

struct Spread {
  double median, omega;
  std::uint64_t stream;
  bool is_fraction;

  double at(double z) const {
    const double times = std::exp(omega * z);
    return is_fraction ? median * times / (1 - median + median * times) : median * times;
  }
};

}  // namespace

double deviate(std::uint64_t seed, std::uint64_t patient, std::uint64_t stream) {
  const auto drawn = r123::Philox2x64()({{patient, stream}}, {{seed}});
  const double u = (static_cast<double>(drawn[0] >> 12) + 0.5) * 0x1p-52;  // inside (0, 1), both ends alike
  using Doubles = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
  return -std::sqrt(2.0) * boost::math::erfc_inv(2 * u, Doubles());
}

std::vector<Column> columns_of(const Scenario& s, std::span<const std::string> names) {
  const std::vector<Column> all = all_columns(s);
  std::vector<Column> found;
  for (const std::string& name : names) {
    const auto it = std::find_if(all.begin(), all.end(), [&](const Column& c) { return c.name == name; });
    if (it == all.end()) {
      std::vector<std::string> known;
      for (const Column& column : all) known.push_back(column.name);
      throw unknown_name("ensemble", "parameter", name, known);
    }
    if (std::ranges::count(names, name) > 1) throw InputError("ensemble", fmt::format("\"{}\" is named twice", name), "expected each parameter once");
    found.push_back(*it);
  }
  return found;
}

Population drawn_population(const Scenario& s, std::size_t n_patients, std::uint64_t seed) {
  Population population;
  population.n_patients = n_patients;
  std::vector<Spread> spreads;
  const std::vector<Column> all = all_columns(s);
  std::size_t i = 0;
  const auto take = [&](const ParameterTable& table) {
    for (const ParameterRecord& r : table.records) {
      const Column& column = all[i++];
      if (!std::isfinite(r.cv_percent)) continue;
      const double cv = r.cv_percent / 100;
      population.columns.push_back(column);
      spreads.push_back({r.value, std::sqrt(std::log1p(cv * cv)), stream_of(r.name), r.domain == Domain::fraction});
    }
  };
  take(s.parameters);
  for (const Product& product : s.products) take(product.table);

  population.fill = [&s, seed, columns = population.columns, spreads](std::size_t first, std::span<double> rows) {
    Admission admission(s, columns);
    const std::size_t n = columns.size();
    for (std::size_t patient = first; !rows.empty(); ++patient, rows = rows.subspan(n)) {
      const auto row = rows.first(n);
      // another attempt is another stream: the names' hashes are nowhere near each other
      for (std::uint64_t attempt = 0; attempt < most_attempts; ++attempt) {
        for (std::size_t j = 0; j < n; ++j) row[j] = spreads[j].at(deviate(seed, patient, spreads[j].stream + attempt));
        if (!admission.refusal(row)) break;
        if (attempt + 1 == most_attempts) std::fill(row.begin(), row.end(), NAN);
      }
    }
  };
  return population;
}

Population population_of(const Scenario& s, std::span<const std::string> names, std::vector<double> values) {
  Population population;
  population.columns = columns_of(s, names);
  if (names.empty()) throw InputError("ensemble", "no parameter is named", "for example host_nk.d0");
  if (values.size() % names.size() != 0)
    throw InputError("ensemble", fmt::format("{} values", values.size()), fmt::format("expected a multiple of the {} names: one row per patient", names.size()));
  population.n_patients = values.size() / names.size();
  population.fill = [n = names.size(), values = std::move(values)](std::size_t first, std::span<double> rows) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first * n), rows.size(), rows.begin());
  };
  return population;
}

Admission::Admission(const Scenario& s, const std::vector<Column>& columns) : columns_(columns), who_(s, columns) {
  for (std::size_t j = 0; j < columns.size(); ++j)
    if (columns[j].name == "host_nk.NK0") NK0_ = static_cast<std::ptrdiff_t>(j);
}

std::optional<Refusal> Admission::refusal(std::span<double> row) {
  for (std::size_t j = 0; j < columns_.size(); ++j) {
    if (!(std::isfinite(row[j]) && inside(columns_[j].domain, row[j])))
      return Refusal{fmt::format("{} = {} {}", columns_[j].name, row[j], columns_[j].unit), expected(columns_[j].domain)};
    for (double* place : who_.places(j)) *place = row[j];
  }
  if (NK0_ >= 0) {
    double& NK0 = row[static_cast<std::size_t>(NK0_)];
    NK0 = who_.p.host_nk.NK0 = std::max(NK0, who_.p.host_nk.NK0_min);
  } else if (who_.p.host_nk.NK0 < who_.p.host_nk.NK0_min) {
    return Refusal{fmt::format("host_nk.NK0_min = {} cells/uL is above host_nk.NK0 = {} cells/uL", who_.p.host_nk.NK0_min, who_.p.host_nk.NK0),
                   "name host_nk.NK0 as well"};
  }
  return refusal_of(who_.p);
}

}  // namespace nkpk
