#pragma once
#include <span>
#include <string>
#include <vector>

#include "nkpk/simulation/scenario.hpp"
#include "nkpk/solvers/integrate.hpp"

namespace nkpk {

/// Forward sensitivities of every observable to some parameters. NaN where the solution failed.
struct Sensitivities {
  struct Parameter {
    std::string name, unit;
    double value = 0;
  };
  struct Observable {
    std::string name, unit, title;
  };
  std::vector<Parameter> parameters;
  std::vector<Observable> observables;
  std::vector<double> times_d;          ///< output times of the scenario; at an event the value after it
  RowMatrix values;                     ///< [n_times x n_observables]
  RowMatrix derivatives;                ///< [(n_observables x n_times) x n_parameters], unit of the observable per unit of the parameter
  Status status = Status::ok;
  std::string message, failed_state;
  double t_reached_d = 0;
  SolverStats stats;                    ///< of all integrations

  double derivative(std::size_t time, std::size_t observable, std::size_t parameter) const {
    return derivatives(static_cast<Eigen::Index>(observable * times_d.size() + time), static_cast<Eigen::Index>(parameter));
  }
};

/// Names: "host_nk.d0" and every other parameter of the model; "product.pmax" of all infused products together, moved by the same
/// amount; of each administration of a dose together "dose.ID.amount", in the absolute unit of this patient, "dose.ID.start" and,
/// of an infusion at a given amount, "dose.ID.duration" [d]. Derivatives pass through doses, survival after irradiation, the
/// baseline and, by the jump formulae, the moments of events; exactly and not by differences. Events that share a moment keep
/// their order as they move: irradiation, graft, doses at once, then what begins or ends. Where two of them do not commute (cells
/// infused from the moment of an irradiation on) this is the derivative on one side, and there is none on the other. At an output
/// at the moment of a moving event it is that of the solution after the event.
/// One integration for all of them behind rodas5p, rodas4 or auto, as the linear equations that they obey; one for every four, in
/// dual numbers, behind other methods. The tangents, scaled by |parameter|, take part in the step control (in the first case at 200
/// times the tolerances), so that values agree with a plain run within its tolerance, not to the bit.
/// Throws InputError for unknown names, for a product parameter that every lot overrides and for unusable options.
Sensitivities simulate_sensitivities(const Scenario& scenario, std::span<const std::string> parameters, const SolverOptions& options = {});

}  // namespace nkpk
