"""A run as a tree of named arrays: in memory, or in an archive and read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from nkpk import _core
from nkpk._core import InputError

# these belong to HDF5 and netCDF, not to us; docs/archive_format.md
_RESERVED = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_FillValue"}


class Array(NamedTuple):
    """Values with one name per dimension; attrs hold "units" and "long_name"."""

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: dict[str, Any]


class Tree(Protocol):
    """What a Result needs of its data."""

    @property
    def attrs(self) -> Mapping[str, Any]: ...
    @property
    def arrays(self) -> Mapping[str, Array]: ...
    @property
    def groups(self) -> Mapping[str, Tree]: ...
    def array(self, name: str) -> Array: ...


@dataclass
class Group:
    """A tree in memory."""

    attrs: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    groups: Mapping[str, Tree] = field(default_factory=dict)

    def array(self, name: str) -> Array:
        """One array, without reading the others."""
        return self.arrays[name]

    @classmethod
    def from_core(cls, group: Mapping[str, Any], groups: Mapping[str, Tree] | None = None) -> Group:
        """`groups` stands in for those of `group` where these are made later."""
        return cls(
            group["attrs"],
            {name: Array(*entry) for name, entry in group["arrays"].items()},
            {name: cls.from_core(child) for name, child in group["groups"].items()} if groups is None else groups,
        )


class GroupsOfRun(Mapping[str, Tree]):
    """The groups of a run that the extension holds, each made when first asked for. A copy or a pickle holds all of them."""

    def __init__(self, run: _core.Run) -> None:
        self._run = run
        self._made: dict[str, Group] = {}

    def __getitem__(self, name: str) -> Group:
        if name not in self._made:
            # of two threads that ask at once, both get the first answer
            self._made.setdefault(name, Group.from_core(self._run.group(name)))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_core.group_names())

    def __len__(self) -> int:
        return len(_core.group_names())

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)


def to_core(tree: Tree) -> dict[str, Any]:
    return {
        "attrs": dict(tree.attrs),
        "arrays": {name: tuple(array) for name, array in tree.arrays.items()},
        "groups": {name: to_core(child) for name, child in tree.groups.items()},
    }


def in_memory(tree: Tree) -> Group:
    """A copy that needs no file."""
    return Group(dict(tree.attrs), dict(tree.arrays), {name: in_memory(child) for name, child in tree.groups.items()})


def _plain(value: Any) -> Any:
    """An attribute as str, int, float or list."""
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list) else value


class ArchiveGroup:
    """A group of an archive; attributes and arrays are read when first asked for, and the file is closed again.

    At first all bytes of the file are compared with the digest at its end: h5py never sees one that is damaged.
    """

    def __init__(self, path: Path, where: str = "/", stamp: tuple[int, int, int] | None = None) -> None:
        self._path, self._where = path, where
        self._stamp = stamp or self._now()
        if stamp is None:
            _core.check_digest(path)

    def _now(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}") from None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _open(self) -> Any:
        import h5py

        if self._now() != self._stamp:
            raise InputError(f"{self._path}: was replaced after it was opened; open it again")
        try:
            return h5py.File(self._path, "r")
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read as HDF5 ({error})") from None

    @cached_property
    def attrs(self) -> dict[str, Any]:
        with self._open() as file:
            return {key: _plain(value) for key, value in file[self._where].attrs.items() if key not in _RESERVED}

    @cached_property
    def arrays(self) -> dict[str, Array]:
        import h5py

        with self._open() as file:
            items = [(key, item) for key, item in file[self._where].items() if isinstance(item, h5py.Dataset)]
            return {name: self._read(name, data) for name, data in items}

    @cached_property
    def groups(self) -> dict[str, Tree]:
        import h5py

        with self._open() as file:
            names = [key for key, item in file[self._where].items() if isinstance(item, h5py.Group)]
        return {name: ArchiveGroup(self._path, f"{self._where.rstrip('/')}/{name}", self._stamp) for name in names}

    def array(self, name: str) -> Array:
        """One array, without reading the others."""
        if "arrays" in self.__dict__:
            return self.arrays[name]
        with self._open() as file:
            return self._read(name, file[self._where][name])

    def _read(self, name: str, data: Any) -> Array:
        if data.is_scale:
            dims: tuple[str, ...] = (name,)
        else:
            try:
                dims = tuple(dim[0].name.rsplit("/", 1)[-1] for dim in data.dims)
            except RuntimeError:
                raise InputError(f"{self._path}: {self._where} {name}: a dimension has no coordinate") from None
        values = data.asstr()[()] if data.dtype.kind == "O" else data[()]
        attrs = {key: _plain(value) for key, value in data.attrs.items() if key not in _RESERVED}
        return Array(dims, np.asarray(values), {k: v for k, v in attrs.items() if not k.startswith("_Netcdf4")})

    def __reduce__(self) -> tuple:
        group = in_memory(self)
        return Group, (group.attrs, group.arrays, group.groups)
