"""An amount in parts that add up to it: largest remainders, of equal ones the later part first
(contracts/attribution.md, section 6).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

# Decimals of a currency where they are not 2 (ISO 4217).
DECIMALS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
             "XOF", "XPF"), 0,
        ),
        **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
        **dict.fromkeys(("CLF", "UYW"), 4),
    }
)  # fmt: skip
PLACES_MOST: Final = 9  # decimals of a value that are kept


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts in proportion to the weights. A negative total gives negative parts."""
    if total < 0:
        return [-part for part in apportion(-total, weights)]
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: (remainders[at], at), reverse=True)
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts


def places_of(currency: str | None, *values: Decimal) -> int:
    """Decimals in which these values are whole: the currency's, or more where one of them has more."""
    own = 2 if currency is None else DECIMALS.get(currency, 2)
    return min(PLACES_MOST, max([own, *(_decimals(value) for value in values)]))


def units(value: Decimal, places: int) -> int:
    """The value in units of that many decimals."""
    return int(value.scaleb(places).to_integral_value())


def amount(value_units: int, places: int) -> Decimal:
    return Decimal(value_units).scaleb(-places)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
