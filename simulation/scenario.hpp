#pragma once
#include <optional>
#include <string>
#include <vector>

#include "nkpk/dosing/regimen.hpp"
#include "nkpk/model/dose_effects.hpp"
#include "nkpk/model/observables.hpp"
#include "nkpk/simulation/library.hpp"

// A scenario: one patient, one regimen with its choices, one set of parameters; ready to be simulated.

namespace nkpk {

/// What a user asks for.
struct Request {
  std::string regimen;                  ///< a name or a path
  std::vector<std::string> arms;        ///< choices by name
  std::optional<std::string> level;
  std::optional<std::string> patient;   ///< a name, a path or an age; default: the regimen's reference patient
  std::vector<std::string> sets;        ///< "KEY=VALUE" for the regimen, the patient or the model
  std::optional<double> horizon_d, output_step_d;
  std::vector<std::string> without;     ///< mechanisms to switch off, by name
  bool allow_implausible = false;       ///< numbers outside their plausible range are warnings, not errors
};

/// One administration to this patient, in absolute units.
struct Administration {
  double start_d = 0, duration_d = 0;
  std::size_t dose = 0;           ///< index into regimen.doses
  double amount = 0;              ///< in `unit`; for NK cells the declared dose; NaN for a graft
  std::string unit;
  double entering = 0;            ///< what enters the model: viable NK cells for NK, else the amount
  std::ptrdiff_t cohort = -1;     ///< of an NK infusion
  double t_cells_per_kg = 0;      ///< of an NK infusion
};

struct CohortInfo {
  std::string name;               ///< dose id, with "-2" and so on when a dose has several infusions
  std::string product;
  double start_d, end_d, nk_dosed;
};

/// Everything that happens, as numbers: the solver's events, the input rates and windows between them.
template <class T>
struct Timeline {
  /// An infusion that begins (rates > 0) or ends (rates < 0).
  struct RateChange {
    T when;
    std::vector<InputRate<T>> rates;
  };
  std::vector<double> times;                           ///< strictly increasing [d]
  std::vector<std::vector<AffineJump<T>>> jumps;       ///< at each time, in order
  std::vector<std::vector<T>> jump_times;              ///< when each jump acts; its tangents say how it moves
  std::vector<std::vector<RateChange>> rate_changes;   ///< at each time
  std::vector<std::vector<InputRate<T>>> rates;        ///< in each segment; [n_times + 1]
  std::vector<Windows> windows;                        ///< in each segment; [n_times + 1]
  std::vector<ModuleSet> awake;                        ///< mechanisms that can change in a segment; [n_times + 1]
};

struct Scenario {
  Regimen regimen;
  Choices choices;
  std::string label;
  Patient patient;
  ParameterTable parameters;                  ///< of the model, with overrides applied
  std::vector<Product> products;              ///< those of the cohorts, each once
  std::vector<Administration> administrations;  ///< in order of time, then of the file
  std::vector<CohortInfo> cohorts;
  std::vector<Cohort<double>> lots;           ///< what was infused in each cohort
  Parameters<double> p;
  Constants<double> constants;
  Timeline<double> timeline;
  LeukocyteTables leukocytes;
  std::map<std::string, Lloq> lloqs;
  double t_start_d = 0, t_end_d = 0;
  std::vector<double> output_times_d;
  std::vector<std::string> warnings;
  InputTexts inputs;
  std::vector<std::string> switched_off;
};

/// Throws InputError for anything wrong with the request or the files it names, for numbers outside their plausible range unless
/// those are allowed, and for a product above the T-cell limit.
Scenario make_scenario(const Library& library, const Request& request);

/// How the model takes a dose.
const DrugRoute& drug_route(const DoseEntry& dose);

/// Leukocytes other than lymphocytes at a time.
Leukocytes leukocytes_at(const LeukocyteTables& tables, double t_d);

/// Every combination of the groups that the request's arms and level leave open (--all-arms); other fields are copied.
std::vector<Request> all_arms(const Library& library, const Request& request);

}  // namespace nkpk
