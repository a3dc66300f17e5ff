//! Under attack: strangers are challenged or told to come back, people are not, and what passes a
//! challenge passes it once, in time, and at home.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{Edge, PATIENCE, SIGNED_IN, assert_policy, read_all, read_until, status, values};
use crate::attack::{ASKED_COOKIE, PASSED_COOKIE, PATH, solves};
use crate::{AttackLog, AttackMode, AttackSwitch, AttackWhy, Overload, Rate, Settings};

const HERE: [u8; 4] = [127, 8, 0, 1];
const BESIDE: [u8; 4] = [127, 8, 0, 99];
const ELSEWHERE: [u8; 4] = [127, 8, 1, 1];
const BROWSER: &str = "Accept: text/html,*/*\r\nSec-Fetch-Site: none\r\n";

/// What was asked of a browser.
struct Asked {
    token: String,
    bits: u8,
    wait: u64,
}

fn asked(answer: &str) -> Asked {
    let line = values(answer, "amanah-challenge");
    let [line] = line.as_slice() else { panic!("no challenge: {answer}") };
    let part = |name: &str| {
        let (_, rest) = line.split_once(name).unwrap();
        rest.trim_start_matches('"').split(['"', ',']).next().unwrap().to_owned()
    };
    Asked {
        token: part("token="),
        bits: part("bits=").parse().unwrap(),
        wait: part("wait=").parse().unwrap(),
    }
}

impl Asked {
    fn work(&self) -> String {
        let mut numbers = (0..1_u64 << 20).map(|number| number.to_string());
        numbers.find(|number| solves(&self.token, number, self.bits)).unwrap()
    }

    fn cookie(&self) -> String {
        format!("Cookie: {ASKED_COOKIE}={}\r\n", self.token)
    }
}

/// The cookie of whoever has passed, as a line of the next request.
fn pass(answer: &str) -> Option<String> {
    let lines = values(answer, "set-cookie");
    let set = lines.iter().find_map(|line| line.strip_prefix(&format!("{PASSED_COOKIE}=")))?;
    let (value, rest) = set.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1800");
    Some(format!("Cookie: {PASSED_COOKIE}={value}\r\n"))
}

impl Edge {
    async fn under_attack(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(|settings| {
            settings.attack.mode = AttackMode::On;
            settings.attack.bits = 8;
            settings.attack.wait = Duration::from_millis(1_200);
            change(settings);
        })
        .await
    }

    async fn challenged(&self, from: [u8; 4]) -> Asked {
        asked(&self.ask_from(from, "GET", "/prices?a=1", BROWSER).await)
    }

    async fn answer(&self, from: [u8; 4], lines: &str, body: &str) -> String {
        let mut tls = self.connect_from(from).await;
        let length = body.len();
        let wire = format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{BROWSER}{lines}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        tls.write_all(wire.as_bytes()).await.unwrap();
        read_all(&mut tls).await
    }

    /// A pass for whoever comes from there, by work.
    async fn passed(&self, from: [u8; 4]) -> String {
        let asked = self.challenged(from).await;
        let body = format!("token={}&answer={}&next=%2Ftrust", asked.token, asked.work());
        pass(&self.answer(from, "", &body).await).expect("it was not passed")
    }
}

