//! Limits, places and bait, over real connections from many addresses of this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::Secret;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Edge, SIGNED_IN, assert_policy, read_all, read_until, status, values};
use crate::{BAIT_KEY, BaitHit, Preset, Rate, Trap, client_config};

const DAY: Duration = Duration::from_hours(24);

impl Edge {
    pub(super) async fn connect_from(&self, from: [u8; 4]) -> TlsStream<TcpStream> {
        let client = client_config(self.authority.pem().as_bytes()).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::from(from), 0))).unwrap();
        let tcp = socket.connect(self.address).await.unwrap();
        TlsConnector::from(client).connect(name, tcp).await.unwrap()
    }

    pub(super) async fn ask_from(
        &self,
        from: [u8; 4],
        method: &str,
        path: &str,
        lines: &str,
    ) -> String {
        let mut tls = self.connect_from(from).await;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        tls.write_all(format!("{head}{lines}\r\n").as_bytes()).await.unwrap();
        read_all(&mut tls).await
    }
}

/// Whoever asks too often is told how long to wait, and by which limit; neighbours and people are not
/// hindered.
#[tokio::test]
async fn strangers_are_limited_and_whoever_is_signed_in_is_not() {
    let edge = Edge::with(|settings| settings.limits.address = Rate::new(3, DAY)).await;
    let here = [127, 9, 0, 1];
    for _ in 0..3 {
        assert_eq!(status(&edge.ask_from(here, "GET", "/trust", "").await), 200);
    }
    let refused = edge.ask_from(here, "GET", "/trust", "").await;
    assert_eq!(status(&refused), 429);
    assert_policy(&refused);
    assert_eq!(values(&refused, "amanah-refused"), ["limited"]);
    assert_eq!(values(&refused, "ratelimit-policy"), ["\"address\";q=3;w=259200"]);
    let wait: u64 = values(&refused, "retry-after")[0].parse().unwrap();
    assert!((86_300..=86_400).contains(&wait), "{wait}");
    assert_eq!(values(&refused, "ratelimit"), [format!("\"address\";r=0;t={wait}")]);
    assert_eq!(edge.count("gateway_limited_total", "address"), 1);
    // Of the same address, somebody who is signed in, and the machine itself.
    assert_eq!(status(&edge.ask_from(here, "GET", "/", SIGNED_IN).await), 200);
    assert_eq!(status(&edge.ask_from(here, "GET", "/healthz", "").await), 200);
    // An invented session is nobody's, and a neighbour is somebody else.
    let invented = "Cookie: __Host-amanah=invented\r\n";
    assert_eq!(status(&edge.ask_from(here, "GET", "/trust", invented).await), 429);
    assert_eq!(status(&edge.ask_from([127, 9, 0, 2], "GET", "/trust", "").await), 200);
}

/// What is refused before it is known who asks counts too: malformed heads, cross-site changes, tokens.
#[tokio::test]
async fn what_is_refused_counts_to_the_address() {
    let edge = Edge::with(|settings| settings.limits.address = Rate::new(4, DAY)).await;
    let here = [127, 9, 1, 1];
    let mut tls = edge.connect_from(here).await;
    tls.write_all(b"BROKEN\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_all(&mut tls).await), 400);
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    assert_eq!(status(&edge.ask_from(here, "POST", "/", foreign).await), 403);
    let token = "Authorization: Bearer unknown\r\n";
    assert_eq!(status(&edge.ask_from(here, "GET", "/", token).await), 401);
    assert_eq!(status(&edge.ask_from(here, "GET", "/trust", "").await), 200);
    assert_eq!(status(&edge.ask_from(here, "GET", "/trust", "").await), 429);
}

/// An account has its own allowance, wherever it asks from.
#[tokio::test]
async fn an_account_is_limited_from_everywhere() {
    let edge = Edge::with(|settings| settings.limits.account = Rate::new(2, DAY)).await;
    let as_budi = "Cookie: __Host-amanah=as.budi.bintang\r\n";
    for n in 0..2 {
        assert_eq!(status(&edge.ask_from([127, 9, n, 1], "GET", "/", as_budi).await), 200);
    }
    let refused = edge.ask_from([127, 9, 9, 1], "GET", "/", as_budi).await;
    assert_eq!((status(&refused), values(&refused, "amanah-refused")), (429, vec!["limited"]));
    assert_eq!(edge.count("gateway_limited_total", "account"), 1);
    assert_eq!(status(&edge.ask_from([127, 9, 9, 1], "GET", "/", SIGNED_IN).await), 200);
}

/// The forms of strangers have numbers of their own, and one from another site takes nothing of them.
#[tokio::test]
async fn forms_are_limited_before_they_are_read() {
    let edge = Edge::with(|settings| {
        settings.limits.contact_paths = vec!["/contact".to_owned()];
        settings.limits.contact = Preset::new(2, 3, DAY);
    })
    .await;
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    for _ in 0..5 {
        let answer = edge.ask_from([127, 9, 2, 1], "POST", "/contact", foreign).await;
        assert_eq!(status(&answer), 403);
    }
    for (from, wanted) in [(1, 401), (1, 401), (1, 429), (2, 401), (2, 429), (3, 429)] {
        let answer = edge.ask_from([127, 9, 2, from], "POST", "/contact", "").await;
        assert_eq!(status(&answer), wanted, "{from}");
    }
    assert_eq!(status(&edge.ask_from([127, 9, 2, 3], "GET", "/contact", "").await), 401);
}

/// Strangers of one address hold so many connections; those over which a session came are not theirs.
#[tokio::test]
async fn connections_are_limited_by_address() {
    let edge = Edge::with(|settings| settings.limits.seats.address = 2).await;
    let here = [127, 9, 3, 1];
    let mut known = edge.connect_from(here).await;
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    known.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut known, "\r\n\r\n").await;
    let _one = edge.connect_from(here).await;
    let _two = edge.connect_from(here).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::from(here), 0))).unwrap();
    let third = socket.connect(edge.address).await.unwrap();
    let client = client_config(edge.authority.pem().as_bytes()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    assert!(TlsConnector::from(client).connect(name, third).await.is_err(), "it is closed");
    assert_eq!(edge.count("gateway_connections_refused_total", "address"), 1);
    assert_eq!(status(&edge.ask_from([127, 9, 3, 2], "GET", "/trust", "").await), 200);
}

