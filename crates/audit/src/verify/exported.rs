//! A row of the trail as JSON, from which its hash can be taken again.
//!
//! The documents are texts and not objects: the hash is over the very characters that PostgreSQL
//! prints, and whatever reads and writes JSON may order or round them otherwise.

use jiff::Timestamp;
use kernel::{hex, unhex};
use serde::{Deserialize, Serialize};

use crate::row::TrailRow;
use crate::{Error, Result};

/// The longest row that is read, in bytes.
pub const MAX_ROW_BYTES: usize = 1 << 30;

/// The fields, named as the columns are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    id: i64,
    event_timestamp: Timestamp,
    xid: u64,
    actor_id: Option<String>,
    tenant_id: Option<String>,
    db_user: String,
    request_id: Option<String>,
    action: String,
    table_schema: String,
    table_name: String,
    row_key: Option<String>,
    old_data: Option<String>,
    new_data: Option<String>,
    salt: Option<String>,
    erased: Option<String>,
    row_hash: String,
}

impl TrailRow {
    /// The row as JSON.
    ///
    /// # Errors
    /// Never for a row that was read from a trail.
    pub fn to_json(&self) -> Result<String> {
        let exported = self.exported();
        serde_json::to_string_pretty(&exported).map_err(|error| Error::Json(error.to_string()))
    }

    /// The same in one line.
    ///
    /// # Errors
    /// As [`TrailRow::to_json`].
    pub fn to_line(&self) -> Result<String> {
        serde_json::to_string(&self.exported()).map_err(|error| Error::Json(error.to_string()))
    }

    fn exported(&self) -> Exported {
        let row = self.clone();
        Exported {
            id: row.id,
            event_timestamp: row.event_timestamp,
            xid: row.xid,
            actor_id: row.actor_id,
            tenant_id: row.tenant_id,
            db_user: row.db_user,
            request_id: row.request_id,
            action: row.action,
            table_schema: row.table_schema,
            table_name: row.table_name,
            row_key: row.row_key,
            old_data: row.old_data,
            new_data: row.new_data,
            salt: row.salt.map(|salt| hex(&salt)),
            erased: row.erased.map(|digest| hex(&digest)),
            row_hash: hex(&row.row_hash),
        }
    }

    /// Reads a row that was written as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_json(text: &str) -> Result<Self> {
        let row: Exported =
            serde_json::from_str(text).map_err(|error| Error::Json(error.to_string()))?;
        let bytes = |what: &str, text: &str| {
            unhex(text).ok_or_else(|| Error::Json(format!("its {what} is no hexadecimal")))
        };
        let salt = row.salt.map(|salt| bytes("salt", &salt)).transpose()?;
        let salt = salt.map(<[u8; 16]>::try_from).transpose();
        Ok(Self {
            id: row.id,
            event_timestamp: row.event_timestamp,
            xid: row.xid,
            actor_id: row.actor_id,
            tenant_id: row.tenant_id,
            db_user: row.db_user,
            request_id: row.request_id,
            action: row.action,
            table_schema: row.table_schema,
            table_name: row.table_name,
            row_key: row.row_key,
            old_data: row.old_data,
            new_data: row.new_data,
            salt: salt.map_err(|_| Error::Json("its salt has not 16 bytes".to_owned()))?,
            erased: row.erased.map(|digest| bytes("erased", &digest)).transpose()?,
            row_hash: bytes("row_hash", &row.row_hash)?,
        })
    }
}
