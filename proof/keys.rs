//! Keys on a running house: what the pages say of them, applications that ask for them, and
//! commands that change them while others use them.

use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::house::{House, amanah, directory, program, root, shared};
use crate::web;

/// A tenant of the sample application.
const SINAR: &str = "11111111-1111-4111-8111-111111111111";

/// Asks the private listener as an application does.
pub fn ask(house: &House, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let address = house.running()["keys"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = http::Request::post(path)
        .header("host", &address)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(&address).await.unwrap();
        let (mut send, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = send.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    })
}

/// Runs a command that must succeed, and returns what it says as JSON.
pub fn run(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {error}"))
}

/// Makes a key and a client that may use it; returns the client's token.
fn admit(house: &House, key: &str) -> String {
    run(house, &["keys", "create", key]);
    let add = ["keys", "client", "add", key, "--keys", key, "--allow", "encrypt,decrypt"];
    run(house, &add)["token"].as_str().unwrap().to_owned()
}

fn encrypt(house: &House, key: &str, token: &str, text: &str) -> (u16, Value) {
    let body = json!({"items": [{"plaintext": BASE64.encode(text)}]});
    ask(house, &format!("/api/v1/keys/{key}/encrypt"), token, &body)
}

fn sealed(house: &House, key: &str, token: &str, text: &str) -> String {
    let (status, answer) = encrypt(house, key, token, text);
    assert_eq!(status, 200, "{answer}");
    answer["items"][0]["ciphertext"].as_str().unwrap().to_owned()
}

fn opened(house: &House, key: &str, token: &str, ciphertext: &str) -> String {
    let body = json!({"items": [{"ciphertext": ciphertext}]});
    let (status, answer) = ask(house, &format!("/api/v1/keys/{key}/decrypt"), token, &body);
    assert_eq!(status, 200, "{answer}");
    let text = answer["items"][0]["plaintext"].as_str().unwrap_or_else(|| panic!("{answer}"));
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}

/// The claims about keys and about what lies at rest, each with a bite that bites. On this machine
/// the root is a file, so a page that promises a KMS fails, and says what to do.
#[test]
fn the_claims_about_keys_are_answered() {
    let house = shared();
    let dir = directory();
    let page = dir.path().join("keys.md");
    std::fs::write(
        &page,
        "---\ntitle: Keys\nlanguage: en\n---\n\
         - Keys are rotated [at least every 90 days](claim:keys.rotation?every=90d).\n\
         - The root key [is never on the server](claim:keys.kms).\n\
         - Secret fields [are never stored in clear](claim:rest.fields).\n\
         - Disks are [encrypted with AES-256](claim:rest.disk?cipher=aes-256).\n",
    )
    .unwrap();
    let page = page.display().to_string();
    assert_eq!(amanah(&["page", "lint", "--approve", &page]).status.code(), Some(0));
    let (_, claims) = house.verify(&["--page", &page, "--bite"]);
    let claim = |id: &str| claims.iter().find(|claim| claim["id"] == id).unwrap();
    for id in ["keys.rotation", "keys.kms", "rest.fields", "rest.disk"] {
        assert_eq!(claim(id)["bite"]["bit"], true, "{:#}", claim(id));
    }
    for id in ["keys.rotation", "rest.fields"] {
        assert_eq!(claim(id)["verdict"], "proven", "{:#}", claim(id));
        let population = &claim(id)["population"];
        assert_eq!(population["checked"], population["total"], "{population}");
        assert!(population["total"].as_u64().unwrap() > 0);
    }
    assert_eq!(claim("keys.kms")["verdict"], "failing", "{:#}", claim("keys.kms"));
    assert_ne!(claim("rest.disk")["verdict"], "stale");
}

/// A column in clear that calls itself sealed, and one that nobody declared, are found and named.
#[test]
fn a_secret_in_clear_is_named() {
    let house = shared();
    let clear = ["sup", "in", "clear"].join("_");
    let damage = [
        (
            format!(
                "ALTER TABLE suppliers DROP CONSTRAINT suppliers_api_token_check;
                 UPDATE suppliers SET api_token = '{clear}'
                 WHERE tenant_id = '{SINAR}' AND name = 'UD Rempah Jaya'"
            ),
            "api_token",
        ),
        ("ALTER TABLE suppliers ADD COLUMN api_key text".to_owned(), "api_key"),
    ];
    let kept = house.psql(
        "demo",
        &format!("SELECT api_token FROM suppliers WHERE tenant_id = '{SINAR}' AND name = 'UD Rempah Jaya'"),
    );
    for (sql, named) in &damage {
        house.psql("demo", sql);
        let (exit, claims) = house.verify(&["--page", "pages/amanah.md", "--claim", "rest.fields"]);
        assert_eq!(exit, 1, "{claims:#?}");
        assert!(claims[0]["findings"].to_string().contains(named), "{:#}", claims[0]);
        assert!(!claims[0].to_string().contains(&clear), "a proof does not repeat the secret");
    }
    house.psql(
        "demo",
        &format!(
            "ALTER TABLE suppliers DROP COLUMN api_key;
             UPDATE suppliers SET api_token = '{kept}'
             WHERE tenant_id = '{SINAR}' AND name = 'UD Rempah Jaya';
             ALTER TABLE suppliers ADD CONSTRAINT suppliers_api_token_check
             CHECK (api_token LIKE 'amanah:v%')"
        ),
    );
    let (exit, claims) = house.verify(&["--page", "pages/amanah.md", "--claim", "rest.fields"]);
    assert_eq!(exit, 0, "{claims:#?}");
}

