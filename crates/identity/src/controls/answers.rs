//! Answers to forms, compared to the byte, and their times, compared as `timing` does.

use std::time::{Duration, Instant};

use kernel::{Fut, random_hex};
use store::Db;

use super::timing::{CANARY, Gap, judge, median, micros, whole};
use super::visitors::{self, TENANT};
use crate::Mailroom;
use crate::mail::Language;

mod faulty;
mod links;

pub(crate) use faulty::{Fault, Faulty};

/// A form that anybody can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Asks for a letter with a new password's link: field `email`.
    Reset,
    /// Signs in: fields `email`, `password`, `next`.
    SignIn,
    /// Sets a new password by a link: field `password`.
    NewPassword,
    /// Accepts an invitation by its link: fields `name`, `password`.
    Invitation,
}

impl Form {
    /// How a door that works refuses what is about nobody: the status, and what the page holds. Other
    /// refusals, such as of a form that seems to come from another site, are about no account.
    const fn refusal(self) -> Right {
        match self {
            Self::Reset => Right { status: 200, holds: "" },
            Self::SignIn => Right { status: 403, holds: FORM },
            Self::NewPassword | Self::Invitation => Right { status: 403, holds: ASK_ANEW },
        }
    }
}

/// An answer that says that the form was looked at.
#[derive(Clone, Copy)]
struct Right {
    status: u16,
    /// A part of its page.
    holds: &'static str,
}

/// What is on a page with a form.
const FORM: &str = "name=\"token\"";
/// Where the page about a link that is over leads.
const ASK_ANEW: &str = "/_amanah/reset";

/// One answer to a form, without what is different each time: the token of forms, dates, ids of
/// requests, and what was typed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers, sorted.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// From the request's first byte to the answer's last.
    pub took: Duration,
}

/// Sends forms as a browser would, through the running gateway. Implemented by the binary.
pub trait FormProbe: Send + Sync {
    /// The answer to `form` with what is sent. A link's token goes where a browser keeps it.
    ///
    /// # Errors
    /// When there was no answer; the text says why and what to do.
    fn send<'a>(&'a self, form: Form, sent: &'a Sent) -> Fut<'a, Result<Answer, String>>;
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The token of the link that led to the form, where a link leads to it.
    pub link: Option<String>,
    /// The form's fields: names and values.
    pub fields: Vec<(&'static str, String)>,
}

/// A canary that was closed, as long as the one that was not.
pub(crate) const CLOSED: &str = "canary-disabled@amanah.invalid";
/// A token that nobody was given, of the right shape, and what is none.
const NO_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const MISSHAPEN: &str = "no-token";
/// A new password that is as good as any.
const PASSWORD: &str = "a-canary-sings-in-the-mine-7";
/// What is compared of times: after how many pairs, the last number ends it.
const LOOKS: [u32; 4] = [16, 32, 64, 128];
/// What nobody can tell apart through a limit of a few tries in a minute.
const FLOOR: Duration = Duration::from_millis(1);
/// What the words about a door that does not work end with.
pub(crate) const NOTHING_FOLLOWS: &str = "nothing follows from answers that are the same";
/// The statuses that say "come back later" and so nothing about the account.
const LATER: [u16; 2] = [429, 503];

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// How many pairs of answers were compared.
    pub(crate) answers: usize,
    /// How many there were to compare.
    pub(crate) of: usize,
    /// Which differ: what was sent, and how.
    pub(crate) different: Vec<(String, String)>,
    /// The median times in milliseconds, for a known and an unknown address.
    pub(crate) times: (f64, f64),
    pub(crate) pairs: usize,
    /// What the times say; none when they could not be compared.
    pub(crate) gap: Option<Gap>,
}

/// Sends what is about somebody and what is about nobody, and compares.
///
/// # Errors
/// When nothing can be said; the text says why.
pub(crate) async fn compare(
    probe: &dyn FormProbe,
    mailroom: &Mailroom,
    owner: &Db,
) -> Result<Compared, String> {
    let person = visitors::make(&mailroom.identities, TENANT).await.map_err(|e| e.to_string())?;
    let ended = links::ended(probe, mailroom, &person.account).await;
    let compared = match ended {
        Ok(ended) => compare_with(probe, mailroom, &ended).await,
        Err(why) => Err(why),
    };
    let removed = visitors::remove(owner, &[person], mailroom.clock.now()).await;
    removed.map_err(|error| error.to_string())?;
    compared
}

async fn compare_with(
    probe: &dyn FormProbe,
    mailroom: &Mailroom,
    ended: &links::Ended,
) -> Result<Compared, String> {
    let mut out = Compared::default();
    for (form, base, others) in cases(mailroom, ended)? {
        out.of += others.len();
        let nobody = right(probe, form, &base, form.refusal()).await?;
        for (what, sent) in others {
            let other = answered(probe, form, &sent).await?;
            out.answers += 1;
            if let Some(how) = difference(&nobody, &other) {
                out.different.push((format!("{form:?}, {what}"), how));
            }
        }
    }
    times(probe, mailroom, &mut out).await?;
    Ok(out)
}

