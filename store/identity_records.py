"""Stored records of the index of identifiers, in the same form as those of records.py."""

from msgspec import Struct

from store.codec import Codec


class IdentifierRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose an identifier is; or, for an identity, a merge or a device, which identity it is now."""

    site: str
    identity: str
    at_ms: int
    until_ms: int = 0  # when it may go; 0: with its identity, whose state names its key
    visitor: str = ""  # the only one of an identity that nothing else is known of
    is_set_aside: bool = False  # it was seen with too many visitors: it tells nobody apart


class IdentityHead(Struct, frozen=True):
    """Of an identity's state what its rows of the index are; the rest of it is not the store's business."""

    rows: tuple[bytes, ...] = ()


IDENTIFIER: Codec[IdentifierRow] = Codec(IdentifierRow)