/// Where strangers hold their share of all connections, the rest is for people.
#[tokio::test]
async fn strangers_leave_room_for_people() {
    let edge = Edge::with(|settings| {
        settings.max_connections = 4;
        settings.limits.seats.strangers_percent = 50;
    })
    .await;
    let _one = edge.connect_from([127, 9, 4, 1]).await;
    let _two = edge.connect_from([127, 9, 5, 1]).await;
    let stranger = edge.ask_from([127, 9, 6, 1], "GET", "/trust", "").await;
    assert_eq!((status(&stranger), values(&stranger, "amanah-refused")), (503, vec!["busy"]));
    assert_eq!(status(&edge.ask_from([127, 9, 6, 1], "GET", "/", SIGNED_IN).await), 200);
    assert_eq!(status(&edge.ask_from([127, 9, 6, 1], "GET", "/healthz", "").await), 200);
}

#[derive(Default)]
struct Book(Mutex<Vec<BaitHit>>);

impl Trap for Book {
    fn caught(&self, hit: BaitHit) {
        self.0.lock().unwrap().push(hit);
    }
}

/// Whoever takes bait is written down and not heard any more, unless people are at that address; people
/// are always heard.
#[tokio::test]
async fn whoever_takes_bait_is_written_down_and_refused() {
    let book = Arc::<Book>::default();
    let trap: Arc<dyn Trap> = Arc::<Book>::clone(&book);
    let edge = Edge::with(|settings| {
        settings.bait.trap = Some(trap);
        settings.bait.key = Some(Secret::new("amk_bait".to_owned()));
    })
    .await;
    let scanner = [127, 9, 7, 1];
    let plain = edge.ask_from([127, 9, 8, 1], "GET", "/nothing-here", "").await;
    let taken = edge.ask_from(scanner, "GET", "/.env", "").await;
    assert_eq!(status(&taken), 429, "the very request is counted already");
    let refused = edge.ask_from(scanner, "GET", "/trust", "").await;
    assert!(values(&refused, "ratelimit")[0].starts_with("\"banned\""), "{refused}");
    assert_eq!(status(&plain), 401);
    let key = "Authorization: Bearer amk_bait\r\n";
    let shown = edge.ask_from([127, 9, 8, 2], "GET", "/", key).await;
    assert_eq!((status(&shown), values(&shown, "amanah-refused")), (401, vec!["bad_token"]));
    assert_eq!(status(&edge.ask_from([127, 9, 8, 2], "GET", "/trust", "").await), 429);
    let taken: Vec<_> = book.0.lock().unwrap().iter().map(|hit| hit.bait.clone()).collect();
    assert_eq!(taken, ["/.env", BAIT_KEY]);
    // People of the same address are heard, also where they ask for bait themselves.
    assert_eq!(status(&edge.ask_from(scanner, "GET", "/", SIGNED_IN).await), 200);
    assert_eq!(status(&edge.ask_from(scanner, "GET", "/.env", SIGNED_IN).await), 200);
    let office = [127, 9, 10, 1];
    assert_eq!(status(&edge.ask_from(office, "GET", "/", SIGNED_IN).await), 200);
    edge.ask_from(office, "GET", "/wp-login.php", "").await;
    assert_eq!(status(&edge.ask_from(office, "GET", "/trust", "").await), 200);
    assert_eq!(edge.count("gateway_bait_taken_total", "route"), 3);
    assert_eq!(edge.count("gateway_bait_taken_total", "key"), 1);
}
