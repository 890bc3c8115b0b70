#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nkpk/core/toml_file.hpp"
#include "nkpk/dosing/regimen.hpp"
#include "nkpk/model/nk_model.hpp"

// The shipped data: where it lies, and its files as patients, products and parameters.

namespace nkpk {

/// One parameter with everything the file says of it.
struct ParameterRecord {
  std::string name;        ///< "host_nk.d0"
  std::string title, unit; ///< unit of the three numbers below
  double value = 0, lower = NAN, upper = NAN;
  double cv_percent = NAN;
  std::string text;        ///< the value as written
  std::string status, source, note, where;
  Domain domain = Domain::positive;
  double value_of_file = NAN;      ///< before any change, and where it came from: what the plausible range rests on
  std::string range_source;
};

struct ParameterTable {
  std::vector<ParameterRecord> records;
  bool linear_quadratic = false;
  ParameterRecord* find(const std::string& name);
  const ParameterRecord& at(const std::string& name) const;
  std::vector<std::string> names() const;
  /// Replaces a value. Throws InputError for an unknown name, a wrong dimension or a value outside the parameter's domain.
  void set(const std::string& name, const Node& value, const std::string& source);
  void set_number(const std::string& name, double value, const std::string& unit, const std::string& source);
};

/// A product with its parameters; names are "product.pmax" and so on.
struct Product {
  std::string name, title;
  ParameterTable table;
};

/// What a number may plausibly be.
struct PlausibleRange {
  double lower, upper;
  std::string unit, source;
};
/// Of params/ranges.toml, by name: "patient.weight", "dose.il2.sc.amount".
using PlausibleRanges = std::map<std::string, PlausibleRange>;

/// Limit of quantification of one kind of assay.
struct Lloq {
  double value;
  std::string unit, source;
};

/// Everything read so far, kept for the archive.
using InputTexts = std::map<std::string, std::string>;  ///< file name as shown -> exact content

class Library {
 public:
  /// `folder` holds model.toml; empty looks in NKPK_PARAMS, then upwards from the running program or library for
  /// params/model.toml or share/nkpk/params/model.toml. Throws InputError when nothing is found.
  explicit Library(const std::filesystem::path& folder = {});

  const std::filesystem::path& folder() const { return folder_; }
  std::vector<std::string> names(const std::string& kind) const;  ///< of "regimens", "patients", "products", sorted

  TomlFile regimen(const std::string& name_or_path) const;
  ParameterTable parameters(InputTexts& inputs) const;
  /// `where` names the place of the name in messages.
  Product product(const std::string& name_or_path, InputTexts& inputs, const std::string& where = "") const;
  /// A name, a path, or an age such as "3y-girl", "6mo-boy", "45y-woman". `patches` are keys of the patient's table.
  /// Adds every number of the patient to `stated`. Throws InputError for what no patient can be.
  Patient patient(const std::string& name_or_path, const Node& patches, Node& parameters, InputTexts& inputs, std::vector<Stated>& stated,
                  const std::string& where = "") const;
  std::map<std::string, Lloq> lloqs(InputTexts& inputs, std::vector<Stated>& stated) const;
  /// Every range that a stated number may name. Throws InputError for one that is missing or unknown.
  PlausibleRanges ranges(InputTexts& inputs) const;

 private:
  TomlFile file(const std::string& kind, const std::string& name_or_path, const std::string& where = "") const;
  std::filesystem::path folder_;
};

/// Parameters as the model takes them.
Parameters<double> to_parameters(const ParameterTable& table);
ProductParams<double> to_product(const ParameterTable& table);

/// Whether a parameter may have this value.
bool inside(Domain domain, double value);
/// "expected more than 0" and so on.
std::string expected(Domain domain);

/// Why a set of values makes no patient, and what to do.
struct Refusal {
  std::string problem, hint;
};
/// Whether the baseline is no equilibrium or values make no sense together (C26); nothing where all is well.
std::optional<Refusal> refusal_of(const Parameters<double>& p);

/// Throws InputError when the baseline is no equilibrium or a set of values makes no sense together (C26).
void check_parameters(const Parameters<double>& p, const std::string& where);

}  // namespace nkpk
