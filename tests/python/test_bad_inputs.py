"""Every mistake is refused at the door with a message that says where, what and what was expected."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
NKPK = Path(os.environ.get("NKPK_EXECUTABLE", REPO / "build" / "release" / "cli" / "nkpk"))
BASE = (REPO / "tests" / "cli" / "base.toml").read_text()
CASES = tomllib.loads((REPO / "tests" / "cli" / "bad_inputs.toml").read_text())["case"]


def nkpk(folder, *args):
    return subprocess.run([NKPK, *args], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)


def refused(folder, *args):
    """Runs nkpk, expects a refusal that wrote nothing; returns the message without its "nkpk: "."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = nkpk(folder, *args)
    message = done.stderr.decode(errors="replace")
    assert done.returncode == 2, (done.returncode, message)
    assert done.stdout == b""
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert message.startswith("nkpk: ") and message.endswith("\n") and message.count("\n") == 1, message
    assert len(message) < 1000
    return message[len("nkpk: ") : -1]


def test_there_are_many_cases_with_names_of_their_own():
    assert len(CASES) >= 100
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert all(case.keys() <= {"name", "change", "text", "args", "expect"} for case in CASES)


def test_the_base_of_the_cases_is_good(tmp_path):
    (tmp_path / "base.toml").write_text(BASE)
    done = nkpk(tmp_path, "check", "base.toml")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"base.toml: 4 combinations of arms and levels, no errors\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_bad_input_is_refused_with_its_message(case, tmp_path):
    text = BASE
    for old, new in case.get("change", []):
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in base.toml"
        text = text.replace(old, new)
    (tmp_path / "bad.toml").write_text(case.get("text", text))
    (tmp_path / "there.h5").write_bytes(b"someone's archive")
    message = refused(tmp_path, *case.get("args", ["check", "bad.toml"]))
    assert re.fullmatch(case["expect"], message), message


# ---- files that no editor writes


def deep(kind, n):
    return {
        "dotted": ".".join(["a"] * n) + " = 1",
        "header": "[" + ".".join(["a"] * n) + "]",
        "list": "a = " + "[" * n + "]" * n,
        "table": "a = " + "{a=" * n + "1" + "}" * n,
        "both": "a = " + ("{" + ".".join(["a"] * 50) + " = ") * 200 + "1" + "}" * 200,
    }[kind]


@pytest.mark.parametrize("n", [60, 100_000])
@pytest.mark.parametrize("kind", ["dotted", "header", "list", "table", "both"])
def test_deep_nesting_is_refused_and_does_not_crash(kind, n, tmp_path):
    (tmp_path / "bad.toml").write_text(f"format = 1\n{deep(kind, n)}\n")
    assert re.match(r"bad\.toml:2: .*(nest|dots in a row)", refused(tmp_path, "check", "bad.toml"))


@pytest.mark.parametrize("n, problem", [(1_900, "cannot read the unit"), (100_000, "is a text of 100005 bytes; expected at most 2000")])
def test_brackets_without_end_in_a_unit_are_refused(n, problem, tmp_path):
    unit = "1/" + "(" * n
    (tmp_path / "bad.toml").write_text(BASE.replace("25 mg/kg", "25 " + unit))
    message = refused(tmp_path, "check", "bad.toml")
    assert problem in message and len(message) < 2500


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"\x80", b"\x00", b"\x1b[31m"])
def test_bytes_that_are_no_text_are_refused(bad, tmp_path):
    (tmp_path / "bad.toml").write_bytes(BASE.encode().replace(b"made up", bad, 1))
    assert re.match(r"bad\.toml:8: .*; the file is not valid TOML", refused(tmp_path, "check", "bad.toml"))


@pytest.mark.parametrize("escape", ["\\u0000", "\\u001b[31m", "\\u007f"])
def test_an_escaped_control_character_is_refused(escape, tmp_path):
    (tmp_path / "bad.toml").write_text(BASE.replace("made up", escape, 1))
    assert refused(tmp_path, "check", "bad.toml") == "bad.toml:8: notes: holds a control character; expected plain text"


