"""Writes the archives of this folder and the numbers that they hold: python tests/archives/make.py NKPK

NKPK is the executable. They are made once for each version of the format and then never again: tests open them for ever.
expected.tsv is read by h5py, not by nkpk: file, path of the array (PATH@ATTRIBUTE: of an attribute), position, value.
"""

import subprocess
import sys
from pathlib import Path

import h5py

FOLDER = Path(__file__).parent
COMMON = ["--days", "7", "--output-step", "1", "--quiet", "-o"]
COMMANDS = {
    "v1_simulation.h5": ["simulate", "sankoma", *COMMON],
    "v1_ensemble.h5": ["ensemble", "sankoma", "-n", "4", "--observables", "alc,il15", *COMMON],
}
SHOWN = 7  # values of each array at most


def expected(name: str) -> list[str]:
    rows = []

    def row(path: str, position: object, value: object) -> None:
        text = repr(float(value)) if isinstance(value, float) else str(value)
        if text and not set(text) & set("\t\n"):
            rows.append(f"{name}\t{path}\t{position}\t{text}")

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        for key, value in sorted(item.attrs.items()):
            if isinstance(value, str) and path in ("", "provenance") or key == "units":
                row(f"/{path}@{key}", 0, value)
        if isinstance(item, h5py.Dataset):
            values = (item.asstr() if item.dtype.kind == "O" else item)[()]
            flat = values.ravel().tolist() if item.shape else [values.item() if hasattr(values, "item") else values]
            for position in range(0, len(flat), max(1, len(flat) // SHOWN)):
                row(f"/{path}", position, flat[position])

    with h5py.File(FOLDER / name) as file:
        visit("", file)
        file.visititems(visit)
    return rows


def main(nkpk: str) -> None:
    for name, arguments in COMMANDS.items():
        if (FOLDER / name).exists():
            sys.exit(f"{name} exists already; old archives are not made again")
        # under its own name: no path of this machine stands in the archive
        subprocess.run(["nkpk", *arguments, name], executable=Path(nkpk).resolve(), cwd=FOLDER, check=True)
    rows = [row for name in COMMANDS for row in expected(name)]
    (FOLDER / "expected.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
