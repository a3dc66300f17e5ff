"""Tink on streams of 64 MiB: for each line `seal` or `open` it does that once, and prints how many
MiB it did in a second. The key comes first, in hexadecimal.
"""
import io
import sys
import time

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

MIB = 64


class Kept(io.BytesIO):
    """Stays readable after Tink closed it."""

    def close(self):
        pass


def primitive(material):
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(key_value=material)
    key.params.ciphertext_segment_size = 1 << 20
    key.params.derived_key_size = 32
    key.params.hkdf_hash_type = common_pb2.SHA256
    keyset = tink_pb2.Keyset(primary_key_id=1)
    entry = keyset.key.add(key_id=1, status=tink_pb2.ENABLED, output_prefix_type=tink_pb2.RAW)
    entry.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
    entry.key_data.value = key.SerializeToString()
    entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
    streaming_aead.register()
    parsed = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return parsed.primitive(streaming_aead.StreamingAead)


def seal():
    out = Kept()
    with aead.new_encrypting_stream(out, b"bench") as stream:
        stream.write(text)
    return out.getvalue()


def open_sealed():
    with aead.new_decrypting_stream(io.BytesIO(sealed), b"bench") as stream:
        return stream.read()


aead = primitive(bytes.fromhex(sys.stdin.readline().strip()))
text = b"Z" * (MIB << 20)
sealed = seal()
assert open_sealed() == text
for line in sys.stdin:
    work = seal if line.strip() == "seal" else open_sealed
    began = time.perf_counter()
    work()
    print(MIB / (time.perf_counter() - began), flush=True)
