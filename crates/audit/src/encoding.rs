//! The bytes of a row of the trail over which its SHA-256 is taken.
//!
//! Two readings of one row must never give the same bytes for different contents, or a forger
//! could move text from one field into the next. So integers have a fixed width, and each text
//! carries its length. The form knows nothing of PostgreSQL's settings; `audit.row_digest` and
//! `audit.content_digest` in `sql/0003_trail.sql` are the same thing in SQL. This module does no I/O
//! and allocates nothing: a sealer, a verifier and an extension of PostgreSQL can all share it.
//!
//! What may be erased is bound by a digest of its own over a random salt. Without salt and content
//! that digest tells nothing, and the row's hash stays what it was.

use sha2::{Digest, Sha256};

/// The first bytes of every row, so that a hash of something else is never a hash of a row.
const ROW: &[u8] = b"amanah/audit-row/v2\n";
/// Those of a row that was recorded in the first form of the trail.
const FIRST_ROW: &[u8] = b"amanah/audit-row/v1\n";
/// Those of a content.
const CONTENT: &[u8] = b"amanah/audit-content/v1\n";
/// A length that no text has: NULL.
const NULL: i32 = -1;

/// The fields of one row of `audit.system_audit_logs`, the hash left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The number of the row.
    pub id: i64,
    /// `event_timestamp` in microseconds since 2000-01-01 UTC, as PostgreSQL counts.
    pub at_micros: i64,
    /// The transaction.
    pub xid: u64,
    /// Whoever acted.
    pub actor_id: Option<&'a str>,
    /// In which tenant.
    pub tenant_id: Option<&'a str>,
    /// The login role.
    pub db_user: &'a str,
    /// What the application says the request was.
    pub request_id: Option<&'a str>,
    /// `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE` or `DDL`.
    pub action: &'a str,
    /// The schema of the table.
    pub table_schema: &'a str,
    /// The table.
    pub table_name: &'a str,
    /// What was recorded, or what is left of it.
    pub content: Content<'a>,
}

/// The part of a row that may be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// It is there.
    Whole {
        /// Sixteen random bytes.
        salt: [u8; 16],
        /// What was recorded.
        documents: Documents<'a>,
    },
    /// It was erased; its digest is left.
    Erased([u8; 32]),
    /// It is there, and was recorded in the first form of the trail: the row's hash is taken over it
    /// directly, without a salt.
    First(Documents<'a>),
}

/// What was recorded, each document as PostgreSQL prints JSONB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Documents<'a> {
    /// The primary key.
    pub row_key: Option<&'a str>,
    /// The row before.
    pub old_data: Option<&'a str>,
    /// The row after.
    pub new_data: Option<&'a str>,
}

impl Documents<'_> {
    fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        for text in [self.row_key, self.old_data, self.new_data] {
            field(text, sink);
        }
    }
}

impl Content<'_> {
    /// Hands the bytes over which the digest of a whole content is taken to `sink`, in their order;
    /// nothing of others.
    pub fn encode(&self, mut sink: impl FnMut(&[u8])) {
        if let Self::Whole { salt, documents } = self {
            sink(CONTENT);
            sink(salt);
            documents.encode(&mut sink);
        }
    }

    /// The digest that stands for the content; none of a content in the first form.
    pub fn digest(&self) -> Option<[u8; 32]> {
        match self {
            Self::Whole { .. } => {
                let mut hash = Sha256::new();
                self.encode(|bytes| hash.update(bytes));
                Some(hash.finalize().into())
            }
            Self::Erased(digest) => Some(*digest),
            Self::First(_) => None,
        }
    }
}

