"""An issuer of users' tokens for the tests: good ones, forged ones, and its public keys behind a real address."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from worldevents.testing.builders import DURING

ISSUER: Final = "https://login.example.com"
AUDIENCE: Final = "worldevents"
SECRET: Final = "canary-secret-of-at-least-32-bytes-0123456789"  # noqa: S105 - nobody uses it
NOW: Final = int(DURING.timestamp())

Claims = dict[str, Any]


def claims(**changes: Any) -> Claims:
    """What a good token says of Ann; a change to None takes a claim out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": NOW - 10, "exp": NOW + 600}
    return {name: value for name, value in (good | changes).items() if value is not None}


def encode(part: object) -> str:
    """One part of a token."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def signed(told: Claims, secret: str = SECRET, *, algorithm: str = "HS256", **header: Any) -> str:
    """A token signed with a secret."""
    return jwt.encode(told, secret, algorithm=algorithm, headers=header or None)


def forged(header: object, payload: object, secret: bytes | None = None) -> str:
    """A token with any header and payload; with a secret its HMAC is right, whatever the header says."""
    text = f"{encode(header)}.{encode(payload)}"
    signature = b"" if secret is None else hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{encode(signature) if signature else ''}"


class SigningKey:
    """A key pair of the issuer."""

    def __init__(self, kid: str, algorithm: str) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = _private_key(algorithm)

    def sign(self, told: Claims, **header: Any) -> str:
        """A token of this key."""
        return jwt.encode(told, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **header})

    def public(self, **changes: Any) -> Claims:
        """What the issuer publishes of it."""
        writer: Any = {"R": RSAAlgorithm, "E": ECAlgorithm}.get(self.algorithm[0], OKPAlgorithm)
        if self.algorithm == "EdDSA":
            writer = OKPAlgorithm
        told: Claims = writer.to_jwk(self.private.public_key(), as_dict=True)
        return told | {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes


def _private_key(algorithm: str) -> PrivateKeyTypes:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65_537, 2_048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


class Publisher:
    """A real address that answers with the issuer's keys, or with whatever a test sets; counts who asks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0
        self.status = 200
        self.body = b""
        self.location: str | None = None
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def publish(self, *keys: Claims) -> None:
        """Answer with these keys."""
        self.body = json.dumps({"keys": keys}).encode()


@contextlib.contextmanager
def publishing(*keys: Claims) -> Iterator[Publisher]:
    """Serve keys on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.asked += 1
            publisher.was_asked.set()
            publisher.may_answer.wait()
            self.send_response(publisher.status)
            if publisher.location is not None:
                self.send_header("Location", publisher.location)
            self.send_header("Content-Length", str(len(publisher.body)))
            self.end_headers()
            self.wfile.write(publisher.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        publisher = Publisher(f"http://127.0.0.1:{server.server_port}/keys")
        publisher.publish(*keys)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield publisher
        finally:
            publisher.may_answer.set()
            server.shutdown()
            thread.join()
