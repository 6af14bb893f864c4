#!/usr/bin/env python3
"""Signs requests to the carbon platform and checks the signatures of its answers and pushes.

One file, nothing but the standard library (Python 3.8 or newer whose OpenSSL knows SM3).

As a library:
    signer = Signer("my-app", bytes.fromhex("..."))
    headers = signer.headers("POST", "/api/v1/Z101", b"{}")
    signer.answer_is_right(status, answer_headers, answer_body)
    signer.push_is_right("POST", "/push/z203", push_headers, push_body)

On the command line, for curl (the body is sent exactly as it was signed):
    python3 carbon_sign.py my-app KEY_HEX POST /api/v1/Z101 body.json > headers.txt
    curl -H @headers.txt --data-binary @body.json https://platform/api/v1/Z101
"""

import hashlib
import hmac
import secrets
import sys
import time

DIGESTS = {"HMAC-SM3": "sm3", "HMAC-SHA256": "sha256"}


def request_string(method, path_and_query, timestamp, nonce, body):
    """What is signed of a request or a push: METHOD, PATH?QUERY, time, nonce and body, a line each."""
    return f"{method}\n{path_and_query}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_string(status, request_id, timestamp, nonce, body):
    """What is signed of an answer: its status and the request's id stand for method and path."""
    return f"{status}\n{request_id}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def sign(sign_type, key, text):
    """The signature in hexadecimal."""
    return hmac.new(key, text, DIGESTS[sign_type]).hexdigest()


class Signer:
    """One application with its key."""

    def __init__(self, app_id, key, sign_type="HMAC-SM3"):
        if sign_type not in DIGESTS:
            raise ValueError(f"the signature types are {', '.join(DIGESTS)}")
        if DIGESTS[sign_type] not in hashlib.algorithms_available:
            raise RuntimeError("this Python's OpenSSL has no SM3: use HMAC-SHA256")
        self.app_id, self.key, self.sign_type = app_id, key, sign_type

    def headers(self, method, path_and_query, body, token=None):
        """The headers of a request; `body` is the very bytes that are sent."""
        timestamp, nonce = int(time.time() * 1000), secrets.token_hex(16)
        text = request_string(method, path_and_query, timestamp, nonce, body)
        headers = {
            "Content-Type": "application/json",
            "X-App-Id": self.app_id,
            "X-Timestamp": str(timestamp),
            "X-Nonce": nonce,
            "X-Sign-Type": self.sign_type,
            "X-Sign": sign(self.sign_type, self.key, text),
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def answer_is_right(self, status, headers, body):
        """Whether an answer came from the platform, unchanged."""
        h = {name.lower(): value for name, value in headers.items()}
        text = answer_string(
            status, h.get("x-request-id"), h.get("x-timestamp"), h.get("x-nonce"), body
        )
        return self._is_right(h, text)

    def push_is_right(self, method, path_and_query, headers, body):
        """Whether a push (or C101, Q101) came from the platform, unchanged."""
        h = {name.lower(): value for name, value in headers.items()}
        text = request_string(
            method, path_and_query, h.get("x-timestamp"), h.get("x-nonce"), body
        )
        return self._is_right(h, text)

    def _is_right(self, headers, text):
        sign_type = headers.get("x-sign-type")
        if sign_type not in DIGESTS:
            return False
        return hmac.compare_digest(
            sign(sign_type, self.key, text), headers.get("x-sign", "").lower()
        )


def main(arguments):
    if len(arguments) not in (5, 6):
        sys.exit(__doc__)
    app_id, key, method, path, file = arguments[:5]
    body = open(file, "rb").read() if file != "-" else sys.stdin.buffer.read()
    token = arguments[5] if len(arguments) == 6 else None
    for name, value in Signer(app_id, bytes.fromhex(key)).headers(method, path, body, token).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main(sys.argv[1:])
