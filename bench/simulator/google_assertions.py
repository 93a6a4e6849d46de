"""How Google's token endpoint reads a service account's assertion, as the simulator plays it: RFC 7523, section 3."""

import base64
import binascii
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from msgspec import Struct

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE_S = 3_600
SKEW_S = 300  # between the sender's clock and Google's
SCOPES = frozenset({"https://www.googleapis.com/auth/datamanager", "https://www.googleapis.com/auth/adwords"})


class Head(Struct, frozen=True, kw_only=True):
    alg: str
    typ: str = "JWT"
    kid: str | None = None


class Claims(Struct, frozen=True, kw_only=True):
    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


def assertion_fault(assertion: str, known: Mapping[str, bytes] | None, now_s: int) -> str | None:
    """Why there is no token, in Google's words as far as they are known. `known` None: any account's signature."""
    head, _, rest = assertion.partition(".")
    body, _, signature = rest.partition(".")
    try:
        told = msgspec.json.decode(_bytes(head), type=Head)
        claims = msgspec.json.decode(_bytes(body), type=Claims)
        signed = _bytes(signature)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError):
        return "Invalid JWT: no token of three parts."
    if told.alg != "RS256" or not set(claims.scope.split()) <= SCOPES or not claims.aud.endswith("/token"):
        return "Invalid JWT: alg, scope or aud is wrong."
    if abs(claims.iat - now_s) > SKEW_S or not 0 < claims.exp - claims.iat <= LIFE_S:
        return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    if known is None:
        return None
    if claims.iss not in known:
        return "Invalid grant: account not found"
    return None if _is_signed(known[claims.iss], f"{head}.{body}".encode(), signed) else "Invalid JWT Signature."


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _is_signed(public_pem: bytes, signed: bytes, signature: bytes) -> bool:
    key = serialization.load_pem_public_key(public_pem)
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
