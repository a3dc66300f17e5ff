//! The service itself behind pages of the bite's own, with a fault.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use kernel::{Fut, Secret, SessionToken};

use super::{ASK_ANEW, Answer, CLOSED, FORM, Form, FormProbe, NO_TOKEN, Sent};
use crate::mail::Language;
use crate::{Error, Mailroom};

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
    /// It says of a link whether it can be one.
    KnowsLinks,
    /// It says of a link whether it was ever one.
    RemembersLinks,
    /// Links do not arrive, so that all are refused alike.
    LosesLinks,
    /// It refuses whatever is sent but links.
    Shut,
}

/// The service with a fault.
pub(crate) struct Faulty {
    mailroom: Arc<Mailroom>,
    fault: Fault,
    /// The links that were good when they were shown.
    good: Mutex<BTreeSet<String>>,
}

impl FormProbe for Faulty {
    fn send<'a>(&'a self, form: Form, sent: &'a Sent) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async move {
            let start = Instant::now();
            let field = |name: &str| {
                let found = sent.fields.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let (status, header, body) = match form {
                Form::Reset | Form::SignIn if self.fault == Fault::Shut => {
                    Ok((403, None, "from another site"))
                }
                Form::Reset => self.reset(&field("email")).await,
                Form::SignIn => self.sign_in(&field("email"), field("password")).await,
                Form::NewPassword | Form::Invitation => {
                    self.link(form, sent.link.clone().unwrap_or_default(), field("password")).await
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

impl Faulty {
    pub(crate) fn new(mailroom: &Arc<Mailroom>, fault: Fault) -> Self {
        Self { mailroom: Arc::clone(mailroom), fault, good: Mutex::default() }
    }

    async fn reset(&self, email: &str) -> Said {
        let Self { mailroom, fault, .. } = self;
        mailroom.ask_reset(email, Language::English, false).await?;
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
        match self.mailroom.identities.sign_in(email, &Secret::new(password)).await {
            Ok(_) => Ok((303, None, "")),
            Err(Error::Refused) => Ok((403, None, FORM)),
            Err(error) => Err(error),
        }
    }

    async fn link(&self, form: Form, text: String, password: String) -> Said {
        if self.fault == Fault::LosesLinks {
            return Ok((403, None, ASK_ANEW));
        }
        let token = SessionToken(Secret::new(text.clone()));
        let done = if form == Form::NewPassword {
            self.mailroom.reset(&token, &Secret::new(password)).await
        } else {
            let accepted = self.mailroom.accept(&token, "Canary", &Secret::new(password)).await;
            accepted.map(|accepted| accepted.email)
        };
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        match (done, self.fault) {
            (Err(Error::Link), Fault::KnowsLinks) if text.len() != NO_TOKEN.len() => {
                Ok((404, None, "no link"))
            }
            (Err(Error::Link), Fault::RemembersLinks) if good.contains(&text) => {
                Ok((410, None, "no link any more"))
            }
            (Err(Error::Link), _) => Ok((403, None, ASK_ANEW)),
            (Err(Error::PasswordSize(_) | Error::Weak(_)), _) => {
                good.insert(text);
                Ok((422, None, FORM))
            }
            (Err(error), _) => Err(error),
            (Ok(_), _) => Ok((200, None, "done")),
        }
    }
}
