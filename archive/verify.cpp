#include "nkpk/archive/verify.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <sstream>

#include "nkpk/archive/walk.hpp"
#include "nkpk/core/digest.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/core/units.hpp"

namespace nkpk::archive {
namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

constexpr std::size_t most_problems = 100;  // of a file that breaks one rule a million times

class Verifier {
 public:
  Verifier(const Reader& reader, Verdict& verdict) : reader_(reader), verdict_(verdict) {}

  void check(const Group& root) {
    check_root(root);
    walk(root, [&](const std::string& path, const Group& group, const Coordinates& scope) {
      ++verdict_.n_groups;
      for (const NamedArray& array : group.arrays) check_array(path + "/" + array.name, array, scope);
      check_inputs(path, group);
      const std::string kind = text_attribute(group.attributes, "nkpk_kind");
      if (kind == "simulation") check_simulation(path, group);
      if (kind == "ensemble") check_ensemble(path, group);
    });
  }

 private:
  void problem(const std::string& where, const std::string& what) {
    if (verdict_.problems.size() < most_problems) verdict_.problems.push_back(fmt::format("{}: {}", where.empty() ? "/" : where, what));
  }

  void check_root(const Group& root) {
    for (const char* name : {"nkpk_kind", "Conventions", "title"})
      if (text_attribute(root.attributes, name).empty()) problem("/", fmt::format("the attribute {} is missing", name));
    const Group* origin = find_group(root, "provenance");
    if (origin == nullptr) return problem("/provenance", "is missing");
    for (const char* name : {"program", "command_line", "created", "finished", "exit_state"})
      if (text_attribute(origin->attributes, name).empty()) problem("/provenance", fmt::format("the attribute {} is missing", name));
  }

  void check_array(const std::string& where, const NamedArray& array, const Coordinates& scope) {
    ++verdict_.n_arrays;
    verdict_.n_values += n_elements(array);
    const bool is_coordinate = array.dims == std::vector{array.name};
    for (std::size_t i = 0; i < array.dims.size(); ++i) {
      const NamedArray* coordinate = scope.find(array.dims[i]);
      if (coordinate == nullptr)
        problem(where, fmt::format("dimension \"{}\" has no coordinate in this group or above", array.dims[i]));
      else if (coordinate->shape[0] != array.shape[i])
        problem(where, fmt::format("dimension \"{}\" has {} entries, its coordinate {}", array.dims[i], array.shape[i], coordinate->shape[0]));
      if (array.dims.size() > 1 && array.dims[i] == array.name) problem(where, "bears the name of one of its dimensions");
    }
    check_unit(where, array);
    check_fill_value(where, array, is_coordinate);
    const auto flags = array.attributes.find("flag_values");
    if (flags != array.attributes.end()) check_flags(where, array, flags->second);
    // every value is read, if only to see that it can be
    std::size_t n_missing = 0;
    for_each_piece(reader_, array, where, [&](std::size_t, const ArrayData& data) {
      if (const auto* values = std::get_if<Doubles>(&data))
        for (const double value : *values) n_missing += std::isnan(value);
    });
    if (is_coordinate && n_missing > 0) problem(where, "a coordinate has no missing values");
  }

  void check_unit(const std::string& where, const NamedArray& array) {
    if (array.unit.empty()) return;
    if (std::holds_alternative<Texts>(array.data)) return problem(where, fmt::format("a text has no unit, found \"{}\"", array.unit));
    try {
      parse_unit(array.unit, where);
    } catch (const InputError& error) {
      problem(where, fmt::format("unit \"{}\" cannot be read", array.unit));
    }
  }

  void check_fill_value(const std::string& where, const NamedArray& array, bool is_coordinate) {
    const bool may_miss = std::holds_alternative<Doubles>(array.data) && !is_coordinate;
    const bool has_one = reader_.has_fill_value(where);
    if (may_miss && !has_one) problem(where, "_FillValue is missing");
    if (is_coordinate && has_one) problem(where, "a coordinate has no _FillValue");
  }

  void check_flags(const std::string& where, const NamedArray& array, const AttributeValue& flags) {
    const auto* known = std::get_if<Integers>(&flags);
    if (known == nullptr || !std::holds_alternative<Integers>(array.data)) return problem(where, "flags and flag_values are integers");
    std::istringstream meanings(text_attribute(array.attributes, "flag_meanings"));
    std::size_t n = 0;
    for (std::string word; meanings >> word;) ++n;
    if (n != known->size()) problem(where, fmt::format("{} flag_values, {} flag_meanings", known->size(), n));
    std::set<std::int64_t> strange;
    for_each_piece(reader_, array, where, [&](std::size_t, const ArrayData& data) {
      for (const std::int64_t value : std::get<Integers>(data))
        if (std::ranges::count(*known, value) == 0 && strange.size() < most_problems) strange.insert(value);
    });
    for (const std::int64_t value : strange) problem(where, fmt::format("{} is none of its flag_values", value));
  }

