#pragma once
// Private to solvers/: the length of the first step of a segment.
#include "nkpk/solvers/steppers.hpp"

namespace nkpk::detail {

/// First step of a method from where the trial stands, its slope being known [d]; Hairer, Norsett and Wanner, Solving Ordinary
/// Differential Equations I, section II.4. Costs one right-hand side, none later than `room` [d] from now.
double initial_step(const PiecewiseSystem& system, Trial& trial, const Vector& atol, double rtol, int error_order, double room);

}  // namespace nkpk::detail
