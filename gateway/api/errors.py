"""What ends a request to the API.

Refused   the answer is known: nothing more is done
"""

from gateway.call import Answer


class Refused(Exception):
    """A request is refused with the answer it carries."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer
