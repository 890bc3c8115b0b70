"""Independent reference solution of the NK-cell model, written from the equations alone (numpy, scipy, standard library).

    values = solve(load("params", "sankoma", {"arm": "first-only"}), [0, 1, 7])             # at an event time, the value after it
Numbers such as C23 are the decisions listed in docs/model.md. Units: cells, d, mg, L, IU, pg; cells/uL for T, R, T_G, A, X_T.
"""
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.integrate import odeint

from reference_inputs import SAME_TIME, load, quantity

# Absolute tolerances: at least as tight as C28 and C46. L, D_B and D_T of each cohort follow these states.
ATOL = {name: 1e-9 for name in "H_B H_T P1 P2 P3 G1 G2 G3 G_B G_T X_H X_D".split()} | {name: 1e-16 for name in "T R T_G A X_T".split()}
ATOL |= {"x15": 1e-13, "S15": 1e-9, "auc": 1e-13} | {name: 1e-12 for name in "S1 S2 C Cp".split()}
ATOL |= {name: 1e-13 for name in "f1 f2 f3 cy e_cy tr1 tr2 b0 b1 tt tp".split()}
ATOL_COHORT, FIXED, INDEX = 1e-12, len(ATOL), {name: i for i, name in enumerate(ATOL)}
DRUGS = "fludarabine cyclophosphamide thiotepa treosulfan busulfan".split()


def patient_constants(p):
    """Blood volume (L), eGFR (mL/min/1.73 m^2), maturation by postmenstrual age, age (y); C6, C7."""
    age, male = quantity(p.patient["age"], "y"), p.patient["sex"] == "male"
    if "blood_volume" in p.patient:
        volume = quantity(p.patient["blood_volume"], "L")
    elif age >= 18:                                                                         # Nadler
        h3, w = (p.height / 100) ** 3, p.weight
        volume = 0.3669 * h3 + 0.03219 * w + 0.6041 if male else 0.3561 * h3 + 0.03308 * w + 0.1833
    else:
        name = "vb_newborn" if age < 0.25 else "vb_infant" if age < 2 else "vb_child" if age < 12 else "vb"
        volume = p(f"physiology.{name}", "L/kg") * p.weight
    k = p.module("physiology", PMA_birth="weeks", eGFR_ref="mL/min/1.73m^2", eGFR_TM50="weeks", eGFR_Hill="",
                 eGFR_age_slope="1/y", eGFR_age_start="y")
    pma = k.PMA_birth + quantity(p.patient["age"], "weeks")
    mature = lambda tm50, hill: 1 / (1 + (pma / tm50) ** -hill)
    egfr = k.eGFR_ref * mature(k.eGFR_TM50, k.eGFR_Hill) * (1 - k.eGFR_age_slope * max(0, age - k.eGFR_age_start))
    if "creatinine" in p.patient:                                                           # Schwartz, CKD-EPI 2021
        scr = float(p.patient["creatinine"].split()[0])                                     # mg/dL
        ratio, a, factor = (scr / 0.9, -0.302, 142) if male else (scr / 0.7, -0.241, 142 * 1.012)
        egfr = 0.413 * p.height / scr if age < 18 else factor * min(ratio, 1) ** a * max(ratio, 1) ** -1.2 * 0.9938**age
    return volume, quantity(p.patient["eGFR"], "mL/min/1.73m^2") if "eGFR" in p.patient else egfr, mature, age


