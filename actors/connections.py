"""Fits checked connections to httpcore, and bounds what is read from them.

Backend   has httpcore connect through the Dialer
Stream    one connection's bytes: a request leaves in one piece, an answer is read up to a bound
"""

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import trio

from actors.dialing import Dialer, Failure

HEAD_BYTES = 32_768  # of an answer's head, interim answers (1xx) included; the first part of a body may be in it
READ_BYTES = 16_384
WHOLE_BYTES = 65_536  # a request up to this size is copied together, so that it leaves with one call


class FailedError(Exception):
    """Carries a Failure through httpcore."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class TooLongError(Exception):
    """The answer has more bytes than are read."""


class Backend(httpcore.AsyncNetworkBackend):
    """For the URLs of one scheme."""

    def __init__(self, dialer: Dialer, scheme: str) -> None:
        self._dialer = dialer
        self._scheme = scheme

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._dialer.dial(host, port, self._scheme)
        if isinstance(stream, Failure):
            raise FailedError(stream)
        return Stream(stream)


class Stream(httpcore.AsyncNetworkStream):
    """One connection. A request is held back until its answer is asked for: one call instead of three, and an answer
    that was there before its request (left over from the last one) is seen as that."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._unsent: list[bytes] = []
        self._left = 0
        self._is_closed = False

    def begin_body(self, answer_bytes: int) -> bool:
        """The head has been read. False: it answers nothing, since the request has not left."""
        self._left = 2 * answer_bytes  # room for the framing of small chunks
        return not self._unsent

    def end_body(self) -> None:
        """No more is wanted: the next read raises."""
        self._left = 0

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._unsent.append(buffer)
            self._left = HEAD_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            await self._flush()
        if self._left <= 0:
            raise TooLongError
        try:
            data = await self._stream.receive_some(min(max_bytes, READ_BYTES, self._left))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError from error
        self._left -= len(data)
        return bytes(data)

    async def _flush(self) -> None:
        pieces, self._unsent = self._unsent, []
        if sum(map(len, pieces)) <= WHOLE_BYTES:
            pieces = [b"".join(pieces)]
        try:
            for piece in pieces:
                await self._stream.send_all(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # a server may refuse a body half way and close; its answer is still to be read

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        # https_compatible: no close_notify, which httpcore would send shielded, for ever to a peer that does not read
        wrapped = trio.SSLStream(self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True)
        try:
            with trio.fail_after(float("inf") if timeout is None else timeout):
                await wrapped.do_handshake()
        except trio.TooSlowError:
            await self.aclose()
            raise FailedError(Failure(kind="timeout", message="no TLS handshake in time")) from None
        except trio.BrokenResourceError as error:
            await self.aclose()
            raise FailedError(Failure(kind="tls", message=_tls_words(error.__cause__))) from error
        except BaseException:
            await trio.aclose_forcefully(self._stream)
            raise
        return Stream(wrapped)

    async def aclose(self) -> None:
        self._is_closed = True
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` is asked of an idle connection: what is readable then is its end, so it is not used again."""
        if info != "is_readable":
            return None
        stream = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        return self._is_closed or (isinstance(stream, trio.SocketStream) and stream.socket.is_readable())


def _tls_words(error: BaseException | None) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate refused: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS handshake failed: {(error.reason or 'unknown').replace('_', ' ').lower()}"
        case _:
            return "the connection ended during the TLS handshake"
