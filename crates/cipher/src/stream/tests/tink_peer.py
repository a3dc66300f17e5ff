"""Tink's own implementation, on the files of a folder: seals every NAME.text into NAME.theirs,
opens every NAME.ours, which must give NAME.text, and refuses every NAME.bad.

Key and context come in hexadecimal on standard input, one a line.
"""
import io
import pathlib
import sys

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2


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
    secret = secret_key_access.TOKEN
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret)
    return handle.primitive(streaming_aead.StreamingAead)


material, context = (bytes.fromhex(line) for line in sys.stdin.read().split())
aead = primitive(material)


def open_file(path):
    with aead.new_decrypting_stream(io.BytesIO(path.read_bytes()), context) as stream:
        return stream.read()


folder = pathlib.Path(sys.argv[1])
for text in folder.glob("*.text"):
    theirs = open(text.with_suffix(".theirs"), "wb")
    with aead.new_encrypting_stream(theirs, context) as stream:
        stream.write(text.read_bytes())
    if open_file(text.with_suffix(".ours")) != text.read_bytes():
        sys.exit(f"{text.name} differs")
for bad in folder.glob("*.bad"):
    try:
        open_file(bad)
    except tink.TinkError:
        continue
    sys.exit(f"{bad.name} was opened")