def constants(p):
    """Parameters, and what is computed from them once; C39."""
    c = SimpleNamespace()
    volume, egfr, mature, age = patient_constants(p)
    c.V_B, size = volume * 1e6, p.weight / p("physiology.WT_ref", "kg")
    f_CL, f_V = size ** p("physiology.e_CL"), size ** p("physiology.e_V")
    # NK cells, C25; the baseline is an equilibrium
    c.nk = p.module("nk", phi="", kBT="1/d", dmin="1/d", E2s="IU/mL", mmax="", Km_m="IU/mL", R50="cells/uL", fs2="")
    c.host = h = p.module("host_nk", NK0="cells/uL", NK0_min="cells/uL", d0="1/d", pmax="1/d", dmax="1/d", E15="", E2="IU/mL", MTT="d",
                          n_P="", lamP="1/d", kap="", w2P="")
    c.inf = p.module("infused_nk", fv="", fL="", kLB="1/d", E2rest="IU/mL", k_hum="1/d", Isup="")
    c.t = p.module("t_cells", T0="cells/uL", pT="1/d", fT_blood="")
    c.treg = p.module("treg", R0="cells/uL", dR="1/d", pRmax="1/d", E2="IU/mL", R_cap="cells/uL", hR="")
    given, h.NK0 = h.NK0, max(h.NK0, h.NK0_min)                                             # C46
    c.u0, p0 = 1 / h.E15, h.pmax / (h.E15 + 1)
    h.Es = c.u0 / ((h.dmax - c.nk.dmin) / (h.d0 - c.nk.dmin) - 1)
    c.N0, c.ktr = h.NK0 * c.V_B / c.nk.phi, (h.n_P + 1) / h.MTT
    c.P_ss = (h.d0 - p0) * c.N0 / c.ktr
    c.kTB = c.nk.kBT * c.nk.phi / (1 - c.nk.phi) - (h.d0 - p0)
    assert c.nk.dmin < h.d0 < h.dmax and p0 < h.d0 and min(c.kTB, given, c.t.T0, c.treg.R0) > 0, "no baseline; C26"
    c.cohorts = []
    units = {"pmax": "1/d", "dmax": "1/d", "Es": "", "E15": "", "E2hi": "IU/mL", "pr0": "", "tau_pr": "d"}
    for dose in sorted((d for d in p.doses if d.drug == "nk_cells"), key=lambda d: d.start):
        inflow = c.inf.fv * dose.amount * p.product(dose, "f_NK") * p.product(dose, "viability") / dose.duration        # C4
        c.cohorts.append(SimpleNamespace(start=dose.start, end=dose.start + dose.duration, inflow=inflow,
                                         **{name: p.product(dose, name, unit) for name, unit in units.items()}))
    # Effectors and abatacept, C21-C23
    c.rej = p.module("rejection", f_allo="", kA0="1/d", pA="1/d", dA="1/d", A_max="cells/uL", KA="cells/uL", krej="1/d/(cells/uL)",
                     krejN="1/d/(cells/uL)")
    c.rej.chi = p(f"rejection.chi_{p.regimen['donor'].replace('-', '_')}")
    c.aba = p.module("abatacept", aba="", V="L/kg", half_life="d", C50="mg/L")
    c.aba.doses = [(d.start, d.amount / (c.aba.V * p.weight)) for d in p.doses if d.drug == "abatacept"]
    # IL-15 and IL-2, C17, C18
    c.il15 = p.module("il15", B15="pg/mL", fc="", wNK="", wD="", kel="1/d", V="L", F="", ka="1/d")
    c.r15, c.fold_per_pg = c.il15.fc / (1 - c.il15.fc), 1 / (1000 * c.il15.B15 * c.il15.V * size)
    c.il2 = i2 = p.module("il2", V1="L/m^2", V2="L/m^2", Q="L/d/m^2", CL="L/d/m^2", F="", ka="1/d", VmR="IU/d", KmR="IU/L",
                          R_ref="cells/uL", VB_ref="uL")
    i2.V1, i2.V2, i2.Q, i2.CL = (p.bsa * x for x in (i2.V1, i2.V2, i2.Q, i2.CL))
    # Drugs, C8-C13
    c.flu = f = p.module("fludarabine", CL_nonrenal="L/d", renal_slope="", V1="L", V2="L", V3="L", Q2="L/d", Q3="L/d", mass_ratio="")
    f.CL, f.Q2, f.Q3 = f_CL * (f.CL_nonrenal + f.renal_slope * egfr * 0.06 * 24), f_CL * f.Q2, f_CL * f.Q3
    f.V1, f.V2, f.V3 = f_V * f.V1, f_V * f.V2, f_V * f.V3
    c.cy = p.module("cyclophosphamide", half_life="d", V="L/kg", f_act="", ke="1/d", Emax="", C50="mg/L")
    c.cy.k0, c.cy.V = math.log(2) / c.cy.half_life, c.cy.V * p.weight
    c.tt = p.module("thiotepa", CL="L/d/kg", half_life="d", half_life_TEPA="d", w_TEPA="")
    c.tt.k, c.tt.kp = math.log(2) / c.tt.half_life, math.log(2) / c.tt.half_life_TEPA
    c.tt.V, c.tt.Vp = c.tt.CL * p.weight / c.tt.k, c.tt.CL * p.weight / c.tt.kp
    c.tr = p.module("treosulfan", CL="L/d", V1="L", Q="L/d", V2="L", TM50="weeks", Hill="")
    f_treo = f_CL * mature(c.tr.TM50, c.tr.Hill)
    c.tr.CL, c.tr.Q, c.tr.V1, c.tr.V2 = f_treo * c.tr.CL, f_treo * c.tr.Q, f_V * c.tr.V1, f_V * c.tr.V2
    c.bu = b = p.module("busulfan", CL="L/d", V_child="L/kg", V_adult="L/kg", age_child="y", age_adult="y", F="", ka="1/d", TM50="weeks",
                        Hill="")
    b.CL = f_CL * b.CL * mature(b.TM50, b.Hill)
    b.V = float(np.interp(age, [b.age_child, b.age_adult], [b.V_child, b.V_adult])) * p.weight
    # per drug: 1/C50 and the potencies on T, host NK, donor NK, Treg, precursors; per (mg/L and d), of Cy per (mg/L activated)
    s_T = {drug: p(f"{drug}.s_T", "L/mg" if drug == "cyclophosphamide" else "L/mg/d") for drug in DRUGS}
    ratios = {drug: [1, *(p(f"{drug}.r_{j}") for j in ("NK", "donor", "treg", "precursor"))] for drug in DRUGS}
    c.kill = [(p(f"{drug}.kill_saturation", "L/mg"), *(s_T[drug] * r for r in ratios[drug])) for drug in DRUGS]
    return c


