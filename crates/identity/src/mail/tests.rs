//! Letters on a real PostgreSQL, into a folder, and through somebody else's mail server.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{Clock as _, Fut, ManualClock, NoStandings, Notice, Secret, SystemRng, TenantId};
use store::Notices as _;
use testkit::{MailServer, TestDb, mail_server};

use super::{
    FileOutbox, Language, Letters, Line, MAX_NOTICES, MAX_RESETS, MAX_WAITING, Mailroom, Post,
    Sender, Smtp, SmtpSettings, Unsent, Written,
};
use crate::{Email, Error, Identities, NewAccount, Pool, ROOM};

pub(crate) const EMAIL: &str = "sari@sinar.example";

/// Keeps what it is given, or does not take it.
#[derive(Default)]
pub(crate) struct Letterbox {
    pub(crate) taken: Mutex<Vec<Written>>,
    pub(crate) unsent: Mutex<Option<Unsent>>,
}

impl Post for Letterbox {
    fn name(&self) -> String {
        "a box".to_owned()
    }

    fn send<'a>(&'a self, letter: &'a Written) -> Fut<'a, Result<(), Unsent>> {
        Box::pin(async move {
            if let Some(unsent) = self.unsent.lock().unwrap().clone() {
                return Err(unsent);
            }
            self.taken.lock().unwrap().push(letter.clone());
            Ok(())
        })
    }
}

pub(crate) struct House {
    pub(crate) base: TestDb,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) post: Arc<Letterbox>,
    pub(crate) room: Mailroom,
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub(crate) fn account(email: &str, name: &str) -> NewAccount {
    NewAccount {
        email: Email::new(email).unwrap(),
        name: name.into(),
        tenant: TenantId::new("sinar").unwrap(),
        password: secret("correct horse battery"),
    }
}

