"""What Recharge's resources have in common: times without a zone, the shop's own ids, the first visit's campaign."""

import re
from typing import Any, Final

from gateway.sources.base import amount, part, present, rows, text

ATTRIBUTES: Final = "order_attributes"  # the cart's attributes of the first checkout
BARE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?")
ZONED_TIME: Final = re.compile(BARE_TIME.pattern + r"(?:Z|[+-]\d\d:?\d\d)")
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")


def in_utc(at: str | None) -> str | None:
    """The zone is not documented: taken as UTC. What is no time is none, and the time of arrival counts."""
    if at is None or ZONED_TIME.fullmatch(at):
        return at
    return f"{at.replace(' ', 'T')}Z" if BARE_TIME.fullmatch(at) else None


def campaign(resource: dict[str, Any]) -> dict[str, str]:
    """How the first visit came."""
    visits = rows(part(resource, "analytics_data"), "utm_params")
    return {name: found for name in UTM if visits and (found := text(visits[0].get(name))) is not None}


def items(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        present(
            {
                "id": text(part(line, "external_variant_id").get("ecommerce")),
                "name": text(line.get("title")),
                "variant": text(line.get("variant_title")),
                "quantity": amount(line.get("quantity")),
                "price": amount(line.get("unit_price")),
            }
        )
        for line in lines
    ]


def products(lines: list[dict[str, Any]]) -> list[str]:
    found = (text(part(line, "external_product_id").get("ecommerce")) for line in lines)
    return list(dict.fromkeys(one for one in found if one is not None))