def abatacept_conc(c, t, now):
    """mg/L at t of the doses given up to `now`; C22."""
    return sum(peak * 2 ** ((start - t) / c.aba.half_life) for start, peak in c.aba.doses if start <= now + SAME_TIME)


def right_hand_side(p, c, middle):
    """dy/dt between two neighbouring event times around `middle`, and how many states can differ from zero."""
    nk, host, inf, tc, treg, rej, il15, il2, flu, cyc, thio, treo, bus = (
        c.nk, c.host, c.inf, c.t, c.treg, c.rej, c.il15, c.il2, c.flu, c.cy, c.tt, c.tr, c.bu)
    rate = dict.fromkeys([*DRUGS, "il2", "il15"], 0.0)
    for d in p.doses:
        if d.drug in rate and d.start < middle < d.start + d.duration:
            rate[d.drug] += d.amount / d.duration
    window = {"steroid": 0.0, "treg_depletion": 0.0, "il15_induction": 0.0}                 # C18, C43
    for switch, start, end, value in p.windows:
        if start < middle < end:
            window[switch] += quantity(value, "1/d" if switch == "treg_depletion" else "")
    f_steroid = 1 - window["steroid"] * (1 - nk.fs2)
    cohorts = [(k, k.inflow if middle < k.end else 0.0) for k in c.cohorts if k.start < middle]
    kx, ktr, V_B = p("irradiation.kx", "1/d"), c.ktr, c.V_B

    def rhs(t, y):
        (H_B, H_T, P1, P2, P3, G1, G2, G3, G_B, G_T, X_H, X_D, T, R, T_G, A, X_T, x15, S15, _, S1, S2, C, Cp,
         f1, f2, f3, cy, e_cy, tr1, tr2, b0, b1, tt, tp, *D) = y.tolist()
        # Kill rates of T (and A), host and graft NK, infused NK, Treg, precursors, C9-C12
        C_cy, C_tt = cy / cyc.V, (1 - thio.w_TEPA) * tt / thio.V + thio.w_TEPA * tp / thio.Vp
        k_T = k_N = k_D = k_R = k_P = 0.0
        levels = (f1 / flu.V1, 1), (C_cy, cyc.f_act * cyc.k0 * e_cy), (C_tt, 1), (tr1 / treo.V1, 1), (b1 / bus.V, 1)
        for (conc, per), (inverse_C50, s_T, s_N, s_D, s_R, s_P) in zip(levels, c.kill):
            x = per * conc / (1 + inverse_C50 * conc)
            k_T, k_N, k_D, k_R, k_P = k_T + s_T * x, k_N + s_N * x, k_D + s_D * x, k_R + s_R * x, k_P + s_P * x
        # Cytokine signals and the net rate of host and graft NK
        I, J = C / (1000 * il2.V1), f_steroid * C / (1000 * il2.V1)
        m, J_loc = 1 + nk.mmax * I / (I + nk.Km_m), J / (1 + R / nk.R50)
        u, v = x15 / host.E15 + J_loc / host.E2, x15 / host.E15 + c.u0 * J / nk.E2s
        net = host.pmax * u / (1 + u) - nk.dmin - (host.dmax - nk.dmin) / (1 + v / host.Es) - k_N
        # Host and graft NK and their precursors, C19
        to_H, to_G = nk.kBT * m * H_B - c.kTB * H_T, nk.kBT * m * G_B - c.kTB * G_T
        z = x15 + host.w2P * J / nk.E2s
        renewal = host.lamP * (host.kap * z / (host.kap - 1 + z) - (P1 + G1) / c.P_ss) - k_P
        dy = [ktr * P3 - to_H + net * H_B, to_H + net * H_T, renewal * P1, ktr * (P1 - P2) - k_P * P2, ktr * (P2 - P3) - k_P * P3,
              renewal * G1, ktr * (G1 - G2) - k_P * G2, ktr * (G2 - G3) - k_P * G3, ktr * G3 - to_G + net * G_B, to_G + net * G_T,
              -kx * X_H, -kx * X_D]
        # T, Treg, effectors, C20, C22, C23, C36
        D_blood, D_tissue = sum(D[1::3]), sum(D[2::3])
        fill = (T + T_G) / tc.T0
        grow = tc.pT * (1 - fill) - k_T
        antigen = D_blood / V_B / (D_blood / V_B + rej.KA)
        x = abatacept_conc(c, t, middle)
        primed = antigen * (1 - c.aba.aba * x / (x + c.aba.C50))
        dy += [grow * T,
               treg.dR * (treg.R0 * max(fill, 0.0) ** treg.hR - R) + treg.pRmax * J / (J + treg.E2) * R / (1 + (R / treg.R_cap) ** 2)
               - (k_R + window["treg_depletion"]) * R,
               grow * T_G,
               primed * (rej.kA0 * rej.f_allo * T + rej.pA * A * (1 - A / rej.A_max)) - rej.dA * A - k_T * A,
               -kx * X_T]
        # IL-15 with its depot, AUC of infused NK, IL-2, C17, C18
        sink = il15.wNK * (H_B + H_T + G_B + G_T + il15.wD * (D_blood + D_tissue)) / c.N0 + (1 - il15.wNK) * fill
        given = (rate["il15"] + il15.ka * S15) * c.fold_per_pg
        dy += [il15.kel * ((1 + c.r15) * (1 + window["il15_induction"]) - x15 * (1 + c.r15 * sink)) + given, -il15.ka * S15,
               (D_blood + X_D) / V_B]
        exchange = il2.Q * (C / il2.V1 - Cp / il2.V2)
        to_treg = il2.VmR * V_B / il2.VB_ref * R / il2.R_ref * (C / il2.V1) / (C / il2.V1 + il2.KmR)
        dy += [-il2.ka * S1, il2.ka * (S1 - S2), rate["il2"] + il2.ka * S2 - il2.CL * C / il2.V1 - exchange - to_treg, exchange]
        # Drug amounts; C8, C10, C11, C13, C39
        to_f2, to_f3 = flu.Q2 * (f1 / flu.V1 - f2 / flu.V2), flu.Q3 * (f1 / flu.V1 - f3 / flu.V3)
        to_tr2 = treo.Q * (tr1 / treo.V1 - tr2 / treo.V2)
        dy += [flu.mass_ratio * rate["fludarabine"] - flu.CL * f1 / flu.V1 - to_f2 - to_f3, to_f2, to_f3,
               rate["cyclophosphamide"] - cyc.k0 * e_cy * cy, cyc.ke * (1 + cyc.Emax * C_cy / (C_cy + cyc.C50) - e_cy),
               rate["treosulfan"] - treo.CL * tr1 / treo.V1 - to_tr2, to_tr2,
               -bus.ka * b0, rate["busulfan"] + bus.ka * b0 - bus.CL * b1 / bus.V,
               rate["thiotepa"] - thio.k * tt, thio.k * tt - thio.kp * tp]
        # Infused NK, one cohort per infusion, C16, C25, C43
        loss = k_D + rej.krej * rej.chi * A + rej.krejN * H_B / V_B + inf.k_hum
        divide = 1 - inf.Isup * R / (R + nk.R50)
        for i, (k, inflow) in enumerate(cohorts):
            L, D_B, D_T = D[3 * i:3 * i + 3]
            pr = k.pr0 * math.exp(-(t - k.start) / k.tau_pr) if k.tau_pr > 0 else 0.0
            u = x15 / k.E15 + J_loc * (pr / k.E2hi + (1 - pr) / inf.E2rest)
            death = nk.dmin + (k.dmax - nk.dmin) / (1 + (u + c.u0 * J / nk.E2s) / k.Es) + loss
            net, to_T = divide * k.pmax * u / (1 + u) - death, nk.kBT * m * D_B - c.kTB * D_T
            dy += [inf.fL * inflow - (inf.kLB + death) * L, (1 - inf.fL) * inflow + inf.kLB * L - to_T + net * D_B, to_T + net * D_T]
        return dy
    return rhs, FIXED + 3 * len(cohorts)


