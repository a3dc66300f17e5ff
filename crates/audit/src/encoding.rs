//! The bytes of a row of the trail over which its SHA-256 is taken.
//!
//! Two readings of one row must never give the same bytes for different contents, or a forger
//! could move text from one field into the next. So integers have a fixed width, and each text
//! carries its length. The form knows nothing of PostgreSQL's settings; `audit.row_digest` in
//! `sql/0001_trail.sql` is the same thing in SQL. This module does no I/O and allocates nothing:
//! a sealer, a verifier and an extension of PostgreSQL can all share it.

use sha2::{Digest, Sha256};

/// The first bytes of every row, so that a hash of something else is never a hash of a row.
const DOMAIN: &[u8] = b"amanah/audit-row/v1\n";
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
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub action: &'a str,
    /// The schema of the table.
    pub table_schema: &'a str,
    /// The table.
    pub table_name: &'a str,
    /// The primary key as PostgreSQL prints JSONB.
    pub row_key: Option<&'a str>,
    /// The row before, printed so.
    pub old_data: Option<&'a str>,
    /// The row after, printed so.
    pub new_data: Option<&'a str>,
}

impl Fields<'_> {
    /// Hands the bytes of the row to `sink`, in their order.
    pub fn encode(&self, mut sink: impl FnMut(&[u8])) {
        sink(DOMAIN);
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
            self.row_key,
            self.old_data,
            self.new_data,
        ];
        for text in texts {
            // PostgreSQL's longest value is below 2^30 bytes, so a real row never saturates.
            let length = text.map_or(NULL, |t| i32::try_from(t.len()).unwrap_or(i32::MAX));
            sink(&length.to_be_bytes());
            sink(text.unwrap_or_default().as_bytes());
        }
    }

    /// The SHA-256 of the row.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.encode(|bytes| hash.update(bytes));
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

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
        row_key: None,
        old_data: None,
        new_data: Some("{}"),
    };

    /// The form is written down here once more, by hand: changing it by accident fails.
    #[test]
    fn the_form_is_what_it_was() {
        let mut bytes = Vec::new();
        ROW.encode(|part| bytes.extend_from_slice(part));
        let mut wanted = b"amanah/audit-row/v1\n".to_vec();
        wanted.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        wanted.extend([0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, b'a', 255, 255, 255, 255]);
        wanted.extend(b"\0\0\0\x01u\0\0\0\0\0\0\0\x06INSERT\0\0\0\x06public\0\0\0\x01t");
        wanted.extend([255; 8]);
        wanted.extend(b"\0\0\0\x02{}");
        assert_eq!(bytes, wanted);
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
