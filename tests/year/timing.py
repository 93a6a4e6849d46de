"""When in a visit what happens, in seconds of the year."""

from typing import Final

from tests.year.plan import Visit

PAGE_S: Final = 40


def seen_at_s(visit: Visit) -> int:
    """The first page."""
    return visit.at_s


def page_at_s(visit: Visit, page: int) -> int:
    return visit.at_s + PAGE_S * page


def login_at_s(visit: Visit) -> int:
    return visit.at_s + PAGE_S // 2


def cart_at_s(visit: Visit) -> int:
    return page_at_s(visit, visit.pages) + 5


def lead_at_s(visit: Visit) -> int:
    return page_at_s(visit, visit.pages) + 15


def checkout_at_s(visit: Visit) -> int:
    return page_at_s(visit, visit.pages) + 20


def bought_at_s(visit: Visit) -> int:
    return page_at_s(visit, visit.pages) + 60
