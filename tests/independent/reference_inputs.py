"""Reads the TOML data (params/README.md) for the independent reference solution. C40 and so on: decisions listed in docs/model.md."""
import math
import re
import tomllib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

SAME_TIME = 1e-10                           # d: events closer than this are one event
TIME, MASS, LENGTH, CELLS, IU, GY = range(6)                    # base units: d, mg, m, cells, IU, Gy; the year of C7
UNITS = {"d": (1, TIME, 1), "h": (1 / 24, TIME, 1), "min": (1 / 1440, TIME, 1), "s": (1 / 86400, TIME, 1), "weeks": (7, TIME, 1),
         "y": (7 * 52.18, TIME, 1), "kg": (1e6, MASS, 1), "g": (1e3, MASS, 1), "mg": (1, MASS, 1), "ug": (1e-3, MASS, 1),
         "ng": (1e-6, MASS, 1), "pg": (1e-9, MASS, 1), "m": (1, LENGTH, 1), "cm": (0.01, LENGTH, 1), "L": (1e-3, LENGTH, 3),
         "mL": (1e-6, LENGTH, 3), "uL": (1e-9, LENGTH, 3), "cells": (1, CELLS, 1), "IU": (1, IU, 1), "MIU": (1e6, IU, 1),
         "Gy": (1, GY, 1), "%": (0.01, TIME, 0)}
AMOUNT_UNIT = {"nk_cells": "cells", "il2": "IU", "il15": "pg", "tbi": "Gy", "local_radiotherapy": "Gy"}         # else mg
ITEM = re.compile(r"\s*([*/]?)(\(?)([\d.]*)\s*(%|[A-Za-z]*)(?:\^(\d+))?(\)?)")


def parse_unit(text):
    """Factor to base units and dimension of a unit such as 'L/h/1.73m^2' or '1/d/(cells/uL)'."""
    factor, dimension, outer = 1.0, [0] * 6, 1
    if ITEM.sub("", text):
        raise ValueError(f"unit {text!r}")
    for operator, opened, number, name, power, closed in ITEM.findall(text):
        sign = outer * (-1 if operator == "/" else 1)
        size, base, exponent = UNITS[name] if name else (1, TIME, 0)
        n = sign * int(power or 1)
        factor *= float(number or 1) ** sign * size**n
        dimension[base] += n * exponent
        outer = sign if opened else 1 if closed else outer
    return factor, dimension


def parse(text):
    number, _, unit = str(text).strip().partition(" ")
    factor, dimension = parse_unit(unit)
    return float(Fraction(number)) * factor, dimension


def quantity(text, unit=""):
    """How many `unit` there are in 'number unit'; a plain number, such as a day, is taken as it is."""
    if isinstance(text, (int, float)):
        return float(text)
    (value, dimension), (factor, wanted) = parse(text), parse_unit(unit)
    if dimension != wanted:
        raise ValueError(f"{text!r} is not in {unit!r}")
    return value / factor


class Problem:
    def __call__(self, name, unit=""):
        return quantity(self.parameters[name], unit)

    def module(self, name, **units):
        return SimpleNamespace(**{key: self(f"{name}.{key}", unit) for key, unit in units.items()})

    def product(self, dose, key, unit=""):
        """Property of this lot of NK cells, else of its product; C4, C16."""
        product = self.products[dose.entry.get("product", self.regimen["product"])]
        return quantity(dose.entry.get(key, product[f"product.{key}"]), unit)

    def absolute(self, text, unit):
        """An amount given as such, per kg or per m^2, in `unit`."""
        sizes = [("", 1), ("/kg", self.weight), ("/m^2", self.bsa)]
        return next(quantity(text, unit + per) * size for per, size in sizes if parse(text)[1] == parse_unit(unit + per)[1])


def read(folder, name):
    """The file of this name in the folder, or at this path."""
    path = Path(name) if str(name).endswith(".toml") else folder / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def values_of(tables):
    """{'module.name': 'number unit'}; a switch is true or false."""
    return {f"{module}.{name}": entry["value"] if isinstance(entry, dict) else entry
            for module, table in tables.items() if isinstance(table, dict) for name, entry in table.items()}


