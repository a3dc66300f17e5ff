//! A tenant that leaves, as an operator sees it: its archive, and the certificate of its end, out of a
//! database of its own or out of one that it shares with others.

use std::path::Path;

use serde_json::Value;

use crate::house::{House, amanah_with, directory, shared};

const SECRET: (&str, &str) = ("AMANAH_ARCHIVE_SECRET", "a secret of this test, and long");

/// Exit code, what it says as JSON, and what it complains of.
fn run(house: &House, secret: bool, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let data = house.data.display().to_string();
    let variables = if secret { &[SECRET][..] } else { &[] };
    let output = amanah_with(variables, &[arguments, &["--json", "--data", &data]].concat());
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_tenant_leaves_with_its_archive_and_a_certificate_stays() {
    let (guard, dir) = (shared(), directory());
    let house: &House = &guard;
    let (archive, file) = (dir.path().join("toko"), dir.path().join("certificate"));
    let (first, second) = ("Toko yang pergi", "Toko yang datang");
    let held = |secret: bool, arguments: &[&str]| {
        let (exit, said, error) = run(house, secret, arguments);
        assert_eq!(exit, Some(0), "{arguments:?}: {error}");
        said
    };
    let export = ["tenant", "export", first, "--to", text(&archive)];
    let import = ["tenant", "import", text(&archive), "--as", second];
    held(false, &["tenant", "add", first]);
    let (exit, _, error) = run(house, false, &export);
    assert_eq!(exit, Some(2), "neither a secret nor --plain: {error}");
    let exported = held(true, &export);
    assert_eq!(exported["sealed"], true, "{exported}");
    assert!(exported["manifest"]["tables"][0]["columns"].is_array(), "{exported}");
    let (exit, _, error) = run(house, true, &export);
    assert_eq!(exit, Some(2), "the file is there already: {error}");
    let sealed = std::fs::read(&archive).unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"orders"), "it is sealed");
    let (exit, _, error) = run(house, false, &import);
    assert_eq!(exit, Some(2), "it is sealed: {error}");
    let stripped = dir.path().join("stripped");
    std::fs::write(&stripped, b"not sealed").unwrap();
    let plain = ["tenant", "import", text(&stripped), "--as", second];
    let (exit, _, error) = run(house, true, &plain);
    assert_eq!(exit, Some(2), "it is not sealed: {error}");
    assert!(error.contains("no sealed archive"), "{error}");
    assert_eq!(held(true, &import)["state"], "active");
    let (exit, _, error) = run(house, true, &import);
    assert_eq!(exit, Some(2), "there is one already: {error}");

    let erase = ["tenant", "erase", first, "--yes", "--certificate", text(&file)];
    let erased = held(false, &erase);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(erased["certificate"], kept.as_str());
    held(false, &["tenant", "certificate", text(&file), "--tenant", first]);
    let (exit, ..) = run(house, false, &["tenant", "certificate", text(&file), "--tenant", second]);
    assert_eq!(exit, Some(1), "it is of another tenant");
    let all = held(false, &["tenant", "erasures"]);
    let known = all["erasures"].as_array().unwrap();
    assert!(known.iter().any(|one| one["certificate"] == kept.as_str()), "{all}");
    std::fs::write(&file, kept.replace("\"logins\": 1", "\"logins\": 7")).unwrap();
    let public = all["public_keys"][0].as_str().unwrap();
    for key in [&[][..], &["--public-key", public]] {
        let check = [&["tenant", "certificate", text(&file)][..], key].concat();
        let (exit, said, _) = run(house, false, &check);
        assert_eq!((exit, &said["holds"]), (Some(1), &Value::Bool(false)), "{said}");
    }
    held(false, &["tenant", "erase", second, "--yes"]);
}

/// A tenant of the sample application that nobody else in these tests knows.
const SHARING: &str = "44444444-4444-4444-8444-444444444444";

/// Everything of every other tenant, as one digest.
fn others(house: &House) -> String {
    let tables = ["tenants", "categories", "products", "notes", "prices", "approvals"];
    let each = tables.map(|table| {
        format!("(SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t WHERE tenant_id <> '{SHARING}')")
    });
    house.psql("demo", &format!("SELECT {}", each.join(" || ")))
}

