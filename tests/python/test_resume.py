"""Nothing that an ensemble has finished is lost: Ctrl-C, kill -9, full disks, other programs, and going on afterwards."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nkpk
import numpy as np
import pytest
from test_ensemble import OVER_TIME, assert_same_bits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "kills"))
from kill_ensembles import content, first_difference, kill  # noqa: E402

N = 5 * 1024 + 100
ENSEMBLE = ["sankoma", "-n", str(N), "--seed", "3", "--days", "3", "--output-step", "1", "--rtol", "1e-4", "--observables", "alc,il15"]
WAYS = [pytest.param([], id="courses"), pytest.param(["--summary-only", "--checkpoint-every", "0"], id="summary")]
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def run(executable: Path, tmp_path: Path) -> Run:
    """`nkpk ensemble` of the same patients in an empty folder; `fault` kills it there."""

    def go(*arguments: object, code: int = 0, fault: str = "", **others: object) -> subprocess.CompletedProcess:
        own = [text for pair in zip(ENSEMBLE[1::2], ENSEMBLE[2::2], strict=True) if pair[0] not in arguments for text in pair]
        command = [str(executable), "ensemble", ENSEMBLE[0], *own, *map(str, arguments)]
        environment = {**os.environ, "NKPK_FAULT": fault}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, **others)
        assert done.returncode == code, (done.returncode, done.stderr)
        assert code != 2 or (done.stdout == "" and done.stderr.startswith("nkpk: ") and done.stderr.count("\n") == 1), done.stderr
        return done

    go.executable = executable
    return go


def killed(run: Run, *arguments: object, blocks: int = 3) -> None:
    """Leaves a journal with so many blocks."""
    step = 2 if "--summary-only" in arguments else 1
    run(*arguments, "-o", "out.h5", code=-signal.SIGKILL, fault=f"journal_torn:{2 + step * blocks}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What a run without interruption writes."""
    found = {}
    for way in WAYS:
        folder = tmp_path_factory.mktemp("whole")
        subprocess.run([executable, "ensemble", *ENSEMBLE, *way.values[0], "-o", "out.h5", "--quiet"], cwd=folder, check=True, timeout=120)
        found[str(way.id)] = content(folder / "out.h5")
    return found


# ---- kills


def test_nothing_is_lost_by_twenty_kills(executable: Path) -> None:
    """tests/kills/report.md has two hundred."""
    tally = kill(executable, 20, seed=7)
    assert not tally.problems
    assert tally.n == 20 and tally.n_at_places >= 6, tally.kills


def test_the_comparison_of_archives_finds_differences(run: Run, whole: dict[str, dict], tmp_path: Path) -> None:
    run("-o", "same.h5", "--threads", 1)
    assert first_difference(content(tmp_path / "same.h5"), whole["courses"]) == ""
    run("-o", "other.h5", "--rtol", "1.0001e-4")
    assert "alc" in first_difference(content(tmp_path / "other.h5"), whole["courses"])


