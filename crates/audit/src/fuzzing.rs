//! The parsers of what others can write, for the fuzzer's targets and for `make test`. Each gives back
//! what it read as it would be written.

use crate::encrypted::Value;
use crate::{Leaf, TrailRow};

/// An entry of a trail's log.
pub fn leaf(bytes: &[u8]) -> Option<Vec<u8>> {
    Leaf::decode(bytes).ok()?.encode().ok()
}

/// A row of the trail as JSON.
pub fn row(bytes: &[u8]) -> Option<Vec<u8>> {
    let row = TrailRow::from_json(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(row.to_json().ok()?.into_bytes())
}

/// An encrypted value in a document of the trail.
pub fn column(bytes: &[u8]) -> Option<Vec<u8>> {
    let value = Value::parse(std::str::from_utf8(bytes).ok()?)?.ok()?;
    Some(value.text().into_bytes())
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged_again;

    use crate::{EpochLeaf, ErasureLeaf, Leaf, RowLeaf, TrailRow};

    #[test]
    fn damaged_samples_are_read_or_refused() {
        let row = RowLeaf { epoch: 1, xid: 2, id: 3, at_micros: 4, row_hash: [5; 32] };
        let epoch = EpochLeaf {
            epoch: 1,
            at_micros: 2,
            system: 3,
            timeline: 4,
            first_xid: 5,
            why: "the log begins".to_owned(),
        };
        let erasure = ErasureLeaf { index: 1, at_micros: 2, request: "ticket 1".to_owned() };
        let leaves = [Leaf::Row(row), Leaf::Epoch(epoch), Leaf::Erasure(erasure)];
        try_damaged_again("leaf", &leaves.map(|leaf| leaf.encode().unwrap()), super::leaf);
        let row = TrailRow {
            id: 1,
            event_timestamp: "2026-11-26T12:00:00.000001Z".parse().unwrap(),
            xid: 2,
            actor_id: Some("sari".to_owned()),
            tenant_id: None,
            db_user: "shop_app".to_owned(),
            request_id: None,
            action: "INSERT".to_owned(),
            table_schema: "public".to_owned(),
            table_name: "product".to_owned(),
            row_key: Some("{\"id\": 1}".to_owned()),
            old_data: None,
            new_data: Some("{\"id\": 1}".to_owned()),
            salt: Some([7; 16]),
            erased: None,
            row_hash: vec![8; 32],
        };
        try_damaged_again("row", &[row.to_json().unwrap().into_bytes()], super::row);
        let value = r#"{"key": 1, "value": "AAEC", "amanah": "encrypted"}"#.as_bytes().to_vec();
        assert_eq!(super::column(&value), Some(value.clone()));
        try_damaged_again("column", &[value], super::column);
    }
}
