//! What a proxy that moves the traffic itself is told, and by whom it can be asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::{Duration, Edge, PATIENCE, SIGNED_IN, assert_policy, status, values};

const ASK: &str = "/_amanah/forward-auth";
const GET: &str = "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /prices?b=c\r\n\
                   X-Forwarded-Host: shop.example\r\n";

async fn edge() -> Edge {
    Edge::with(|settings| settings.forward_auth = vec!["127.0.0.0/8".parse().unwrap()]).await
}

fn about(method: &str, target: &str) -> String {
    format!(
        "X-Forwarded-Method: {method}\r\nX-Forwarded-Uri: {target}\r\n\
         X-Forwarded-Host: shop.example\r\n"
    )
}

/// The application is told who asks, and nothing that a client claims.
#[tokio::test]
async fn a_proxy_gets_what_the_application_is_to_be_told() {
    let edge = edge().await;
    let lines = format!("{GET}{SIGNED_IN}Amanah-Binding: forged\r\nAuthorization: Basic eA==\r\n");
    let answer = edge.ask("GET", ASK, &lines).await;
    assert_eq!(status(&answer), 204, "{answer}");
    assert_policy(&answer);
    for (name, value) in [
        ("amanah-binding", "bound.sinar.sari@sinar.example.ro"),
        ("amanah-assertion", "said.sari@sinar.example.Browser"),
        ("cookie", "theme=dark"),
        ("authorization", "Basic eA=="),
    ] {
        assert_eq!(values(&answer, name), [value], "{name} in {answer}");
    }
    let own = format!("{}{SIGNED_IN}Sec-Fetch-Site: same-origin\r\n", about("POST", "/prices"));
    let answer = edge.ask("GET", ASK, &own).await;
    assert_eq!(values(&answer, "amanah-binding"), ["bound.sinar.sari@sinar.example.rw"]);
    let token = format!("{GET}Authorization: Bearer good-token\r\n");
    let answer = edge.ask("GET", ASK, &token).await;
    assert_eq!(status(&answer), 204);
    assert!(values(&answer, "authorization").is_empty(), "{answer}");
    assert!(edge.application.seen().is_empty());
}

/// What would be refused here is refused there, and never by an answer that could pass for consent.
#[tokio::test]
async fn a_proxy_is_told_no() {
    let edge = edge().await;
    let html = "Accept: text/html\r\n";
    for (wanted, why, path, lines) in [
        (401, "signed_out", ASK, GET.to_owned()),
        (401, "signed_out", ASK, format!("{GET}{html}")),
        (303, "", "/_amanah/forward-auth?sign-in=redirect", format!("{GET}{html}")),
        (401, "signed_out", "/_amanah/forward-auth?sign-in=redirect", GET.to_owned()),
        (401, "bad_token", ASK, format!("{GET}Authorization: Bearer x\r\n")),
        (503, "undecided", ASK, format!("{GET}Cookie: __Host-amanah=untold\r\n")),
        (
            403,
            "cross_site",
            ASK,
            format!("{}{SIGNED_IN}Origin: https://evil.example\r\n", about("POST", "/prices")),
        ),
        (403, "not_found", ASK, format!("{}{SIGNED_IN}", about("GET", "/_amanah/account"))),
        (403, "method", ASK, format!("{}{SIGNED_IN}", about("TRACE", "/prices"))),
        (403, "malformed", ASK, format!("{}{SIGNED_IN}", about("GET", "https://evil.example/"))),
        (403, "malformed", ASK, format!("{GET}{SIGNED_IN}X-Forwarded-Uri: /other\r\n")),
        (403, "method", ASK, SIGNED_IN.to_owned()),
    ] {
        let answer = edge.ask("GET", path, &lines).await;
        assert_eq!(status(&answer), wanted, "{lines}{answer}");
        assert!(values(&answer, "amanah-binding").is_empty(), "{answer}");
        assert_policy(&answer);
        if wanted == 303 {
            let to = values(&answer, "location");
            assert_eq!(to, ["/_amanah/sign-in?next=/prices%3Fb%3Dc"]);
        } else {
            assert_eq!(values(&answer, "amanah-refused"), [why], "{answer}");
        }
    }
}

