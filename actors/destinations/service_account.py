"""An access token for a Google service account: a JWT signed with the account's own key, exchanged for a token.

Source: contracts/google_ads.md, section 2 (a service account's signed JWT at the token endpoint); RFC 7523, sections
2.1 and 3; RFC 7515, appendix A.2 (RS256, whose signature is the same each time), read 2026-11-20.
"""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from msgspec import Struct

from actors.destinations.base import Request, encode_json
from actors.secret import Secret

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE_S = 3_600  # the longest that Google takes
RIGHT = "give the text of the JSON key file, as Google Cloud makes it"


class Key(Struct, frozen=True, kw_only=True):
    """What of the JSON key file is needed."""

    client_email: str
    private_key: str
    private_key_id: str | None = None
    type: str = "service_account"


def key_fault(secret: Secret) -> str | None:
    """What is wrong with a key file's text, in words that hold nothing of it."""
    try:
        key = _read(secret)
        _private(key.private_key)
    except (msgspec.MsgspecError, UnicodeError):
        return f"is no key of a service account; {RIGHT}"
    except ValueError:
        return f"its private_key is no RSA key in PEM form; {RIGHT}"
    return None if key.type == "service_account" else f"is a key of another type; {RIGHT}"


def token_request(secret: Secret, *, url: str, scope: str, at_ms: int) -> Request:
    """The request that exchanges a signed assertion for a token (RFC 7523, section 2.1)."""
    form = {"grant_type": GRANT, "assertion": _assertion(_read(secret), url, scope, at_ms // 1_000)}
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return Request(url=url, headers=headers, body=urlencode(form).encode())


def _read(secret: Secret) -> Key:
    return msgspec.json.decode(secret.reveal(), type=Key)


def _private(pem: str) -> rsa.RSAPrivateKey:
    """ValueError for what is no RSA key without a password."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError) as error:
        raise ValueError("no private key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("no RSA key")
    return key


def _assertion(key: Key, audience: str, scope: str, at_s: int) -> str:
    head: dict[str, Any] = {"alg": "RS256", "typ": "JWT"}
    if key.private_key_id:
        head["kid"] = key.private_key_id
    claims = {"iss": key.client_email, "scope": scope, "aud": audience, "iat": at_s, "exp": at_s + LIFE_S}
    signed = f"{_base64(encode_json(head))}.{_base64(encode_json(claims))}"
    signature = _private(key.private_key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64(signature)}"


def _base64(raw: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
