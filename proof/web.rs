//! The gateway and the pages behind it, asked as a browser asks.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::house::{House, shared};

pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

/// Asks the running gateway, trusting its own authority and no other.
pub fn get(house: &House, path: &str) -> Answer {
    ask(house, http::Request::get(path), "")
}

pub fn ask(house: &House, request: http::request::Builder, body: &str) -> Answer {
    ask_from(house, Ipv4Addr::LOCALHOST, request, body)
}

/// As [`ask`], from another address of this machine.
pub fn ask_from(
    house: &House,
    from: Ipv4Addr,
    request: http::request::Builder,
    body: &str,
) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = request.header("host", format!("localhost:{}", house.port()));
    let request: http::Request<Full<bytes::Bytes>> =
        request.body(Full::from(body.to_owned())).unwrap();
    runtime.block_on(async {
        let authority = std::fs::read(house.data.join("tls/ca.pem")).unwrap();
        let config = Arc::clone(&gateway::client_config(&authority).unwrap());
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(house.address.parse().unwrap()).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
        let (mut send, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = send.send_request(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    })
}

pub fn cookie(answer: &Answer, name: &str) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
    let mut pairs = cookies.map(|c| c.split(';').next().unwrap().to_owned());
    pairs.find(|pair| pair.starts_with(&format!("{name}="))).unwrap()
}

/// Signs one of the sample application's people in and returns the session's cookie.
pub fn sign_in(house: &House, email: &str) -> String {
    let file = house.data.join("secrets/demo-people.password");
    let password = std::fs::read_to_string(file).unwrap();
    let answer = try_sign_in(house, email, password.trim());
    assert_eq!(answer.status, 303, "{}", answer.body);
    cookie(&answer, "__Host-amanah")
}

pub fn try_sign_in(house: &House, email: &str, password: &str) -> Answer {
    let form = get(house, "/_amanah/sign-in");
    let held = cookie(&form, "__Host-amanah-csrf");
    let token = held.split('=').nth(1).unwrap();
    let fields = format!("token={token}&next=%2F&email={email}&password={password}");
    let request = http::Request::post("/_amanah/sign-in")
        .header("cookie", &held)
        .header("origin", format!("https://localhost:{}", house.port()))
        .header("content-type", "application/x-www-form-urlencoded");
    ask_from(house, elsewhere(), request, &fields)
}

/// Another neighbourhood of this machine each time: the tests of a house sign in more often than the
/// people of one address may.
pub fn elsewhere() -> Ipv4Addr {
    static LAST: AtomicU16 = AtomicU16::new(0);
    let [high, low] = LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 128 | high, low, 1)
}

/// An account that is made on the command line can sign in, and cannot be made twice.
#[test]
fn an_account_is_made_once() {
    let house = shared();
    let tenant = "11111111-1111-4111-8111-111111111111";
    let command = ["account", "add", "baru@sinar.example", "--tenant", tenant, "--json"];
    let made = house.run(&command);
    let account: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let password = account["password"].as_str().unwrap();
    assert_eq!(try_sign_in(&house, "baru@sinar.example", password).status, 303);
    assert_eq!(try_sign_in(&house, "baru@sinar.example", "another password").status, 403);
    let again = house.run(&command);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is"), "{again:?}");
}

/// The public pages are there for everybody, and the application for nobody without a session.
#[test]
fn pages_are_public_and_the_application_is_not() {
    let house = shared();
    for path in ["/trust", "/trust/row-tenants", "/.well-known/trust.json", "/_amanah/sign-in"] {
        assert_eq!(get(&house, path).status, 200, "{path}");
    }
    assert_eq!(get(&house, "/trust/nowhere").status, 404);
    assert_eq!(get(&house, "/healthz").status, 200);
    let anonymous = ask(&house, http::Request::get("/products").header("accept", "text/html"), "");
    assert_eq!(anonymous.status, 303);
    assert_eq!(anonymous.headers["location"], "/_amanah/sign-in?next=/products");
    let forged = http::Request::get("/products").header("amanah-binding", "amb1.x.y.z");
    assert_eq!(ask(&house, forged, "").status, 401);
}

/// Two people of two tenants see their own company's data on the same address.
#[test]
fn each_tenant_sees_its_own() {
    let house = shared();
    let own = [
        ("sari@sinar.example", "PT Sinar Nusantara", "CV Bintang Timur"),
        ("budi@bintang.example", "CV Bintang Timur", "PT Sinar Nusantara"),
    ];
    for (email, company, other) in own {
        let session = sign_in(&house, email);
        let page = ask(&house, http::Request::get("/").header("cookie", session), "");
        assert_eq!(page.status, 200);
        assert!(page.body.contains(company) && !page.body.contains(other), "{}", page.body);
    }
}

/// The measurements are for the machine itself, in the form that Prometheus reads.
#[test]
fn metrics_name_every_claim() {
    let house = shared();
    let metrics = get(&house, "/metrics").body;
    for part in ["isolation.rows", "amanah_gateway_connections_total ", "# EOF"] {
        assert!(metrics.contains(part), "{part}: {metrics}");
    }
}
