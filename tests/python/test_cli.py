"""How the executable behaves: its commands, exit codes, streams and files."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
REGIMENS = {"sankoma": 2, "sysu-ucb": 6, "rogachev-hsct": 24, "peking-aml": 4, "radboud-ucb": 9}


@pytest.fixture
def nkpk(executable, tmp_path):
    """Runs the executable in an empty folder."""

    def run(*args, code=0):
        done = subprocess.run(
            [executable, *map(str, args)], cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
        )
        assert done.returncode == code, (done.returncode, done.stderr)
        return done

    return run


def report(nkpk, *args):
    return json.loads(nkpk("simulate", *args, "--json").stdout)[0]["report"]


def values(nkpk, *args):
    return {name: entry["value"] for name, entry in report(nkpk, *args).items()}


# ---- what is printed


def test_the_instruction_set_is_fixed_stored_and_changes_no_bit(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "--days", "20", "-o", "widest.h5")
    nkpk("simulate", "sankoma", "--days", "20", "--isa", "baseline", "-o", "baseline.h5")
    with h5py.File(tmp_path / "widest.h5") as widest, h5py.File(tmp_path / "baseline.h5") as baseline:
        assert baseline.attrs["isa"] == "baseline"
        for name, values in widest.items():
            if isinstance(values, h5py.Dataset) and values.dtype.kind == "f":
                np.testing.assert_array_equal(values[...], baseline[name][...])


@pytest.mark.parametrize(
    "args",
    [["list"], ["check", *REGIMENS], ["show", "rogachev-hsct"], ["simulate", "sankoma"], ["info", "run.h5"], ["verify", "run.h5"]],
    ids=lambda args: args[0],
)
def test_every_command_speaks_text_and_json_on_stdout_and_nothing_on_stderr(args, nkpk):
    nkpk("simulate", "sankoma", "-o", "run.h5")
    text = nkpk(*args)
    assert len(text.stdout) > 50 and text.stderr == ""
    data = nkpk(*args, "--json")
    assert json.loads(data.stdout) and data.stderr == ""
    assert text.stdout != data.stdout


def test_list_names_all_that_can_be_given(nkpk):
    data = json.loads(nkpk("list", "--json").stdout)
    assert set(data["regimens"]) == set(REGIMENS)
    for name, count in REGIMENS.items():
        assert np.prod([len(o["choices"]) for o in data["regimens"][name]["options"].values()]) == count
    assert "man-70y" in data["patients"] and "expanded" in data["products"] and data["solvers"] == ["dopri5", "fehlberg78", "rkc2", "rodas4", "rodas5p", "auto"]
    text = nkpk("list").stdout
    for name in [*REGIMENS, *data["patients"], *data["products"], *data["solvers"]]:
        assert name in text


def test_check_reads_every_combination(nkpk):
    data = json.loads(nkpk("check", *REGIMENS, "--json").stdout)
    assert {entry["file"]: entry["combinations"] for entry in data} == REGIMENS
    assert all(entry["warnings"] == [] for entry in data)


def test_show_prints_the_calendar_of_this_patient(nkpk):
    text = nkpk("show", "radboud-ucb", "--arm", "high-il2", "--level", "3e9").stdout
    # 900 mg/m2 on 4 days and 6e6 IU from 4 h on every other day, six times
    assert len(re.findall(r"^ *-[3-6] +cyclophosphamide iv +1\.\d+ g over 1 h +900 mg/m\^2", text, re.M)) == 4
    assert len(re.findall(r"il2 sc +6 MIU", text)) == 6
    assert re.search(r"^ *0 +nk_cells iv +3e\+09 cells over 30 min", text, re.M)
    assert "high-il2_level-3e9" in text and "conditions" not in text


def test_show_scales_doses_to_the_patient(nkpk):
    def amounts(patient):
        data = json.loads(nkpk("show", "sankoma", "--patient", patient, "--json").stdout)
        return {e["id"]: e["amount"] for e in data["calendar"]}, data["warnings"]

    child, warnings = amounts("6mo-boy")
    adult, none = amounts("man-70y")
    assert child["nk-1"] < 0.2 * adult["nk-1"] and child["flu"] < 0.4 * adult["flu"]
    assert any("below 10 kg" in w for w in warnings) and none == []


def test_simulate_prints_the_table_that_json_holds(nkpk):
    text = nkpk("simulate", "sankoma").stdout
    assert text.splitlines()[0].split()[0] == "regimen/arm"
    r = values(nkpk, "sankoma")
    row = text.splitlines()[1].split()
    assert row[0] == "sankoma/two-infusions"
    assert float(row[1]) == pytest.approx(r["donor_nk_cmax"], rel=0.01)
    assert float(row[2]) == pytest.approx(r["donor_nk_tmax"], rel=0.01)


def test_quiet_prints_nothing_on_success(nkpk, tmp_path):
    done = nkpk("simulate", "sankoma", "--quiet", "-o", "run.h5")
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "run.h5").exists()


def test_warnings_go_to_stderr_and_not_into_json(nkpk):
    done = nkpk("simulate", "sankoma", "--set", "host_nk.d0=0.2 1/d", "--allow-implausible", "--json")
    assert "plausible range" in done.stderr
    assert "plausible range" in json.loads(done.stdout)[0]["warnings"][0]
    assert nkpk("simulate", "sankoma", "--set", "host_nk.d0=0.2 1/d", "--allow-implausible", "--quiet").stderr == ""


def test_what_is_implausible_goes_on_where_it_is_allowed_and_the_archive_says_so(nkpk, tmp_path):
    change = ["--allow-implausible", "--set", "dose.il2.amount=1e9 IU/m^2"]
    text = "dose.il2.amount = 1e9 IU/m^2 lies outside its plausible range 1e+04 to 1e+08 IU/m^2"
    for command in ("simulate", "ensemble"):
        more = ["-n", "2"] if command == "ensemble" else []
        done = nkpk(command, "sankoma", *change, *more, "--days", "2", "-o", f"{command}.h5")
        assert text in done.stderr
        with h5py.File(tmp_path / f"{command}.h5") as archive:
            assert any(text in warning for warning in archive.attrs["warnings"])
    assert text in nkpk("show", "sankoma", *change).stdout
    assert text in nkpk("export", "sankoma", "--sbml", *change).stderr


def test_version_and_help(nkpk):
    assert re.fullmatch(r"nkpk \d+\.\d+\.\d+ \(HDF5 [\d.]+, format 1\)\n", nkpk("--version").stdout)
    assert "simulate" in nkpk("--help").stdout
    for command in ("list", "check", "show", "simulate", "ensemble", "export", "info", "verify", "diff"):
        assert nkpk(command, "--help").stdout


# ---- exit codes


def test_a_numerical_failure_is_exit_code_1_with_time_state_and_patient(nkpk, tmp_path):
    done = nkpk("simulate", "sankoma", "--max-steps", "10", "-o", "run.h5", code=1)
    assert re.search(r"nkpk: sankoma/two-infusions: stopped at t = -?[\d.]+ d: all 10 steps are used up.*\(state \w+, patient [\w-]+, sankoma two-infusions\)", done.stderr)
    with h5py.File(tmp_path / "run.h5") as f:
        assert f.attrs["status"] == "max_steps"
        reached, times, alc = f.attrs["t_reached_d"], f["time"][:], f["alc"][:]
    assert np.isfinite(alc[times <= reached]).all() and (times <= reached).any()
    assert np.isnan(alc[times > reached]).all() and (times > reached).any()


def test_a_failure_of_one_arm_leaves_the_others(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "--all-arms", "--max-steps", "10", "-o", "out", code=1)
    assert len(list((tmp_path / "out" / "sankoma").glob("*.h5"))) == 2


# ---- files


def test_all_arms_into_one_file(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "radboud-ucb", "--all-arms", "-o", "all.h5")
    with h5py.File(tmp_path / "all.h5") as f:
        assert len(f["simulation"]) == 11
        for run in f["simulation"].values():
            assert run.attrs["status"] == "ok" and np.isfinite(run["alc"][:]).all()
    runs = json.loads(nkpk("info", "all.h5", "--json").stdout)["runs"]
    assert len(runs) == 11 and {run["status"] for run in runs} == {"ok"}


def test_all_arms_into_a_folder(nkpk, tmp_path):
    nkpk("simulate", *REGIMENS, "--all-arms", "--output-step", "1", "-o", "out/deep", "--quiet")
    found = {path.relative_to(tmp_path / "out" / "deep").parent.as_posix() for path in tmp_path.rglob("*.h5")}
    assert found == set(REGIMENS)
    for name, count in REGIMENS.items():
        assert len(list((tmp_path / "out" / "deep" / name).iterdir())) == count


def test_an_archive_is_replaced_only_by_force(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "-o", "run.h5")
    before = (tmp_path / "run.h5").read_bytes()
    assert "exists already" in nkpk("simulate", "sankoma", "-o", "run.h5", code=2).stderr
    assert (tmp_path / "run.h5").read_bytes() == before
    nkpk("simulate", "sankoma", "--days", "5", "-o", "run.h5", "--force")
    with h5py.File(tmp_path / "run.h5") as f:
        assert f["time"][-1] == 5
    nkpk("simulate", "sankoma", "-o", "out")
    assert "exists already" in nkpk("simulate", "sankoma", "-o", "out", code=2).stderr
    nkpk("simulate", "sankoma", "-o", "out", "--force")


def test_nothing_is_left_beside_the_archives(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "-o", "run.h5")
    nkpk("simulate", "sankoma", "--arm", "nonsense", "-o", "other.h5", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_a_folder_that_cannot_be_written_is_refused(nkpk):
    assert "nkpk: " in nkpk("simulate", "sankoma", "-o", "/proc/nkpk/run", code=2).stderr


def test_an_archive_says_what_was_typed(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "--set", "host_nk.d0=0.05 1/d", "-o", "run.h5")
    with h5py.File(tmp_path / "run.h5") as f:
        line = f["provenance"].attrs["command_line"]
    assert line.endswith("simulate sankoma --set 'host_nk.d0=0.05 1/d' -o run.h5")


def test_info_repeats_the_report_of_the_run(nkpk):
    nkpk("simulate", "sankoma", "-o", "run.h5")
    run = json.loads(nkpk("info", "run.h5", "--json").stdout)["runs"][0]
    expected = values(nkpk, "sankoma")
    assert {name: entry["value"] for name, entry in run["report"].items()} == expected
    assert (run["regimen"], run["arm"], run["status"]) == ("sankoma", "two-infusions", "ok")


# ---- what can be changed


@pytest.mark.parametrize(
    "change, moves",
    [
        ("rejection.krej=0.01 1/d/(cells/uL)", "donor_nk_last_day_above_1"),
        ("product.pmax=0.7 1/d", "donor_nk_cmax"),
        ("dose.nk-1.amount=1e8 cells/kg", "donor_nk_auc_0_28"),
        ("dose.cy.amount=5 mg/kg", "alc_nadir"),
        ("patient.nk_count=400 cells/uL", "host_nk_day_28"),
        ("donor=matched", "donor_nk_auc_0_28"),
        ("product=overnight-activated", "donor_nk_cmax"),
    ],
)
def test_set_changes_parameters_doses_patient_and_donor(change, moves, nkpk):
    plain, changed = values(nkpk, "sankoma"), values(nkpk, "sankoma", "--set", change)
    assert plain[moves] != pytest.approx(changed[moves], rel=1e-3)


def test_a_later_set_wins(nkpk):
    twice = values(nkpk, "sankoma", "--set", "host_nk.d0=0.05 1/d", "--set", "host_nk.d0=0.08 1/d")
    assert twice == values(nkpk, "sankoma", "--set", "host_nk.d0=0.08 1/d")


def test_the_patient_is_a_name_a_file_or_an_age(nkpk, tmp_path):
    shutil.copyfile(ROOT / "params" / "patients" / "man-70y.toml", tmp_path / "mine.toml")
    by_name = values(nkpk, "sankoma", "--patient", "man-70y")
    assert values(nkpk, "sankoma", "--patient", "mine.toml") == by_name
    assert values(nkpk, "sankoma", "--patient", "./mine.toml") == by_name
    assert values(nkpk, "sankoma", "--patient", "70y-man") != by_name
    assert json.loads(nkpk("simulate", "sankoma", "--patient", "3y-girl", "--json").stdout)[0]["patient"] == "3y-girl"


def test_a_patient_from_elsewhere_can_be_archived(nkpk, tmp_path):
    shutil.copyfile(ROOT / "params" / "patients" / "man-70y.toml", tmp_path / "mine.toml")
    nkpk("simulate", "sankoma", "--patient", tmp_path / "mine.toml", "-o", "run.h5")
    assert nkpk("info", "run.h5").stdout


def test_days_sets_the_horizon(nkpk, tmp_path):
    nkpk("simulate", "sankoma", "--days", "12.5", "-o", "run.h5")
    with h5py.File(tmp_path / "run.h5") as f:
        assert f["time"][-1] == 12.5


def test_levels_and_arms_are_taken_from_their_groups(nkpk):
    runs = json.loads(nkpk("simulate", "radboud-ucb", "--arm", "low-il2", "--level", "1e9", "--json").stdout)
    assert [run["arm"] for run in runs] == ["low-il2_level-1e9"]
    assert json.loads(nkpk("simulate", "radboud-ucb", "--arm", "level=1e9", "--arm", "low-il2", "--json").stdout)[0]["report"] == runs[0]["report"]


@pytest.mark.parametrize("regimen", REGIMENS)
def test_both_solvers_give_the_same_numbers(regimen, nkpk, tmp_path):
    for solver in ("dopri5", "fehlberg78"):
        nkpk("simulate", regimen, "--solver", solver, "--rtol", "1e-10", "--atol-factor", "1e-3", "--output-step", "0.5", "-o", f"{solver}.h5")
    with h5py.File(tmp_path / "dopri5.h5") as a, h5py.File(tmp_path / "fehlberg78.h5") as b:
        assert a.attrs["solver"] == "dopri5" and b.attrs["solver"] == "fehlberg78"
        names = [name for name, data in a.items() if isinstance(data, h5py.Dataset) and data.shape == a["time"].shape and data.dtype.kind == "f"]
        assert len(names) > 25
        for name in names:
            x, y = a[name][:], b[name][:]
            # 1e-6 of the value, or of a thousandth of the largest: far below what can be measured
            scale = np.maximum(np.abs(x), 1e-3 * np.nanmax(np.abs(x), initial=0))
            np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
            assert np.nanmax(np.abs(x - y) / np.where(scale > 0, scale, 1), initial=0) < 1e-6, name


# ---- terminals and interruption


def on_a_terminal(command, cwd):
    """Exit code and what the command writes to stderr when that is a terminal."""
    try:
        outer, inner = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be made here: {error}")
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=inner)
    os.close(inner)
    text = b""
    while True:
        ready, _, _ = select.select([outer], [], [], 60)
        try:
            part = os.read(outer, 65536) if ready else b""
        except OSError:  # Linux reports the closed other end so
            part = b""
        if not part:
            break
        text += part
    os.close(outer)
    return process.wait(timeout=60), text


def test_progress_is_shown_on_a_terminal_only(executable, nkpk, tmp_path):
    code, text = on_a_terminal([executable, "simulate", "radboud-ucb", "--all-arms"], tmp_path)
    assert code == 0 and b"9/9" in text and text.endswith(b"\r\x1b[K")
    code, text = on_a_terminal([executable, "simulate", "radboud-ucb", "--all-arms", "--quiet"], tmp_path)
    assert (code, text) == (0, b"")
    assert nkpk("simulate", "radboud-ucb", "--all-arms").stderr == ""


@pytest.mark.parametrize("out", ["run.h5", "out"])
def test_an_interrupted_run_leaves_no_archive_behind(out, executable, tmp_path):
    # a tolerance and grid that keep it busy for long after the interrupt
    command = [executable, "simulate", "rogachev-hsct", "--all-arms", "--rtol", "2e-14", "--atol-factor", "1e-9", "--max-steps", "1000000000", "-o", out]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert process.poll() is None, "the run was too short to be interrupted"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "" and stderr.startswith("nkpk: interrupted; ")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix != ".h5"]
    for path in left:  # runs that were finished before, each whole
        with h5py.File(path) as f:
            assert f.attrs["status"] == "ok"
    assert out == "out" or not left


def test_output_into_a_closed_pipe_ends_quietly(executable, tmp_path):
    done = subprocess.run(f"'{executable}' list | head -1", shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("regimens") and done.stderr == ""


# ---- export


def test_export_writes_sbml_to_stdout_or_to_a_file_that_does_not_exist(nkpk, tmp_path):
    text = nkpk("export", "sankoma", "--sbml").stdout
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>') and text.endswith("</sbml>\n")
    assert nkpk("export", "sankoma", "--sbml", "-o", "s.xml").stdout == "written to s.xml\n"
    assert (tmp_path / "s.xml").read_text() == text
    refused = nkpk("export", "sankoma", "--sbml", "-o", "s.xml", code=2)
    assert "s.xml: exists already" in refused.stderr and "--force" in refused.stderr and refused.stdout == ""
    assert nkpk("export", "sankoma", "--sbml", "-o", "s.xml", "--force", "--quiet").stdout == ""
    assert json.loads(nkpk("export", "sankoma", "--sbml", "-o", "t.xml", "--json").stdout) == {"written": "t.xml"}


def test_export_takes_the_choices_of_the_other_commands(nkpk):
    plain = nkpk("export", "radboud-ucb", "--sbml").stdout
    other = nkpk("export", "radboud-ucb", "--sbml", "--arm", "high-il2", "--patient", "3y-girl", "--set", "host_nk.d0=0.05 1/d", "--without", "treg").stdout
    assert "high-il2" in other and 'id="treg"' in plain and 'id="treg"' not in other
    assert re.search(r'id="host_nk_d0"[^>]*value="0.05"', other)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sankoma"], "nothing was chosen"),
        (["--sbml"], "no regimen is named"),
        (["sankoma", "--equations"], "every regimen"),
        (["sankoma", "--sbml", "--equations"], "two files"),
        (["sankoma", "--sbml", "-o", "nowhere/s.xml"], "does not exist"),
        (["sankoma", "--sbml", "-o", "."], "is a folder"),
        (["nosuch", "--sbml"], "nosuch"),
        (["sankoma", "--sbml", "--arm", "nosuch"], "nosuch"),
        (["sankoma", "--smbl"], "--sbml"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_export_refuses(args, said, nkpk):
    done = nkpk("export", *args, code=2)
    assert said in done.stderr and done.stdout == ""
