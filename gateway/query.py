"""One parameter of a request's query."""

from typing import Final
from urllib.parse import parse_qsl

PARAMETERS: Final = 100  # more than any caller of ours has; past them nothing is looked for


def in_query(query: str, name: str) -> str | None:
    """The first value of that parameter."""
    if f"{name}=" not in query:
        return None
    try:
        return next((value for key, value in parse_qsl(query, max_num_fields=PARAMETERS) if key == name), None)
    except ValueError:
        return None