# ---- going on


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_goes_on_where_it_was_killed(way: list[str], run: Run, whole: dict[str, dict], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    killed(run, *way, "--threads", 1)
    done = run(*way, "-o", "out.h5", "--resume", "--threads", 2)
    assert "nkpk: going on with patient 3072 of 5220\n" in done.stderr
    assert first_difference(content(tmp_path / "out.h5"), whole[request.node.callspec.id]) == ""
    assert names(tmp_path) == ["out.h5"]
    again = run(*way, "-o", "out.h5", "--resume")
    assert again.stdout == "out.h5 is complete already: all 5220 patients of this ensemble\n"


def test_the_table_is_that_of_all_patients(run: Run) -> None:
    table = run("-o", "whole.h5").stdout.replace("whole.h5", "out.h5")
    killed(run)
    assert run("-o", "out.h5", "--resume").stdout == table


def test_without_a_checkpoint_summaries_start_anew(run: Run, whole: dict[str, dict], tmp_path: Path) -> None:
    run("--summary-only", "-o", "out.h5", code=-signal.SIGKILL, fault="journal_torn:4")
    part = nkpk.open(tmp_path / "out.h5.part")
    assert part.n == 2048 and part.count["alc"].values.tolist() == [0] * part.mean.sizes["time"] and np.isnan(part.mean["alc"]).all()
    assert "patient 0 of 5220; 2048 behind the last checkpoint" in run("--summary-only", "-o", "out.h5", "--resume").stderr
    assert first_difference(content(tmp_path / "out.h5"), whole["summary"]) == ""


@pytest.mark.parametrize("keep", [[], ["--summary-only"]], ids=["courses", "summary"])
def test_ctrl_c_leaves_an_archive_and_a_journal_that_replaces_it(keep: list[str], executable: Path, tmp_path: Path) -> None:
    command = [executable, "ensemble", "sankoma", "-n", "24000", "--days", "1", "--output-step", "1", "--rtol", "1e-4", "--observables", "alc", *keep,
               "-o", "out.h5"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.h5.part").exists() or (tmp_path / "out.h5.part").stat().st_size < 2 << 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "out.h5.part stays: go on with the same command and --resume" in stderr
    partial = nkpk.open(tmp_path / "out.h5")
    assert 0 < partial.n < 24000 and partial.attrs["status"] == "interrupted"
    assert_same_bits(partial, nkpk.open(tmp_path / "out.h5.part"), ("parameters", "status", *OVER_TIME))
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr == (f"nkpk: out.h5.part: holds {partial.n} finished patients of an interrupted run; go on with --resume, or start anew with --force\n")
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"going on with patient {partial.n} of 24000\n" in done.stderr
    subprocess.run([*command[:-1], "whole.h5", "--quiet"], cwd=tmp_path, check=True, timeout=120)
    assert first_difference(content(tmp_path / "out.h5"), content(tmp_path / "whole.h5")) == ""
    assert names(tmp_path) == ["out.h5", "whole.h5"]


CHANGES = [
    (["--seed", "4"], "seed: 3 before, 4 now"),
    (["-n", "5221"], "n_asked: 5220 before, 5221 now"),
    (["--rtol", "1e-5"], "rtol: 0.0001 before, 1e-05 now"),
    (["--atol-factor", "2"], "atol_factor: 1 before, 2 now"),
    (["--days", "4"], "time: shape"),
    (["--observables", "alc"], 'observables: "alc", "il15" before, "alc" now'),
    (["--quantiles", "0.5"], "quantiles: 0.05, 0.25, 0.5, 0.75, 0.95 before, 0.5 now"),
    (["--solver", "rodas4"], 'solver: "auto" before, "rodas4" now'),
    (["--summary-only"], 'courses: "kept" before, "not kept" now'),
    (["--set", "host_nk.d0=0.06 1/d"], "scenario/parameters/value[host_nk.d0]: "),
    (["--set", "dose.nk-1.amount=1e8 cells/kg"], "scenario/events/amount["),
    (["--patient", "3y-girl"], "patient: "),
    (["--without", "rejection"], "switched_off: "),
]


@pytest.mark.parametrize(("change", "named"), CHANGES, ids=[change[0][2:] + change[-1][:14] for change, _ in CHANGES])
def test_what_was_begun_otherwise_is_not_gone_on_with(change: list[str], named: str, run: Run, tmp_path: Path) -> None:
    killed(run, "--isa", "baseline", blocks=1)
    before = (tmp_path / "out.h5.part").read_bytes()
    done = run(*change, "--isa", "baseline", "-o", "out.h5", "--resume", code=2)
    assert done.stderr.startswith("nkpk: out.h5.part: was begun otherwise: ") and named in done.stderr, done.stderr
    assert "resume with the same, or start anew with --force" in done.stderr
    assert (tmp_path / "out.h5.part").read_bytes() == before


def test_another_instruction_set_or_model_is_named(run: Run, executable: Path, tmp_path: Path) -> None:
    killed(run, blocks=1)
    mine = nkpk.open(tmp_path / "out.h5.part")
    assert len(mine.provenance["model_hash"]) == 64
    if mine.attrs["isa"] != "baseline":
        done = run("--isa", "baseline", "-o", "out.h5", "--resume", code=2)
        assert f'isa: "{mine.attrs["isa"]}" before, "baseline" now' in done.stderr
    # another model: a program whose hash is not this one's
    other = tmp_path / "nkpk"
    program = executable.read_bytes()
    old = mine.provenance["model_hash"].encode()
    assert old in program
    other.write_bytes(program.replace(old, b"0" * 64))
    other.chmod(0o755)
    params = Path(nkpk.__file__).resolve().parents[2] / "params"
    done = subprocess.run([other, "ensemble", *ENSEMBLE, "-o", "out.h5", "--resume", "--params", params], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f'model_hash: "{old.decode()[:60]}...' in done.stderr


def test_changed_inputs_are_named_with_the_line(run: Run, tmp_path: Path) -> None:
    params = Path(nkpk.__file__).resolve().parents[2] / "params"
    shutil.copytree(params, tmp_path / "params")
    killed(run, "--params", "params", blocks=1)
    model = tmp_path / "params" / "model.toml"
    text = model.read_text()
    model.write_text(text.replace("\n", "\n# a remark\n", 1))
    done = run("--params", "params", "-o", "out.h5", "--resume", code=2)
    assert 'scenario/inputs/input_text[' in done.stderr and 'model.toml], line 2: ' in done.stderr and '"# a remark" now' in done.stderr


def test_without_a_journal_it_starts_and_says_so(run: Run, whole: dict[str, dict], tmp_path: Path) -> None:
    done = run("-o", "out.h5", "--resume")
    assert "there is no journal out.h5.part to go on with: starting with the first patient" in done.stderr
    assert first_difference(content(tmp_path / "out.h5"), whole["courses"]) == ""
    assert run("--seed", 9, "-o", "out.h5", "--resume", code=2).stderr == "nkpk: out.h5: exists already; give --force to replace it\n"
    assert "no archive is named" in run("--resume", code=2).stderr


def test_a_new_run_does_not_take_the_place_of_an_interrupted_one(run: Run, executable: Path, whole: dict[str, dict], tmp_path: Path) -> None:
    killed(run)
    before = (tmp_path / "out.h5.part").read_bytes()
    refusal = "holds 3072 finished patients of an interrupted run; go on with --resume, or start anew with --force"
    assert refusal in run("-o", "out.h5", code=2).stderr
    simulate = subprocess.run([executable, "simulate", "sankoma", "-o", "out.h5"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert simulate.returncode == 2 and "out.h5.part is the journal of an interrupted ensemble" in simulate.stderr
    assert (tmp_path / "out.h5.part").read_bytes() == before and not (tmp_path / "out.h5").exists()
    run("-o", "out.h5", "--force", "--quiet")
    assert first_difference(content(tmp_path / "out.h5"), whole["courses"]) == "" and names(tmp_path) == ["out.h5"]


def test_a_finished_archive_is_never_replaced_unless_forced(run: Run, tmp_path: Path) -> None:
    killed(run)
    (tmp_path / "out.h5").write_text("mine")
    for arguments in ([], ["--resume"]):
        run(*arguments, "-o", "out.h5", code=2)
        assert (tmp_path / "out.h5").read_text() == "mine" and nkpk.open(tmp_path / "out.h5.part").n == 3072
    run("-o", "out.h5", "--resume", "--force", "--quiet")
    assert nkpk.open(tmp_path / "out.h5").n == N


# ---- journals


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_is_the_ensemble_so_far(way: list[str], run: Run, executable: Path, tmp_path: Path) -> None:
    killed(run, *way)
    part = nkpk.open(tmp_path / "out.h5.part")
    run(*way, "-n", 3072, "-o", "first.h5", "--quiet")
    first = nkpk.open(tmp_path / "first.h5")
    assert_same_bits(part, first, ("parameters", "status", *OVER_TIME))
    assert way or part.values.equals(first.values)
    assert (part.n, part.complete, part.attrs["status"], part.attrs["n_asked"]) == (3072, False, "interrupted", N)
    assert f"; interrupted, {N} were asked for" in repr(part)
    info = subprocess.run([executable, "info", "out.h5.part"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "n_patients    3072" in info and "status        interrupted" in info and "of 2 observables" in info
    part.save(tmp_path / "saved.h5")
    assert_same_bits(part, nkpk.open(tmp_path / "saved.h5"), ("parameters", "status", *OVER_TIME))


def test_what_a_damaged_disk_took_is_computed_again(run: Run, whole: dict[str, dict], tmp_path: Path) -> None:
    killed(run)
    journal = tmp_path / "out.h5.part"
    sound = journal.read_bytes()
    changed = bytearray(sound)
    changed[len(sound) * 2 // 3] ^= 1
    journal.write_bytes(changed)
    left = nkpk.open(journal).n
    assert left in (1024, 2048)
    assert f"going on with patient {left} " in run("-o", "out.h5", "--resume").stderr
    assert first_difference(content(tmp_path / "out.h5"), whole["courses"]) == ""
    changed = bytearray(sound)
    changed[100] ^= 1  # the header
    (tmp_path / "out.h5").unlink()
    journal.write_bytes(changed)
    for arguments in ([], ["--resume"]):
        assert "a damaged journal" in run(*arguments, "-o", "out.h5", code=2).stderr
        assert journal.read_bytes() == changed
    run("-o", "out.h5", "--force", "--quiet")
    assert names(tmp_path) == ["out.h5"]


# ---- disks and other programs


MB = 1 << 20


def keeps_what_is_finished(run: Run, folder: str, attempts: Iterator[dict], arguments: list[str], tmp_path: Path) -> None:
    """Tries one room after another until a run ends with some blocks, but not all."""
    for room in attempts:
        command = [str(run.executable), "ensemble", *ENSEMBLE, *arguments, "-o", f"{folder}out.h5", "--force"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, **room)
        assert done.returncode == 2, "there was room for all"
        assert done.stdout == "" and done.stderr.startswith("nkpk: ") and done.stderr.count("\n") == 1, done.stderr
        assert not (tmp_path / folder / "out.h5").exists() and not (tmp_path / folder / "out.h5.growing").exists()
        if (tmp_path / folder / "out.h5.part").exists():
            kept = nkpk.open(tmp_path / folder / "out.h5.part").n
            assert 0 < kept
            assert f"the first {kept} of {N} patients are kept in {folder}out.h5.part: go on with --resume when this is mended" in done.stderr
            return
    pytest.fail("no block was finished")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 24 MB, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = bool(mount) and subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True).returncode == 0
    yield folder if made else None
    if made:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_keeps_what_is_finished(way: list[str], run: Run, small_disk: Path | None, whole: dict[str, dict], tmp_path: Path,
                                            request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    def limited(size: int) -> Callable[[], None]:
        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        return limit

    def with_ballast(disk: Path) -> Iterator[dict]:
        for size in range(22 * MB, 0, -MB):
            (disk / "ballast").write_bytes(bytes(size))
            yield {}

    def resumed(folder: str) -> None:
        run(*way, "-o", f"{folder}out.h5", "--resume", "--quiet")
        assert first_difference(content(tmp_path / folder / "out.h5"), whole[request.node.callspec.id]) == ""

    with capsys.disabled():
        print("\nfull disk: by a file-size limit" + (" and on a file system of 24 MB" if small_disk else "; no file system can be mounted here"))
    keeps_what_is_finished(run, "", ({"preexec_fn": limited(size)} for size in range(2 * MB, 20 * MB, MB // 2)), way, tmp_path)
    resumed("")
    if small_disk:
        keeps_what_is_finished(run, "disk/", with_ballast(small_disk), way, tmp_path)
        (small_disk / "ballast").unlink()
        resumed("disk/")


def test_two_programs_cannot_write_one_file(run: Run, executable: Path, tmp_path: Path) -> None:
    command = [executable, "ensemble", "sankoma", "-n", "10000000", "--days", "1", "--output-step", "1", "--observables", "alc", "-o", "out.h5"]
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out.h5.growing").exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        for arguments in ([], ["--resume"], ["--force"]):
            assert run(*arguments, "-o", "out.h5", code=2).stderr == "nkpk: out.h5: another program is writing this file\n"
        with pytest.raises(nkpk.InputError, match="another program is writing"):
            nkpk.simulate("sankoma", days=1).save(tmp_path / "out.h5", force=True)
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


def test_what_stands_in_the_way_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.h5.part").mkdir()
    assert run("-o", "out.h5", code=2).stderr == "nkpk: out.h5: cannot be written: Is a directory\n"
    (tmp_path / "out.h5").mkdir()
    for arguments in ([], ["--resume"], ["--force"]):
        assert run(*arguments, "-o", "out.h5", code=2).stderr == "nkpk: out.h5: is a folder, not a file\n"
    assert names(tmp_path) == ["out.h5", "out.h5.part"]
    os.symlink(tmp_path / "elsewhere", tmp_path / "link.h5.part")
    assert "link.h5: cannot be written" in run("-o", "link.h5", code=2).stderr
    assert not (tmp_path / "elsewhere").exists()


def test_without_permission_nothing_is_touched(executable: Path) -> None:
    """As a user who owns nothing here, for root may write everywhere."""
    with tempfile.TemporaryDirectory(prefix="nkpk-read-only-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = shutil.copy(executable, folder / "nkpk")
        shutil.copytree(Path(nkpk.__file__).resolve().parents[2] / "params", folder / "params")
        closed, journal = folder / "closed", folder / "journal"
        closed.mkdir()
        (closed / "out.h5").write_text("mine")
        journal.mkdir()
        command = [program, "ensemble", *ENSEMBLE, "--params", folder / "params"]
        subprocess.run([*command, "-o", "out.h5"], cwd=journal, env={**os.environ, "NKPK_FAULT": "journal_torn:4"}, capture_output=True, timeout=60)
        before = (journal / "out.h5.part").read_bytes()
        (journal / "out.h5.part").chmod(0o444)
        for place in (closed, journal):
            place.chmod(0o555)
        somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for place, target, arguments in ((closed, "new.h5", []), (closed, "out.h5", ["--force"]), (journal, "out.h5", ["--resume"])):
            done = subprocess.run([*command, "-o", target, *arguments], cwd=place, capture_output=True, text=True, timeout=60, **somebody)
            assert (done.returncode, done.stdout) == (2, "") and done.stderr == f"nkpk: {target}: cannot be written: Permission denied\n"
        assert (closed / "out.h5").read_text() == "mine" and names(closed) == ["out.h5"]
        assert (journal / "out.h5.part").read_bytes() == before
        read = subprocess.run([program, "info", "out.h5.part"], cwd=journal, capture_output=True, text=True, timeout=60, **somebody)
        assert read.returncode == 0 and "n_patients    2048" in read.stdout
        for place in (closed, journal):
            place.chmod(0o755)


def test_an_archive_that_vanishes_meanwhile_is_made_again(executable: Path, whole: dict[str, dict], run: Run, tmp_path: Path) -> None:
    command = [executable, "ensemble", "sankoma", "-n", "10000000", "--days", "1", "--output-step", "1", "--observables", "alc", "-o", "out.h5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.h5.part").exists() or (tmp_path / "out.h5.part").stat().st_size < 2 << 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "out.h5.growing").unlink()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (2, "") and stderr.count("\n") == 1 and "out.h5: cannot be replaced: No such file" in stderr
    kept = nkpk.open(tmp_path / "out.h5.part").n
    assert f"the first {kept} of 10000000 patients are kept in out.h5.part: go on with --resume" in stderr
    (tmp_path / "out.h5.part").unlink()
    assert "there is no journal" in run("-o", "out.h5", "--resume").stderr
    assert first_difference(content(tmp_path / "out.h5"), whole["courses"]) == ""


# ---- Python


PYTHON = {"seed": 3, "rtol": 1e-4, "observables": ["alc", "il15"]}


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_python_goes_on_where_the_executable_was_killed(keep: str, run: Run, tmp_path: Path) -> None:
    scenario = nkpk.load("sankoma", days=3, output_step=1)
    killed(run, *([] if keep == "values" else ["--summary-only", "--checkpoint-every", "0"]))
    out = tmp_path / "out.h5"
    with pytest.raises(nkpk.InputError, match=r"holds 3072 finished patients.*go on with resume=True, or start anew with force=True"):
        scenario.ensemble(N, **PYTHON, keep=keep, out=out)
    with pytest.raises(nkpk.InputError, match="seed: 3 before, 8 now"):
        scenario.ensemble(N, **{**PYTHON, "seed": 8}, keep=keep, out=out, resume=True)
    resumed = scenario.ensemble(N, **PYTHON, keep=keep, out=out, resume=True)
    memory = scenario.ensemble(N, **PYTHON, keep=keep)
    assert_same_bits(resumed, memory, ("parameters", "status", *OVER_TIME, *(["values"] if keep == "values" else [])))
    assert resumed.attrs == memory.attrs and names(tmp_path) == ["out.h5"]
    before = out.read_bytes()
    assert scenario.ensemble(N, **PYTHON, keep=keep, out=out, resume=True).complete
    assert out.read_bytes() == before
    with pytest.raises(nkpk.InputError, match="expected out"):
        scenario.ensemble(3, resume=True)


def test_other_given_patients_are_not_gone_on_with(tmp_path: Path) -> None:
    code = f"""
import numpy as np, nkpk, sys
rates = np.linspace(0.04, 0.06, 3000)
rates[2500] += float(sys.argv[1])
nkpk.load("sankoma", days=2, output_step=1).ensemble(population={{"host_nk.d0": rates}}, out={str(tmp_path / "out.h5")!r}, resume=True)
"""

    def go(change: float, fault: str = "") -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-c", code, str(change)], env={**os.environ, "NKPK_FAULT": fault}, capture_output=True, text=True, timeout=120)

    assert go(0, "journal_torn:3").returncode == -signal.SIGKILL
    assert nkpk.open(tmp_path / "out.h5.part").n == 1024
    other = go(1e-9)
    assert other.returncode != 0 and "population_hash: " in other.stderr
    assert go(0).returncode == 0
    assert nkpk.open(tmp_path / "out.h5").complete
    assert go(1e-9).returncode != 0 and go(0).returncode == 0
