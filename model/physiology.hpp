#pragma once
#include <cmath>
#include <string>

#include "nkpk/core/fields.hpp"
#include "nkpk/core/scalar.hpp"

// Body size, blood volume and kidney function of one patient.
//
//   BSA   = sqrt(height[cm] * weight[kg] / 3600) m2                                        Mosteller 1987, NEJM 317:1098
//   V_B   = a h^3 + b w + c litres from 18 years, by sex (h in m, w in kg)                 Nadler 1962, Surgery 51:224
//         = vb(age) * weight below 18 years; the patient's own value overrides
//         The coefficients of Mosteller and Nadler are textbook values, not re-read in the papers: ASSUMED until checked.
//   eGFR  = the patient's own value; else from creatinine:
//             below 18 years 0.413 * height[cm] / creatinine[mg/dL]                        Schwartz 2009, doi:10.1681/ASN.2008030287
//             else CKD-EPI 2021                                                            Inker 2021, doi:10.1056/NEJMoa2102953
//           else eGFR_ref * M(PMA) * (1 - slope * (age - 40 y)+), M = 1 / (1 + (PMA / TM50)^-Hill), PMA = 40 weeks + age
//
// Leaves out: hydration, transfusion, growth during the simulation.

namespace nkpk {

enum class Sex { male, female };

/// What is known of a patient before treatment. NaN where not given.
struct Patient {
  std::string name, title, source;
  Sex sex = Sex::male;
  double age_y = 0, weight_kg = 0, height_cm = 0;
  double eGFR_mL_per_min_per_1_73m2 = NAN;
  double creatinine_mg_per_dL = NAN;
  double blood_volume_L = NAN;
  double nk_per_uL = NAN, t_per_uL = NAN, treg_per_uL = NAN, wbc_per_uL = NAN;
};

/// Weeks in a year, so that postmenstrual age = 40 + 52.18 age.
inline constexpr double weeks_per_year = 52.18;

template <class T>
struct Body {
  T weight_kg, bsa_m2, blood_uL;
  T eGFR_L_per_d;  ///< per 1.73 m2
  T age_y;
  T pma_weeks;        ///< postmenstrual age
  T size_CL, size_V;  ///< (weight / WT_ref)^exponent
  template <class Self, class V>
  static void visit(Self& b, V&& v) {
    v("weight_kg", "kg", b.weight_kg);
    v("bsa_m2", "m^2", b.bsa_m2);
    v("blood_uL", "uL", b.blood_uL);
    v("eGFR_L_per_d", "L/d/1.73m^2", b.eGFR_L_per_d);
    v("age_y", "y", b.age_y);
    v("pma_weeks", "weeks", b.pma_weeks);
    v("size_CL", "1", b.size_CL);
    v("size_V", "1", b.size_V);
  }
};

/// Maturation with postmenstrual age: 1 / (1 + (pma / TM50)^-Hill), all in weeks.
template <class T>
T maturation(const T& pma_weeks, const T& TM50_weeks, const T& Hill) {
  using std::pow;
  return 1.0 / (1.0 + pow(pma_weeks / TM50_weeks, -Hill));
}

struct Physiology {
  static constexpr std::string_view name = "physiology";

  template <class T>
  struct Params {
    T WT_ref, e_CL, e_V, vb_newborn, vb_infant, vb_child, vb, eGFR_ref, eGFR_TM50, eGFR_Hill, eGFR_age_slope, eGFR_age_start, PMA_birth;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("WT_ref", "kg", Domain::positive, p.WT_ref);
      v("e_CL", "1", Domain::non_negative, p.e_CL);
      v("e_V", "1", Domain::non_negative, p.e_V);
      v("vb_newborn", "uL/kg", Domain::positive, p.vb_newborn);
      v("vb_infant", "uL/kg", Domain::positive, p.vb_infant);
      v("vb_child", "uL/kg", Domain::positive, p.vb_child);
      v("vb", "uL/kg", Domain::positive, p.vb);
      v("eGFR_ref", "L/d/1.73m^2", Domain::positive, p.eGFR_ref);
      v("eGFR_TM50", "weeks", Domain::positive, p.eGFR_TM50);
      v("eGFR_Hill", "1", Domain::positive, p.eGFR_Hill);
      v("eGFR_age_slope", "1/y", Domain::non_negative, p.eGFR_age_slope);
      v("eGFR_age_start", "y", Domain::non_negative, p.eGFR_age_start);
      v("PMA_birth", "weeks", Domain::positive, p.PMA_birth);
    }
  };