/// Browsers are challenged, programs are told to come back, and nobody of them reaches a page or the
/// application; people, tokens and what others depend on go on.
#[tokio::test]
async fn strangers_are_shed_and_people_are_not() {
    let edge = Edge::under_attack(|_| {}).await;
    for (method, path) in [("GET", "/"), ("GET", "/trust"), ("POST", "/_amanah/sign-in")] {
        let browser = edge.ask_from(HERE, method, path, BROWSER).await;
        assert_eq!(status(&browser), 503, "{browser}");
        assert_policy(&browser);
        assert_eq!(values(&browser, "amanah-refused"), ["under_attack"]);
        assert_eq!(values(&browser, "retry-after"), ["2"]);
        assert_eq!(values(&browser, "cache-control"), ["no-store"]);
        let asked = asked(&browser);
        assert_eq!((asked.bits, asked.wait), (8, 2));
        let cookie = values(&browser, "set-cookie")[0].to_owned();
        assert!(cookie.starts_with(&format!("{ASKED_COOKIE}={};", asked.token)), "{cookie}");
        let program = edge.ask_from(HERE, method, path, "Accept: application/json\r\n").await;
        assert_eq!(status(&program), 503, "{program}");
        assert_policy(&program);
        assert_eq!(values(&program, "retry-after"), ["2"]);
        assert!(values(&program, "amanah-challenge").is_empty(), "{program}");
    }
    assert!(edge.application.seen().is_empty());
    for lines in [SIGNED_IN, "Authorization: Bearer good-token\r\n"] {
        let answer = edge.ask_from(HERE, "GET", "/", lines).await;
        assert_eq!(status(&answer), 200, "{lines} {answer}");
    }
    for (method, path, reached) in [
        ("GET", "/healthz", 200),
        ("GET", "/.well-known/security.txt", 404),
        ("GET", "/.well-known/jwks.json", 404),
        ("GET", "/_amanah/static/a.css", 404),
        ("POST", "/_amanah/token", 404),
    ] {
        assert_eq!(status(&edge.ask_from(HERE, method, path, "").await), reached, "{path}");
    }
    let invented = format!("{BROWSER}Cookie: __Host-amanah=invented\r\n");
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/", &invented).await), 503);
    assert_eq!(edge.count("gateway_challenges_total", "asked"), 4);
    assert_eq!(edge.count("gateway_refused_total", "under_attack"), 3);
}

/// Work passes at once, for the whole neighbourhood and for nobody else, and is good once.
#[tokio::test]
async fn work_passes_once_and_at_home() {
    let edge = Edge::under_attack(|_| {}).await;
    let asked = edge.challenged(HERE).await;
    let work = asked.work();
    let body = format!("token={}&answer={work}&next=%2Fprices%3Fa%3D1", asked.token);
    let elsewhere = edge.answer(ELSEWHERE, "", &body).await;
    assert_eq!((status(&elsewhere), pass(&elsewhere)), (503, None), "{elsewhere}");
    let wrong =
        (0..1_u64 << 20).map(|n| n.to_string()).find(|n| !solves(&asked.token, n, asked.bits));
    let lazy = format!("token={}&answer={}", asked.token, wrong.unwrap());
    let lazy = edge.answer(HERE, "", &lazy).await;
    assert_eq!((status(&lazy), pass(&lazy)), (503, None), "{lazy}");
    let passed = edge.answer(HERE, "", &body).await;
    assert_eq!(status(&passed), 303, "{passed}");
    assert_policy(&passed);
    assert_eq!(values(&passed, "location"), ["/prices?a=1"]);
    let pass_line = pass(&passed).unwrap();
    let again = edge.answer(HERE, "", &body).await;
    assert_eq!((status(&again), pass(&again)), (503, None), "used once: {again}");

    let lines = format!("{BROWSER}{pass_line}");
    for (from, method, path, reached) in [
        (HERE, "GET", "/trust", 200),
        (BESIDE, "GET", "/trust", 200),
        (ELSEWHERE, "GET", "/trust", 503),
        // The form for signing in is reached, and who is not signed in is led there.
        (HERE, "POST", "/_amanah/sign-in", 404),
        (HERE, "GET", "/", 303),
    ] {
        let answer = edge.ask_from(from, method, path, &lines).await;
        assert_eq!(status(&answer), reached, "{from:?} {path} {answer}");
    }
    // Whoever holds a pass answers nothing more, and gets no other one.
    let more = edge.answer(HERE, &pass_line, "token=x&next=%2F%2Fevil.example").await;
    assert_eq!((status(&more), pass(&more)), (303, None));
    assert_eq!(values(&more, "location"), ["/"]);
    assert_eq!(edge.count("gateway_challenges_total", "worked"), 1);
    assert_eq!(edge.count("gateway_challenges_total", "failed"), 3);
}

