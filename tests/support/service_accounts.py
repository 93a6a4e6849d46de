"""A Google service account for tests: its JSON key file, and the public key that checks what it signs."""

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct

EMAIL = "gateway@shop.iam.gserviceaccount.example"


class ServiceAccount(Struct, frozen=True, kw_only=True):
    key_file: str  # JSON, as Google Cloud makes it
    public_key: bytes  # PEM


def make_account() -> ServiceAccount:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fields = {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "0a1b2c",
        "private_key": private.decode(),
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return ServiceAccount(key_file=json.dumps(fields, indent=2), public_key=public)
