"""Finds the files of a folder, and reads their bytes, without leaving the folder or waiting for what never ends."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pgvec.errors import InvalidInputError, InvalidOptionError, UnreadableFileError
from pgvec.rag.reading.formats import format_of
from pgvec.rag.values import RefusedFile

__all__ = ["MOST_BYTES", "Folder", "FoundFile", "find_files", "read_bytes"]

MOST_BYTES = 50_000_000
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read.

    Attributes:
        path: Its path within the folder, with ``/``.
        place: Where it is, links resolved.
    """

    path: str
    place: Path


@dataclass(slots=True)
class Folder:
    """What is in a folder.

    Attributes:
        files: What can be read, in the order of paths.
        refused: What cannot, with reasons.
        ignored: How many files are of no format that is read, hidden ones not counted.
    """

    files: list[FoundFile] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    ignored: int = 0


def find_files(folder: str | os.PathLike[str], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Folder:
    """Find the files of a folder and the folders in it. Names that begin with a dot are passed over.

    Args:
        folder: The folder.
        include: Patterns of paths within the folder, such as ``guide/*.md`` (``*`` also stands for ``/``); all if empty.
        exclude: Patterns of what to leave out.

    Raises:
        InvalidInputError: It is no folder, or cannot be opened.
        InvalidOptionError: The patterns are no list of texts.
    """
    for name, patterns in (("include", include), ("exclude", exclude)):
        if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
            raise InvalidOptionError(f"{name}= takes a list of patterns such as ['*.md'], not {patterns!r:.60}")
    try:
        root = Path(folder).resolve(strict=True)
        os.scandir(root).close()
    except (OSError, RuntimeError, ValueError) as exc:
        raise InvalidInputError(f"{os.fspath(folder)!r} is no folder that can be read: {_reason(exc)}") from exc
    found = Folder()
    for path, place in _walk(root, found):
        if format_of(path) is None:
            found.ignored += 1
        elif _wanted(path, include, exclude):
            _take(root, path, place, found)
    found.files.sort(key=lambda file: file.path)
    found.refused.sort(key=lambda file: file.path)
    return found


def read_bytes(place: str | os.PathLike[str], *, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        UnreadableFileError: It is none, is larger than ``most``, or the system refuses it.
    """
    # Opening a pipe for reading would wait for somebody who writes.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(place, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
            status = os.fstat(file.fileno())
            if kind := _kind(status.st_mode):
                raise UnreadableFileError(f"is {kind}, not a file")
            # What grows while it is read, or has no size (/proc), is held to the limit as well.
            data = file.read(most + 1) if status.st_size <= most else None
    except OSError as exc:
        if place_kind := _kind_of(place):
            raise UnreadableFileError(f"is {place_kind}, not a file") from exc
        raise UnreadableFileError(f"cannot be opened: {_reason(exc)}") from exc
    if data is None or len(data) > most:
        raise UnreadableFileError(f"is larger than {most:,} bytes")
    return data


def _walk(root: Path, found: Folder) -> Iterator[tuple[str, Path]]:
    def unreadable(exc: OSError) -> None:
        found.refused.append(
            RefusedFile(_shown(_relative(root, Path(exc.filename))), f"cannot be opened: {_reason(exc)}")
        )

    for parent, folders, names in os.walk(root, onerror=unreadable):
        for name in list(folders):
            place = Path(parent, name)
            if name.startswith("."):
                folders.remove(name)
            elif place.is_symlink():  # what it leads to within the folder is found where it is
                folders.remove(name)
                if not _resolved(root, place):
                    found.refused.append(
                        RefusedFile(_shown(_relative(root, place)), "is a link that leads out of the folder")
                    )
        for name in names:
            if not name.startswith("."):
                yield _relative(root, Path(parent, name)), Path(parent, name)


def _take(root: Path, path: str, place: Path, found: Folder) -> None:
    if reason := _refusal(root, path, place):
        found.refused.append(RefusedFile(_shown(path), reason))
    else:
        found.files.append(FoundFile(path, place.resolve()))


def _refusal(root: Path, path: str, place: Path) -> str | None:
    if _shown(path) != path:
        return "its name is not UTF-8"
    if place.is_symlink() and not _resolved(root, place):
        return "is a link that leads out of the folder, or nowhere"
    kind = _kind_of(place)
    return f"is {kind}, not a file" if kind else None


def _resolved(root: Path, place: Path) -> bool:
    """Whether a link leads to something within the folder."""
    try:
        return place.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _wanted(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or any(fnmatch.fnmatchcase(path, pattern) for pattern in include)) and not any(
        fnmatch.fnmatchcase(path, pattern) for pattern in exclude
    )


def _kind_of(place: str | os.PathLike[str]) -> str | None:
    try:
        return _kind(os.stat(place).st_mode)  # noqa: PTH116 - takes texts too
    except (OSError, ValueError):
        return None


def _kind(mode: int) -> str | None:
    return next((kind for holds, kind in _KINDS if holds(mode)), None)


def _relative(root: Path, place: Path) -> str:
    return place.relative_to(root).as_posix()


def _shown(path: str) -> str:
    """A path that a database and a terminal can hold."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _reason(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
