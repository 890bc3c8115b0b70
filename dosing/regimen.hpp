#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nkpk/core/toml_file.hpp"

// Regimens are data: what a regimen file can say, and nothing else. This folder knows names, times and amounts; what a drug
// does to a cell is the model's business.

namespace nkpk {

/// A drug and a route that the model understands, and the unit of the amounts it takes ("" when it takes none).
struct Route {
  std::string_view drug, route, unit;
  bool needs_duration;
};

/// One option group of a regimen (C40): arms, levels, donors.
struct OptionGroup {
  struct Choice {
    std::string name, title;
    Node table;  ///< remove, set, dose
  };
  std::string name, default_choice;
  std::vector<Choice> choices;
};

using Choices = std::vector<std::pair<std::string, std::string>>;  ///< (group, choice), in the order of the file

/// Every key that a [[dose]] may have.
const std::vector<std::string>& dose_keys();

/// The option groups of a regimen file. Throws InputError for unknown keys and defaults that do not exist.
std::vector<OptionGroup> option_groups(const TomlFile& file);

/// One choice per group: defaults, then `level` for the group called "level", then each of `arms`, looked up by its name in all
/// groups (or as "group=choice"). Throws InputError for names that do not exist, twice-chosen groups and ambiguous names.
Choices select_choices(const std::vector<OptionGroup>& groups, std::span<const std::string> arms,
                       const std::optional<std::string>& level, const std::string& where);

/// Every combination of choices.
std::vector<Choices> all_choices(const std::vector<OptionGroup>& groups);

/// "level-1_treosulfan_haploidentical": a name for files and groups; "default" without options.
std::string label_of(const Choices& choices);

/// A change such as {"dose.nk.amount", "1e7 cells/kg"}.
struct Patch {
  std::string key;
  Node value;
};

/// Reads VALUE of "--set KEY=VALUE": TOML where it is TOML (`[0, 2, 4]`, `0.5`), text otherwise (`2 d`, `matched`).
Patch parse_patch(const std::string& key_and_value, const std::string& where);

/// True when the key belongs to a regimen (dose, courses, patient, limits, donor, product, horizon, output_step, leukocytes), not to the model.
bool is_regimen_key(const std::string& key);

/// The regimen's table with choices and patches applied, without options. Throws InputError for a patch that hits nothing.
Node resolve(const TomlFile& file, const std::vector<OptionGroup>& groups, const Choices& choices, std::span<const Patch> patches);

struct DoseEntry {
  std::string id, drug, route, why, source, assumed, product;
  const Route* how = nullptr;
  std::optional<Quantity> amount;  ///< per administration; absent for a graft
  double share = 1;                ///< of the amount, for a fraction of a course
  std::string amount_text;         ///< for the calendar, for example "2/3 of 1e7 cells/kg"
  std::vector<double> times_d;
  double duration_d = 0;
  bool myeloablative = false;
  std::optional<Quantity> nk_dose, cd34_dose, cd3_dose;     ///< of a graft
  std::optional<Quantity> f_NK, f_T, viability;             ///< of this lot of NK cells
  std::string where;                                        ///< file:line, for messages
};

struct WindowEntry {
  std::string id, name, source, where;
  double value = 0, start_d = 0, end_d = 0;
};

/// What must hold before an infusion (C41).
struct Condition {
  std::vector<std::string> before, after;
  std::string text, source;
  std::optional<double> min_days, max_days;
};

/// Survival of one infusion to report: cells before `day` over the cells dosed, or over those before `since_day` (C44).
struct SurvivalReport {
  std::string name, title, infusion, where;
  std::string column;  ///< heading in the table of a run; the share stands there in per cent
  double day = 0;
  std::optional<double> since_day;
};

/// A count over time, log-linear between its points (C24).
struct CountTable {
  std::vector<double> times_d, values;
  bool zero_before = false;  ///< before the first point: 0 instead of the first value
  bool empty() const { return times_d.empty(); }
  double at(double t_d) const;
};

struct LeukocyteTables {
  CountTable host, graft, monocytes_host, monocytes_graft, blasts;
  CountTable wbc, alc;  ///< measured; from their first day on WBC - ALC replaces host + graft (C38)
  std::string source;
  std::vector<Stated> stated;  ///< every number in it
};

struct Regimen {
  std::string name, title, registration, population, day0, patient, product, donor;
  double horizon_d = 0, output_step_d = 0.1;
  std::vector<std::string> notes;
  std::optional<Quantity> product_t_cells;  ///< limit, cells/kg
  std::vector<DoseEntry> doses;
  std::vector<WindowEntry> windows;
  std::vector<Condition> conditions;
  std::vector<SurvivalReport> reports;
  std::vector<Stated> stated;  ///< every number in it but the amounts, which need a patient
  Node patient_patches;   ///< patient.KEY of options and --set
  Node leukocytes;        ///< parsed once the patient's own counts are known
  std::string where;      ///< the file
  std::string patient_where, product_where;  ///< file:line: key, for messages
};

/// Throws InputError naming file, line and key for everything the format in params/README.md does not allow.
Regimen parse_regimen(const Node& resolved, std::span<const Route> routes);

/// `baseline` stands for the word "baseline" in the tables, cells/uL; NaN takes the table's own.
LeukocyteTables parse_leukocytes(const Node& table, double baseline_per_uL);

}  // namespace nkpk