/// Nobody else may ask: a binding is nothing for a browser, or for another machine.
#[tokio::test]
async fn for_others_there_is_no_such_page() {
    let edge = Edge::start().await;
    let answer = edge.ask("GET", ASK, &format!("{GET}{SIGNED_IN}")).await;
    assert_eq!(status(&answer), 404);
    let edge =
        Edge::with(|settings| settings.forward_auth = vec!["192.0.2.1".parse().unwrap()]).await;
    let answer = edge.ask("GET", ASK, &format!("{GET}{SIGNED_IN}")).await;
    assert_eq!(status(&answer), 404);
    assert!(values(&answer, "amanah-binding").is_empty());
}

/// A real nginx, set up as docs/forward-auth.md says, lets through what we do.
#[tokio::test]
async fn nginx_asks() {
    let edge = edge().await;
    let dir = tempfile::tempdir().unwrap();
    let (_nginx, address) = nginx(&edge, dir.path()).await;
    let ask = async |method: &str, lines: &str| {
        let wire = format!(
            "{method} /prices HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\
             Amanah-Binding: forged\r\nAmanah-Assertion: forged\r\n{lines}\r\n"
        );
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, wire.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = ask("GET", SIGNED_IN).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = edge.application.seen().pop().unwrap();
    assert_eq!(values(&seen, "amanah-binding"), ["bound.sinar.sari@sinar.example.ro"]);
    assert_eq!(values(&seen, "amanah-assertion"), ["said.sari@sinar.example.Browser"]);
    assert_eq!(values(&seen, "cookie"), ["theme=dark"]);
    assert_eq!(status(&ask("GET", "").await), 401);
    assert_eq!(status(&ask("GET", "Cookie: __Host-amanah=untold\r\n").await), 500);
    let foreign = format!("{SIGNED_IN}Origin: https://evil.example\r\nContent-Length: 0\r\n");
    assert_eq!(status(&ask("POST", &foreign).await), 403);
    assert_eq!(edge.application.seen().len(), 1);
}

async fn nginx(edge: &Edge, dir: &Path) -> (Child, SocketAddr) {
    // It cannot take port 0 and say which it got, so a free one is looked for first.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let docs = include_str!("../../../../docs/forward-auth.md");
    let block = docs.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let block = block
        .replace("https://127.0.0.1:8443", &format!("https://{}", edge.address))
        .replace("http://127.0.0.1:3000", &format!("http://{}", edge.application.address))
        .replace("/etc/amanah/ca.pem", &dir.join("ca.pem").display().to_string())
        .replace("listen 443 ssl;", &format!("listen {address};"));
    std::fs::write(dir.join("ca.pem"), edge.authority.pem()).unwrap();
    let place = dir.display();
    let conf = format!(
        "daemon off; master_process off; pid \"{place}/pid\"; error_log stderr error;\nevents {{}}\n\
         http {{ access_log off; client_body_temp_path \"{place}/a\"; proxy_temp_path \"{place}/b\";\n\
         fastcgi_temp_path \"{place}/c\"; uwsgi_temp_path \"{place}/d\"; scgi_temp_path \"{place}/e\";\n\
         {block} }}\n"
    );
    std::fs::write(dir.join("nginx.conf"), conf).unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    nginx.args(["-e", "stderr", "-c"]).arg(dir.join("nginx.conf"));
    let nginx = nginx.stdin(Stdio::null()).kill_on_drop(true).spawn();
    let nginx = nginx.expect("`make peers` installs nginx");
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < until, "nginx does not start");
        sleep(Duration::from_millis(20)).await;
    }
    (nginx, address)
}
