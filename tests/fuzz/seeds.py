"""Inputs to begin with, made of the shipped files and of bad ones.

    python tests/fuzz/seeds.py FOLDER

FOLDER/corpus/TARGET: what fuzzing starts from. FOLDER/hostile/TARGET: as large as the bounds allow, or larger; each is read once.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARAMS, INDEPENDENT = ROOT / "params", ROOT / "tests" / "independent"
MIB = 1 << 20

HEAD = 'format = 1\nname = "x"\npatient = "boy-10y"\nproduct = "ucb-nk"\ndonor = "haploidentical"\nhorizon = "28 d"\n'
DOSE = '[[dose]]\nid = "{id}"\ndrug = "cyclophosphamide"\nroute = "iv"\namount = "1 mg"\n{rest}\n'


def bad_inputs():
    """The wrong regimens of tests/cli, as they are given to the program there."""
    cases = tomllib.loads((ROOT / "tests/cli/bad_inputs.toml").read_text())["case"]
    base = (ROOT / "tests/cli/base.toml").read_text()
    for case in cases:
        text = case.get("text", base)
        for old, new in case.get("change", []):
            text = text.replace(old, new)
        if text != base:
            yield text


def settings():
    line = "radboud-ucb|3y-girl|high-il2||rejection|30|0.5"
    yield line + "\nhost_nk.d0=0.05 1/d\ndose.nk.amount=1e7 cells/kg\npatient.weight=20 kg\n"
    yield "sankoma|||||1|0.01\ndose.nk-2.days=[7, 8.5]\nhorizon=40 d\nleukocytes.host=[[0, 4000], [7, \"baseline\"]]\n"
    yield "rogachev-hsct|45y-man|tbi|2|\ndonor=matched\nproduct.pmax=1 1/d\nswitches.linear_quadratic=true\n"
    yield "peking-aml|6mo-boy\npatient.wbc_count=9000 cells/uL\ndose.nk.f_T=1 %\ncourses.nk=1e6 cells/kg\n"
    for case in tomllib.loads((ROOT / "tests/cli/bad_inputs.toml").read_text())["case"]:
        words = case.get("args", [])
        sets = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--set"]
        if sets:
            yield "radboud-ucb\n" + "\n".join(sets)


def quantities():
    texts = set()
    for path in PARAMS.rglob("*.toml"):
        texts |= set(re.findall(r'"([-+0-9.e]+ [^"]{1,30})"', path.read_text()))
    for text in sorted(texts)[:200]:
        yield f"{text}\n{text.split(' ', 1)[1]}\nhost_nk.d0={text}"
    yield "1 (((d)))\n1/d/(cells/uL)\nkey=[1, 'a', {b = 2}]"
    yield "+1.5e-3 L/h/1.73m^2\nmL/min/1.73m^2\nkey= "


def corpus():
    """(target, text) pairs."""
    for folder in (PARAMS, INDEPENDENT):
        for path in sorted((folder / "regimens").glob("*.toml")):
            yield "fuzz_regimen", path.read_text()
    for text in bad_inputs():
        yield "fuzz_regimen", text
    for name in ("model.toml", "observables.toml", "ranges.toml", "patients/by_age.toml", "patients/boy-10y.toml", "products/expanded.toml", "products/ucb-nk.toml"):
        if (PARAMS / name).exists():
            yield "fuzz_parameters", f"{name}\n{(PARAMS / name).read_text()}"
    for path in sorted((INDEPENDENT / "patients").glob("*.toml")):
        yield "fuzz_parameters", f"patients/boy-10y.toml\n{path.read_text()}"
    for path in sorted((PARAMS / "products").glob("*.toml")):
        yield "fuzz_parameters", f"products/ucb-nk.toml\n{path.read_text()}"
    for text in settings():
        yield "fuzz_settings", text
    for text in quantities():
        yield "fuzz_quantity", text
    for first in range(256):  # other ways through the bytes that choose
        yield "fuzz_archive", bytes((first * k + k * k) % 256 for k in range(1, 200))


def dose(number, rest):
    return DOSE.format(id=f"d{number}", rest=rest)


def large_regimens():
    hour = 'duration = "1 h"'
    # a thousand administrations each, over one another for years
    yield HEAD + "".join(dose(i, f'start = "{i} min"\nevery = "11 min"\ncount = 1000\nduration = "1000 d"') for i in range(10))
    yield HEAD + "".join(dose(i, f'start = "{i} min"\nevery = "11 min"\ncount = 1000\n{hour}\nwhy = "{"w" * 1900}"\nassumed = "{"a" * 1900}"') for i in range(10))
    yield HEAD + dose(1, f'start = "0 d"\nevery = "1e-9 h"\ncount = 1000\n{hour}') + dose(2, 'days = [1]\nduration = "1e-300 d"')
    doses = "".join(dose(i, f"days = [{i}]\n{hour}") for i in range(1500))
    yield HEAD + doses
    ids = ", ".join(f'"d{i}"' for i in range(1000))
    yield HEAD + "".join(dose(i, f'start = "{i} min"\nevery = "11 min"\ncount = 1000\n{hour}') for i in range(10)) + "".join(
        f'[[condition]]\nbefore = ["d1"]\nafter = ["d2"]\ntext = "{i}"\nmin_days = 1\n' for i in range(2500))
    yield HEAD + doses[: len(doses) // 2] + f'[[condition]]\nbefore = [{ids}]\nafter = [{ids}]\ntext = "t"\nmin_days = 1\n' * 5
    yield HEAD + "".join(f'[[window]]\nid = "w{i}"\nswitch = "steroid"\nstart = "{i} d"\nend = "{i}.5 d"\nvalue = 1\n' for i in range(2500))
    yield HEAD + "".join(f'[[report]]\nname = "r{i}"\ninfusion = "d1"\nday = 1\n' for i in range(4000)) + dose(1, f"days = [1]\n{hour}")
    # sets times doses, and combinations
    yield HEAD + "".join(f'[[dose]]\nid = "d{i}"\n' for i in range(5000)) + '[[option]]\ngroup = "g"\ndefault = "c"\n[option.choice.c.set]\n' + "".join(
        f'"dose.d{i}.amount" = 1\n' for i in range(5000))
    yield HEAD + "".join(f'[[option]]\ngroup = "g{i}"\ndefault = "a"\n[option.choice.a]\n[option.choice.b]\n' for i in range(13))
    yield HEAD + "".join(f'[[option]]\ngroup = "g{i}"\ndefault = "a"\n[option.choice.a]\n' for i in range(1000))
    # sizes for the parser
    yield HEAD + "a = [" + "0," * (MIB // 2 - 100) + "]"
    yield HEAD + "".join(f"a{i}.b.c.d=0\n" for i in range(MIB // 16))
    yield HEAD + "[[a]]\n" * (MIB // 8)
    yield HEAD + "a = " + "[" * (MIB - 200)
    yield HEAD + "a = " + "{a=" * 300000
    yield HEAD + "[" + "a." * (MIB // 2 - 200) + "a]"
    yield HEAD + 'title = "' + "t" * (MIB - 200) + '"'
    yield HEAD + "k" * (MIB - 200) + " = 1"
    yield HEAD + "a = 0." + "0" * (MIB - 200) + "1"
    yield HEAD + "#" + "c" * (MIB - 200)
    yield HEAD + "#" * 2 * MIB
    yield "[" * MIB
    # numbers
    for number in ("1e308", "1e400", "9" * 400, "5e-324", "nan", "-inf", "0x7fffffffffffffff"):
        yield HEAD.replace('"28 d"', f'"{number} d"')
        yield HEAD + f'output_step = "{number} s"\n' + dose(1, f"days = [{number}]\n{hour}")
        yield HEAD + dose(1, f"days = [1]\n{hour}").replace("1 mg", f"{number} kg")


def large_others():
    model = (PARAMS / "model.toml").read_text()
    yield "fuzz_parameters", "model.toml\n" + model + "#" * (MIB - len(model) - 10)
    yield "fuzz_parameters", "model.toml\n" + re.sub(r'value = "[-0-9.e]+', 'value = "1e308', model)
    yield "fuzz_parameters", "model.toml\n" + re.sub(r'value = "[-0-9.e]+', 'value = "5e-324', model)
    rows = "".join(f"[{i}, 50, 150],\n" for i in range(4500))
    yield "fuzz_parameters", f'patients/by_age.toml\nformat = 1\nsource = "s"\nmale = [{rows}]\nfemale = [[0, 1, 1], [1e300, 1e300, 1e300]]'
    yield "fuzz_parameters", 'products/ucb-nk.toml\nformat = 1\nname = "ucb-nk"\nlike = "ucb-nk"'
    yield "fuzz_parameters", 'products/ucb-nk.toml\nformat = 1\nname = "a/../b"\nlike = "expanded"'
    yield "fuzz_parameters", 'patients/boy-10y.toml\nformat = 1\nname = "p"\nsex = "male"\nage = "1e300 y"\nweight = "30 kg"\nheight = "1 m"'
    for value in ("[" * 100000, "a" * MIB, "1" * MIB, "1 " + "d*" * 400000, "(" * MIB, "\xff" * 1000, "\0", '"\\u0000"'):
        yield "fuzz_settings", "radboud-ucb\ndose.nk.why=" + value
        yield "fuzz_settings", "radboud-ucb\nhost_nk.d0=" + value
        yield "fuzz_settings", f"radboud-ucb|{value}|{value}\n"
        yield "fuzz_quantity", f"1 {value}\n{value}\n{value}={value}"
        yield "fuzz_quantity", f"{value}\nd\nkey={value}"
    yield "fuzz_settings", "radboud-ucb|||||1e300|1e-300\n"
    yield "fuzz_settings", "radboud-ucb|1e300y-girl\n"
    yield "fuzz_settings", "radboud-ucb\n" + "host_nk.d0=0.05 1/d\n" * 20000
    yield "fuzz_settings", "sankoma\ndose.nk-2.days=[" + ", ".join(str(i / 10) for i in range(9000)) + "]\n"
    yield "fuzz_archive", b"\0" * MIB
    yield "fuzz_archive", b"\x89HDF\r\n\x1a\n" + b"\xff" * MIB + b"\0"


def write(folder, inputs):
    counts = {}
    for target, text in inputs:
        counts[target] = number = counts.get(target, 0) + 1
        path = folder / target / f"{number:03d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("latin-1" if "\xff" in text else "utf-8"))


def make(folder):
    write(folder / "corpus", corpus())
    write(folder / "hostile", (("fuzz_regimen", text) for text in large_regimens()))
    write(folder / "hostile", ((target, text) for target, text in large_others()))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
