"""What a source's message asks for about a person, made a job that is on disk before the sender is answered."""

from actors.snapshot import Site
from gateway.answers import error_answer, no_room
from gateway.call import Answer
from gateway.edge import Edge
from gateway.identifiers import Identifier, Unfit, identifier
from gateway.privacy import Ask, row_of
from gateway.sources.base import Wish
from store.errors import StoreError, StoreFull
from store.privacy import Start


async def grant(edge: Edge, site: Site, wish: Wish) -> Answer | None:
    """None once there is a job, or nothing in it tells whom it is about; else why the sender is to come again."""
    given = _identifiers(edge, site, wish)
    if not given and not wish.sources:
        return None
    ask = Ask(kind=wish.kind, site=site.id, given=given, sources=wish.sources, asked_by=wish.asked_by, cause=wish.cause)
    try:
        await edge.writer.submit(Start(row_of(edge.store, ask, edge.now_ms()))).wait()
    except StoreFull:
        return no_room("the store has no room for more; send it again")
    except StoreError:
        edge.log("privacy_request_failed", site=site.id)
        return error_answer(500, "internal_error", "the request may not be on disk; send it again")
    return None


def _identifiers(edge: Edge, site: Site, wish: Wish) -> tuple[Identifier, ...]:
    read = [identifier(text, site.default_country) for text in wish.given]
    unfit = sum(isinstance(one, Unfit) for one in read)
    if unfit:
        edge.log("privacy_identifier_unfit", site=site.id, asked_by=wish.asked_by, identifiers=unfit)
    return tuple(one for one in read if isinstance(one, Identifier))
