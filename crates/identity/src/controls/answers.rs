//! Answers to forms, compared to the byte, and their times, compared as `timing` does.

use std::time::{Duration, Instant};

use kernel::{Fut, Secret, SessionToken, random_hex};

use super::timing::{CANARY, Gap, judge, median, micros, whole};
use crate::mail::Language;
use crate::reset::GOOD_FOR;
use crate::{Error, Mailroom};

/// A form that anybody can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Asks for a letter with a new password's link: field `email`.
    Reset,
    /// Signs in: fields `email`, `password`, `next`.
    SignIn,
    /// Sets a new password: fields `t`, `password`.
    NewPassword,
    /// Accepts an invitation: fields `t`, `name`, `password`.
    Invitation,
}

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
    /// The answer to `form` with these fields.
    ///
    /// # Errors
    /// When there was no answer; the text says why and what to do.
    fn send<'a>(
        &'a self,
        form: Form,
        fields: &'a [(&'static str, String)],
    ) -> Fut<'a, Result<Answer, String>>;
}

/// A canary that was closed, as long as the one that was not.
pub(crate) const CLOSED: &str = "canary-disabled@amanah.invalid";
/// A token that nobody was given, of the right shape.
const NO_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// A new password that is as good as any.
const PASSWORD: &str = "a-canary-sings-in-the-mine-7";
/// What is compared of times: after how many pairs, the last number ends it.
const LOOKS: [u32; 4] = [16, 32, 64, 128];
/// What nobody can tell apart through a limit of a few tries in a minute.
const FLOOR: Duration = Duration::from_millis(1);
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
) -> Result<Compared, String> {
    let mut out = Compared::default();
    for (form, base, others) in cases(mailroom).await? {
        out.of += others.len();
        let nobody = sent(probe, form, &base).await?;
        for (what, fields) in others {
            let other = sent(probe, form, &fields).await?;
            out.answers += 1;
            if let Some(how) = difference(&nobody, &other) {
                out.different.push((format!("{form:?}, {what}"), how));
            }
        }
    }
    times(probe, mailroom, &mut out).await?;
    Ok(out)
}

type Fields = Vec<(&'static str, String)>;

/// For each form, what is sent about nobody, and what is compared with its answer.
async fn cases(
    mailroom: &Mailroom,
) -> Result<Vec<(Form, Fields, Vec<(&'static str, Fields)>)>, String> {
    let about = |address: &str| -> Fields { vec![("email", address.to_owned())] };
    let signing = |address: &str| -> Fields {
        vec![
            ("email", address.to_owned()),
            ("password", "a wrong password".to_owned()),
            ("next", "/".to_owned()),
        ]
    };
    let link = |token: &str| -> Fields {
        vec![("t", token.to_owned()), ("password", PASSWORD.to_owned())]
    };
    let invited = |token: &str| -> Fields {
        let mut fields = link(token);
        fields.push(("name", "Canary".to_owned()));
        fields
    };
    let nobody = nobody(mailroom)?;
    let over = over(mailroom).await.map_err(|error| error.to_string())?;
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
            link(NO_TOKEN),
            vec![("a link that is over", link(&over)), ("no token", link("no token"))],
        ),
        (Form::Invitation, invited(NO_TOKEN), vec![("no token", invited("no token"))]),
    ])
}

/// An address that nobody has, as long as the canary's.
fn nobody(mailroom: &Mailroom) -> Result<String, String> {
    let random = random_hex(&*mailroom.rng, 4).map_err(|e| e.to_string())?;
    Ok(format!("canary-{random}@amanah.invalid"))
}

/// The token of a link of the canary's that another one has ended.
async fn over(mailroom: &Mailroom) -> crate::Result<String> {
    let now = mailroom.clock.now();
    let canary = crate::Email::new(CANARY)?;
    let Some((account, _)) = mailroom.identities.find(&canary).await? else {
        return Err(Error::Refused);
    };
    let tx = mailroom.db.operator().await?;
    let first = mailroom.mint_reset(&tx, &account, (now, GOOD_FOR)).await?;
    mailroom.mint_reset(&tx, &account, (now, GOOD_FOR)).await?;
    tx.commit().await?;
    Ok(first)
}