#[test]
fn a_tenant_leaves_a_shared_database() {
    let (guard, dir) = (shared(), directory());
    let house: &House = &guard;
    let (archive, file, note) =
        (dir.path().join("rows"), dir.path().join("certificate"), dir.path().join("note"));
    let held = |secret: bool, arguments: &[&str]| {
        let (exit, said, error) = run(house, secret, arguments);
        assert_eq!(exit, Some(0), "{arguments:?}: {error}");
        said
    };
    let before = others(house);
    let export = ["tenant", "export", SHARING, "--database", "demo", "--to", text(&archive)];
    let erase = ["tenant", "erase", SHARING, "--database", "demo"];
    let (exit, _, error) = run(house, true, &export);
    assert_eq!(exit, Some(3), "there is no such tenant yet: {error}");
    assert!(error.contains("no rows") && !archive.exists(), "{error}");
    let (exit, _, error) =
        run(house, true, &["tenant", "export", SHARING, "--database", "nosuch", "--to", "x"]);
    assert_eq!(exit, Some(2), "{error}");
    let rows = format!(
        "INSERT INTO tenants VALUES ('{SHARING}', 'Sharing \"X\"', 'IDR');
         INSERT INTO categories (tenant_id, name) VALUES ('{SHARING}', 'One'), ('{SHARING}', 'Two');
         INSERT INTO products (tenant_id, category_id, sku, name, pack)
         SELECT tenant_id, id, name, name, '1 kg' FROM categories WHERE tenant_id = '{SHARING}'"
    );
    house.psql("demo", &rows);
    std::fs::write(&note, b"net 30 days").unwrap();
    held(false, &["file", "put", SHARING, "contract", "--from", text(&note)]);

    let exported = held(true, &export);
    assert_eq!(exported["manifest"]["shared"]["left"][0], "public.currencies", "{exported}");
    let listed = exported["manifest"]["tables"].as_array().unwrap();
    let count: u64 = listed.iter().map(|table| table["rows"].as_u64().unwrap()).sum();
    assert_eq!((count, &exported["manifest"]["files"]), (5, &Value::from(1)), "{exported}");
    let import = ["tenant", "import", text(&archive), "--database", "demo"];
    let (exit, _, error) = run(house, true, &import);
    assert_eq!(exit, Some(3), "it has rows here: {error}");
    let gone = ["products", "categories", "tenants"]
        .map(|table| format!("DELETE FROM {table} WHERE tenant_id = '{SHARING}'"));
    house.psql("demo", &gone.join(";"));
    held(false, &["file", "remove", SHARING, "contract"]);
    assert_eq!(held(true, &import)["database"], "demo");
    let left = format!("SELECT count(*) FROM products WHERE tenant_id = '{SHARING}'");
    assert_eq!(house.psql("demo", &left), "2");
    held(false, &["file", "get", SHARING, "contract", "--out", text(&dir.path().join("back"))]);

    let (exit, said, _) = run(house, false, &erase);
    assert_eq!((exit, &said["erased"]), (Some(2), &Value::Bool(false)), "{said}");
    let yes = [&erase[..], &["--yes", "--certificate", text(&file)]].concat();
    let erased = held(false, &yes);
    assert_eq!(erased["parts"][0]["count"], 1, "{erased}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(erased["certificate"], kept.as_str());
    assert!(kept.contains("\"public.products\"") && kept.contains("audit trail"), "{kept}");
    held(false, &["tenant", "certificate", text(&file), "--tenant", SHARING]);
    assert_eq!(house.psql("demo", &left), "0");
    let trail = format!(
        "SELECT count(*) FROM audit.system_audit_logs
          WHERE tenant_id = '{SHARING}' AND action = 'DELETE' AND actor_id = 'amanah tenant erase'"
    );
    assert_eq!(house.psql("demo", &trail), "5", "the deletion is recorded");
    let (exit, _, error) = run(house, false, &[&erase[..], &["--yes"]].concat());
    assert_eq!(exit, Some(3), "it is gone: {error}");
    // Its keys were destroyed here, and with them the name of its files.
    let (exit, _, error) = run(house, true, &import);
    assert_eq!(exit, Some(3), "its files cannot come back: {error}");
    assert_eq!(house.psql("demo", &left), "0", "so nothing has");
    assert_eq!(others(house), before, "the others are as they were");
}
