"""The few system calls that file stores make, in one place so that tests can let each of them fail or be the last."""

import errno
import fcntl
import os


class Disk:
    """Files by descriptor. Everything raises OSError as the kernel does."""

    def open(self, path: str, *, create: bool = False, write: bool = True) -> int:
        """Opens for reading, and for writing too if so asked; with `create` it must not exist yet."""
        flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        return os.open(path, flags, 0o640)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def lock(self, descriptor: int) -> None:
        """Takes the file for this process. Raises BlockingIOError if another one has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Writes all of it at that offset, or raises with some of it written."""
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view, offset = view[written:], offset + written

    def sync(self, descriptor: int) -> None:
        """Returns when data and length are on the medium."""
        os.fdatasync(descriptor)

    def cut(self, descriptor: int, length: int) -> None:
        os.ftruncate(descriptor, length)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def same(self, descriptor: int, path: str) -> bool:
        """Whether the path still is this open file."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(path))
        except FileNotFoundError:
            return False

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        return os.pread(descriptor, length, offset)

    def rename(self, old: str, new: str) -> None:
        """Replaces what is at `new`."""
        os.rename(old, new)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def sync_folder(self, path: str) -> None:
        """Returns when the names in the folder of that file are on the medium."""
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
