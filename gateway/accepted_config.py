"""The configuration in force, kept by the supervisor for workers that start later.

A file without a name: its length in eight bytes, then the text, written at once. So a worker that is started anew gets
what was accepted last, also where the file on disk has been edited since, or broken.
"""

import os
import tempfile

LENGTH_BYTES = 8


class AcceptedConfig:
    """Belongs to the supervisor; workers inherit `descriptor`."""

    def __init__(self, text: bytes) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open for as long as the supervisor runs
        self.put(text)

    @property
    def descriptor(self) -> int:
        return self._file.fileno()

    def put(self, text: bytes) -> None:
        os.pwrite(self.descriptor, len(text).to_bytes(LENGTH_BYTES) + text, 0)

    def close(self) -> None:
        self._file.close()


def read_accepted(descriptor: int) -> bytes:
    """The text that was put last."""
    length = int.from_bytes(os.pread(descriptor, LENGTH_BYTES, 0))
    return os.pread(descriptor, length, LENGTH_BYTES)
