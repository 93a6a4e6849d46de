"""What the gateway is compared with: the plainest Quart-Trio application on Hypercorn, with their own settings.

`GET /` says hello; `POST /v1/events` reads the body it is sent, parses nothing, keeps nothing, and says hello too.
"""

import socket

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import request
from quart_trio import QuartTrio


def create_app() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.get("/")
    async def hello() -> str:
        return "hello world"

    @app.post("/v1/events")
    async def hello_to_event() -> str:
        await request.get_data()
        return "hello world"

    return app


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.loglevel = "WARNING"
    trio.run(serve, create_app(), config)


if __name__ == "__main__":
    main()