pub(crate) async fn house() -> House {
    let base = testkit::database(&[&ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let (time, rng) = (Arc::<ManualClock>::clone(&clock), Arc::new(SystemRng));
    let identities = Identities::new(
        base.engine.clone(),
        time.clone(),
        rng.clone(),
        Pool::default(),
        Arc::new(NoStandings),
    );
    let identities = Arc::new(identities.unwrap());
    identities.create_account(&account(EMAIL, "Sari")).await.unwrap();
    let post = Arc::<Letterbox>::default();
    let room = Mailroom::new(identities, (time, rng), post.clone(), "https://amanah.example/");
    House { base, clock, post, room }
}

impl House {
    pub(crate) fn later(&self, by: SignedDuration) {
        self.clock.set(self.clock.now() + by);
    }

    pub(crate) async fn alter(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let tx = self.base.owner.operator().await.unwrap();
        tx.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn id(&self) -> String {
        let tx = self.base.owner.operator().await.unwrap();
        let sql = "SELECT id::text FROM identity.accounts WHERE email = $1";
        tx.query_one(sql, &[&EMAIL]).await.unwrap().get(0)
    }

    /// Delivers, and gives what came.
    pub(crate) async fn letters(&self) -> Vec<Written> {
        self.room.deliver().await.unwrap();
        std::mem::take(&mut *self.post.taken.lock().unwrap())
    }

    /// Has Sari told of it.
    pub(crate) async fn tell(&self, notice: Notice, detail: &str) {
        let (letters, id) = (Letters::new(self.clock.clone()), self.id().await);
        let tx = self.room.db.operator().await.unwrap();
        letters.tell(&tx, &id, notice, detail).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn ask(&self, address: &str) {
        self.room.ask_reset(address, Language::English, false).await.unwrap();
    }
}

#[tokio::test]
async fn only_whoever_has_an_account_gets_a_letter_and_all_are_written_down_alike() {
    let house = house().await;
    house.alter("UPDATE identity.accounts SET language = 'id'").await;
    let strangers =
        ["", "nobody", "none@sinar.example", "s\u{430}ri@sinar.example", "a@b\r\nBcc: c@d", "@"];
    for address in strangers {
        house.ask(address).await;
    }
    assert_eq!(house.count("SELECT count(*) FROM identity.letters").await, 6);
    assert!(house.letters().await.is_empty());
    assert_eq!(house.count("SELECT count(*) FROM identity.letters").await, 0, "no trace of them");

    house.ask(" SARI@sinar.example").await;
    let letters = house.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to.as_str(), EMAIL);
    assert!(letters[0].body.contains("https://amanah.example/_amanah/reset/new?t="));
    for _ in 0..10 {
        house.ask(EMAIL).await;
    }
    assert_eq!(house.letters().await.len() + 1, usize::try_from(MAX_RESETS).unwrap());
    house.later(SignedDuration::from_mins(61));
    house.ask(EMAIL).await;
    assert_eq!(house.letters().await.len(), 1);
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    house.later(SignedDuration::from_mins(61));
    house.ask(EMAIL).await;
    assert!(house.letters().await.is_empty());
}

#[tokio::test]
async fn where_too_many_wait_it_is_said_and_whoever_is_known_has_places_of_their_own() {
    let house = house().await;
    let fill = format!(
        "INSERT INTO identity.letters (kind, recipient, language, queued_at, due_at) \
         SELECT 'reset', 'none@sinar.example', 'en', now(), now() FROM generate_series(1, {MAX_WAITING})"
    );
    house.alter(&fill).await;
    for address in [EMAIL, "none@sinar.example", "nobody"] {
        let asked = house.room.ask_reset(address, Language::English, false).await;
        assert!(matches!(asked, Err(Error::Busy)), "{address}");
    }
    assert_eq!(house.count("SELECT count(*) FROM identity.letters").await, MAX_WAITING);
    house.room.ask_reset(EMAIL, Language::English, true).await.unwrap();
    let mine = format!("SELECT count(*) FROM identity.letters WHERE recipient = '{EMAIL}'");
    assert_eq!(house.count(&mine).await, 1);
}

#[tokio::test]
async fn a_letter_waits_longer_each_time_and_is_given_up_in_the_end() {
    let house = house().await;
    let down = Unsent::Later("the server is down".to_owned());
    *house.post.unsent.lock().unwrap() = Some(down.clone());
    house.tell(Notice::PasskeyAdded, "a passkey\r\nX: y").await;
    house.room.deliver().await.unwrap();
    let state = house.room.waiting().await.unwrap();
    assert_eq!((state.waiting, state.stuck, state.given_up), (1, 1, 0));
    assert_eq!(state.problem.as_deref(), Some("the server is down"));
    // Not before its time.
    house.room.deliver().await.unwrap();
    assert_eq!(house.count("SELECT attempts::bigint FROM identity.letters").await, 1);
    house.later(SignedDuration::from_secs(15));
    *house.post.unsent.lock().unwrap() = None;
    let letters = house.letters().await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].body.contains("a passkey\\r\\nX  y"), "{}", letters[0].body);

    *house.post.unsent.lock().unwrap() = Some(down);
    house.tell(Notice::Closed, "").await;
    for _ in 0..80 {
        house.room.deliver().await.unwrap();
        house.later(SignedDuration::from_mins(61));
    }
    let state = house.room.waiting().await.unwrap();
    assert_eq!((state.waiting, state.given_up), (0, 1));
    // A refusal for good is not tried again.
    *house.post.unsent.lock().unwrap() = Some(Unsent::Never("no such mailbox".to_owned()));
    house.tell(Notice::Closed, "").await;
    house.room.deliver().await.unwrap();
    let state = house.room.waiting().await.unwrap();
    assert_eq!((state.waiting, state.given_up), (0, 2));
    house.later(SignedDuration::from_hours(8 * 24));
    house.room.deliver().await.unwrap();
    assert_eq!(house.count("SELECT count(*) FROM identity.letters").await, 0);
}

#[tokio::test]
async fn whoever_is_killed_with_a_letter_in_hand_loses_none() {
    let house = house().await;
    house.ask(EMAIL).await;
    assert!(house.room.take().await.unwrap().is_some());
    assert!(house.room.take().await.unwrap().is_none(), "it is in somebody's hands");
    house.later(SignedDuration::from_mins(2));
    assert_eq!(house.letters().await.len(), 1);
}

#[tokio::test]
async fn no_mailbox_is_filled_and_nobody_hears_of_roles_before_they_came() {
    let house = house().await;
    for _ in 0..60 {
        house.tell(Notice::CodeUsed, "3").await;
    }
    assert_eq!(house.letters().await.len(), usize::try_from(MAX_NOTICES).unwrap());
    house.later(SignedDuration::from_mins(61));
    house.tell(Notice::CodeUsed, "3").await;
    house.tell(Notice::RolesGranted, "editor (sinar)").await;
    let letters = house.letters().await;
    assert_eq!(letters.len(), 1, "the invitation told of the role");
    house.room.identities.sign_in(EMAIL, &secret("correct horse battery")).await.unwrap();
    house.tell(Notice::RolesTaken, "editor (sinar)").await;
    let letters = house.letters().await;
    assert_eq!(letters[0].subject, "A role was taken from you");
    assert!(letters[0].body.contains("editor (sinar)"), "{}", letters[0].body);
}

#[tokio::test]
async fn a_notice_is_as_lasting_as_what_it_tells_of() {
    let house = house().await;
    let id = house.id().await;
    let tx = house.room.db.operator().await.unwrap();
    super::tell(&tx, &id, Notice::PasskeyRemoved, "x", house.clock.now()).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(house.letters().await.is_empty());
}

fn sender() -> Sender {
    Sender::new("Amanah", "amanah@example.com").unwrap()
}

fn written(subject: &str) -> Written {
    Written {
        to: Email::new(EMAIL).unwrap(),
        subject: subject.to_owned(),
        body: "Hello\n\nhttps://amanah.example/_amanah/reset/new?t=abc\n.\nend\n".to_owned(),
        id: "1.abc".to_owned(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn a_folder_gets_one_private_file_for_each_letter() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("outbox");
    let outbox = FileOutbox::new(folder.clone(), sender());
    outbox.send(&written("Hello")).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files, [folder.join("20260101T000000Z-1.abc.eml")]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&folder)), (0o600, 0o700));
    let text = std::fs::read_to_string(&files[0]).unwrap();
    for line in [
        "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n",
        "From: Amanah <amanah@example.com>\r\n",
        "To: sari@sinar.example\r\n",
        "Subject: Hello\r\n",
        "Message-ID: <1.abc@example.com>\r\n",
        "https://amanah.example/_amanah/reset/new?t=abc\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn nothing_can_be_put_into_a_header() {
    for (name, address) in [
        ("A\r\nBcc: x@y.example", "a@b.example"),
        ("A\n", "a@b.example"),
        ("A", "a@b.example\r\nBcc: x@y.example"),
        ("A", "a@b.example>, <x@y.example"),
        ("A", "a"),
    ] {
        assert!(Sender::new(name, address).is_err(), "{name:?} {address:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let outbox = FileOutbox::new(dir.path().to_owned(), sender());
    let refused = outbox.send(&written("A\r\nBcc: x@y.example")).await;
    assert!(matches!(refused, Err(Unsent::Never(_))), "{refused:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // What stands in a name is the name's.
    let odd = Sender::new("\"A\" <x@y.example>, B", "a@b.example").unwrap();
    FileOutbox::new(dir.path().to_owned(), odd).send(&written("A")).await.unwrap();
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    let from = text.lines().find(|line| line.starts_with("From:")).unwrap();
    assert!(from.ends_with(" <a@b.example>") && !from.contains("x@y"), "{from}");
}

fn smtp(server: &MailServer, line: Line, login: Option<(&str, &str)>) -> Smtp {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        line,
        login: login.map(|(user, password)| (user.to_owned(), secret(password))),
        authorities: (line != Line::Plain).then(|| server.authority()),
    };
    Smtp::new(settings, sender()).unwrap()
}

#[tokio::test]
async fn a_real_server_takes_letters_in_each_way() {
    let good = Some(("amanah", "a mail password"));
    for (mode, line, login, tls) in [
        ("open", Line::Plain, None, "False"),
        ("starttls", Line::StartTls, None, "True"),
        ("tls", Line::Tls, None, "True"),
        ("login", Line::StartTls, good, "True"),
    ] {
        let server = mail_server(mode);
        smtp(&server, line, login).send(&written("Grüße")).await.unwrap();
        let taken = server.taken();
        assert_eq!(taken.len(), 1, "{mode}");
        let head = format!("X-To: {EMAIL}\nX-TLS: {tls}\n");
        assert!(taken[0].starts_with(&head), "{mode}: {}", taken[0]);
        assert!(taken[0].contains("new?t=abc\r\n") && taken[0].contains("\r\nend\r\n"), "{mode}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_a_letter_is_told_from_one_that_never_will() {
    let later = |sent: Result<(), Unsent>| match sent {
        Err(Unsent::Later(why)) => why,
        other => panic!("{other:?}"),
    };
    let refuses = mail_server("refuses");
    match smtp(&refuses, Line::Plain, None).send(&written("A")).await {
        Err(Unsent::Never(why)) => assert!(why.contains("nobody here") && !why.contains('\u{7}')),
        other => panic!("{other:?}"),
    }
    let busy = mail_server("busy");
    assert!(later(smtp(&busy, Line::Plain, None).send(&written("A")).await).contains("later"));
    // A server without TLS is not spoken to where TLS is asked for, and nor is a stranger.
    let open = mail_server("open");
    later(smtp(&open, Line::StartTls, None).send(&written("A")).await);
    assert!(open.taken().is_empty());
    let strange = mail_server("starttls");
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: strange.port,
        line: Line::StartTls,
        login: None,
        authorities: None,
    };
    later(Smtp::new(settings.clone(), sender()).unwrap().send(&written("A")).await);
    assert!(strange.taken().is_empty());
    // A wrong password is put right by somebody: the letter waits.
    let login = mail_server("login");
    let why = smtp(&login, Line::StartTls, Some(("amanah", "wrong"))).send(&written("A")).await;
    assert!(!later(why).contains("wrong"));
    // A dead one.
    let port = open.port;
    drop(open);
    let dead = SmtpSettings { port, line: Line::Plain, ..settings.clone() };
    later(Smtp::new(dead, sender()).unwrap().send(&written("A")).await);
    // No letter leaves this machine in clear.
    let far = SmtpSettings { host: "mail.example".to_owned(), line: Line::Plain, ..settings };
    assert!(matches!(Smtp::new(far, sender()), Err(Error::Mail(_))));
}
