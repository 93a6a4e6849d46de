"""What can go wrong in the store.

StoreError
├── FormatError     the store was written by another version of the gateway, or is not one of ours
├── StoreFull       the disk budget or the disk is used up: nothing of this write was kept
├── StoreBroken     a commit or a read failed: this process must stop and open the store again
│   └── StoreDamaged    pages of the file are not what they should be: no start can mend that
└── Unreadable      a row is damaged or of an unknown version
"""


class StoreError(Exception):
    """The store cannot do what was asked."""


class FormatError(StoreError):
    """The store has another format than this version of the gateway reads."""


class StoreFull(StoreError):
    """The disk budget or the disk is used up; nothing of this write was kept."""


class StoreBroken(StoreError):
    """A commit or a read failed; the process must stop and open the store again."""


class StoreDamaged(StoreBroken):
    """Pages of the store's file are not what they should be; restore a backup."""


class Unreadable(StoreError):
    """A stored row is damaged or of an unknown version."""
