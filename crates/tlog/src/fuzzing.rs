//! The parsers of what others can write, for the fuzzer's targets and for `make test`. Each gives back
//! what it read as it would be written.

use crate::{Checkpoint, Note, ProofFile, open_bundle, put_entry};

/// A signed note.
pub fn note(bytes: &[u8]) -> Option<Vec<u8>> {
    let note = Note::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(note.to_string().into_bytes())
}

/// A checkpoint.
pub fn checkpoint(bytes: &[u8]) -> Option<Vec<u8>> {
    let checkpoint = Checkpoint::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(checkpoint.to_string().into_bytes())
}

/// A proof in a file.
pub fn proof_file(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = ProofFile::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(file.to_string().into_bytes())
}

/// A bundle of any number of entries, the first byte of the input.
pub fn bundle(bytes: &[u8]) -> Option<Vec<u8>> {
    let (width, rest) = bytes.split_first()?;
    let mut written = vec![*width];
    for entry in open_bundle(rest, u64::from(*width)).ok()? {
        put_entry(&mut written, entry).ok()?;
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged_again;

    use crate::{Checkpoint, Hash, Note, ProofFile, Signer, put_entry};

    fn signed() -> (Checkpoint, Note) {
        let origin = "amanah-ab12/shop".to_owned();
        let more = vec!["time 2026-11-26T12:00:00Z".to_owned()];
        let checkpoint = Checkpoint { origin, size: 3, root: Hash::leaf(b"root"), more };
        let signer = Signer::from_seed("amanah-ab12/shop", &[1; 32]).unwrap();
        let other = Signer::from_seed("witness.example", &[2; 32]).unwrap();
        let note = Note::new(checkpoint.to_string()).unwrap().signed(&signer).signed(&other);
        (checkpoint, note)
    }

    /// Whatever is read and written again reads as the same, and nothing makes a parser panic.
    #[test]
    fn damaged_samples_are_read_or_refused() {
        let (checkpoint, note) = signed();
        let extra = Some(b"an entry".to_vec());
        let hashes = vec![Hash::leaf(b"1"), Hash::leaf(b"2")];
        let file = ProofFile { extra, index: 1, hashes, checkpoint: note.clone() };
        let bare = ProofFile { extra: None, hashes: Vec::new(), ..file.clone() };
        let mut bundle = vec![2];
        put_entry(&mut bundle, b"one").unwrap();
        put_entry(&mut bundle, b"").unwrap();
        let text = |text: &dyn std::fmt::Display| text.to_string().into_bytes();
        try_damaged_again("note", &[text(&note)], super::note);
        try_damaged_again("checkpoint", &[text(&checkpoint)], super::checkpoint);
        try_damaged_again("proof_file", &[text(&file), text(&bare)], super::proof_file);
        try_damaged_again("bundle", &[bundle, vec![0]], super::bundle);
    }
}
