"""Tink's own implementation, on the files of a folder: seals every NAME.text into NAME.theirs,
opens every NAME.ours, which must give NAME.text, and refuses every NAME.bad. Besides it seals every
NAME.text as what it is not: for another object, into NAME.context, and as that other object under its
own key, into NAME.object.

Key and context come in hexadecimal on standard input, one a line, and behind them those of the other
object.
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


lines = [bytes.fromhex(line) for line in sys.stdin.read().split()]
material, context, other_material, other_context = lines
aead, other_aead = primitive(material), primitive(other_material)


def open_file(path):
    with aead.new_decrypting_stream(io.BytesIO(path.read_bytes()), context) as stream:
        return stream.read()


def seal_file(text, suffix, aead, context):
    with aead.new_encrypting_stream(open(text.with_suffix(suffix), "wb"), context) as stream:
        stream.write(text.read_bytes())


folder = pathlib.Path(sys.argv[1])
for text in folder.glob("*.text"):
    seal_file(text, ".theirs", aead, context)
    seal_file(text, ".context", aead, other_context)
    seal_file(text, ".object", other_aead, other_context)
    if open_file(text.with_suffix(".ours")) != text.read_bytes():
        sys.exit(f"{text.name} differs")
for bad in folder.glob("*.bad"):
    try:
        open_file(bad)
    except tink.TinkError:
        continue
    sys.exit(f"{bad.name} was opened")