/// What another process rotated, the running one uses with its next request; what was encrypted
/// before opens as before.
#[test]
fn a_rotation_elsewhere_holds_at_once() {
    let house = shared();
    let token = admit(&house, "rotated-elsewhere");
    let key = "rotated-elsewhere";
    let first = sealed(&house, key, &token, "one");
    assert!(first.starts_with("amanah:v1:"), "{first}");
    run(&house, &["keys", "rotate", key]);
    let second = sealed(&house, key, &token, "two");
    assert!(second.starts_with("amanah:v2:"), "{second}");
    assert_eq!(opened(&house, key, &token, &first), "one");
    assert_eq!(opened(&house, key, &token, &second), "two");
    run(&house, &["keys", "client", "remove", key]);
    assert_eq!(encrypt(&house, key, &token, "three").0, 403, "an ended token is worth nothing");
}

/// Two commands write the ring at one time: neither loses what the other wrote.
#[test]
fn two_writers_lose_nothing() {
    let house = shared();
    let (key, token) = ("two-writers", admit(&house, "two-writers"));
    let data = house.data.display().to_string();
    let rotate = || {
        Command::new(program())
            .args(["keys", "rotate", key, "--data", &data])
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let both = [rotate(), rotate()];
    for mut child in both {
        assert!(child.wait().unwrap().success());
    }
    assert!(sealed(&house, key, &token, "x").starts_with("amanah:v3:"));
}

/// A rotation that is killed has happened or has not; the keys work in either case.
#[test]
fn a_killed_rotation_leaves_a_whole_ring() {
    let house = shared();
    let (key, token) = ("killed-rotation", admit(&house, "killed-rotation"));
    let before = sealed(&house, key, &token, "before");
    let ring = house.data.join("keys/ring");
    let data = house.data.display().to_string();
    for files in 0..4 {
        let seen = || std::fs::read_dir(&ring).unwrap().map(|e| e.unwrap().file_name()).collect();
        let at_first: Vec<_> = seen();
        let mut child = Command::new(program())
            .args(["keys", "rotate", "--emergency", "--data", &data])
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each time a little later: as soon as anything moves, and after so many more looks.
        let mut looks = files * 20;
        while child.try_wait().unwrap().is_none() {
            let now: Vec<_> = seen();
            if now != at_first {
                if looks == 0 {
                    break;
                }
                looks -= 1;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert_eq!(opened(&house, key, &token, &before), "before");
        let after = sealed(&house, key, &token, "after");
        assert_eq!(opened(&house, key, &token, &after), "after");
    }
    let listed = run(&house, &["keys", "list"]);
    assert_eq!(listed["ring"]["pending"], json!([]), "what was left over was finished");
}

/// The sample application: masked on the page, in clear for who asks, and who asked is written down.
#[test]
fn a_supplier_token_is_masked_until_somebody_asks() {
    let house = shared();
    let session = web::sign_in(&house, "sari@sinar.example");
    let supplier = "/suppliers/00000000-0000-4000-8002-000000000001";
    let get =
        |path: &str| web::ask(&house, http::Request::get(path).header("cookie", &session), "");
    let list = get("/suppliers");
    assert!(list.body.contains("••••") && !list.body.contains("sup_"), "{}", list.body);
    let post = |path: &str, form: &str| {
        let request = http::Request::post(path)
            .header("cookie", &session)
            .header("origin", format!("https://localhost:{}", house.port()))
            .header("content-type", "application/x-www-form-urlencoded");
        web::ask(&house, request, form)
    };
    let shown = post(&format!("{supplier}/reveal"), "");
    assert!(shown.status == 200 && shown.body.contains("<code>sup_"), "{}", shown.body);
    let page = get(supplier);
    assert!(!page.body.contains("sup_") && page.body.contains("sari@sinar.example"));
    let fresh = ["sup", "typed", "by", "hand"].join("_");
    assert_eq!(post(&format!("{supplier}/token"), &format!("token={fresh}")).status, 303);
    assert!(post(&format!("{supplier}/reveal"), "").body.contains(&fresh));
    let stored =
        house.psql("demo", "SELECT count(*) FROM suppliers WHERE api_token LIKE '%typed%'");
    assert_eq!(stored, "0");
}

/// The listener for applications answers nobody without a token, and no browser.
#[test]
fn the_private_listener_is_private() {
    let house = shared();
    assert_eq!(encrypt(&house, "supplier-tokens", "amk_nobody", "x").0, 403);
    assert_eq!(web::get(&house, "/api/v1/keys").status, 401, "not through the public address");
    let metrics = web::get(&house, "/metrics").body;
    assert!(metrics.contains("amanah_keys_"), "{metrics}");
}
