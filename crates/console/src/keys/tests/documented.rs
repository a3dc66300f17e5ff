//! The examples of the API's pages, run by a shell and curl against a real listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use gateway::{Private, PrivateSettings};
use tokio::process::Command;
use tokio::sync::oneshot;

use super::*;

/// What a reader would type, and what the page says comes back.
struct Example {
    commands: String,
    answer: Option<(String, String)>,
}

/// Each block of `sh`, with the block of another language right behind it.
fn examples(page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut blocks = page.split("```").skip(1).step_by(2);
    let mut wants_answer = false;
    for block in &mut blocks {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => found.push(Example { commands: text.to_owned(), answer: None }),
            "json" | "text" if wants_answer => {
                found.last_mut().unwrap().answer = Some((language.to_owned(), text.to_owned()));
            }
            _ => {}
        }
        wants_answer = language == "sh";
    }
    found
}

/// Whether `said` is what the page says, where `…` stands for anything.
fn is_like(page: &Value, said: &Value) -> bool {
    match (page, said) {
        (Value::Object(page), Value::Object(said)) => {
            page.len() == said.len()
                && page
                    .iter()
                    .all(|(name, page)| said.get(name).is_some_and(|said| is_like(page, said)))
        }
        (Value::Array(page), Value::Array(said)) => {
            page.len() == said.len()
                && page.iter().zip(said).all(|(page, said)| is_like(page, said))
        }
        (Value::String(page), Value::String(said)) => match page.split_once('…') {
            Some((begin, _)) => said.starts_with(begin) && said.len() > begin.len(),
            None => page == said,
        },
        (page, said) => page == said,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_page_does_what_it_says() {
    let house = House::bare().await;
    let run = try_page("keys-api.md", &house.router, &house.admin, "KEYS").await;
    assert!(run >= 10, "the page has fewer examples than it had");
}

/// Runs the examples of a page in `docs`, as the client with `token`; the variable `address` names
/// the listener. Returns how many there are.
pub(crate) async fn try_page(page: &str, router: &Router, token: &str, address: &str) -> usize {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = Private::bind(PrivateSettings::new(listen), router.clone()).await.unwrap();
    let url = format!("http://{}", private.local_addr());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(private.run(async {
        let _ = stopped.await;
    }));
    let folder = tempfile::tempdir().unwrap();
    let header = format!("Authorization: Bearer {token}\n");
    std::fs::write(folder.path().join("token"), header).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let page = std::fs::read_to_string(page).unwrap();
    let examples = examples(&page);
    let count = examples.len();
    for example in examples {
        example.run((address, &url), folder.path()).await;
    }
    let _ = stop.send(());
    running.await.unwrap();
    count
}

impl Example {
    async fn run(self, (variable, url): (&str, &str), folder: &Path) {
        let Self { commands, answer } = self;
        let ran = Command::new("sh")
            .args(["-euc", &commands])
            .env(variable, url)
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(folder)
            .stdin(Stdio::null())
            .output();
        let ran = ran.await.unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{commands}\n{said}\n{complaint}");
        let Some((language, wanted)) = answer else { return };
        if language == "text" {
            assert_eq!(said.trim(), wanted.trim(), "{commands}");
            return;
        }
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        assert!(is_like(&wanted, &said), "{commands}\nthe page: {wanted}\nthe answer: {said}");
    }
}
