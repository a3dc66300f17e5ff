//! Reading what has left the database: the same rows in the same order as before, a row about it first, and
//! a word when a month cannot be opened.

use std::sync::Arc;

use jiff::SignedDuration;
use store::Db;

use super::super::reading::person;
use super::super::retaining::ago;
use super::super::run;
use super::super::verifying::proving::python;
use super::Old;
use crate::archive::Beyond;
use crate::reading::{Export, Filter, Key, Part, Reading};
use crate::retention::Month;
use crate::seal::{LogReader, Scratch};
use crate::verify::{Checked, Signed, check, prove, row};
use crate::{Error, Leaf, Result, TrailRow};

/// Rows of a month about records with all sorts of keys; the key, before, after.
const RECORDS: [(&str, &str, &str, &str); 9] = [
    ("INSERT", r#"{"id": 17}"#, "", r#"{"id": 17, "name": "Tea"}"#),
    ("UPDATE", r#"{"id": 17}"#, r#"{"name": "Tea"}"#, r#"{"id": 17.0, "name": "Oil"}"#),
    ("UPDATE", r#"{"id": 17}"#, r#"{"id": 17}"#, r#"{"id": 18, "name": "Oil"}"#),
    ("INSERT", r#"{"id": 1.50}"#, "", r#"{"id": 1.50}"#),
    ("INSERT", r#"{"id": "1.5"}"#, "", r#"{"id": "1.5"}"#),
    ("INSERT", r#"{"a": 1, "bb": "x\"y"}"#, "", r#"{"a": 1, "bb": "x\"y", "c": [1, {"d": null}]}"#),
    ("INSERT", r#"{"id": null}"#, "", r#"{"id": null}"#),
    ("TRUNCATE", "", "", ""),
    ("DELETE", r#"{"id": "null"}"#, r#"{"id": "null"}"#, ""),
];

/// Has the trail hold these rows of a month, the newest transactions of it.
async fn record(superuser: &Db, month: Month) {
    let (first, part) = (month.first(), format!("audit.{}", month.partition()));
    let json = |text: &str| match text {
        "" => "NULL::jsonb".to_owned(),
        text => format!("{}::jsonb", store::literal(text)),
    };
    let rows = RECORDS.iter().enumerate().map(|(n, (action, key, old, new))| {
        let (key, old, new) = (json(key), json(old), json(new));
        format!("({n}, '{action}', {key}, {old}, {new})")
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "ALTER TABLE {part} DISABLE TRIGGER hash;
         INSERT INTO audit.system_audit_logs (id, event_timestamp, actor_id, tenant_id, db_user, action,
             table_schema, table_name, row_key, old_data, new_data, xid, salt, row_hash)
             OVERRIDING SYSTEM VALUE
         SELECT r.id, r.at, 'ann', '7', session_user, r.action, 'amanah', 'thing', r.key, r.was, r.becomes,
                r.xid, r.salt, audit.row_digest(r.id, r.at, r.xid, 'ann', '7', session_user::text, NULL,
                    r.action, 'amanah', 'thing', audit.content_digest(r.salt, r.key, r.was, r.becomes))
           FROM (SELECT nextval('audit.system_audit_logs_id_seq'::regclass) AS id,
                        '{first} 13:00:00+00'::timestamptz + v.n * interval '1 minute' AS at,
                        v.action, v.key, v.was, v.becomes, pg_current_xact_id() AS xid,
                        gen_random_uuid() AS salt
                   FROM (VALUES {rows}) v (n, action, key, was, becomes)) r;
         ALTER TABLE {part} ENABLE ALWAYS TRIGGER hash"
    );
    run(superuser, &sql).await;
}

/// Old months with such records in all three, an auditor, and everything sealed.
pub(super) async fn library() -> (Old, Db) {
    let old = Old::new().await;
    for month in [old.eldest, old.elder, ago(&old.superuser, 3).await] {
        record(&old.superuser, month).await;
    }
    super::seal(&old.protected, &old.watched).await;
    let auditor = person(&old.protected, "amanah_auditor").await;
    (old, auditor)
}

pub(super) fn beyond(old: &Old, place: Arc<Scratch>) -> Beyond {
    Beyond { archive: Some(old.at(place)), keys: old.keys() }
}

async fn read(auditor: &Db, filter: &Filter, beyond: &Beyond) -> Result<Vec<TrailRow>> {
    let mut reading = Reading::open(auditor, filter.clone(), "ticket 4711", beyond).await?;
    let mut rows = Vec::new();
    while let Some(row) = reading.next().await? {
        rows.push(row);
    }
    Ok(rows)
}

/// What is asked, so that neither rows about readings nor about dropped partitions are among the rows.
fn filters(old: &Old) -> Vec<Filter> {
    let own = || Filter { schema: Some("amanah".to_owned()), ..Filter::default() };
    let within = old.elder.begins() + SignedDuration::from_mins(13 * 60 + 4);
    let mut all = vec![
        own(),
        Filter { table: Some("past".to_owned()), ..own() },
        Filter { actor: Some("ann".to_owned()), ..own() },
        Filter { actor: Some("bea".to_owned()), ..own() },
        Filter { tenant: Some("7".to_owned()), ..own() },
        Filter { request: Some("r".to_owned()), ..own() },
        Filter { login: Some(old.superuser.url().user.clone()), ..own() },
        Filter { action: Some("TRUNCATE".to_owned()), ..own() },
        Filter { from: Some(within), ..own() },
        Filter { to: Some(within), ..own() },
        Filter { from: Some(within), to: Some(within + SignedDuration::from_mins(2)), ..own() },
        Filter { from: Some(within + SignedDuration::from_nanos(400)), ..own() },
        Filter { from: Some(old.eldest.begins()), to: Some(old.eldest.ends()), ..own() },
    ];
    for limit in [1, 2, 10, 12, 13, 20, 25, 100_000] {
        all.push(Filter { limit: Some(limit), ..own() });
        all.push(Filter { limit: Some(limit), to: Some(within), ..own() });
        all.push(Filter { limit: Some(limit), action: Some("INSERT".to_owned()), ..own() });
    }
    for key in [
        "17",
        "17.0",
        "18",
        "1.5",
        "1.50",
        "null",
        "x",
        "{}",
        r#"{"id": 17}"#,
        r#"{"id": 1.7e1}"#,
        r#"{"id": 18}"#,
        r#"{"id": 1.5}"#,
        r#"{"id": "1.5"}"#,
        r#"{"id": null}"#,
        r#"{"id": "null"}"#,
        r#"{"bb": "x\"y", "a": 1}"#,
        r#"{"a": 1}"#,
        r#"{"a": 1, "c": [{}]}"#,
    ] {
        all.push(Filter { key: Some(Key::of(key)), ..own() });
        all.push(Filter { key: Some(Key::of(key)), limit: Some(2), ..own() });
    }
    all
}

/// Whatever is asked for, the rows are those of before, in their order, whether they are in the database, in
/// both places, in the archive, or in one that has not noted between what its rows lie.
#[tokio::test]
async fn what_has_left_is_read_as_if_it_had_not() {
    let (old, auditor) = library().await;
    let none = Beyond { archive: None, keys: old.keys() };
    let mut filters = filters(&old);
    let schema = filters[0].schema.clone();
    let all = read(&auditor, &filters[0], &none).await.unwrap();
    let (first, last) = (Some(all[5].id), Some(all[30].id));
    filters.push(Filter { first, last, schema: schema.clone(), ..Filter::default() });
    filters.push(Filter { last, limit: Some(9), schema, ..Filter::default() });
    let mut before = Vec::new();
    for filter in &filters {
        before.push(read(&auditor, filter, &none).await.unwrap());
    }
    assert_eq!(before[0].len(), 10 + 3 * RECORDS.len());
    let none_found = filters.iter().zip(&before).filter(|(_, rows)| rows.is_empty());
    let none_found: Vec<_> = none_found.map(|(filter, _)| filter.to_json()).collect();
    assert_eq!(none_found.len(), 8, "{none_found:#?}");
    // It may take nothing out, so that the first month is in both places.
    let reader = person(&old.protected, "amanah_trail_reader").await;
    old.keep(&reader).await.unwrap_err();
    let archive = beyond(&old, Arc::clone(&old.shelf));
    assert_eq!(read(&auditor, &filters[0], &archive).await.unwrap(), before[0]);
    let gone = old.keep(&old.superuser).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.rows).collect::<Vec<_>>(), [12, 14]);
    for (filter, rows) in filters.iter().zip(&before) {
        let after = read(&auditor, filter, &archive).await.unwrap();
        assert_eq!(&after, rows, "{}", filter.to_json());
    }
    // An empty partition in the place of one that has left hides nothing.
    let made = format!("SELECT audit.make_partition('{} 00:00+00')", old.eldest.first());
    run(&old.superuser, &made).await;
    assert_eq!(read(&auditor, &filters[0], &archive).await.unwrap(), before[0]);
    for month in [old.eldest, old.elder] {
        archive.archive.as_ref().unwrap().without_spans(&old.keys(), month).await.unwrap();
    }
    for (filter, rows) in filters.iter().zip(&before) {
        let after = read(&auditor, filter, &archive).await.unwrap();
        assert_eq!(&after, rows, "{}", filter.to_json());
    }
}

/// The row about a reading says which months of the archive it reaches, before anything of them is read; and
/// whoever is no auditor reads nothing there either.
#[tokio::test]
async fn a_reading_of_the_archive_is_recorded() {
    let (old, auditor) = library().await;
    old.keep(&old.superuser).await.unwrap();
    let archive = beyond(&old, Arc::clone(&old.shelf));
    let rows = read(&auditor, &Filter::default(), &archive).await.unwrap();
    assert!(rows.len() > 30);
    let purposes = "SELECT new_data ->> 'purpose' FROM audit.system_audit_logs
                     WHERE action IN ('ASK', 'READ') ORDER BY xid, id";
    let tx = old.superuser.operator().await.unwrap();
    let told = tx.query(purposes, &[]).await.unwrap();
    let told: Vec<String> = told.iter().map(|row| row.get(0)).collect();
    let wanted = format!("ticket 4711 [and the archived months {} to {}]", old.eldest, old.elder);
    assert_eq!(told, [wanted.clone(), wanted]);
    // A file that does not open keeps nobody from being recorded.
    let broken = beyond(&old, Arc::new(old.shelf.without(&format!("{}/0", old.eldest))));
    let error = read(&auditor, &Filter::default(), &broken).await.unwrap_err();
    assert!(matches!(&error, Error::NotOpened { month, .. } if *month == old.eldest.to_string()));
    let told = tx.query(purposes, &[]).await.unwrap().len();
    assert_eq!(told, 4);
    for login in [&old.protected.owner, &old.protected.intruder] {
        assert!(read(login, &Filter::default(), &archive).await.is_err(), "{}", login.url().user);
    }
}

/// Less is never given in silence: a month that cannot be opened is named, and one that was asked without it
/// is read.
#[tokio::test]
async fn a_month_that_cannot_be_opened_is_named() {
    let (old, auditor) = library().await;
    old.keep(&old.superuser).await.unwrap();
    let (month, whole) = (old.elder.to_string(), beyond(&old, Arc::clone(&old.shelf)));
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let damages = [
        old.shelf.without(&format!("{month}/manifest")),
        old.shelf.without(&format!("{month}/0")),
        old.shelf.without(&month),
        old.shelf.changed(&format!("{month}/0"), flip),
        old.shelf.changed(&format!("{month}/manifest"), flip),
    ];
    let places = damages.into_iter().map(|shelf| beyond(&old, Arc::new(shelf)));
    let none = Beyond { archive: None, keys: old.keys() };
    for (n, place) in places.chain([none]).enumerate() {
        let from = Some(old.elder.begins());
        for filter in [
            Filter { from, ..Filter::default() },
            Filter { from, limit: Some(5_000), ..Filter::default() },
        ] {
            let error = read(&auditor, &filter, &place).await.unwrap_err();
            let named = matches!(&error, Error::NotOpened { month: one, .. } if *one == month);
            assert!(named, "{n}: {error}");
        }
        let without = Filter { from: Some(old.elder.ends()), ..Filter::default() };
        assert!(read(&auditor, &without, &place).await.unwrap().len() >= 11, "{n}");
    }
    // The database says how many rows there were: an older list of files is not taken for all.
    run(&old.superuser, "UPDATE audit.archived_months SET rows = rows + 1").await;
    let error = read(&auditor, &Filter::default(), &whole).await.unwrap_err().to_string();
    assert!(error.contains("13 rows were archived, and the archive names 12"), "{error}");
    run(&old.superuser, "UPDATE audit.archived_months SET rows = rows - 1").await;
    // A month that leaves while it is read would be in neither half.
    let mut reading = Reading::open(&auditor, Filter::default(), "slowly", &whole).await.unwrap();
    let young = ago(&old.superuser, 3).await;
    let drop = format!(
        "DROP TABLE audit.{}; INSERT INTO audit.archived_months (month, rows) VALUES ('{}', 11)",
        young.partition(),
        young.first()
    );
    run(&old.superuser, &drop).await;
    let error = loop {
        match reading.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("less was given"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Moved(month) if *month == young.to_string()), "{error}");
}

/// The export has every row in the place of its entry, and a row in the archive is proven like any other.
#[tokio::test]
async fn the_archive_is_exported_and_proven() {
    let (old, auditor) = library().await;
    let own = Filter { table: Some("thing".to_owned()), ..Filter::default() };
    let none = Beyond { archive: None, keys: old.keys() };
    let id = read(&auditor, &own, &none).await.unwrap()[3].id;
    let before = row(&old.superuser, id).await.unwrap().unwrap();
    old.keep(&old.superuser).await.unwrap();
    let archive = beyond(&old, Arc::clone(&old.shelf));
    let (log, keys) = (old.watched.log.as_ref().unwrap(), old.keys());
    let signed = log.shelf.checkpoint().await.unwrap().unwrap().note;
    let head = Signed::open(&signed, &keys).unwrap();
    let files = || LogReader::new(Arc::clone(&log.shelf), head.head.size);
    let asked = ("hourly copy", false);
    let mut export = Export::open(files(), &head, 0, &auditor, asked, &archive).await.unwrap();
    let mut rows = 0;
    while let Some(entry) = export.next().await.unwrap() {
        match entry.leaf {
            Leaf::Row(leaf) => {
                assert_eq!((entry.part, entry.row.unwrap().id), (Part::Sealed, leaf.id));
                rows += 1;
            }
            _ => assert_eq!(entry.part, Part::None),
        }
    }
    assert!(export.is_whole() && rows > 37);
    assert_eq!(row(&old.superuser, id).await.unwrap(), None);
    let found = archive.row(&old.superuser, id).await.unwrap().unwrap();
    assert_eq!(found, before);
    assert_eq!(archive.row(&old.superuser, 1_000_000).await.unwrap(), None);
    let proof = prove(&files(), &head, &keys[0], &found).await.unwrap();
    let checked: Checked = check(&proof, &keys[0]).unwrap();
    assert_eq!(checked.refutes(&found), None);
    assert_eq!(python(&[proof.into_bytes()], &keys[0]), ["holds"]);
    let lost = beyond(&old, Arc::new(old.shelf.without(&old.eldest.to_string())));
    let error = lost.row(&old.superuser, id).await.unwrap_err();
    assert!(matches!(error, Error::NotOpened { .. }), "{error}");
}

/// Documents are held against each other as PostgreSQL does it.
#[tokio::test]
async fn documents_are_compared_as_the_database_does() {
    use crate::reading::matching::{holds, same, says};
    const TEXTS: [&str; 30] = [
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "0.00",
        "1",
        "1.0",
        "10",
        "1e1",
        "100e-1",
        "-1",
        "12345678901234567890.10",
        "12345678901234567890.1",
        r#""1""#,
        r#""a\"b""#,
        r#""\u00e9""#,
        r#""é""#,
        r#"{"a": 1}"#,
        r#"{"a": 1.0, "b": null}"#,
        r#"{"b": null, "a": 1}"#,
        r#"{"a": {"b": [1, 2, "1"]}}"#,
        r#"{"a": {"b": [2.0]}}"#,
        r#"{"a": {}}"#,
        "[1, 2, 2]",
        "[2, 1]",
        r#"[{"a": 1, "b": 2}, "1"]"#,
        r#"[{"a": 1}]"#,
    ];
    let superuser = Old::new().await.superuser;
    let tx = superuser.operator().await.unwrap();
    let sql = "SELECT a::text, b::text, a = b, a @> b,
                      jsonb_path_exists(a, 'strict $.** ? (@ == $value)',
                                        jsonb_build_object('value', b #>> '{}'), true)
                 FROM (SELECT unnest($1::text[])::jsonb AS a) a, (SELECT unnest($1::text[])::jsonb AS b) b";
    let rows = tx.query(sql, &[&&TEXTS[..]]).await.unwrap();
    assert_eq!(rows.len(), TEXTS.len() * TEXTS.len());
    let text = |value: &str| -> Option<String> {
        let plain = || serde_json::from_str(value).unwrap_or_else(|_| value.to_owned());
        (value != "null").then(plain)
    };
    for row in rows {
        let (one, other): (String, String) = (row.get(0), row.get(1));
        assert_eq!(same(&one, &other), row.get::<_, bool>(2), "{one} = {other}");
        let both = |kind: char| one.starts_with(kind) && other.starts_with(kind);
        // The filter asks it of objects alone; an array may hold what is no array, in PostgreSQL.
        if both('{') || both('[') {
            assert_eq!(holds(&one, &other), row.get::<_, bool>(3), "{one} @> {other}");
        }
        if let Some(wanted) = text(&other) {
            let said: Option<bool> = row.get(4);
            assert_eq!(says(&one, &wanted), said == Some(true), "{one} says {other}");
        }
    }
}
