"""Verifies signed calls of Cloud Functions. Nothing but Python is needed; `body` is the bytes as they arrived."""

import base64
import hashlib
import hmac
import sys
import time
from email.utils import parsedate_to_datetime

TOLERANCE_SECONDS = 300


def is_recent(unix_seconds):
    return abs(time.time() - unix_seconds) <= TOLERANCE_SECONDS


def hmac_sha256(key, message):
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest())


def verify_medchat(secrets, path, headers, body):
    """`path` is path and query as they arrived. `secrets`: two while one is rotated. Header names are in lower case."""
    seconds = int(parsedate_to_datetime(headers["date"]).timestamp())
    if not is_recent(seconds):
        return False
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    signed = f"POST\n{path}\n{seconds}\n{md5}".encode()
    received = headers.get("x-medchat-signature-sha256", "").encode()
    return any(hmac.compare_digest(hmac_sha256(secret.encode(), signed), received) for secret in secrets)


def verify_standard_webhooks(secrets, headers, body):
    timestamp = headers["webhook-timestamp"]
    if not is_recent(int(timestamp)):
        return False
    signed = f"{headers['webhook-id']}.{timestamp}.".encode() + body
    received = [signature.encode() for signature in headers.get("webhook-signature", "").split(" ")]
    for secret in secrets:
        expected = b"v1," + hmac_sha256(base64.b64decode(secret.removeprefix("whsec_")), signed)
        if any(hmac.compare_digest(expected, signature) for signature in received):
            return True
    return False


# python3 verify.py <scheme> <secret> <path> '<name>: <value>'… < body
if __name__ == "__main__":
    scheme, secret, path, *lines = sys.argv[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    body = sys.stdin.buffer.read()
    if scheme == "medchat":
        valid = verify_medchat([secret], path, headers, body)
    else:
        valid = verify_standard_webhooks([secret], headers, body)
    print("valid" if valid else "refused")
    sys.exit(0 if valid else 1)
