"""A disk that loses and fails writes, for one process (tests/chaos/vfs)."""

import collections
import os
import pathlib
import struct

BUILD = pathlib.Path(os.environ["SAGAMESH_BIN_DIR"]).parent
LIBRARY = BUILD / "tests" / "libsagamesh_faulty_vfs.so"
FAULTS = ("write full", "write ioerr", "sync full", "sync ioerr")


class FaultyDisk:
    """`environment` puts it under a process, also one that is started again."""

    def __init__(self, directory, early=0.0, seed=1):
        assert LIBRARY.exists(), f"{LIBRARY} is not built"
        self._directory = pathlib.Path(directory)
        self._directory.mkdir()
        self.environment = {"LD_PRELOAD": str(LIBRARY), "SAGAMESH_VFS_DIR": str(self._directory),
                            "SAGAMESH_VFS_EARLY": str(early), "SAGAMESH_VFS_SEED": str(seed)}

    def plant_synchronous(self, value):
        """From its next start on the process syncs as little as that; None: as it should."""
        self.environment.pop("SAGAMESH_VFS_SYNCHRONOUS", None)
        if value is not None:
            self.environment["SAGAMESH_VFS_SYNCHRONOUS"] = value

    def fail(self, *faults, probability=1.0):
        """From now on, until `work`."""
        new = self._directory / "faults.new"
        new.write_text("".join(f"{fault} {probability}\n" for fault in faults))
        new.rename(self._directory / "faults")

    def work(self):
        (self._directory / "faults").unlink(missing_ok=True)

    def injected(self):
        """How many faults of each kind there were, by (fault, kind of file)."""
        path = self._directory / "injected"
        lines = path.read_text().splitlines() if path.exists() else []
        return collections.Counter(tuple(line.rsplit(" ", 1)) for line in lines)

    def unsynced(self):
        """How many sectors are not on the disk now, or were not when the process was killed."""
        path = self._directory / "unsynced"
        return struct.unpack("q", path.read_bytes())[0] if path.exists() else 0
