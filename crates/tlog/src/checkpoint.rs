//! Checkpoints (C2SP tlog-checkpoint): which log, how many entries, under which root.

use std::fmt;

use crate::{Error, Hash, Result};

/// The head of a log at one moment. It says something only inside an opened [`Note`](crate::Note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, the same for ever.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Further lines, none of them empty.
    pub more: Vec<String>,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.more.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// When it is anything else, or the same in another spelling.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = Error::Checkpoint;
        let body = text.strip_suffix('\n').ok_or(wrong("its last line does not end"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty());
        let origin = origin.ok_or(wrong("it names no log"))?;
        let count = lines.next().ok_or(wrong("it has no number of entries"))?;
        let size: u64 =
            count.parse().map_err(|_| wrong("its second line is no number of entries"))?;
        if size.to_string() != count {
            return Err(wrong("its number of entries is not spelled as it should be"));
        }
        let root = lines.next().ok_or(wrong("it has no root"))?;
        let root: Hash = root.parse().map_err(|_| wrong("its third line is no root"))?;
        let more: Vec<String> = lines.map(str::to_owned).collect();
        if more.iter().any(String::is_empty) {
            return Err(wrong("it has an empty line"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, more })
    }
}
