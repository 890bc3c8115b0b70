#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nkpk/simulation/scenario.hpp"

// Virtual patients: a scenario's parameters, drawn or given for each patient.
//
//   amount, rate, ratio   p_i = p exp(omega z_i)                          omega = sqrt(ln(1 + cv^2)), z_i standard normal
//   fraction              p_i/(1 - p_i) = p/(1 - p) exp(omega z_i)
//
// so that the median is the value of the scenario. A fraction is drawn by its odds because a log-normal one would leave [0, 1]
// (il15.fc = 0.9 with a CV of 30 % in every third patient); a small fraction then has the CV that is given, a large one a smaller.
// cv is `cv_percent` of params/model.toml and of the products; parameters without one are the same in all patients.
// A parameter of the product has one deviate per patient, whichever products he gets.
//
// z_i comes from (seed, i, name) alone, by the counter-based generator Philox of Salmon 2011, doi:10.1145/2063384.2063405: it is the
// same in any order, chunk and thread, and a parameter that gains a spread leaves the others as they were.
// Patients whose values make no sense together (C26: dmin < d0 < dmax and the like) are drawn anew, up to a thousand times.
// Leaves out: correlations, and spreads of weight and age (each patient has the body of the scenario's).

namespace nkpk {

/// A parameter that may differ between patients.
struct Column {
  std::string name, unit;           ///< "host_nk.d0", "product.pmax", or "product[NAME].pmax" where a regimen has several products
  Domain domain;
  std::size_t field;                ///< its place in the visit of Parameters, or of ProductParams
  std::vector<std::size_t> cohorts; ///< of the product: where it applies, so not where the dose says otherwise
  bool is_of_product = false;
};

/// What each patient's numbers are: rows of columns, in the columns' units.
struct Population {
  std::size_t n_patients = 0;
  std::vector<Column> columns;
  /// Rows of the patients from `first` on, as many as fit; [n x n_columns]. Called from several threads. NaN where a patient could
  /// not be drawn.
  std::function<void(std::size_t first, std::span<double> rows)> fill;
};

/// Columns by name. Throws InputError for a name that is no parameter of the model or of the scenario's products.
std::vector<Column> columns_of(const Scenario& scenario, std::span<const std::string> names);

/// Drawn patients. The scenario must outlive the population.
Population drawn_population(const Scenario& scenario, std::size_t n_patients, std::uint64_t seed);

/// Patients of the caller's own; values [n_patients x names] in the units of columns_of(). Nothing is drawn anew.
Population population_of(const Scenario& scenario, std::span<const std::string> names, std::vector<double> values);

/// A standard normal deviate that depends on its arguments alone.
double deviate(std::uint64_t seed, std::uint64_t patient, std::uint64_t stream);

/// The parameters of one scalar with a way to set them by column; those of no column stay at the scenario's values.
template <FlatScalar T>
class Individual {
 public:
  Individual(const Scenario& s, const std::vector<Column>& columns) {
    std::vector<double> values;
    Parameters<double>::visit(s.p, [&](auto, auto, auto, Domain, const double& v) { values.push_back(v); });
    std::vector<T*> fields;
    Parameters<T>::visit(p, [&](auto, auto, auto, Domain, T& v) {
      v = T(values[fields.size()]);
      fields.push_back(&v);
    });
    std::vector<std::vector<T*>> fields_of_lots;
    lots.resize(s.lots.size());
    for (std::size_t k = 0; k < s.lots.size(); ++k) {
      values.clear();
      ProductParams<double>::visit(s.lots[k].product, [&](auto, auto, Domain, const double& v) { values.push_back(v); });
      lots[k].start_d = T(s.lots[k].start_d);
      auto& own = fields_of_lots.emplace_back();
      ProductParams<T>::visit(lots[k].product, [&](auto, auto, Domain, T& v) {
        v = T(values[own.size()]);
        own.push_back(&v);
      });
    }
    for (const Column& column : columns) {
      auto& places = places_.emplace_back();
      if (!column.is_of_product) places.push_back(fields[column.field]);
      for (const std::size_t k : column.cohorts) places.push_back(fields_of_lots[k][column.field]);
    }
  }
  Individual(const Individual&) = delete;
  Individual& operator=(const Individual&) = delete;

  /// Every place of a column.
  const std::vector<T*>& places(std::size_t column) const { return places_[column]; }

  Parameters<T> p;
  std::vector<Cohort<T>> lots;

 private:
  std::vector<std::vector<T*>> places_;
};

/// Looks whether rows make patients.
class Admission {
 public:
  Admission(const Scenario& scenario, const std::vector<Column>& columns);
  /// Why not; nothing where the row does. Blood NK below host_nk.NK0_min become that number, as in every scenario.
  std::optional<Refusal> refusal(std::span<double> row);
  /// Of the row last admitted.
  const Parameters<double>& parameters() const { return who_.p; }

 private:
  const std::vector<Column>& columns_;
  Individual<double> who_;
  std::ptrdiff_t NK0_ = -1;
};

}  // namespace nkpk
