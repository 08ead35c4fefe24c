"""Writing files so that each is whole or not there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_TRIES = 10


def open_temporary(folder: Path) -> tuple[int, Path]:
    """Return a new file in `folder`, open for writing, and its path. Raises OSError."""
    path = folder / f".sdcli-{secrets.token_hex(6)}.part"
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), path


def in_folder(folder: Path, write: Callable[[], T]) -> T:
    """Call `write`, which needs the folder, and return its result; make the folder as needed.

    A folder can go between its making and the writing. Raises OSError.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return write()
        except FileNotFoundError:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def write_atomically(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write all of `data` to `path` or nothing, through a temporary file in the same folder.

    Raises FileExistsError unless `overwrite`, however late the other file appeared; OSError.
    """
    if not overwrite and _write_nameless(path, data):
        return
    handle, temporary = open_temporary(path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path, overwrite=overwrite)
    finally:
        temporary.unlink(missing_ok=True)


def _write_nameless(path: Path, data: bytes) -> bool:
    """Write through a file that has no name until it is whole, so that a kill leaves nothing.

    False, and nothing done, where the system has no such files.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}:
            return False  # a file system without; a folder that is missing is told of by the others
        raise
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
        try:
            # Python follows the link only where a folder is named, which has no meaning here.
            os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:  # no /proc, or no hard links: by way of a name
            return False
    return True


def publish(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its name in the same folder, whole or not at all.

    Raises FileExistsError unless `overwrite`, however late the other file appeared; OSError.
    """
    if overwrite:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike replace, fails if the name is taken
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
        # A file system without hard links: claim the name first, then fill it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            temporary.replace(path)
        except OSError:
            path.unlink()
            raise


def path_of(name: str) -> Path:
    """Return the path of a name, with `~` expanded; an unknown `~user` stays as it is."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def is_file(path: Path) -> bool:
    """Return whether it is a file; False for a name too long or a place without access."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether it is a folder, as `is_file` does."""
    try:
        return path.is_dir()
    except OSError:
        return False
