//! The schema that a reader reads equals the schema that runs: `docs/schema/*.sql` is what the
//! migrations make, and this test writes it anew when it differs.

use std::process::Command;

use crate::house::root;

/// Both kinds of database, dumped without what differs from dump to dump.
#[tokio::test]
async fn the_schema_files_are_what_the_migrations_make() {
    let control = testkit::database(&[
        &claims::ROOM,
        &identity::ROOM,
        &access::ROOM,
        &directory::ROOM,
        &keys::ROOM,
        &tenancy::FLEET_ROOM,
        &tenancy::FILES_ROOM,
        &tenancy::CACHE_ROOM,
        &audit::COMPARED_ROOM,
        &audit::ERASING_ROOM,
    ])
    .await;
    compare("control", &control);
    let protected = testkit::database(&[&tenancy::ROOM, &audit::ROOM]).await;
    store::migrate_privileged(&protected.superuser, &[&tenancy::GUARD, &audit::GUARD])
        .await
        .unwrap();
    compare("protected", &protected);
}

fn compare(name: &str, db: &testkit::TestDb) {
    let file = root().join(format!("docs/schema/{name}.sql"));
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let real = dump(db);
    if known != real {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &real).unwrap();
        panic!("docs/schema/{name}.sql was out of date and is written anew: review and commit it");
    }
}

fn dump(db: &testkit::TestDb) -> String {
    let url = db.superuser.url();
    let store::Host::Socket(socket) = &url.host else { panic!("the superuser uses the socket") };
    let output = Command::new("pg_dump")
        .args([
            "--schema-only",
            // The months that have a partition are others each month.
            "--exclude-table=audit.system_audit_logs_2*",
            "-U",
            "postgres",
            "-p",
            &url.port.to_string(),
            "-d",
            &db.name,
            "-h",
        ])
        .arg(socket)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().replace(&format!("{}_", db.name), "");
    let mut out = String::new();
    for line in text.lines() {
        // Versions, settings of the session, and the random mark of psql's restricted mode.
        let noise = line.starts_with("--") || line.starts_with("SET ") || line.starts_with('\\');
        let noise = noise || line.starts_with("SELECT pg_catalog.set_config");
        if !noise && !(line.is_empty() && (out.is_empty() || out.ends_with("\n\n"))) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
