"""Checks a proof out of an audit trail, or a whole log, without Amanah.

    python3 verify.py proof FILE KEY [ROW.json]
    python3 verify.py log FOLDER KEY

KEY is the public key of the log, NAME+ID+KEY. Needs the package `cryptography` and nothing else.
The exit code is 0 when everything holds, 1 when something does not, 2 when what was given is no key,
no row or not there, and 3 when it could not be read. docs/trail.md says where the files come from.
"""
import base64
import json
import sys
import unicodedata
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256  # hashes of a full tile, entries of a full bundle
MAX_FILE = WIDTH * (65_535 + 2)  # bytes of the longest bundle


class Refused(Exception):
    """Something does not hold; why."""


class Unusable(Exception):
    """What was given cannot be checked; why."""


def sure(holds, why):
    if not holds:
        raise Refused(why)


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("something that should be base64 is none") from None
    sure(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def number(text):
    sure(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text!r} is no number")
    sure(int(text) < 1 << 64, "a number is too large")
    return int(text)


# Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)


def good_name(name):
    odd = [c for c in name if c.isspace() or unicodedata.category(c) == "Cc" or c == "+"]
    return bool(name) and not odd


def parse_key(text):
    parts = text.split("+", 2)
    sure(len(parts) == 3 and good_name(parts[0]), "the key should be NAME+ID+KEY")
    name, key_id, blob = parts[0], parts[1], unbase64(parts[2])
    sure(len(blob) == 33 and blob[0] == 1, "this is no Ed25519 key")
    own = sha256(name.encode() + b"\n" + blob).digest()[:4]
    sure(own.hex() == key_id, "the key's id is that of another key")
    return name, own, Ed25519PublicKey.from_public_bytes(blob[1:])


def checkpoint(note, key):
    """Log name, size, root and further lines of a note that this key has signed."""
    name, key_id, public = key
    sure(len(note.encode()) <= 1 << 20, "the checkpoint is too long")
    head, gap, below = note.rpartition("\n\n")
    sure(gap and below.endswith("\n"), "the checkpoint has no signatures")
    body, signatures = head + "\n", below[:-1].split("\n")
    sure(not body.startswith("\n") and len(signatures) <= 100, "this is no signed checkpoint")
    sure(not any(ord(c) < 32 and c != "\n" or ord(c) == 127 for c in body), "control characters")
    ours = None
    for line in signatures:
        mark, _, rest = line.partition(" ")
        signer, space, blob = rest.partition(" ")
        sure(mark == "\u2014" and space and good_name(signer), "a line that is no signature")
        blob = unbase64(blob)
        sure(len(blob) >= 4, "a signature is too short")
        if ours is None and (signer, blob[:4]) == (name, key_id):
            ours = blob[4:]
    sure(ours is not None, f"it is not signed by this key of {name}")
    try:
        public.verify(ours, body.encode())
    except InvalidSignature:
        raise Refused(f"the signature by {name} is false") from None
    lines = body[:-1].split("\n")
    sure(len(lines) >= 3 and all(lines), "this is no checkpoint")
    sure(lines[0] == name, "the checkpoint is of another log")
    root = unbase64(lines[2])
    sure(len(root) == 32, "the root is no hash")
    return number(lines[1]), root, lines[3:]


# The tree (RFC 6962, RFC 9162)


def leaf_hash(entry):
    return sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return sha256(b"\1" + left + right).digest()


def included(leaf, index, size, proof, root):
    """RFC 9162, section 2.1.3.2."""
    sure(index < size, "the entry is beyond the end of the log")
    at, last, now = index, size - 1, leaf
    for sibling in proof:
        sure(last > 0, "the proof is too long")
        if at & 1 or at == last:
            now = node_hash(sibling, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    sure(last == 0 and now == root, "the proof does not lead from the entry to the checkpoint")


def tree_root(hashes):
    """The root over hashes of leaves, or of perfect subtrees of one size."""
    if not hashes:
        return sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [node_hash(*hashes[n:n + 2]) for n in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(hashes) & ~1:]
    return hashes[0]


# What stands in the log


class Bytes:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        sure(len(self.data) >= count, "an entry is cut short")
        head, self.data = self.data[:count], self.data[count:]
        return head

    def int(self, count, signed=False):
        return int.from_bytes(self.take(count), "big", signed=signed)

    def text(self):
        count = self.int(2)
        sure(count <= 1024, "a text is too long")
        try:
            return self.take(count).decode()
        except UnicodeDecodeError:
            raise Refused("a text is no UTF-8") from None


def parse_entry(data):
    rest = Bytes(data)
    sure(rest.int(1) == 1, "the form of the entry is not known")
    kind = rest.int(1)
    if kind == 1:
        entry = {"kind": "row", "epoch": rest.int(4), "xid": rest.int(8), "id": rest.int(8, True),
                 "at": rest.int(8, True), "hash": rest.take(32)}
    elif kind == 2:
        entry = {"kind": "epoch", "epoch": rest.int(4), "at": rest.int(8, True),
                 "system": rest.int(8), "timeline": rest.int(4), "first": rest.int(8),
                 "why": rest.text()}
    else:
        sure(kind == 3, "the kind of the entry is not known")
        entry = {"kind": "erasure", "index": rest.int(8), "at": rest.int(8, True),
                 "request": rest.text()}
    sure(not rest.data, "something follows the entry's end")
    return entry


def field(text):
    return b"\xff\xff\xff\xff" if text is None else len(text.encode()).to_bytes(4, "big") + text.encode()


def micros(time):
    """Microseconds since 1970 of a time such as 2026-11-26T12:00:00.123456Z."""
    at = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def row_hash(row):
    """The SHA-256 of a row of the trail, if it has one; docs/trail.md describes the bytes."""
    texts = [row[name] for name in ("actor_id", "tenant_id", "db_user", "request_id", "action",
                                    "table_schema", "table_name")]
    documents = b"".join(field(row[name]) for name in ("row_key", "old_data", "new_data"))
    since_2000 = micros(row["event_timestamp"]) - 946_684_800_000_000
    middle = row["id"].to_bytes(8, "big", signed=True)
    middle += since_2000.to_bytes(8, "big", signed=True) + row["xid"].to_bytes(8, "big")
    middle += b"".join(map(field, texts))
    if row["erased"] is not None:
        # A digest beside a content would let any content pass for the one that was sealed.
        if any(row[name] is not None for name in ("salt", "row_key", "old_data", "new_data")):
            return None
        return sha256(b"amanah/audit-row/v2\n" + middle + bytes.fromhex(row["erased"])).digest()
    if row["salt"] is None:
        return sha256(b"amanah/audit-row/v1\n" + middle + documents).digest()
    content = sha256(b"amanah/audit-content/v1\n" + bytes.fromhex(row["salt"]) + documents).digest()
    return sha256(b"amanah/audit-row/v2\n" + middle + content).digest()


ROW = {"id": int, "event_timestamp": str, "xid": int, "actor_id": None, "tenant_id": None, "db_user": str,
       "request_id": None, "action": str, "table_schema": str, "table_name": str, "row_key": None,
       "old_data": None, "new_data": None, "salt": None, "erased": None, "row_hash": str}


def parse_row(text):
    """A row as `audit prove --row` writes it: each field once, of its kind, and no other."""
    def once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a field stands there twice")
        return dict(pairs)

    try:
        row = json.loads(text, object_pairs_hook=once)
        if not isinstance(row, dict) or row.keys() != ROW.keys():
            raise ValueError("its fields are not those of a row")
        for name, kind in ROW.items():
            if not (type(row[name]) is kind or kind is None and isinstance(row[name], (str, type(None)))):
                raise ValueError(f"its {name} is of another kind")
        if not (-1 << 63 <= row["id"] < 1 << 63 and 0 <= row["xid"] < 1 << 64):
            raise ValueError("its id or xid is too large")
        if row["salt"] is not None and len(bytes.fromhex(row["salt"])) != 16:
            raise ValueError("its salt has not 16 bytes")
        row_hash(row)
    except (ValueError, TypeError, OverflowError, RecursionError) as why:
        raise Unusable(f"this is no row of a trail: {why}") from None
    return row


# A proof (C2SP tlog-proof)


def check_proof(data, key, row=None):
    """The entry that a proof is of, its number and the lines of its checkpoint."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refused("this is no text") from None
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    sure(gap and lines.pop(0) == "c2sp.org/tlog-proof@v1", "this is no proof")
    sure(lines and lines[0].startswith("extra "), "the proof does not hold its entry")
    entry = unbase64(lines.pop(0).removeprefix("extra "))
    sure(lines and lines[0].startswith("index "), "the proof names no entry")
    index = number(lines.pop(0).removeprefix("index "))
    sure(len(lines) <= 64, "the proof is too long")
    hashes = [unbase64(line) for line in lines]
    sure(all(len(each) == 32 for each in hashes), "the proof has something that is no hash")
    size, root, more = checkpoint(note, key)
    included(leaf_hash(entry), index, size, hashes, root)
    said = parse_entry(entry)
    if row is not None:
        sure(said["kind"] == "row", "the entry is of no row")
        sure((said["id"], said["xid"]) == (row["id"], row["xid"]), "the proof is of another row")
        sure(said["at"] == micros(row["event_timestamp"]) and said["hash"] == row_hash(row),
             "this row is not what was sealed")
    return said, index, more


# A log (C2SP tlog-tiles)


def file_of(folder, kind, index, width):
    """The bytes of a tile or bundle, and how many things are in it."""
    name = f"{index % 1000:03}"
    while index := index // 1000:
        name = f"x{index % 1000:03}/{name}"
    path = folder / "tile" / kind / name
    partial = path.with_name(path.name + ".p") / str(width)
    for place, there in ((partial, width), (path, WIDTH)):
        if place.is_file():
            return (place.read_bytes() if place.stat().st_size <= MAX_FILE else b"", there)
    return None, WIDTH


def bundle(data, there, width):
    entries, rest = [], Bytes(data)
    while rest.data:
        entries.append(rest.take(rest.int(2)))
    sure(len(entries) == there, "a bundle has another number of entries")
    return entries[:width]


def check_log(folder, key):
    """How many entries a log has, and everything that is wrong with it."""
    path = folder / "checkpoint"
    sure(path.is_file(), "there is no checkpoint")
    try:
        size, root, _ = checkpoint(path.read_bytes().decode(), key)
    except UnicodeDecodeError:
        raise Refused("the checkpoint is no text") from None
    wrong, level, kind = [], [], 0
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        data, there = file_of(folder, "entries", first // WIDTH, width)
        try:
            sure(data is not None, "their bundle is missing")
            entries = bundle(data, there, width)
            for entry in entries:
                parse_entry(entry)
            level += map(leaf_hash, entries)
        except Refused as why:
            wrong.append(f"entries {first}-{first + width - 1}: {why}")
            level += [bytes(32)] * width
    if tree_root(level) != root:
        wrong.append("the entries are not those of the checkpoint")
    while level:
        for first in range(0, len(level), WIDTH):
            hashes = level[first:first + WIDTH]
            data, there = file_of(folder, str(kind), first // WIDTH, len(hashes))
            fits = data is not None and len(data) == 32 * there
            if not fits or data[:32 * len(hashes)] != b"".join(hashes):
                wrong.append(f"tile {first // WIDTH} of level {kind} is missing or does not fit")
        full = len(level) // WIDTH * WIDTH
        level = [tree_root(level[n:n + WIDTH]) for n in range(0, full, WIDTH)]
        kind += 1
    return size, wrong


def given(path):
    try:
        return Path(path).read_bytes()
    except OSError as why:
        raise Unusable(why) from None


def main(what, path, line, row=None):
    try:
        key = parse_key(line)
    except (Refused, ValueError) as why:
        raise Unusable(why) from None
    if what == "proof":
        content = None if row is None else parse_row(given(row))
        said, index, more = check_proof(given(path), key, content)
        said = {name: value.hex() if name == "hash" else value for name, value in said.items()}
        what = ", ".join(f"{name} {value}" for name, value in said.items())
        print(f"holds: entry {index} ({what}), under the checkpoint with {', '.join(more) or 'no time'}")
    elif what == "log" and row is None and Path(path).is_dir():
        size, wrong = check_log(Path(path), key)
        sure(not wrong, "\n".join(wrong))
        print(f"holds: {size} entries and every tile")
    else:
        raise Unusable(f"{path} is no folder" if what == "log" and row is None else __doc__)


if __name__ == "__main__":
    try:
        if len(sys.argv) not in (4, 5):
            raise Unusable(__doc__)
        main(*sys.argv[1:])
    except Refused as why:
        print(f"does not hold: {why}")
        sys.exit(1)
    except Unusable as why:
        print(why, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        sys.exit(3)