impl Fields<'_> {
    /// Hands the bytes of the row to `sink`, in their order.
    pub fn encode(&self, mut sink: impl FnMut(&[u8])) {
        let first = matches!(self.content, Content::First(_));
        sink(if first { FIRST_ROW } else { ROW });
        sink(&self.id.to_be_bytes());
        sink(&self.at_micros.to_be_bytes());
        sink(&self.xid.to_be_bytes());
        let texts = [
            self.actor_id,
            self.tenant_id,
            Some(self.db_user),
            self.request_id,
            Some(self.action),
            Some(self.table_schema),
            Some(self.table_name),
        ];
        for text in texts {
            field(text, &mut sink);
        }
        if let Content::First(documents) = &self.content {
            documents.encode(&mut sink);
        } else if let Some(digest) = self.content.digest() {
            sink(&digest);
        }
    }

    /// The SHA-256 of the row.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.encode(|bytes| hash.update(bytes));
        hash.finalize().into()
    }
}

fn field(text: Option<&str>, sink: &mut impl FnMut(&[u8])) {
    // PostgreSQL's longest value is below 2^30 bytes, so a real row never saturates.
    let length = text.map_or(NULL, |t| i32::try_from(t.len()).unwrap_or(i32::MAX));
    sink(&length.to_be_bytes());
    sink(text.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{Content, Documents, Fields};

    const DOCUMENTS: Documents<'_> =
        Documents { row_key: None, old_data: None, new_data: Some("{}") };
    const ROW: Fields<'_> = Fields {
        id: 1,
        at_micros: 2,
        xid: 3,
        actor_id: Some("a"),
        tenant_id: None,
        db_user: "u",
        request_id: Some(""),
        action: "INSERT",
        table_schema: "public",
        table_name: "t",
        content: Content::Whole { salt: [7; 16], documents: DOCUMENTS },
    };

    fn bytes(row: &Fields<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        row.encode(|part| bytes.extend_from_slice(part));
        bytes
    }

    /// What comes between the first words and the content, by hand.
    fn middle() -> Vec<u8> {
        let mut wanted = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        wanted.extend([0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, b'a', 255, 255, 255, 255]);
        wanted.extend(b"\0\0\0\x01u\0\0\0\0\0\0\0\x06INSERT\0\0\0\x06public\0\0\0\x01t");
        wanted
    }

    /// The form is written down here once more, by hand: changing it by accident fails.
    #[test]
    fn the_form_is_what_it_was() {
        let mut content = Vec::new();
        ROW.content.encode(|part| content.extend_from_slice(part));
        let mut wanted = b"amanah/audit-content/v1\n".to_vec();
        wanted.extend([7; 16]);
        wanted.extend([255; 8]);
        wanted.extend(b"\0\0\0\x02{}");
        assert_eq!(content, wanted);
        let mut wanted = [b"amanah/audit-row/v2\n".to_vec(), middle()].concat();
        wanted.extend(ROW.content.digest().unwrap());
        assert_eq!(bytes(&ROW), wanted);
    }

    /// Rows of the first form keep it.
    #[test]
    fn the_first_form_is_what_it_was() {
        let row = Fields { content: Content::First(DOCUMENTS), ..ROW };
        let mut wanted = [b"amanah/audit-row/v1\n".to_vec(), middle()].concat();
        wanted.extend([255; 8]);
        wanted.extend(b"\0\0\0\x02{}");
        assert_eq!(bytes(&row), wanted);
        assert_eq!(row.content.digest(), None);
    }

    /// A row whose content was erased has the hash that it had.
    #[test]
    fn erasing_the_content_leaves_the_hash() {
        let digest = ROW.content.digest().unwrap();
        let erased = Fields { content: Content::Erased(digest), ..ROW };
        assert_eq!(erased.digest(), ROW.digest());
        let other = Content::Whole { salt: [8; 16], documents: DOCUMENTS };
        assert_ne!(Fields { content: other, ..ROW }.digest(), ROW.digest());
    }

    /// Text cannot be moved between fields, and NULL is not the empty text.
    #[test]
    fn neighbours_cannot_be_confused() {
        let moved = Fields { actor_id: Some("ab"), tenant_id: Some("c"), ..ROW };
        let other = Fields { actor_id: Some("a"), tenant_id: Some("bc"), ..ROW };
        let empty = Fields { tenant_id: Some(""), ..ROW };
        assert_ne!(moved.digest(), other.digest());
        assert_ne!(empty.digest(), ROW.digest());
    }
}
