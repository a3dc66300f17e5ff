"""Uses hvac as its users do, against the address and with the tokens that stand on standard input.

It prints `all is well`, or ends with an error that names what was not as in Vault.
"""

import base64
import json
import sys

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

TOLD = json.load(sys.stdin)


def client(token, namespace=None):
    return hvac.Client(url=TOLD["url"], token=token, namespace=namespace)


def b64(text):
    return base64.b64encode(text.encode()).decode()


def refused(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{call.__name__}{args}{kwargs} was not refused")


def service():
    vault = client(TOLD["admin"])
    assert vault.is_authenticated()
    assert vault.sys.is_initialized() and not vault.sys.is_sealed()
    assert vault.sys.read_health_status(method="GET")["initialized"]
    assert vault.sys.read_health_status().status_code == 200
    assert vault.auth.token.lookup_self()["data"]["display_name"] == "admin"
    assert not client("nonsense").is_authenticated()


def keys(transit):
    transit.create_key(name="parcels")
    transit.create_key(name="parcels")  # which is no error in Vault either
    transit.create_key(name="letters", key_type="ed25519")
    transit.create_key(name="strict", derived=True)
    assert transit.read_key("parcels")["data"]["type"] == "aes256-gcm96"
    assert transit.read_key("strict")["data"]["derived"] is True
    public = transit.read_key("letters")["data"]["keys"]["1"]["public_key"]
    assert len(base64.b64decode(public)) == 32
    assert {"parcels", "letters", "strict"} <= set(transit.list_keys()["data"]["keys"])
    refused(InvalidPath, transit.read_key, "nothing")
    refused(InvalidRequest, transit.create_key, name="bad", key_type="rsa-2048")
    refused(InvalidRequest, transit.export_key, "parcels", "encryption-key")
    refused(InvalidRequest, transit.delete_key, "parcels")
    transit.create_key(name="brief")
    transit.update_key_configuration("brief", deletion_allowed=True)
    transit.delete_key("brief")
    refused(InvalidPath, transit.read_key, "brief")


def texts(transit):
    sealed = transit.encrypt_data("parcels", plaintext=b64("hello"))["data"]["ciphertext"]
    assert sealed.startswith("vault:v1:")
    opened = transit.decrypt_data("parcels", ciphertext=sealed)["data"]["plaintext"]
    assert opened == b64("hello")
    bound = transit.encrypt_data("strict", plaintext=b64("x"), context=b64("row 1"))
    bound = bound["data"]["ciphertext"]
    assert transit.decrypt_data("strict", ciphertext=bound, context=b64("row 1"))
    refused(InvalidRequest, transit.decrypt_data, "strict", ciphertext=bound, context=b64("row 2"))
    refused(InvalidRequest, transit.encrypt_data, "strict", plaintext=b64("x"))
    named = transit.encrypt_data("parcels", plaintext=b64("x"), associated_data=b64("a"))
    named = named["data"]["ciphertext"]
    transit.decrypt_data("parcels", ciphertext=named, associated_data=b64("a"))
    refused(InvalidRequest, transit.decrypt_data, "parcels", ciphertext=named)
    refused(InvalidRequest, transit.encrypt_data, "nothing", plaintext=b64("x"))


def batches(transit):
    texts = [f"text {n}" for n in range(1000)]
    batch = [{"plaintext": b64(text)} for text in texts]
    sealed = transit.encrypt_data("parcels", batch_input=batch)["data"]["batch_results"]
    assert len({item["ciphertext"] for item in sealed}) == len(texts)
    batch = [{"ciphertext": item["ciphertext"]} for item in sealed]
    opened = transit.decrypt_data("parcels", batch_input=batch)["data"]["batch_results"]
    assert [item["plaintext"] for item in opened] == [b64(text) for text in texts]
    batch[1]["ciphertext"] = "vault:v1:AAAA"
    failed = refused(InvalidRequest, transit.decrypt_data, "parcels", batch_input=batch[:2])
    results = json.loads(failed.text)["data"]["batch_results"]
    assert results[0]["plaintext"] == b64(texts[0]) and results[1]["error"]


def rotation(transit):
    old = transit.encrypt_data("parcels", plaintext=b64("hello"))["data"]["ciphertext"]
    transit.rotate_key("parcels")
    assert transit.read_key("parcels")["data"]["latest_version"] == 2
    assert transit.decrypt_data("parcels", ciphertext=old)["data"]["plaintext"] == b64("hello")
    new = transit.rewrap_data("parcels", ciphertext=old)["data"]["ciphertext"]
    assert new.startswith("vault:v2:")
    batch = [{"ciphertext": old}, {"ciphertext": old}]
    again = transit.rewrap_data("parcels", ciphertext=old, batch_input=batch)["data"]
    assert all(item["ciphertext"].startswith("vault:v2:") for item in again["batch_results"])
    transit.update_key_configuration("parcels", min_decryption_version=2)
    refused(InvalidRequest, transit.decrypt_data, "parcels", ciphertext=old)
    assert transit.decrypt_data("parcels", ciphertext=new)["data"]["plaintext"] == b64("hello")
    transit.trim_key("parcels", min_version=2)
    assert list(transit.read_key("parcels")["data"]["keys"]) == ["2"]


def data_keys(transit):
    made = transit.generate_data_key("parcels", key_type="plaintext", bits=512)["data"]
    assert len(base64.b64decode(made["plaintext"])) == 64
    opened = transit.decrypt_data("parcels", ciphertext=made["ciphertext"])["data"]
    assert opened["plaintext"] == made["plaintext"]
    hidden = transit.generate_data_key("parcels", key_type="wrapped")["data"]
    assert "plaintext" not in hidden and hidden["ciphertext"].startswith("vault:v2:")


def tags(transit):
    tag = transit.generate_hmac("parcels", hash_input=b64("pay 5"))["data"]["hmac"]
    verify = transit.verify_signed_data
    assert verify("parcels", hash_input=b64("pay 5"), hmac=tag)["data"]["valid"]
    assert not verify("parcels", hash_input=b64("pay 6"), hmac=tag)["data"]["valid"]
    signed = transit.sign_data("letters", hash_input=b64("pay 5"))["data"]["signature"]
    assert signed.startswith("vault:v1:")
    assert verify("letters", hash_input=b64("pay 5"), signature=signed)["data"]["valid"]
    assert not verify("letters", hash_input=b64("pay 6"), signature=signed)["data"]["valid"]
    batch = [{"input": b64("a")}, {"input": b64("b")}]
    made = transit.sign_data("letters", batch_input=batch)["data"]["batch_results"]
    assert len({item["signature"] for item in made}) == 2
    refused(InvalidRequest, transit.sign_data, "parcels", hash_input=b64("x"))


def small_things(transit):
    drawn = transit.generate_random_bytes(n_bytes=16, output_format="hex")["data"]["random_bytes"]
    assert len(bytes.fromhex(drawn)) == 16
    drawn = transit.generate_random_bytes()["data"]["random_bytes"]
    assert len(base64.b64decode(drawn)) == 32
    summed = transit.hash_data(b64("abc"), algorithm="sha2-256")["data"]["sum"]
    assert summed.startswith("ba7816bf")


def tenants():
    toko = client(TOLD["admin"], "toko").secrets.transit
    warung = client(TOLD["admin"], "warung").secrets.transit
    sealed = toko.encrypt_data("orders", plaintext=b64("x"))["data"]["ciphertext"]
    warung.encrypt_data("orders", plaintext=b64("y"))
    assert toko.decrypt_data("orders", ciphertext=sealed)["data"]["plaintext"] == b64("x")
    refused(InvalidRequest, warung.decrypt_data, "orders", ciphertext=sealed)
    refused(
        InvalidRequest,
        client(TOLD["admin"]).secrets.transit.decrypt_data,
        "orders",
        ciphertext=sealed,
    )
    narrow = client(TOLD["narrow"], "toko").secrets.transit
    narrow.encrypt_data("orders", plaintext=b64("x"))
    refused(Forbidden, narrow.decrypt_data, "orders", ciphertext=sealed)
    refused(Forbidden, narrow.rotate_key, "orders")
    refused(Forbidden, narrow.encrypt_data, "seal", plaintext=b64("x"))
    for namespace in ("warung", None):
        beyond = client(TOLD["narrow"], namespace).secrets.transit
        refused(Forbidden, beyond.encrypt_data, "orders", plaintext=b64("x"))
    for token in ("", "nonsense"):
        stranger = client(token).secrets.transit
        refused(VaultError, stranger.encrypt_data, "orders", plaintext=b64("x"))


def main():
    transit = client(TOLD["admin"]).secrets.transit
    service()
    for part in (keys, texts, batches, rotation, data_keys, tags, small_things):
        part(transit)
    tenants()
    print("all is well")


main()
