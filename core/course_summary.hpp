#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nkpk/core/distribution.hpp"
#include "nkpk/core/named_array.hpp"

namespace nkpk {

/// Quantiles, mean, minimum, maximum and count of courses over time, over the patients who have a value.
///
/// Which courses come when, in how many threads, and whether it was written and read on the way, moves no bit; see distribution.hpp.
class CourseSummary {
 public:
  /// Of each observable the name, unit, title and attributes are used.
  CourseSummary(std::vector<NamedArray> observables, std::size_t n_times, std::vector<double> quantiles);
  /// As form() gives it. Throws BytesError for what is no form.
  CourseSummary(const Group& form, std::size_t n_times);
  /// What it is made of, without the numbers.
  Group form() const;

  /// values [n x n_times x n_observables]
  void add(std::span<const double> values, unsigned n_threads = 1);
  /// The arrays (patient, time) of these patients. Throws BytesError where they are not all there.
  void add(const Group& rows, unsigned n_threads = 1);

  const std::vector<NamedArray>& observables() const { return observables_; }
  std::size_t n_times() const { return n_times_; }
  std::size_t n_quantiles() const { return quantiles_.size(); }
  /// Of an observable at an output time, both by index.
  const Distribution& at(std::size_t observable, std::size_t time) const;
  /// quantiles, mean, minimum, maximum, count; each observable over time
  std::vector<Group::Entry> groups() const;

  /// As bytes and back into one of the same form. Throws BytesError for what is none.
  void write(ByteWriter& out) const;
  void read(ByteReader& in);

 private:
  Group over_time(const std::string& what, double (Distribution::*value)() const) const;
  std::vector<NamedArray> observables_;
  std::size_t n_times_;
  std::vector<double> quantiles_;
  std::vector<Distribution> distributions_;  ///< [n_times x n_observables]; none before the first number
};

}  // namespace nkpk