/// Without script, time and a cookie are what it costs.
#[tokio::test]
async fn waiting_passes_with_the_cookie_alone_and_not_before_its_time() {
    let edge = Edge::under_attack(|_| {}).await;
    let begun = Instant::now();
    let asked = edge.challenged(HERE).await;
    let body = format!("token={}&answer=&next=%2Ftrust", asked.token);
    let early = edge.answer(HERE, &asked.cookie(), &body).await;
    assert_eq!((status(&early), pass(&early)), (503, None), "{early}");
    let same = super::attack::asked(&early);
    assert_eq!(same.token, asked.token, "what was waited counts");
    let waited = loop {
        let answer = edge.answer(HERE, &asked.cookie(), &body).await;
        if status(&answer) == 303 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer}");
    };
    assert!(begun.elapsed() >= Duration::from_millis(1_200), "{:?}", begun.elapsed());
    let lines = format!("{BROWSER}{}", pass(&waited).unwrap());
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", &lines).await), 200);
    assert_eq!(edge.count("gateway_challenges_total", "waited"), 1);
    // Another one has waited as long, and shows no cookie or another's.
    let bare = edge.challenged(HERE).await;
    let other = format!("Cookie: {ASKED_COOKIE}={}\r\n", asked.token);
    let body = format!("token={}", bare.token);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    for lines in ["", &other] {
        assert_eq!(pass(&edge.answer(HERE, lines, &body).await), None, "{lines}");
    }
    assert!(pass(&edge.answer(HERE, &bare.cookie(), &body).await).is_some());
}

/// What nobody signed, what ended, and what is there twice is no pass.
#[tokio::test]
async fn forged_and_old_passes_are_none() {
    let short = |settings: &mut Settings| settings.attack.passed = Duration::from_hours(1) / 2;
    let edge = Edge::under_attack(short).await;
    let good = edge.passed(HERE).await;
    let value = good.trim().split_once('=').unwrap().1.to_owned();
    let asked = edge.challenged(HERE).await.token;
    let flipped =
        format!("{}{}", if value.starts_with('B') { 'C' } else { 'B' }, value.get(1..).unwrap());
    for forged in
        [flipped, asked, "A".repeat(value.len()), String::new(), format!("{value}A"), "%".into()]
    {
        let lines = format!("{BROWSER}Cookie: {PASSED_COOKIE}={forged}\r\n");
        let answer = edge.ask_from(HERE, "GET", "/trust", &lines).await;
        assert_eq!(status(&answer), 503, "{forged}");
    }
    let twice = format!("{BROWSER}Cookie: {PASSED_COOKIE}={value}; {PASSED_COOKIE}={value}\r\n");
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", &twice).await), 503);
    // One of another process is nobody's here.
    let other = Edge::under_attack(|_| {}).await;
    let lines = format!("{BROWSER}{good}");
    assert_eq!(status(&other.ask_from(HERE, "GET", "/trust", &lines).await), 503);
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", &lines).await), 200);
}

