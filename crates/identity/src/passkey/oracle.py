"""Answers of authenticators, made with Yubico's implementation of Web Authentication: right ones and
wrong ones, for ours to judge. And the other way round: whether it takes what our key in software says.

oracle.py make PARTY ORIGIN CHALLENGE     lines of JSON, bytes in hexadecimal
oracle.py judge PARTY ORIGIN CHALLENGE    reads one line of JSON; fails unless all of it is right
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cose
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

MODE, PARTY, ORIGIN = sys.argv[1:4]
CHALLENGE = bytes.fromhex(sys.argv[4])
FLAG = AuthenticatorData.FLAG
SEEN = FLAG.UP | FLAG.UV
# A key's own count, when it was made.
COUNT = 7

KEYS = {
    "ES256": (
        lambda: ec.generate_private_key(ec.SECP256R1()),
        cose.ES256,
        lambda key, text: key.sign(text, ec.ECDSA(hashes.SHA256())),
    ),
    "EdDSA": (
        ed25519.Ed25519PrivateKey.generate,
        cose.EdDSA,
        lambda key, text: key.sign(text),
    ),
    "RS256": (
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        cose.RS256,
        lambda key, text: key.sign(text, padding.PKCS1v15(), hashes.SHA256()),
    ),
}

# What is wrong, and the flaw that it has to be refused for.
WRONG = {
    "": "",
    "origin": "Origin",
    "cross": "Origin",
    "party": "Party",
    "presence": "Presence",
    "verification": "Verification",
    "challenge": "Challenge",
    "type": "Ceremony",
}


def client(kind, fault):
    other = {"webauthn.create": "webauthn.get", "webauthn.get": "webauthn.create"}
    return CollectedClientData.create(
        other[kind] if fault == "type" else kind,
        b"\x55" * len(CHALLENGE) if fault == "challenge" else CHALLENGE,
        "https://elsewhere.example" if fault == "origin" else ORIGIN,
        fault == "cross",
    )


def data(fault, count, credential=b""):
    party = "elsewhere.example" if fault == "party" else PARTY
    flags = SEEN | (FLAG.AT if credential else 0)
    if fault == "presence":
        flags &= ~FLAG.UP
    if fault == "verification":
        flags &= ~FLAG.UV
    hashed = hashlib.sha256(party.encode()).digest()
    return AuthenticatorData.create(hashed, FLAG(flags), count, credential)


def made(name, credential, sign):
    """Keys that were made: with what they are called, and what has to be said of them."""
    algorithm = KEYS[name][1].ALGORITHM
    other = next(other.ALGORITHM for _, other, _ in KEYS.values() if other.ALGORITHM != algorithm)

    def one(what, want, form, statement, fault=""):
        asked, authenticator = client("webauthn.create", fault), data(fault, COUNT, credential)
        stated = statement(authenticator + asked.hash)
        made = AttestationObject.create(form, authenticator, stated)
        return {"what": what, "want": want, "client": asked.hex(), "attestation": made.hex()}

    def packed(alg, damage=b"", more=None):
        return lambda text: {"alg": alg, "sig": sign(text + damage), **(more or {})}

    for fault, want in WRONG.items():
        yield one(f"none {fault}", want, "none", lambda _: {}, fault)
        yield one(f"packed {fault}", want, "packed", packed(algorithm), fault)
    yield one("packed, of another algorithm", "Attestation", "packed", packed(other))
    yield one("packed, over something else", "Signature", "packed", packed(algorithm, b"x"))
    chain = packed(algorithm, more={"x5c": [b"\x30\x00"]})
    yield one("packed, with certificates", "Attestation", "packed", chain)
    yield one("none, with a statement", "Attestation", "none", packed(algorithm))
    yield one("another form", "Attestation", "fido-u2f", packed(algorithm))


def used(sign, other):
    """Uses of the key."""

    def one(what, want, fault="", count=COUNT + 1, sign=sign, damage=b""):
        asked, authenticator = client("webauthn.get", fault), data(fault, count)
        signature = sign(authenticator + asked.hash + damage)
        return {
            "what": what,
            "want": want,
            "client": asked.hex(),
            "data": authenticator.hex(),
            "signature": signature.hex(),
        }

    for fault, want in WRONG.items():
        yield one(f"use {fault}", want, fault)
    yield one("a count that stands still", "Counter", count=COUNT)
    yield one("a count that goes back", "Counter", count=COUNT - 1)
    yield one("a count of nothing", "Counter", count=0)
    yield one("a signature over something else", "Signature", damage=b"x")
    yield one("a signature of another key", "Signature", sign=other)


def make():
    for name, (fresh, kind, signs) in KEYS.items():
        key, other = fresh(), fresh()
        public = kind.from_cryptography_key(key.public_key())
        credential = AttestedCredentialData.create(Aaguid.NONE, name.encode() * 4, public)
        sign = lambda text, key=key: signs(key, text)
        foreign = lambda text, key=other: signs(key, text)
        line = {
            "algorithm": name,
            "made": list(made(name, credential, sign)),
            "used": list(used(sign, foreign)),
        }
        print(json.dumps(line))


def judge():
    told = {name: bytes.fromhex(text) for name, text in json.load(sys.stdin).items()}
    asked, kept = CollectedClientData(told["made_client"]), AttestationObject(told["made"])
    again, used = CollectedClientData(told["used_client"]), AuthenticatorData(told["used"])
    hashed = hashlib.sha256(PARTY.encode()).digest()
    for part, kind in [(asked, "webauthn.create"), (again, "webauthn.get")]:
        assert (part.type, part.origin, part.challenge) == (kind, ORIGIN, CHALLENGE), part
    for part in [kept.auth_data, used]:
        assert part.rp_id_hash == hashed and part.is_user_present() and part.is_user_verified()
    assert kept.fmt == "none" and kept.att_stmt == {}
    assert kept.auth_data.credential_data.credential_id == told["id"]
    assert used.counter > kept.auth_data.counter
    kept.auth_data.credential_data.public_key.verify(used + again.hash, told["signature"])
    print("all of it is right")


{"make": make, "judge": judge}[MODE]()
