"""Kill `nkpk ensemble` again and again, and look whether anything that was finished is lost.

    python tests/kills/kill_ensembles.py [--kills 200] [--seed 1] [--report tests/kills/report.md]

A job is killed one to four times in a row, by SIGKILL at a random moment or by itself at a fault point (archive/fault.hpp): inside a
write, between a write and its flush, between a flush and a rename and so on. After each kill

- out.h5, where it is there, is the archive of a run that was never killed,
- the journal gives whole blocks, and their patients have the bits of that run,

and at the end `--resume` makes that archive: every dataset with its type, shape, chunks as stored and attributes, and nothing else in
the folder. Attributes of origin that hold the time, the command and the number of threads are left out.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import nkpk
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
N = 9 * 1024 + 300
ENSEMBLE = ["ensemble", "sankoma", "-n", str(N), "--seed", "5", "--days", "4", "--output-step", "1", "--rtol", "1e-4",
            "--observables", "alc,il15", "--quiet"]  # fmt: skip
WAYS = {
    "courses kept": [],
    "summary only, a checkpoint behind each block": ["--summary-only", "--checkpoint-every", "0"],
    "summary only, few checkpoints": ["--summary-only", "--checkpoint-every", "0.2"],
    "summary only, no checkpoint": ["--summary-only"],
}
OF_ORIGIN = {"created", "finished", "command_line", "threads", "history"}
# place: what it is in, and how often it is reached in an undisturbed run with courses
FAULTS = {
    "journal_begin": ("write", 1),
    "journal_write": ("write", 11),
    "journal_frame": ("write", 11),
    "journal_torn": ("write", 11),
    "journal_sync": ("flush", 11),
    "journal_synced": ("flush", 11),
    "journal_cut": ("write", 1),
    "hdf5_append": ("write", 100),
    "hdf5_flush": ("flush", 10),
    "hdf5_finish": ("write", 1),
    "archive_sync": ("flush", 1),
    "archive_rename": ("rename", 1),
    "archive_renamed": ("rename", 1),
    "journal_remove": ("rename", 1),
}
KINDS = ("write", "flush", "rename")


def content(path: Path) -> dict:
    """All that an archive holds, as bytes by name."""
    found: dict = {}

    def attributes(item: h5py.HLObject) -> dict:
        values = {name: np.asarray(item.attrs[name]) for name in item.attrs if name not in OF_ORIGIN | {"DIMENSION_LIST", "REFERENCE_LIST"}}
        return {name: (str(value.dtype), value.shape, value.tolist() if value.dtype.kind == "O" else value.tobytes()) for name, value in values.items()}

    def look(name: str, item: h5py.HLObject) -> None:
        entry: list = [attributes(item)]
        if isinstance(item, h5py.Dataset):
            data = item[()]
            entry += [str(item.dtype), item.shape, item.maxshape, item.chunks, data.tolist() if item.dtype.kind == "O" else np.asarray(data).tobytes()]
            entry += [[dim[0].name for dim in item.dims if len(dim)]]
            if item.chunks and item.dtype.kind != "O":  # a text's chunk holds addresses
                entry += [item.id.read_direct_chunk(item.id.get_chunk_info(i).chunk_offset) for i in range(item.id.get_num_chunks())]
        found[name] = entry

    with h5py.File(path) as file:
        found["/"] = attributes(file)
        found["order"] = list(file)
        file.visititems(look)
    return found


def first_difference(a: dict, b: dict) -> str:
    names = [name for name in {**a, **b} if a.get(name) != b.get(name)]
    return ", ".join(names[:5])


@dataclass
class Tally:
    kills: Counter = field(default_factory=Counter)  # by kind of place, "at any time" among them
    places: Counter = field(default_factory=Counter)
    ways: Counter = field(default_factory=Counter)
    in_a_row: Counter = field(default_factory=Counter)
    left: Counter = field(default_factory=Counter)  # what lay there after a kill
    jobs: int = 0
    survived: int = 0  # runs that were done before their kill came
    problems: list = field(default_factory=list)

    @property
    def n(self) -> int:
        return sum(self.kills.values())

    @property
    def n_at_places(self) -> int:
        return sum(self.kills[kind] for kind in KINDS)


class Killer:
    def __init__(self, executable: Path, seed: int, folder: Path) -> None:
        self.executable, self.folder = executable, folder
        self.random = random.Random(seed)
        self.tally = Tally()
        self.whole: dict[str, tuple[dict, nkpk.Ensemble, float]] = {}
        for i, (way, arguments) in enumerate(WAYS.items()):
            (folder / f"whole-{i}").mkdir()
            begin = time.monotonic()
            self.run(folder / f"whole-{i}", arguments, check=True)
            path = folder / f"whole-{i}" / "out.h5"
            self.whole[way] = content(path), nkpk.open(path), time.monotonic() - begin
            assert sorted(p.name for p in path.parent.iterdir()) == ["out.h5"]

    def run(self, where: Path, arguments: list[str], fault: str = "", check: bool = False) -> subprocess.CompletedProcess:
        environment = {**os.environ, "NKPK_FAULT": fault}
        command = [str(self.executable), *ENSEMBLE, *arguments, "-o", "out.h5"]
        return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=check, timeout=300)

    def kill_at_any_time(self, where: Path, arguments: list[str], longest: float) -> bool:
        command = [str(self.executable), *ENSEMBLE, *arguments, "-o", "out.h5"]
        process = subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(self.random.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            self.problem(where, f"exit code {process.returncode}")
        return process.returncode == -signal.SIGKILL

    def problem(self, where: Path, what: str) -> None:
        self.tally.problems.append(f"{where.name}: {what}")

    def look(self, where: Path, way: str) -> None:
        """At what a kill left."""
        whole, ensemble, _ = self.whole[way]
        archive, journal = where / "out.h5", where / "out.h5.part"
        state = [p.name for p in (archive, journal) if p.exists()]
        if archive.exists() and (wrong := first_difference(content(archive), whole)):
            self.problem(where, f"an archive that differs: {wrong}")
        if journal.exists():
            try:
                part = nkpk.open(journal)
            except nkpk.InputError as error:
                # killed before its header was on disk: then nothing else is there
                if journal.stat().st_size > 200_000 or archive.exists():
                    self.problem(where, f"the journal cannot be read: {error}")
                state[-1] = "a journal without header"
            else:
                if part.n % 1024 != 0 and part.n != N:
                    self.problem(where, f"{part.n} patients are no whole blocks")
                if part.attrs["status"] != "interrupted":
                    self.problem(where, f"status {part.attrs['status']}")
                if not part.parameters.identical(ensemble.parameters.isel(patient=slice(part.n))):
                    self.problem(where, "parameters in the journal differ")
                if way == "courses kept" and not part.values.drop_attrs().identical(ensemble.values.isel(patient=slice(part.n)).drop_attrs()):
                    self.problem(where, "courses in the journal differ")
        self.tally.left[" and ".join(state) or "nothing"] += 1

    def job(self, most_kills: int) -> None:
        """One ensemble, killed some times in a row, and what becomes of it."""
        way = self.random.choice(list(WAYS))
        whole, _, duration = self.whole[way]
        where = Path(tempfile.mkdtemp(prefix=f"job-{self.tally.jobs}-", dir=self.folder))
        self.tally.jobs += 1
        killed = 0
        for _ in range(min(most_kills, self.random.randint(1, 4))):
            arguments = [*WAYS[way], "--threads", str(self.random.choice([1, 2])), *(["--resume"] if killed else [])]
            if self.random.random() < 0.5:
                place = self.random.choice(list(FAULTS))
                kind, most = FAULTS[place]
                was_killed = self.run(where, arguments, f"{place}:{self.random.randint(1, most)}").returncode == -signal.SIGKILL
            else:
                kind, place = "at any time", ""
                was_killed = self.kill_at_any_time(where, arguments, duration)
            if not was_killed:
                self.tally.survived += 1
                break
            killed += 1
            self.tally.kills[kind] += 1
            self.tally.ways[way] += 1
            self.tally.places[place] += bool(place)
            self.look(where, way)
        if killed:
            self.tally.in_a_row[killed] += 1
        done = self.run(where, [*WAYS[way], "--resume"])
        if done.returncode != 0:
            self.problem(where, f"resumed: exit code {done.returncode}: {done.stderr}")
        elif wrong := first_difference(content(where / "out.h5"), whole):
            self.problem(where, f"resumed: differs in {wrong}")
        if sorted(p.name for p in where.iterdir()) != ["out.h5"]:
            self.problem(where, f"left behind: {sorted(p.name for p in where.iterdir())}")


def kill(executable: Path, kills: int, seed: int, progress: bool = False) -> Tally:
    """Until there were so many kills."""
    with tempfile.TemporaryDirectory(prefix="nkpk-kills-") as folder:
        killer = Killer(executable, seed, Path(folder))
        while killer.tally.n < kills:
            killer.job(kills - killer.tally.n)
            if progress:
                print(f"\r{killer.tally.n} kills, {len(killer.tally.problems)} problems", end="", file=sys.stderr, flush=True)
        if progress:
            print(file=sys.stderr)
        return killer.tally


def report(tally: Tally, seed: int) -> str:
    def table(title: str, counts: Counter) -> str:
        rows = "".join(f"| {name} | {n} |\n" for name, n in sorted(counts.items(), key=lambda item: -item[1]) if n)
        return f"| {title} | kills |\n| --- | --- |\n{rows}"

    rows = Counter({f"{n} in a row": count for n, count in tally.in_a_row.items()})
    problems = "".join(f"- {problem}\n" for problem in tally.problems) or "None.\n"
    return f"""# Ensembles that were killed

Written by `python tests/kills/kill_ensembles.py --kills {tally.n} --seed {seed}`, whose head says what is looked at after each kill. Each job
has {N} patients in {(N + 1023) // 1024} blocks.

**{tally.n} kills of {tally.jobs} jobs; {tally.n_at_places} of them at fault points: {tally.kills["write"]} at or inside a write, {tally.kills["flush"]} at a flush, \
{tally.kills["rename"]} at a rename or behind it, the others by SIGKILL at a random moment. Archives, journals or resumed archives that were not as they \
should be: {len(tally.problems)}.** {tally.survived} more runs were done before their kill came.

{table("where", tally.kills)}
{table("fault point", tally.places)}
{table("what was kept", tally.ways)}
{table("there afterwards", tally.left)}
{table("jobs by kills", rows).replace("| kills |", "| jobs |", 1)}
## Problems

{problems}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--executable", type=Path, default=ROOT / "build" / "release" / "cli" / "nkpk")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    tally = kill(arguments.executable, arguments.kills, arguments.seed, progress=True)
    text = report(tally, arguments.seed)
    print(text)
    if arguments.report:
        arguments.report.write_text(text)
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