/// A pass ends.
#[tokio::test]
async fn a_pass_ends() {
    let brief = |settings: &mut Settings| settings.attack.passed = Duration::from_secs(2);
    let edge = Edge::under_attack(brief).await;
    let asked = edge.challenged(HERE).await;
    let body = format!("token={}&answer={}", asked.token, asked.work());
    let passed = edge.answer(HERE, "", &body).await;
    assert_eq!(status(&passed), 303);
    let value = values(&passed, "set-cookie")[0].split(';').next().unwrap().to_owned();
    let lines = format!("{BROWSER}Cookie: {value}\r\n");
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", &lines).await), 200);
    let begun = Instant::now();
    while status(&edge.ask_from(HERE, "GET", "/trust", &lines).await) == 200 {
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// So many strangers are inside at one time, and people beside them.
#[tokio::test]
async fn strangers_inside_are_counted() {
    let few = |settings: &mut Settings| {
        settings.attack.strangers = 4;
        settings.workers = 1;
    };
    let edge = Edge::under_attack(few).await;
    // One of a directory that is looked up for as long as it may take.
    let hung = "POST /_amanah/scim/v2/Users HTTP/1.1\r\nHost: localhost\r\n\
                Authorization: Bearer hung.a\r\nContent-Length: 1\r\n\r\n";
    let mut inside = edge.connect_from(HERE).await;
    inside.write_all(hung.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let beyond = loop {
        let lines = "Authorization: Bearer name.a\r\n";
        let answer = edge.ask_from(BESIDE, "GET", "/_amanah/scim/v2/Users", lines).await;
        if status(&answer) == 503 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer}");
    };
    assert_eq!(values(&beyond, "amanah-refused"), ["under_attack"]);
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/", SIGNED_IN).await), 200);
    let lines = format!("{BROWSER}{}", edge.passed(HERE).await);
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", &lines).await), 200, "another room");
    // Its place is free again once it was given up.
    assert_eq!(status(&read_all(&mut inside).await), 503);
    let lines = "Authorization: Bearer name.a\r\n";
    let after = edge.ask_from(BESIDE, "GET", "/_amanah/scim/v2/Users", lines).await;
    assert_eq!(status(&after), 200);
}

#[derive(Default)]
struct Book(Mutex<Vec<AttackSwitch>>);

impl AttackLog for Book {
    fn switched(&self, switch: AttackSwitch) {
        self.0.lock().unwrap().push(switch);
    }
}

/// The hand switches at once, and each switch is told.
#[tokio::test]
async fn each_switch_is_told() {
    let book = Arc::<Book>::default();
    let log: Arc<dyn AttackLog> = Arc::<Book>::clone(&book);
    let edge = Edge::with(|settings| settings.attack.log = Some(log)).await;
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", BROWSER).await), 200);
    edge.attack.set(AttackMode::On);
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", BROWSER).await), 503);
    assert!(edge.attack.standing().on);
    edge.attack.set(AttackMode::Off);
    edge.attack.set(AttackMode::Off);
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", BROWSER).await), 200);
    // Whoever had the page open goes on.
    let late = edge.answer(HERE, "", "token=old&next=%2Ftrust").await;
    assert_eq!((status(&late), values(&late, "location")), (303, vec!["/trust"]));
    let told: Vec<_> =
        book.0.lock().unwrap().iter().map(|one| (one.on, one.mode, one.why)).collect();
    let hand = AttackWhy::Hand;
    assert_eq!(told, [(true, AttackMode::On, hand), (false, AttackMode::Off, hand)]);
    assert_eq!(edge.count("gateway_attack_switches_total", "on"), 1);
    assert_eq!(edge.count("gateway_attack_switches_total", "off"), 1);
}

/// Left to itself, it is on while strangers overload it, and off again afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_switches_it_on_and_its_end_off() {
    let edge = Edge::with(|settings| {
        settings.attack.mode = AttackMode::Auto;
        // Any thread is late by nothing at least.
        settings.attack.overload = Overload {
            strangers: 4,
            lag: Duration::ZERO,
            hold: Duration::from_secs(1),
            quiet: Duration::from_secs(1),
        };
    })
    .await;
    let begun = Instant::now();
    while !edge.attack.standing().on {
        edge.ask_from(HERE, "GET", "/trust", BROWSER).await;
        assert!(begun.elapsed() < PATIENCE, "{:?}", edge.attack.standing());
    }
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", BROWSER).await), 503);
    let begun = Instant::now();
    while edge.attack.standing().on {
        assert!(begun.elapsed() < PATIENCE, "{:?}", edge.attack.standing());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status(&edge.ask_from(HERE, "GET", "/trust", BROWSER).await), 200);
}

/// What is answered at the door is counted to its address too, on or off.
#[tokio::test]
async fn the_door_counts_to_the_address() {
    let two = Rate::new(2, Duration::from_hours(24));
    let same = "Sec-Fetch-Site: same-origin\r\nCookie: __Host-amanah=invented\r\n";
    let on = Edge::under_attack(|settings| settings.limits.address = two).await;
    let off = Edge::with(|settings| settings.limits.address = two).await;
    for (edge, method, path, lines) in
        [(&on, "GET", "/", BROWSER), (&on, "POST", PATH, same), (&off, "POST", PATH, same)]
    {
        let from = if method == "GET" { HERE } else { ELSEWHERE };
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(status(&edge.ask_from(from, method, path, lines).await));
        }
        assert!(answers[..2].iter().all(|status| [303, 503].contains(status)), "{answers:?}");
        assert_eq!(answers[2], 429, "{method} {path}");
    }
}

/// A body that does not come holds no place of those who wait for one.
#[tokio::test]
async fn a_slow_body_holds_no_place() {
    let edge = Edge::under_attack(|settings| settings.attack.strangers = 1).await;
    let token = "/_amanah/token";
    let mut slow = edge.connect_from(HERE).await;
    let head = format!(
        "POST {token} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut slow, "100 Continue\r\n\r\n").await;
    assert_eq!(status(&edge.ask_from(HERE, "POST", token, "").await), 404, "the page is reached");
}