def irradiate(p, y, gray):
    """One fraction of TBI hits all cells at once; a share of the blood cells hit stays as doomed cells; C14, C15, C43."""
    def survival(population):
        D0 = p(f"irradiation.D0_{population}", "Gy")
        alpha = p("irradiation.alpha", "1/Gy") * p("irradiation.D0_T", "Gy") / D0
        lq = alpha * gray * (1 + gray / p("irradiation.alpha_beta", "Gy"))
        return math.exp(-lq if p.parameters["switches.linear_quadratic"] else -gray / D0)

    fX = p("irradiation.fX")
    for population, blood, doomed, other in [("NK", "H_B G_B", "X_H", "H_T G_T"), ("T", "T T_G A", "X_T", ""), ("treg", "R", "X_T", ""),
                                             ("precursor", "", "X_T", "P1 P2 P3 G1 G2 G3")]:
        s = survival(population)
        y[INDEX[doomed]] += fX * (1 - s) * sum(y[INDEX[name]] for name in blood.split())
        y[[INDEX[name] for name in f"{blood} {other}".split()]] *= s
    s = survival("donor")
    y[INDEX["X_D"]] += fX * (1 - s) * y[FIXED + 1::3].sum()
    y[FIXED:] *= s


def impulses(p, c, y, time):
    """What acts at once at this time, in the order of C2: TBI, graft (C19, C36), starts of doses."""
    now = [d for d in p.doses if abs(d.start - time) <= SAME_TIME]
    for d in (d for d in now if d.drug == "tbi"):
        irradiate(p, y, d.amount)
    for d in (d for d in now if d.drug == "graft"):
        nk, cd34, cd3 = (quantity(d.entry.get(key.lower(), p.parameters[f"graft.{key}"]), "cells/kg")
                         for key in ("NK_dose", "CD34_dose", "CD3_dose"))
        y[INDEX["P1"]:INDEX["P3"] + 1] *= p("graft.eps_host") if d.entry.get("myeloablative", False) else 1.0
        y[INDEX["G_B"]] += nk * p.weight
        y[INDEX["G1"]] += p("graft.f34") * cd34 / p("graft.CD34_ref", "cells/kg") * c.P_ss
        y[INDEX["T_G"]] += cd3 * p.weight * c.t.fT_blood / c.V_B
    target = {("il2", "sc"): ("S1", c.il2.F), ("il15", "sc"): ("S15", c.il15.F), ("busulfan", "po"): ("b0", c.bu.F),
              ("il2", "iv"): ("C", 1.0), ("il15", "iv"): ("x15", c.fold_per_pg)}
    for d in now:
        if (d.drug, d.route) in target and not d.duration:
            name, factor = target[d.drug, d.route]
            y[INDEX[name]] += factor * d.amount