  /// Texts of input files beside their SHA-256.
  void check_inputs(const std::string& path, const Group& group) {
    const NamedArray *text = find_array(group, "input_text"), *digest = find_array(group, "input_sha256");
    if (text == nullptr || digest == nullptr || text->shape != digest->shape) return;
    const auto *texts = std::get_if<Texts>(&text->data), *digests = std::get_if<Texts>(&digest->data);
    if (texts == nullptr || digests == nullptr) return problem(path, "input_text and input_sha256 are texts");
    for (std::size_t i = 0; i < texts->size(); ++i)
      if (sha256_hex((*texts)[i]) != (*digests)[i]) problem(path + "/input_sha256", fmt::format("entry {} is not that of input_text", i));
  }

  /// Where all was computed an array over time has no missing value, or nothing else: a mechanism that was switched off. A ratio may
  /// have no value at times.
  void check_simulation(const std::string& path, const Group& run) {
    if (text_attribute(run.attributes, "status") != "ok") return;
    const auto check_all = [&](const std::string& where, const Group& group) {
      for (const NamedArray& array : group.arrays)
        if (!array.dims.empty() && array.dims[0] == "time") expect_all_or_none(where + "/" + array.name, array, n_elements(array), {});
    };
    check_all(path, run);
    if (const Group* states = find_group(run, "states")) check_all(path + "/states", *states);
  }

  void check_ensemble(const std::string& path, const Group& ensemble) {
    const Group *runs = find_group(ensemble, "runs"), *parameters = find_group(ensemble, "parameters");
    const NamedArray *outcome = runs ? find_array(*runs, "outcome") : nullptr, *value = parameters ? find_array(*parameters, "value") : nullptr;
    if (outcome == nullptr || value == nullptr) return problem(path, "an ensemble has runs/outcome and parameters/value");
    std::vector<bool> solved, drawn;
    for_each_piece(reader_, *outcome, path + "/runs/outcome", [&](std::size_t, const ArrayData& data) {
      const auto* values = std::get_if<Integers>(&data);
      if (values == nullptr) return problem(path + "/runs/outcome", "is no list of integers");
      for (const std::int64_t v : *values) solved.push_back(v == 0);
    });
    if (value->dims.size() == 2 && value->shape[1] > 0) expect_rows(path + "/parameters/value", *value, solved, true);
    for (const NamedArray& array : ensemble.arrays)
      if (array.dims.size() == 2 && array.dims[0] == "patient") expect_rows(path + "/" + array.name, array, solved, false);
  }

  void expect_rows(const std::string& where, const NamedArray& array, const std::vector<bool>& wanted, bool is_whole) {
    if (array.shape[0] != wanted.size() || array.shape[1] == 0) return;  // the shapes are another rule's
    if (is_whole) return expect_all_or_none(where, array, 1, wanted);
    expect_all_or_none(where, array, array.shape[1], wanted);
  }

  /// Stretches of `length` values; one of a single value may not miss. `wanted`: the rows that count, all where empty.
  void expect_all_or_none(const std::string& where, const NamedArray& array, std::size_t length, const std::vector<bool>& wanted) {
    if (!std::holds_alternative<Doubles>(array.data) || n_elements(array) == 0) return;
    if (length > 1 && (array.unit == "1" || array.unit == "%")) return;
    const std::size_t inner = n_elements(array) / array.shape[0];
    std::size_t n_missing = 0, first_missing = 0, n_wrong = 0, first_wrong = 0;
    for_each_piece(reader_, array, where, [&](std::size_t first, const ArrayData& data) {
      const auto& values = std::get<Doubles>(data);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t at = first + i;
        if (at % length == 0) n_missing = 0;
        if (std::isnan(values[i]) && n_missing++ == 0) first_missing = at;
        const bool ends = at % length == length - 1;
        if (!ends || n_missing == 0 || (length > 1 && n_missing == length)) continue;
        if (!wanted.empty() && !wanted[at / inner]) continue;
        if (n_wrong == 0) first_wrong = first_missing;
        n_wrong += n_missing;
      }
    });
    if (n_wrong > 0) problem(where, fmt::format("{} values are missing where all was computed, the first at {}", n_wrong, position(array, first_wrong)));
  }

  static std::string position(const NamedArray& array, std::size_t index) {
    std::string text;
    for (std::size_t i = array.dims.size(); i-- > 0; index /= array.shape[i])
      text = fmt::format("{} {}{}{}", array.dims[i], index % array.shape[i], text.empty() ? "" : ", ", text);
    return text;
  }

  const Reader& reader_;
  Verdict& verdict_;
};

}  // namespace

Verdict verify(const std::filesystem::path& path) {
  Verdict verdict;
  try {
    const Reader reader(path);
    verdict.seal = reader.seal();
    Verifier(reader, verdict).check(reader.tree(piece_elements));
  } catch (const InputError& error) {
    std::string text = error.what();
    const std::string file = path.string() + ": ";
    verdict.problems.insert(verdict.problems.begin(), text.starts_with(file) ? text.substr(file.size()) : text);
  }
  return verdict;
}

void read_through_unsealed(const std::filesystem::path& path) {
  const Reader reader(path, Reader::Digest::ignored);
  walk(reader.tree(piece_elements), [&](const std::string& at, const Group& group, const Coordinates&) {
    for (const NamedArray& array : group.arrays) for_each_piece(reader, array, at + "/" + array.name, [](std::size_t, const ArrayData&) {});
  });
}

}  // namespace nkpk::archive