/// A form, what is sent about nobody, and what is compared with its answer.
type Case = (Form, Sent, Vec<(&'static str, Sent)>);

/// What is sent about an address.
fn about(address: &str) -> Sent {
    Sent { link: None, fields: vec![("email", address.to_owned())] }
}

/// What is sent with a link.
fn link(token: &str, password: &str) -> Sent {
    let fields = vec![("password", password.to_owned()), ("name", "Canary".to_owned())];
    Sent { link: Some(token.to_owned()), fields }
}

/// For each form, what is sent about nobody, and what is compared with its answer.
fn cases(mailroom: &Mailroom, ended: &links::Ended) -> Result<Vec<Case>, String> {
    let signing = |address: &str| {
        let mut sent = about(address);
        sent.fields.push(("password", "a wrong password".to_owned()));
        sent.fields.push(("next", "/".to_owned()));
        sent
    };
    let by_link = |token: &str| link(token, PASSWORD);
    let nobody = nobody(mailroom)?;
    let long = format!("{}@amanah.invalid", "a".repeat(500));
    Ok(vec![
        (
            Form::Reset,
            about(&nobody),
            vec![
                ("an account", about(CANARY)),
                ("a closed account", about(CLOSED)),
                ("an account, in capitals", about(&CANARY.to_ascii_uppercase())),
                ("no address", about("nobody")),
                ("nothing", about("")),
                ("a look-alike", about(&CANARY.replace('a', "\u{430}"))),
                ("a header", about("canary@amanah.invalid\r\nBcc: canary@amanah.invalid")),
                ("an address of 500 bytes", about(&long)),
            ],
        ),
        (
            Form::SignIn,
            signing(&nobody),
            vec![
                ("an account", signing(CANARY)),
                ("a closed account", signing(CLOSED)),
                ("no address", signing("nobody")),
            ],
        ),
        (
            Form::NewPassword,
            by_link(NO_TOKEN),
            vec![
                ("a link that another one ended", by_link(&ended.replaced)),
                ("a link whose time is over", by_link(&ended.expired)),
                ("no token", by_link(MISSHAPEN)),
            ],
        ),
        (
            Form::Invitation,
            by_link(NO_TOKEN),
            vec![
                ("an invitation that was withdrawn", by_link(&ended.withdrawn)),
                ("no token", by_link(MISSHAPEN)),
            ],
        ),
    ])
}

/// An address that nobody has, as long as the canary's.
fn nobody(mailroom: &Mailroom) -> Result<String, String> {
    let random = random_hex(&*mailroom.rng, 4).map_err(|e| e.to_string())?;
    Ok(format!("canary-{random}@amanah.invalid"))
}

async fn answered(probe: &dyn FormProbe, form: Form, sent: &Sent) -> Result<Answer, String> {
    let answer = probe.send(form, sent).await?;
    if LATER.contains(&answer.status) {
        return Err(format!(
            "{form:?} was answered with {}, so it was not tried; look again when there is less load",
            answer.status
        ));
    }
    Ok(answer)
}

/// Sends a form that has to be answered with `wanted`: any other answer says that it was not looked at,
/// and then that all are answered alike says nothing.
async fn right(
    probe: &dyn FormProbe,
    form: Form,
    sent: &Sent,
    wanted: Right,
) -> Result<Answer, String> {
    let answer = answered(probe, form, sent).await?;
    let page = String::from_utf8_lossy(&answer.body);
    if answer.status != wanted.status || !page.contains(wanted.holds) {
        return Err(format!(
            "{form:?} was answered with {} and not with {} and its page, so {NOTHING_FOLLOWS}",
            answer.status, wanted.status
        ));
    }
    Ok(answer)
}

/// How two answers differ.
fn difference(nobody: &Answer, other: &Answer) -> Option<String> {
    if nobody.status != other.status {
        return Some(format!("status {} instead of {}", other.status, nobody.status));
    }
    if nobody.headers != other.headers {
        let odd = other.headers.iter().find(|header| !nobody.headers.contains(header));
        let odd = odd.or_else(|| nobody.headers.iter().find(|h| !other.headers.contains(h)));
        let name = odd.map_or("", |(name, _)| name);
        return Some(format!("another header `{name}`"));
    }
    if nobody.body != other.body {
        let at = nobody.body.iter().zip(&other.body).position(|(a, b)| a != b);
        let at = at.unwrap_or(nobody.body.len().min(other.body.len()));
        return Some(format!("another page, from byte {at} on"));
    }
    None
}

/// Compares the times of asking for a letter for the canary and for nobody, in turns.
async fn times(
    probe: &dyn FormProbe,
    mailroom: &Mailroom,
    out: &mut Compared,
) -> Result<(), String> {
    let ask = async |address: String| -> Result<i64, String> {
        let (sent, wanted) = (about(&address), Form::Reset.refusal());
        Ok(whole(right(probe, Form::Reset, &sent, wanted).await?.took))
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let (mut differences, mut yard) = (Vec::new(), Vec::new());
    // Once without counting: connections and caches warm up.
    ask(CANARY.to_owned()).await?;
    ask(nobody(mailroom)?).await?;
    for look in LOOKS {
        while differences.len() < usize::try_from(look).unwrap_or_default() {
            // Whatever is done for one and not for the other costs a transaction or more.
            let start = Instant::now();
            let bare = mailroom.ask_reset("nobody", Language::English, false).await;
            bare.map_err(|e| e.to_string())?;
            yard.push(whole(start.elapsed()));
            let (one, other);
            if differences.len() % 2 == 1 {
                other = ask(nobody(mailroom)?).await?;
                one = ask(CANARY.to_owned()).await?;
            } else {
                one = ask(CANARY.to_owned()).await?;
                other = ask(nobody(mailroom)?).await?;
            }
            known.push(one);
            unknown.push(other);
            differences.push(one.saturating_sub(other));
        }
        let margin = (median(&yard) / 2).max(whole(FLOOR));
        out.gap = Some(judge(&mut differences.clone(), margin));
        if out.gap != Some(Gap::Noisy) {
            break;
        }
    }
    let millis = |times: &[i64]| micros(median(times)).as_secs_f64() * 1_000.0;
    out.times = (millis(&known), millis(&unknown));
    out.pairs = differences.len();
    Ok(())
}
