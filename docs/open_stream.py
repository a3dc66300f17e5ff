"""Opens a stream of Amanah's without Amanah.

    python3 open_stream.py SEALED CONTEXT_HEX < KEY_HEX > TEXT

Needs the package `cryptography` and nothing else. What was written is the whole text only when the
exit code is 0. docs/streams.md says where the key and the context come from.
"""
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEGMENT, HEADER = 1 << 20, 40


def texts(stream, key, context):
    header = stream.read(HEADER)
    if len(header) < HEADER or header[0] != HEADER:
        sys.exit("this is not a stream")
    salt, prefix = header[1:33], header[33:]
    derived = HKDF(hashes.SHA256(), 32, salt, context).derive(key)
    number, segment = 0, stream.read(SEGMENT - HEADER)
    while True:
        after = stream.read(SEGMENT)
        nonce = prefix + number.to_bytes(4, "big") + bytes([not after])
        yield AESGCM(derived).decrypt(nonce, segment, None)
        if not after:
            return
        number, segment = number + 1, after


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as sealed:
        key = bytes.fromhex(sys.stdin.read().strip())
        for text in texts(sealed, key, bytes.fromhex(sys.argv[2])):
            sys.stdout.buffer.write(text)
