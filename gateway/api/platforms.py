"""/api/platforms: which platforms can be connected, and the settings of each."""

from typing import Final

import trio
from msgspec import Struct
from quart import Blueprint, Response

from gateway.api.openapi import Documented, documented
from gateway.api.requests import answered
from gateway.platforms import Platform, platforms

EXAMPLE: Final = {
    "platforms": [
        {
            "type": "meta",
            "settings": [
                {
                    "name": "pixel_id",
                    "type": "string",
                    "required": True,
                    "secret": False,
                    "description": "the dataset's number, from Events Manager",
                    "choices": [],
                }
            ],
        }
    ]
}


class PlatformList(Struct, frozen=True, kw_only=True):
    """All platforms, by name."""

    platforms: tuple[Platform, ...]


def resource() -> Blueprint:
    routes = Blueprint("platforms", __name__)

    @documented("platforms", {200: PlatformList}, more=Documented(examples={200: EXAMPLE}))
    async def list_platforms() -> Response:
        """Every platform with its settings: what a destination of this type takes."""
        return answered(PlatformList(platforms=await trio.to_thread.run_sync(platforms)))

    routes.add_url_rule("/platforms", view_func=list_platforms, methods=["GET"])
    return routes
