//! What is remembered of protected databases, and by which names their logins go.

use store::DatabaseUrl;

use super::{Kept, without_password};

/// What an earlier version wrote is read; what is written now holds no secret.
#[test]
fn a_file_holds_no_secret() {
    let key = "5a".repeat(32);
    let old = serde_json::json!({
        "database": "shop", "address": null, "superuser": null, "owner": "o",
        "app_role": "a", "tenant_column": "t", "canaries": ["1", "2"], "kid": "k", "key": key,
    });
    let kept: Kept = serde_json::from_value(old).unwrap();
    assert_eq!(kept.key.as_deref(), Some(key.as_str()));
    assert!(!serde_json::to_string(&kept).unwrap().contains(&key));
}

/// Databases whose names begin alike have logins of their own, on one server and on two. What
/// an earlier version made keeps its name, and nobody drops it while another one has it.
#[test]
fn a_login_is_of_one_database() {
    let kept = |address: Option<&str>, database: &str, digest: bool| -> Kept {
        let file = serde_json::json!({
            "database": database, "address": address, "owner": "o", "app_role": "a",
            "tenant_column": "t", "canaries": ["1", "2"], "kid": "k", "digest": digest,
        });
        serde_json::from_value(file).unwrap()
    };
    let installation = "0".repeat(16);
    let (one, two) = ("verylongdatabasename_prod_a", "verylongdatabasename_prod_b");
    let (east, west) = ("postgres://o@east/x", "postgres://o@west/x");
    let mut names: Vec<String> = [
        kept(None, one, true),
        kept(None, two, true),
        kept(Some(east), "x", true),
        kept(Some(west), "x", true),
    ]
    .iter()
    .flat_map(|kept| kept.login_names(&installation).unwrap())
    .collect();
    assert!(names.iter().all(|name| name.len() < 64), "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 16, "{names:?}");
    let url = DatabaseUrl::parse(east).unwrap();
    let known = kept(Some(east), "x", true).login_names(&installation).unwrap();
    assert_eq!(super::own_logins(&installation, &url), known);

    let dir = tempfile::tempdir().unwrap();
    let data = crate::data::Data::open(dir.path()).unwrap();
    let former = [kept(None, one, false), kept(None, two, false)];
    let shared = former[0].login_names(&installation).unwrap();
    assert_eq!(shared[0], format!("amanah_intruder_{installation}_verylongdatabasename_pro"));
    assert_eq!(former[1].login_names(&installation).unwrap(), shared);
    for kept in &former {
        let text = kernel::Secret::new(serde_json::to_string(kept).unwrap());
        let name = format!("protected-{}.json", kept.file_name().unwrap());
        data.write_secret(&name, &text).unwrap();
    }
    assert!(former[0].own_logins(&data, &installation).unwrap().is_empty());
    data.forget_secret(&format!("protected-{}.json", former[1].file_name().unwrap())).unwrap();
    assert_eq!(former[0].own_logins(&data, &installation).unwrap(), shared);
}

#[test]
fn an_address_is_kept_without_its_password() {
    let word = ["hid", "den"].concat();
    let url = ["postgres://me:", &word, "@db.example:5433/shop?sslmode=require"].concat();
    let kept = without_password(&DatabaseUrl::parse(&url).unwrap());
    assert!(!kept.contains(&word), "{kept}");
    let again = DatabaseUrl::parse(&kept).unwrap();
    assert_eq!((again.port, again.tls, again.user.as_str()), (5433, true, "me"));
}