def integrate(p, c, times, rtol):
    """States at the ascending `times`, after their events; the integration is restarted at every event time."""
    y = np.zeros(FIXED + 3 * len(c.cohorts))                                                # baseline: C26
    y[:5] = c.host.NK0 * c.V_B, c.host.NK0 * c.V_B * (1 - c.nk.phi) / c.nk.phi, c.P_ss, c.P_ss, c.P_ss
    y[[INDEX[name] for name in ("T", "R", "x15", "e_cy")]] = c.t.T0, c.treg.R0, 1, 1
    atol = np.array([*ATOL.values()] + [ATOL_COHORT] * (len(y) - FIXED))
    assert times[0] >= p.t_start - SAME_TIME, "a time before the start of the simulation"
    result, stops = [], [t for t in [p.t_start, *p.event_times] if t <= times[-1] + SAME_TIME]
    stops += [times[-1]] if times[-1] > stops[-1] + SAME_TIME else []
    for start, end in zip(stops, stops[1:] + [None]):
        impulses(p, c, y, start)
        result += [y.copy() for t in times if abs(t - start) <= SAME_TIME]
        if end is None:
            return np.array(result)
        rhs, n = right_hand_side(p, c, (start + end) / 2)
        inside = [t for t in times if start + SAME_TIME < t < end - SAME_TIME]
        states, info = odeint(rhs, y[:n], [start, *inside, end], tfirst=True, atol=atol[:n], tcrit=[end], mxstep=10**6, full_output=True,
                              rtol=max(rtol / 10, 1e-13))              # the error over many steps is some ten times the local one
        assert info["message"] == "Integration successful.", info["message"]
        result += [np.concatenate([state, np.zeros(len(y) - n)]) for state in states[1:-1]]
        y[:n] = states[-1]


