"""`gateway`, and `python -m gateway`: loads the command line, and ends at once should Ctrl-C come meanwhile."""

import os
import signal
from typing import NoReturn

INTERRUPTED = 130  # exit_codes.py has it too; nothing is loaded here before the handler is set


def main() -> None:
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so where it is ignored, as by nohup
    if is_ours:
        signal.signal(signal.SIGINT, _end)
    from gateway.cli import main as run

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(number: int, frame: object) -> NoReturn:
    """Nothing has been begun that would have to be ended in order."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
