//! The rows of a table as an archive has them: lines of `COPY` in text format.

use crate::{Error, Result};

/// A row: its values as text.
pub(super) type Row = Vec<Option<String>>;

/// Takes the text in pieces, cut anywhere, and gives the rows that are whole.
pub(super) struct Lines {
    columns: usize,
    rest: Vec<u8>,
}

impl Lines {
    /// Rows of so many columns.
    pub(super) const fn of(columns: usize) -> Self {
        Self { columns, rest: Vec::new() }
    }

    /// The rows that end in this piece.
    pub(super) fn take(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<()> {
        let mut left = piece;
        while let Some(at) = memchr::memchr(b'\n', left) {
            let (line, after) = left.split_at(at);
            self.rest.extend_from_slice(line);
            rows.push(self.row()?);
            self.rest.clear();
            left = after.get(1..).unwrap_or_default();
        }
        self.rest.extend_from_slice(left);
        Ok(())
    }

    fn row(&self) -> Result<Row> {
        let row: Result<Row> = self.rest.split(|byte| *byte == b'\t').map(value).collect();
        let row = row?;
        if row.len() == self.columns { Ok(row) } else { Err(refused()) }
    }
}

/// One value. PostgreSQL writes no other escapes than these.
fn value(text: &[u8]) -> Result<Option<String>> {
    if text == b"\\N" {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.iter();
    while let Some(&byte) = left.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            _ => match left.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'v') => 11,
                _ => return Err(refused()),
            },
        });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refused())
}

fn refused() -> Error {
    Error::Archive("a row in it cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Lines, Row};

    fn read(columns: usize, pieces: &[&[u8]]) -> crate::Result<Vec<Row>> {
        let (mut lines, mut rows) = (Lines::of(columns), Vec::new());
        for piece in pieces {
            lines.take(piece, &mut rows)?;
        }
        Ok(rows)
    }

    #[test]
    fn values_come_out_as_they_went_in_wherever_the_text_is_cut() {
        let text = b"a\\tb\\\\N\t\\N\n\t\\n\\r\\b\\f\\v\n";
        let wanted = vec![
            vec![Some("a\tb\\N".to_owned()), None],
            vec![Some(String::new()), Some("\n\r\u{8}\u{c}\u{b}".to_owned())],
        ];
        for cut in 0..=text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(read(2, &[one, two]).unwrap(), wanted, "{cut}");
        }
    }

    #[test]
    fn what_no_server_writes_is_refused() {
        for text in [&b"a\n"[..], b"a\tb\tc\n", b"a\t\\x41\n", b"a\t\\\n", b"a\t\xff\n"] {
            assert!(read(2, &[text]).is_err(), "{text:?}");
        }
    }
}