def log_linear(points, base, times, before=None):
    """Table of [day, cells/uL], log-linear between its points and constant outside; C24."""
    if not points:
        return np.zeros(len(times))
    days, values = zip(*((day, base if value == "baseline" else value) for day, value in points))
    inner = np.exp(np.interp(times, days, np.log(values))) if min(values) > 0 else np.interp(times, days, values)
    return inner if before is None else np.where(times < days[0] - SAME_TIME, before, inner)


def solve(problem, times, rtol=1e-10):
    """Observables at `times`, at an event time after the event, C24, C44."""
    p, c = problem, constants(problem)
    times = np.atleast_1d(np.asarray(times, float))
    grid, where = np.unique(times, return_inverse=True)
    y = integrate(p, c, grid, rtol)[where]
    s = SimpleNamespace(**{name: y[:, i] for name, i in INDEX.items()})
    L, D_B, D_T = (y[:, FIXED + i::3] for i in range(3))
    percent = lambda part, whole: np.divide(100 * part, whole, out=np.full(len(times), np.nan), where=whole != 0)
    o = {"host_nk_count": (s.H_B + s.X_H) / c.V_B, "graft_nk_count": s.G_B / c.V_B}
    o["donor_nk_count"] = infused = (D_B.sum(axis=1) + s.X_D) / c.V_B
    o["all_donor_nk_count"] = donor = infused + o["graft_nk_count"]
    o["nk_count"] = nk = o["host_nk_count"] + donor
    o["donor_nk_cohort_count"], o["infused_cells_body"], o["donor_nk_auc"] = D_B / c.V_B, L + D_B + D_T, s.auc
    o["chimerism_nk"], o["chimerism_nk_infused"] = percent(donor, nk), percent(infused, nk)
    o |= {"host_t_count": s.T, "graft_t_count": s.T_G, "t_count": s.T + s.T_G, "treg_count": s.R, "effector_count": s.A}
    lymphocytes, fB = nk + s.T + s.T_G + s.R + s.A + s.X_T, p("blood_count.fB")
    o["alc"] = lymphocytes / (1 - fB)
    o["marrow_donor_share"] = percent(D_T.sum(axis=1) + s.G_T, D_T.sum(axis=1) + s.G_T + s.H_T)
    table = p.regimen["leukocytes"]
    base = quantity(table["baseline"], "cells/uL") if "baseline" in table else 0.0
    if "wbc_count" in p.patient:                                                            # C38
        base = max(0.0, quantity(p.patient["wbc_count"], "cells/uL") - (c.host.NK0 + c.t.T0 + c.treg.R0) / (1 - fB))
    blasts = log_linear(table.get("blasts"), base, times)
    for name, host, graft in [("wb", "host", "graft"), ("pbmc", "monocytes_host", "monocytes_graft")]:
        M_host, M_graft = log_linear(table.get(host), base, times), log_linear(table.get(graft), base, times, before=0.0)
        whole, known = lymphocytes + M_host + M_graft + blasts, 1.0 if host in table or graft in table else np.nan
        o[f"chimerism_{name}"] = known * percent(donor + s.T_G + M_graft, whole)
        o[f"chimerism_{name}_infused"] = known * percent(infused, whole)
        if name == "wb":
            o["wbc_count"] = o["alc"] + M_host + M_graft + blasts
    o["il15_fold"], o["il15"], o["il2"] = s.x15, c.il15.B15 * s.x15, s.C / (1000 * c.il2.V1)
    o["fludarabine_conc"], o["cyclophosphamide_conc"] = s.f1 / c.flu.V1, s.cy / c.cy.V
    o["thiotepa_conc"], o["tepa_conc"] = s.tt / c.tt.V, s.tp / c.tt.Vp
    o["treosulfan_conc"], o["busulfan_conc"] = s.tr1 / c.tr.V1, s.b1 / c.bu.V
    o["abatacept_conc"] = np.array([abatacept_conc(c, t, t) for t in times])
    return o


if __name__ == "__main__":                                  # python nk_reference.py REGIMEN [GROUP=CHOICE ...]
    problem = load(Path(__file__).resolve().parents[2] / "params", sys.argv[1], dict(pair.split("=") for pair in sys.argv[2:]))
    times = [problem.t_start, 0, 1, 2, 4, 7, 10, 14, 21, 28, 42, problem.horizon]
    print(f"{'day':>24}" + "".join(f"{t:>11g}" for t in times))
    for name, row in solve(problem, times).items():
        if row.ndim == 1:
            print(f"{name:>24}" + "".join(f"{x:>11.4g}" for x in row))
