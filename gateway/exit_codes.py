"""Exit codes of the `gateway` command, as its help lists them."""

from typing import Final

OK: Final = 0
FAILED: Final = 1  # the command ran and found something wrong, or could not do its work
USAGE: Final = 2  # arguments or configuration are wrong
STORE: Final = 3  # the store cannot be used: another format, another number of shards, not there
BROKEN: Final = 4  # a commit failed; the process has to be started again
ADDRESS: Final = 5  # the address cannot be bound
INTERRUPTED: Final = 130  # Ctrl-C: 128 and the number of the signal, as shells have it

FINAL: Final = frozenset({USAGE, STORE, ADDRESS})  # starting again changes nothing
MEANINGS: Final = {
    OK: "all is well",
    FAILED: "the command could not do its work, or found a fault",
    USAGE: "arguments or configuration are wrong",
    STORE: "the store cannot be used",
    BROKEN: "a write to disk failed; start again",
    ADDRESS: "the address cannot be bound",
    INTERRUPTED: "interrupted by Ctrl-C",
}
