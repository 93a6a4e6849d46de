"""The fault scripts of docs/reliability.md, all together: `python -m tests.torture [names] [--full]`."""
