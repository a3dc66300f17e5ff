#!/usr/bin/env python3
"""Who asks: verifies the header Amanah-Assertion, as an application behind Amanah does.

    pip install joserfc
    curl -s https://shop.example/.well-known/jwks.json > jwks.json
    python3 assertion.py jwks.json amanah:INSTALLATION < assertion

The issuer is `amanah:` and the installation's name, which stands in every assertion as `iss`: write it
into the application's configuration once. Fetch the keys again when a token names one that is not
known (at most once a minute), since keys rotate.
"""

import json
import sys

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

TYPE = "amanah-assertion+jwt"


def who_asks(assertion: str, keys: KeySet, issuer: str) -> dict:
    """The claims of an assertion that is good at this moment; anything else is an error."""
    token = jwt.decode(assertion, keys, algorithms=["EdDSA"])
    if token.header.get("typ") != TYPE:
        raise ValueError("it is no assertion")
    registry = jwt.JWTClaimsRegistry(
        leeway=30,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": "upstream"},
        sub={"essential": True},
        tenant={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    registry.validate(token.claims)
    return token.claims


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        keys = KeySet.import_key_set(json.load(file))
    try:
        claims = who_asks(sys.stdin.read().strip(), keys, sys.argv[2])
    except (JoseError, ValueError) as error:
        print(f"refused: {error}")
        return 1
    print(json.dumps(claims, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
