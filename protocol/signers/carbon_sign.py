#!/usr/bin/env python3
"""Signs requests to the carbon platform and checks the signatures of its answers and pushes.

One file, nothing but the standard library (Python 3.8 or newer whose OpenSSL knows SM3); for
SM2-SM3 the package gmssl, too (pip install gmssl).

As a library:
    signer = Signer("my-app", bytes.fromhex("..."))
    headers = signer.headers("POST", "/api/v1/Z101", b"{}")
    signer.answer_is_right(status, answer_headers, answer_body)
    signer.push_is_right("POST", "/push/z203", push_headers, push_body)

With SM2-SM3 the key is your private key (32 bytes), whose public key the operator has registered;
answers and pushes are signed with the platform's, whose public keys GET /api/v1/keys tells:
    signer = Signer("my-app", private_key, "SM2-SM3", platform_keys=["04..."])
X-Sign is then DER in hexadecimal (never r and s side by side), the signer's id 1234567812345678.

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
SM2 = "SM2-SM3"


def request_string(method, path_and_query, timestamp, nonce, body):
    """What is signed of a request or a push: METHOD, PATH?QUERY, time, nonce and body, a line each."""
    return f"{method}\n{path_and_query}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_string(status, request_id, timestamp, nonce, body):
    """What is signed of an answer: its status and the request's id stand for method and path."""
    return f"{status}\n{request_id}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def sm2_key(private_key=None, public_key=None):
    """A key pair, or half of it, as gmssl has it. gmssl wants the point without its leading 04."""
    from gmssl import sm2

    key = sm2.CryptSM2(private_key=private_key and private_key.hex(), public_key="", asn1=True)
    if private_key is not None:
        # The public key goes into what is signed: it follows from the private one.
        key.public_key = key._kg(int(key.private_key, 16), key.ecc_table["g"])
    else:
        # Not by CryptSM2 itself: it would strip leading 0s and 4s of the point, too.
        key.public_key = public_key[2:] if len(public_key) == 130 else public_key
    return key


def sm2_is_right(public_key, text, signature):
    """Whether a signature of type SM2-SM3 was made with the private key of this public one."""
    try:
        return bool(sm2_key(public_key=public_key).verify_with_sm3(signature, text))
    except (ValueError, IndexError, TypeError, AttributeError):
        return False  # No DER, or numbers that are no signature.


def sign(sign_type, key, text):
    """The signature in hexadecimal."""
    if sign_type == SM2:
        return sm2_key(private_key=key).sign_with_sm3(text)
    return hmac.new(key, text, DIGESTS[sign_type]).hexdigest()


class Signer:
    """One application with its key; with SM2-SM3 the platform's public keys, too."""

    def __init__(self, app_id, key, sign_type="HMAC-SM3", platform_keys=()):
        if sign_type not in DIGESTS and sign_type != SM2:
            raise ValueError(f"the signature types are {', '.join(DIGESTS)} and {SM2}")
        if sign_type in DIGESTS and DIGESTS[sign_type] not in hashlib.algorithms_available:
            raise RuntimeError("this Python's OpenSSL has no SM3: use HMAC-SHA256")
        self.app_id, self.key, self.sign_type = app_id, key, sign_type
        self.platform_keys = platform_keys

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
        # A key of one kind never verifies the other kind's signatures.
        if (sign_type == SM2) != (self.sign_type == SM2):
            return False
        if sign_type == SM2:
            signature = headers.get("x-sign", "")
            return any(sm2_is_right(key, text, signature) for key in self.platform_keys)
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