  /// The numbers of the patient's body that the model uses. The user has been told of unusable input before.
  /// known(name, number) -> T values what is known of this patient by itself, such as the weight, by its name in Body.
  template <class T, class Known>
  static Body<T> body(const Patient& patient, const Params<T>& p, Known&& known);
  template <class T>
  static Body<T> body(const Patient& patient, const Params<T>& p) {
    return body<T>(patient, p, [](const char*, double number) { return T(number); });
  }
};

namespace detail {

inline double nadler_litres(Sex sex, double height_m, double weight_kg) {
  const double h3 = height_m * height_m * height_m;
  return sex == Sex::male ? 0.3669 * h3 + 0.03219 * weight_kg + 0.6041 : 0.3561 * h3 + 0.03308 * weight_kg + 0.1833;
}

inline double egfr_from_creatinine(const Patient& q) {
  if (q.age_y < 18) return 0.413 * q.height_cm / q.creatinine_mg_per_dL;
  const bool female = q.sex == Sex::female;
  const double ratio = q.creatinine_mg_per_dL / (female ? 0.7 : 0.9);
  const double alpha = female ? -0.241 : -0.302;
  return 142 * std::pow(std::fmin(ratio, 1.0), alpha) * std::pow(std::fmax(ratio, 1.0), -1.200) *
         std::pow(0.9938, q.age_y) * (female ? 1.012 : 1.0);
}

inline constexpr double L_per_d_in_mL_per_min = 1440.0 / 1000.0;

}  // namespace detail

template <class T, class Known>
Body<T> Physiology::body(const Patient& q, const Params<T>& p, Known&& known) {
  using std::pow;
  Body<T> b;
  b.age_y = known("age_y", q.age_y);
  b.weight_kg = known("weight_kg", q.weight_kg);
  b.bsa_m2 = known("bsa_m2", std::sqrt(q.height_cm * q.weight_kg / 3600.0));
  b.size_CL = pow(b.weight_kg / p.WT_ref, p.e_CL);
  b.size_V = pow(b.weight_kg / p.WT_ref, p.e_V);

  if (std::isfinite(q.blood_volume_L)) {
    b.blood_uL = known("blood_uL", q.blood_volume_L * 1e6);
  } else if (q.age_y >= 18) {
    b.blood_uL = known("blood_uL", detail::nadler_litres(q.sex, q.height_cm / 100, q.weight_kg) * 1e6);
  } else {
    const T& per_kg = q.age_y < 0.25 ? p.vb_newborn : q.age_y < 2 ? p.vb_infant : q.age_y < 12 ? p.vb_child : p.vb;
    b.blood_uL = per_kg * b.weight_kg;
  }

  b.pma_weeks = p.PMA_birth + weeks_per_year * b.age_y;
  if (std::isfinite(q.eGFR_mL_per_min_per_1_73m2)) {
    b.eGFR_L_per_d = known("eGFR_L_per_d", q.eGFR_mL_per_min_per_1_73m2 * detail::L_per_d_in_mL_per_min);
  } else if (std::isfinite(q.creatinine_mg_per_dL)) {
    b.eGFR_L_per_d = known("eGFR_L_per_d", detail::egfr_from_creatinine(q) * detail::L_per_d_in_mL_per_min);
  } else {
    b.eGFR_L_per_d = p.eGFR_ref * maturation(b.pma_weeks, p.eGFR_TM50, p.eGFR_Hill) *
                     max0(1.0 - p.eGFR_age_slope * max0(b.age_y - p.eGFR_age_start));
  }
  return b;
}

}  // namespace nkpk