async fn sent(probe: &dyn FormProbe, form: Form, fields: &Fields) -> Result<Answer, String> {
    let answer = probe.send(form, fields).await?;
    if LATER.contains(&answer.status) {
        return Err(format!(
            "{form:?} was answered with {}, so it was not tried; look again when there is less load",
            answer.status
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
        Ok(whole(sent(probe, Form::Reset, &vec![("email", address)]).await?.took))
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
            let bare = mailroom.ask_reset("nobody", Language::English, true).await;
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

/// What a service of the bite's does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It says so when there is no account.
    Tells,
    /// It refuses closed accounts.
    RefusesClosed,
    /// It sets a header where there is an account.
    Header,
    /// It writes the letter before it answers.
    AtOnce,
    /// It says of a link whether it was ever one.
    KnowsLinks,
}

/// The service itself behind pages of the bite's own, with a fault.
pub(crate) struct Faulty<'m>(pub(crate) &'m Mailroom, pub(crate) Fault);

impl FormProbe for Faulty<'_> {
    fn send<'a>(
        &'a self,
        form: Form,
        fields: &'a [(&'static str, String)],
    ) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async move {
            let start = Instant::now();
            let field = |name: &str| {
                let found = fields.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let (status, header, body) = match form {
                Form::Reset => self.reset(&field("email")).await,
                Form::SignIn => self.sign_in(&field("email"), field("password")).await,
                Form::NewPassword | Form::Invitation => {
                    self.link(form, field("t"), field("password")).await
                }
            }
            .map_err(|error| error.to_string())?;
            let headers = header.map(|name| (name.to_owned(), String::new())).into_iter().collect();
            let took = start.elapsed();
            Ok(Answer { status, headers, body: body.as_bytes().to_vec(), took })
        })
    }
}

type Said = crate::Result<(u16, Option<&'static str>, &'static str)>;

impl Faulty<'_> {
    async fn reset(&self, email: &str) -> Said {
        let Self(mailroom, fault) = self;
        mailroom.ask_reset(email, Language::English, true).await?;
        let known = match crate::Email::new(email) {
            Ok(email) if *fault != Fault::None => mailroom.identities.find(&email).await?.is_some(),
            _ => false,
        };
        match fault {
            Fault::Tells if !known => return Ok((200, None, "nobody has this address")),
            Fault::RefusesClosed if email == CLOSED => return Ok((403, None, "asked")),
            Fault::Header if known => return Ok((200, Some("x-account"), "asked")),
            Fault::AtOnce if known => {
                mailroom.deliver().await?;
            }
            _ => {}
        }
        Ok((200, None, "asked"))
    }

    async fn sign_in(&self, email: &str, password: String) -> Said {
        match self.0.identities.sign_in(email, &Secret::new(password)).await {
            Ok(_) => Ok((303, None, "")),
            Err(Error::Refused) => Ok((403, None, "refused")),
            Err(error) => Err(error),
        }
    }

    async fn link(&self, form: Form, token: String, password: String) -> Said {
        let shaped = token.len() == NO_TOKEN.len();
        let token = SessionToken(Secret::new(token));
        let refused = match form {
            Form::NewPassword => self.0.reset(&token, &Secret::new(password)).await,
            _ => self.0.accept(&token, "Canary", &Secret::new(password)).await,
        };
        match refused {
            Err(Error::Link) if self.1 == Fault::KnowsLinks && !shaped => {
                Ok((404, None, "no link"))
            }
            Err(Error::Link) => Ok((403, None, "over")),
            Err(error) => Err(error),
            Ok(_) => Ok((200, None, "done")),
        }
    }
}
