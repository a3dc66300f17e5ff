//! A forgotten password on a running house: asked for, sent, followed; and an invitation likewise.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::house::{House, LOOK_AGAIN, shared};
use crate::web::{Answer, ask, cookie, get, try_sign_in};

/// How long a letter may take to lie in the folder.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends a form of ours, with the token of the page at `page` and with the cookie of a link.
pub fn post(house: &House, page: &str, path: &str, (link, fields): (&str, &str)) -> Answer {
    let held = cookie(&get(house, page), "__Host-amanah-csrf");
    let token = held.split('=').nth(1).unwrap().to_owned();
    let request = http::Request::post(path)
        .header("cookie", format!("{held}; {link}"))
        .header("origin", format!("https://localhost:{}", house.port()))
        .header("content-type", "application/x-www-form-urlencoded");
    ask(house, request, &format!("token={token}&{fields}"))
}

fn letters(house: &House) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(house.data.join("outbox"));
    let files = folder.into_iter().flatten().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|ending| ending == "eml")).collect()
}

/// The newest letter to `address` that holds `part`.
pub fn letter(house: &House, address: &str, part: &str) -> String {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let mut files = letters(house);
        files.sort();
        let texts = files.iter().rev().filter_map(|file| std::fs::read_to_string(file).ok());
        // Quoted-printable: lines that go on, and the sign of equality.
        let texts = texts.map(|text| text.replace("=\r\n", "").replace("=3D", "="));
        let to = format!("To: {address}\r\n");
        if let Some(text) = texts.into_iter().find(|text| text.contains(&to) && text.contains(part))
        {
            return text;
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
    panic!("no letter to {address} with {part}: {}", house.log());
}

/// The link in a letter, without where it leads to, which has to be this gateway.
pub fn link(house: &House, text: &str) -> String {
    let site = format!("https://localhost:{}", house.port());
    let rest = text.lines().find_map(|line| line.strip_prefix(&site));
    rest.unwrap_or_else(|| panic!("no link to {site} in {text}")).trim().to_owned()
}

/// Opens a link: its token leaves the address and comes back as a cookie, with which the page is shown.
pub fn open(house: &House, link: &str) -> (String, Answer) {
    let first = get(house, link);
    let (path, token) = link.split_once("?t=").unwrap();
    assert_eq!((first.status, first.headers["location"].to_str().unwrap()), (303, path));
    let name = path.strip_prefix("/_amanah/").unwrap().split('/').next().unwrap();
    let held = cookie(&first, &format!("__Host-amanah-{name}"));
    assert!(held.ends_with(token), "{held}");
    let page = ask(house, http::Request::get(path).header("cookie", &held), "");
    (held, page)
}

/// The field by which the form on a page is bound to its link.
pub fn shown(page: &str) -> String {
    let (_, after) = page.split_once("name=\"link\" value=\"").unwrap();
    format!("link={}", after.split('"').next().unwrap())
}

#[test]
fn a_forgotten_password_is_set_by_a_letter() {
    let house = shared();
    let email = "lupa@sinar.example";
    let tenant = "11111111-1111-4111-8111-111111111111";
    let made = house.run(&["account", "add", email, "--tenant", tenant, "--json"]);
    assert!(made.status.success(), "{made:?}");
    let fields = |address: &str| format!("email={}", address.replace('@', "%40"));
    let asked =
        |address: &str| post(&house, "/_amanah/reset", "/_amanah/reset", ("", &fields(address)));
    let (known, nobody) = (asked(email), asked("none@sinar.example"));
    assert_eq!((known.status, &known.body), (200, &nobody.body));
    let text = letter(&house, email, "/_amanah/reset/new?t=");
    let path = link(&house, &text);
    for _ in 0..2 {
        assert_eq!(open(&house, &path).1.status, 200, "looking does not use it up");
    }
    let (held, page) = open(&house, &path);
    let new = "empat kuda makan salak";
    let set = format!("{}&password={}", shown(&page.body), new.replace(' ', "+"));
    let send = || post(&house, "/_amanah/reset", "/_amanah/reset/new", (&held, &set));
    let done = send();
    assert_eq!(done.status, 200, "{}", done.body);
    let again = send();
    assert_eq!(again.status, 403, "{}", again.body);
    assert_eq!(try_sign_in(&house, email, &new.replace(' ', "+")).status, 303);
    letter(&house, email, "Your password was set anew");
    assert!(!letters(&house).is_empty());
    assert!(get(&house, "/metrics").body.contains("amanah_mail_sent_total "));
    let to = |name: &str| std::fs::read_to_string(name).unwrap().contains("none@sinar.example");
    assert!(!letters(&house).iter().any(|file| to(file.to_str().unwrap())));
}

#[test]
fn an_invitation_makes_an_account() {
    let house = shared();
    let (by, email) = ("undang@sinar.example", "tamu@sinar.example");
    let tenant = "11111111-1111-4111-8111-111111111111";
    let role = ["account", "add", by, "--tenant", tenant, "--role", "administrator"];
    assert!(house.run(&role).status.success());
    let invite = ["account", "invite", email, "--as", by, "--role", "editor"];
    let invited = house.run(&invite);
    assert!(invited.status.success(), "{invited:?}");
    let more = ["account", "invite", email, "--as", email, "--role", "editor"];
    assert_eq!(house.run(&more).status.code(), Some(2), "nobody there yet");
    let path = link(&house, &letter(&house, email, "/_amanah/invitation?t="));
    let (held, page) = open(&house, &path);
    assert!(page.status == 200 && page.body.contains(email), "{}", page.body);
    let fields = format!("{}&name=Tamu&password=empat+kuda+makan+salak", shown(&page.body));
    let send = || post(&house, "/_amanah/reset", "/_amanah/invitation", (&held, &fields));
    let done = send();
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(try_sign_in(&house, email, "empat+kuda+makan+salak").status, 303);
    assert_eq!(send().status, 403);
    // Whoever administers without a second factor would be found by the tests of the page.
    assert!(house.run(&["access", "offboard", by]).status.success());
}
