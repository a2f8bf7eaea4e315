"""A power cut at any moment, without pulling a plug.

`Recorder` notes what a store asks of its file system: writes, new names, flushes. `cut` then builds
the directory that a disk may hold after a cut behind any of these steps. What was flushed is there.
Of the rest anything may be lost, page by page and name by name: POSIX promises no order. A rename
is one step: every file system with a journal sees to that.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.weights import disk, partial

PAGE = 4096
_CALLS = ("open", "write", "pwrite", "ftruncate", "link", "mkdir", "rmdir", "unlink")


@dataclass
class Step:
    """Something that was asked. `names` are (directory, name, what is called so from now on)."""

    kind: str  # write, size, flush, names, flush-names, note
    inode: int = 0
    offset: int = 0
    data: bytes = b""
    names: list[tuple[int, str, int | None]] = field(default_factory=list)
    note: str = ""


class Recorder:
    """What happens to files below `root`. Numbers stand for files and directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[Step] = []
        self.directories: set[int] = {0}
        self._numbers: dict[tuple[int, int], int] = {}
        self._lock = threading.RLock()
        self._count = 0
        self._number(root, fresh=0)

    def note(self, text: str) -> None:
        """Something the outside was told: it holds from here on."""
        self.steps.append(Step("note", note=text))

    def _number(self, path: Path | int, fresh: int | None = None) -> int:
        status = os.stat(path)  # noqa: PTH116 - the number of an open file, too
        key = (status.st_dev, status.st_ino)
        if fresh is not None:
            self._numbers[key] = fresh
        return self._numbers[key]

    def _new(self) -> int:
        self._count += 1
        return self._count

    def _inside(self, path: Path) -> bool:
        return path.is_relative_to(self.root)

    def _entry(self, path: Path, inode: int | None) -> tuple[int, str, int | None]:
        return (self._number(path.parent), path.name, inode)

    def _names(self, *entries: tuple[int, str, int | None]) -> None:
        self.steps.append(Step("names", names=list(entries)))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note everything that this process asks for."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                self._wrap(patch, os, name, getattr(self, f"_on_{name}"))
            for name in ("fsync", "fdatasync"):
                self._wrap(patch, os, name, self._on_flush)
            for name in ("rename", "replace"):
                self._wrap(patch, os, name, self._on_rename)
            self._wrap(patch, disk, "_exchange_names", self._on_exchange)
            self._wrap(patch, partial, "reserve", self._on_ftruncate)
            yield

    def _wrap(
        self, patch: pytest.MonkeyPatch, module: Any, name: str, on: Callable[..., Any]
    ) -> None:
        real = getattr(module, name)

        def wrapper(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return on(lambda: real(*arguments, **options), *arguments, **options)

        patch.setattr(module, name, wrapper)

    def _known(self, fd: int) -> int | None:
        status = os.fstat(fd)
        return self._numbers.get((status.st_dev, status.st_ino))

    def _on_open(self, do: Callable[[], int], path: Any, *_: Any, **options: Any) -> int:
        place = _place(path, options)
        is_new = not place.exists()
        fd = do()
        if is_new and self._inside(place):
            self._names(self._entry(place, self._number(fd, fresh=self._new())))
        return fd

    def _on_write(self, do: Callable[[], int], fd: int, data: Any) -> int:
        offset = os.lseek(fd, 0, os.SEEK_CUR) if self._known(fd) is not None else 0
        return self._written(do(), fd, offset, data)

    def _on_pwrite(self, do: Callable[[], int], fd: int, data: Any, offset: int) -> int:
        return self._written(do(), fd, offset, data)

    def _written(self, count: int, fd: int, offset: int, data: Any) -> int:
        if (inode := self._known(fd)) is not None:
            self.steps.append(Step("write", inode, offset, bytes(data)[:count]))
        return count

    def _on_ftruncate(self, do: Callable[[], None], fd: int, size: int) -> None:
        do()
        if (inode := self._known(fd)) is not None:
            self.steps.append(Step("size", inode, os.fstat(fd).st_size))

    def _on_flush(self, do: Callable[[], None], fd: int) -> None:
        do()
        if (inode := self._known(fd)) is not None:
            is_directory = inode in self.directories
            self.steps.append(Step("flush-names" if is_directory else "flush", inode))

    def _on_link(self, do: Callable[[], None], source: Any, target: Any, **_: Any) -> None:
        do()
        self._names(self._entry(Path(target), self._number(Path(source))))

    def _on_mkdir(self, do: Callable[[], None], path: Any, *_: Any, **options: Any) -> None:
        do()
        if self._inside(place := _place(path, options)):
            inode = self._number(place, fresh=self._new())
            self.directories.add(inode)
            self._names(self._entry(place, inode))

    def _on_unlink(self, do: Callable[[], None], path: Any, **options: Any) -> None:
        do()
        if self._inside(place := _place(path, options)):
            self._names(self._entry(place, None))

    _on_rmdir = _on_unlink

    def _on_rename(self, do: Callable[[], None], old: Any, new: Any, **_: Any) -> None:
        same = Path(new).exists() and Path(old).samefile(new)
        inode = self._number(Path(old))
        do()
        if not same:  # rename(2) of two links to one file changes nothing
            self._names(self._entry(Path(new), inode), self._entry(Path(old), None))

    def _on_exchange(self, do: Callable[[], bool], one: Path, other: Path) -> bool:
        first, second = self._number(one), self._number(other)
        done = do()
        if done:
            self._names(self._entry(one, second), self._entry(other, first))
        return done


def _place(path: Any, options: dict[str, Any]) -> Path:
    """The path that is meant, relative to an open directory or not."""
    directory = options.get("dir_fd")
    if directory is None:
        return Path(os.fsdecode(path)).absolute()
    return Path(f"/proc/self/fd/{directory}").readlink() / os.fsdecode(path)


def cut(recorder: Recorder, after: int, target: Path, chance: random.Random) -> list[str]:
    """Build in `target` what a disk may hold after a cut; returns what was promised before it.

    `chance` decides what of the unflushed is lost.
    """
    steps = recorder.steps[:after]
    keep = chance.choice((0.0, 0.2, 0.5, 0.9, 1.0))
    names = _names_kept(steps, lambda: chance.random() < keep)
    files = _contents(steps, lambda: chance.random() < keep)
    _build(names, files, recorder.directories, 0, target)
    return [step.note for step in steps if step.kind == "note"]


def _names_kept(steps: list[Step], survives: Callable[[], bool]) -> dict[int, dict[str, int]]:
    """Directory, name, file: of every change that was flushed or had luck."""
    flushed_at: dict[int, int] = {}
    for at, step in enumerate(steps):
        if step.kind == "flush-names":
            flushed_at[step.inode] = at
    names: dict[int, dict[str, int]] = {}
    for at, step in enumerate(steps):
        is_flushed = any(flushed_at.get(directory, -1) > at for directory, _, _ in step.names)
        if step.kind == "names" and (is_flushed or survives()):
            for directory, name, inode in step.names:
                entries = names.setdefault(directory, {})
                entries.pop(name, None)
                if inode is not None:
                    entries[name] = inode
    return names


def _contents(steps: list[Step], survives: Callable[[], bool]) -> dict[int, bytearray]:
    """Every file: all of what was flushed, any pages of what was not."""
    flushed_at: dict[int, int] = {}
    for at, step in enumerate(steps):
        if step.kind == "flush":
            flushed_at[step.inode] = at
    files: dict[int, bytearray] = {}
    for at, step in enumerate(steps):
        if step.kind not in ("write", "size"):
            continue
        content = files.setdefault(step.inode, bytearray())
        is_flushed = flushed_at.get(step.inode, -1) > at
        if step.kind == "size" and (is_flushed or survives()):
            del content[step.offset :]
            content.extend(bytes(step.offset - len(content)))
        for first in range(0, len(step.data), PAGE):
            if is_flushed or survives():
                page = step.data[first : first + PAGE]
                start = step.offset + first
                content.extend(bytes(max(0, start + len(page) - len(content))))
                content[start : start + len(page)] = page
    return files


def _build(
    names: dict[int, dict[str, int]],
    files: dict[int, bytearray],
    directories: set[int],
    number: int,
    target: Path,
) -> None:
    target.mkdir(exist_ok=True)
    for name, inode in names.get(number, {}).items():
        if inode in directories:
            _build(names, files, directories, inode, target / name)
        else:
            (target / name).write_bytes(files.get(inode, b""))