def read_product(folder, name):
    data = read(folder / "products", name)
    return (read_product(folder, data["like"]) if "like" in data else {}) | values_of({"product": data.get("product", {})})


def apply_choices(regimen, choices):
    """One choice per option group (C40): removals and further doses, then `set`; returns what is set of the patient."""
    sets, of_patient = {}, {}
    assert set(choices) <= {option["group"] for option in regimen.get("option", [])}, f"unknown option group in {choices}"
    for option in regimen.get("option", []):
        choice = option["choice"][choices.get(option["group"], option["default"])]
        regimen["dose"] = [d for d in regimen["dose"] if d["id"] not in choice.get("remove", [])] + choice.get("dose", [])
        sets |= choice.get("set", {})
    for key, value in sets.items():
        head, *rest = key.split(".")
        if head == "dose":
            next(d for d in regimen["dose"] if d["id"] == rest[0])[rest[1]] = value
        elif rest:
            (of_patient if head == "patient" else regimen[head])[rest[0]] = value
        else:
            regimen[head] = value
    return of_patient


def administrations(problem, entry):
    days = entry.get("days") or [quantity(entry["start"], "d") + i * quantity(entry["every"], "d") for i in range(entry["count"])]
    days = [day + quantity(offset, "d") for day in days for offset in entry.get("times_of_day", [0])]
    amount = math.nan
    if entry["drug"] != "graft":
        share = 1 if "amount" in entry else Fraction(entry.get("fraction", f"1/{len(days)}"))
        total = entry["amount"] if "amount" in entry else problem.regimen["courses"][entry["course"]]
        amount = problem.absolute(total, AMOUNT_UNIT.get(entry["drug"], "mg")) * float(share)
    return [SimpleNamespace(drug=entry["drug"], route=entry["route"], start=day, duration=quantity(entry.get("duration", 0), "d"),
                            amount=amount, entry=entry) for day in days]


def load(params_dir, regimen_name, choices=None, patient=None, overrides=None):
    """The problem to solve; a value in `overrides` goes before the patient's own, this before product and model."""
    folder, p = Path(params_dir), Problem()
    p.regimen = read(folder / "regimens", regimen_name)
    of_patient = apply_choices(p.regimen, choices or {})
    p.patient = read(folder / "patients", patient or p.regimen["patient"]) | of_patient
    p.weight, p.height = quantity(p.patient["weight"], "kg"), quantity(p.patient["height"], "cm")
    p.bsa = math.sqrt(p.height * p.weight / 3600)                                           # C39
    names = {p.regimen["product"]} | {d["product"] for d in p.regimen["dose"] if "product" in d}
    p.products = {name: read_product(folder, name) for name in names}
    p.parameters = values_of(read(folder, "model"))
    for count, name in ("nk_count", "host_nk.NK0"), ("t_count", "t_cells.T0"), ("treg_count", "treg.R0"):
        p.parameters[name] = p.patient.get(count, p.parameters[name])
    for name, value in (p.patient.get("parameters", {}) | (overrides or {})).items():
        for table in p.products.values() if name.startswith("product.") else [p.parameters]:
            assert name in table, f"no parameter {name}"
            table[name] = str(value).lower() == "true" if name.startswith("switches.") else value
    p.doses = [dose for entry in p.regimen["dose"] for dose in administrations(p, entry)]
    p.windows = [(w["switch"], quantity(w["start"], "d"), quantity(w["end"], "d"), w["value"]) for w in p.regimen.get("window", [])]
    p.horizon, starts = quantity(p.regimen["horizon"], "d"), [d.start for d in p.doses] + [w[1] for w in p.windows]
    p.t_start, p.event_times = min(starts) - 1, []                                          # C1
    for time in sorted(starts + [d.start + d.duration for d in p.doses] + [w[2] for w in p.windows]):
        if not p.event_times or time - p.event_times[-1] > SAME_TIME:
            p.event_times.append(time)
    return p