def test_a_file_without_end_is_refused(tmp_path):
    assert refused(tmp_path, "check", "/dev/zero") == "/dev/zero: is larger than 16 MiB; expected a TOML file"


def test_an_unreadable_folder_of_parameters_is_refused(tmp_path):
    (tmp_path / "model.toml").write_text("format = 1\n")
    shipped = REPO / "params"
    regimen, patient = shipped / "regimens" / "sankoma.toml", shipped / "patients" / "man-45y.toml"
    assert "no parameter" in refused(tmp_path, "show", regimen, "--params", ".", "--patient", patient)


@pytest.mark.parametrize(
    "args",
    [["list", "--params"], ["show", "sankoma", "--patient"], ["check"], ["info"], ["simulate", "sankoma", "-o"], ["show", "sankoma", "--set"]],
    ids=" ".join,
)
def test_a_name_that_is_too_long_is_refused(args, tmp_path):
    done = nkpk(tmp_path, *args, "a/" * 20 + "a" * 5000)
    assert done.returncode == 2 and done.stderr.startswith(b"nkpk: ") and b"internal" not in done.stderr


def test_options_that_span_too_many_arms_are_refused(tmp_path):
    options = "".join(
        f'[[option]]\ngroup = "g{i}"\ndefault = "a"\n[option.choice.a]\n[option.choice.b]\n' for i in range(60)
    )
    (tmp_path / "bad.toml").write_text(BASE + options)
    message = refused(tmp_path, "simulate", "bad.toml", "--all-arms")
    assert re.fullmatch(r"option\.g\d+: more than 10000 combinations of choices; choose arms by name instead", message)


def test_a_name_that_is_no_utf8_is_refused_and_not_fatal(tmp_path):
    message = refused(tmp_path, "show", "sankoma", "--patient", b"\xff\xfe")
    assert message.startswith('unknown patient "')


def test_a_file_in_the_way_of_a_name_is_pointed_out(tmp_path):
    (tmp_path / "mine").write_text(BASE)
    assert refused(tmp_path, "check", "mine") == 'unknown regimen "mine"; for the file of that name write ./mine'


# ---- unusual but good


@pytest.mark.parametrize("change", [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n")], ids=["byte order mark", "CRLF"])
def test_files_of_other_systems_are_read(change, tmp_path):
    (tmp_path / "r.toml").write_bytes(change(BASE.encode()))
    assert nkpk(tmp_path, "check", "r.toml").returncode == 0


def test_a_large_file_is_read(tmp_path):
    (tmp_path / "r.toml").write_text("# " + "x" * 98 + "\n" + ("# " + "x" * 98 + "\n") * 100_000 + BASE)
    assert nkpk(tmp_path, "check", "r.toml").returncode == 0


@pytest.mark.parametrize("amount", ["25mg/kg", " 25  mg / kg ", "+25 mg/kg", "2.5e1 mg/kg", "0.025 g/kg"])
def test_the_same_amount_may_be_written_in_many_ways(amount, tmp_path):
    outputs = []
    for text in (BASE, BASE.replace("25 mg/kg", amount)):
        (tmp_path / "r.toml").write_text(text)
        done = nkpk(tmp_path, "show", "r.toml", "--json")
        assert done.returncode == 0, done.stderr
        outputs.append(re.findall(rb'"amount": ([0-9.e+]+)', done.stdout))
    assert [float(a) for a in outputs[0]] == pytest.approx([float(a) for a in outputs[1]], rel=1e-15)


def test_a_file_name_that_is_no_utf8_can_be_shown_as_json(tmp_path):
    name = b"\xff.toml"
    (tmp_path / "r.toml").write_text(BASE)
    (tmp_path / "r.toml").rename(Path(str(tmp_path)) / name.decode("utf-8", "surrogateescape"))
    done = nkpk(tmp_path, "check", b"./" + name, "--json")
    assert done.returncode == 0 and done.stdout.decode()


def test_output_that_cannot_be_written_is_a_failure(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([NKPK, "list"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and done.stderr == b"nkpk: the output cannot be written\n"
