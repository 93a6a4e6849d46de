"""What can go wrong in the store.

StoreError
├── FormatError     the store was written by another version of the gateway, or is not one of ours
├── StoreFull       the disk budget or the disk is used up: nothing of this write was kept
├── StoreBroken     a commit failed, or the file cannot be read on: this process must stop and open it again
└── Unreadable      a row is damaged or of an unknown version
"""


class StoreError(Exception):
    """The store cannot do what was asked."""


class FormatError(StoreError):
    """The store has another format than this version of the gateway reads."""


class StoreFull(StoreError):
    """The disk budget or the disk is used up; nothing of this write was kept."""


class StoreBroken(StoreError):
    """A commit failed, or the file cannot be read on; the process must stop and open the store again."""


class Unreadable(StoreError):
    """A stored row is damaged or of an unknown version."""
