"""What is damaged, cut short, made by a newer program or made to hurt is refused, and nothing crashes; changed files can be sealed."""

import hashlib
import json
import random
import shutil
import struct
import subprocess
from pathlib import Path

import h5py
import nkpk
import numpy as np
import pytest

ARCHIVES = Path(__file__).resolve().parents[1] / "archives"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "run.h5"
    nkpk.simulate("sankoma", days=3, output_step=1).save(path)
    return path


@pytest.fixture
def verify(executable: Path):
    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([executable, "verify", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


def sealed(content: bytes) -> bytes:
    """With a digest at the end, by the rules of docs/archive_format.md alone."""
    head = content + b"nkpk sha-256 v1\n" + struct.pack("<QQ", len(content), 0)
    return head + hashlib.sha256(head).digest()


def content_of(path: Path) -> bytes:
    return path.read_bytes()[:-64]


def test_the_digest_is_what_the_format_says_and_what_a_shell_computes(sound: Path) -> None:
    assert sealed(content_of(sound)) == sound.read_bytes()
    digest = subprocess.check_output(["bash", "-c", f"head -c -32 '{sound}' | sha256sum"], text=True).split()[0]
    assert digest == subprocess.check_output(["bash", "-c", f"tail -c 32 '{sound}' | od -An -v -tx1 | tr -d ' \\n'"], text=True)


def test_a_sound_archive_is_called_sound(sound: Path, verify) -> None:
    assert ": ok, format 1, " in verify(sound).stdout
    (entry,) = json.loads(verify(sound, "--json").stdout)
    assert entry["ok"] and entry["problems"] == [] and not entry["sealed_anew"]
    assert entry["sha256"] == sound.read_bytes()[-32:].hex()
    assert nkpk.verify(sound) == []


def test_flipped_bits_and_cut_files_are_reported_by_python_and_the_executable(sound: Path, tmp_path: Path, verify) -> None:
    whole = sound.read_bytes()
    path = tmp_path / "x.h5"
    generator = random.Random(1)
    positions = [0, 7, 8, 100, len(whole) - 64, len(whole) - 40, len(whole) - 1] + [generator.randrange(len(whole)) for _ in range(100)]
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(nkpk.InputError, match="damaged: |no digest at its end: |not an HDF5 file"):
            nkpk.open(path)
        assert len(nkpk.verify(path)) == 1
    for length in (0, 3, 64, 1000, len(whole) // 2, len(whole) - 64, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(nkpk.InputError, match="no digest at its end: |not an HDF5 file"):
            nkpk.open(path)
        assert "x.h5: no" in verify(path, code=2).stdout


def test_each_file_gets_a_line_and_one_bad_one_is_exit_code_2(sound: Path, tmp_path: Path, verify) -> None:
    (tmp_path / "cut.h5").write_bytes(sound.read_bytes()[:-1])
    lines = verify(sound, tmp_path / "cut.h5", tmp_path / "none.h5", code=2).stdout.splitlines()
    assert [": ok" in line for line in lines] == [True, False, False]
    assert "no digest" in lines[1] and "no such file" in lines[2]


def test_a_newer_version_is_refused_by_its_number(sound: Path, tmp_path: Path, executable: Path) -> None:
    path = tmp_path / "new.h5"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        file.attrs["nkpk_format_version"] = np.int64(2)
    path.write_bytes(sealed(path.read_bytes()))
    with pytest.raises(nkpk.InputError, match="format version 2; expected 1"):
        nkpk.open(path)
    for command in (["info"], ["verify"], ["verify", "--seal"], ["export", "--csv", "-o", tmp_path / "csv"], ["diff", sound]):
        done = subprocess.run([executable, *command, path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "format version 2, this program reads 1" in done.stdout + done.stderr, command
    assert not (tmp_path / "csv").exists()


def test_a_file_that_h5py_changed_is_refused_until_it_is_sealed_anew(sound: Path, tmp_path: Path, verify, executable: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        file.attrs["remark"] = "patient moved to another ward"
    with pytest.raises(nkpk.InputError, match=r"changed by another program.*nkpk verify --seal"):
        nkpk.open(path)
    assert "no digest" in verify(path, code=2).stdout
    assert "another program changed it, and it was sealed anew" in verify("--seal", path).stdout
    assert json.loads(verify(path, "--json").stdout)[0]["sealed_anew"] is True
    assert nkpk.open(path).attrs["remark"] == "patient moved to another ward"
    assert "sealed anew" in subprocess.check_output([executable, "info", path], text=True)
    before = path.read_bytes()
    verify("--seal", path)  # a right one stays
    assert path.read_bytes() == before


def test_damaged_files_are_not_sealed_and_what_reads_them_may_crash(sound: Path, tmp_path: Path, verify, executable: Path) -> None:
    content = bytearray(content_of(sound))
    path = tmp_path / "x.h5"
    path.write_bytes(bytes(content[: len(content) // 2]))
    assert "damaged" in verify("--seal", path, code=2).stderr
    generator = random.Random(2)
    for _ in range(20):  # some of these crash HDF5, some change a number and are sealed as they are
        damaged = bytearray(content)
        for _ in range(50):
            damaged[generator.randrange(96, 20_000)] = generator.randrange(256)
        path.write_bytes(damaged)
        done = subprocess.run([executable, "verify", "--seal", path], capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 2), done
        is_sealed = path.read_bytes() != bytes(damaged)
        assert is_sealed == (path.read_bytes()[:-64] == bytes(damaged)), "the content is never touched"
        assert is_sealed or done.returncode == 2
    path.write_bytes(sound.read_bytes()[:-1] + b"\0")  # a digest that is wrong says that bytes were damaged
    assert "damaged" in verify("--seal", path, code=2).stderr


def test_claims_beyond_what_a_file_can_hold_are_refused_before_memory_is_asked_for(sound: Path, tmp_path: Path, verify) -> None:
    def problem(change) -> str:
        path = tmp_path / "x.h5"
        shutil.copy(sound, path)
        with h5py.File(path, "r+") as file:
            change(file)
        path.write_bytes(sealed(path.read_bytes()))
        (text,) = nkpk.verify(path)
        return text

    n = 2**40

    def scale(file: h5py.File, **options: object) -> None:
        file.create_dataset("huge", shape=(n,), dtype="f8", **options)
        file["huge"].make_scale("huge")

    assert "/huge: claims 1099511627776 elements, more than the file can hold" in problem(lambda file: scale(file))
    assert "/huge: claims 1099511627776 elements" in problem(lambda file: scale(file, chunks=(1000,), compression="gzip"))
    assert "/huge: claims pieces larger" in problem(lambda file: scale(file, chunks=(2**28,), compression="gzip"))

    def texts(file: h5py.File) -> None:
        file.create_dataset("huge", shape=(2**34,), dtype=h5py.string_dtype())
        file["huge"].make_scale("huge")

    assert "/huge: claims 17179869184 elements" in problem(texts)

    def wide(file: h5py.File) -> None:
        file.create_dataset("wide", shape=(), dtype=f"S{2**31 - 1}", chunks=None)

    assert "/wide: claims 1 elements" in problem(wide)


@pytest.mark.parametrize("name", ["v1_simulation.h5", "v1_ensemble.h5"])
def test_archives_of_version_1_open_for_ever(name: str, verify) -> None:
    opened = nkpk.open(ARCHIVES / name)
    assert ": ok, format 1" in verify(ARCHIVES / name).stdout
    rows = [row.split("\t") for row in (ARCHIVES / "expected.tsv").read_text().splitlines()]
    rows = [row for row in rows if row[0] == name]
    assert len(rows) > 300
    for _, path, position, expected in rows:
        where, _, attribute = path.partition("@")
        *groups, last = where.strip("/").split("/")
        tree = opened._tree
        for group in groups:
            tree = tree.groups[group]
        if attribute == "units":
            assert tree.arrays[last].attrs["units"] == expected, path
        elif attribute:
            attrs = tree.groups[last].attrs if last else tree.attrs
            assert attrs[attribute] == expected, path
        else:
            value = tree.arrays[last].values.ravel()[int(position)]
            assert str(value) == expected or float(value) == float(expected) or expected == "nan" and np.isnan(value), path
