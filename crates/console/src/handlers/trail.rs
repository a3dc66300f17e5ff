//! What was recorded in somebody's own tenant.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Query};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use kernel::{Door, Identity, own};
use serde::Deserialize;

use super::account::sign_in;
use super::html;
use crate::moment;
use crate::pages::trail::TrailPage;
use crate::trail::{TrailQuestion, TrailTrouble};
use crate::words::Words;
use crate::{Error, State};

/// Where the page is.
const HOME: &str = "/_amanah/trail";
/// How far back it looks where nothing else is asked.
const USUAL: SignedDuration = SignedDuration::from_hours(24);
/// No trail is older.
const EARLIEST: Timestamp = Timestamp::constant(946_684_800, 0);
/// What a browser says of a request that another site started.
const CROSS_SITE: &str = "cross-site";
/// The longest word that is looked for, in bytes.
const MAX_WORD_BYTES: usize = 200;

/// What is asked, as it is written; everything may be left out.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    table: String,
    #[serde(default)]
    request: String,
}

/// `GET /_amanah/trail`, for whoever may read the trail in their own browser, and is no support. That somebody
/// looked is written down, so that the bare address, and a link on another site, show the form alone.
pub(crate) async fn page(
    extract::State(state): extract::State<State>,
    who: Option<Extension<Arc<Identity>>>,
    headers: HeaderMap,
    uri: Uri,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    let may = who.may(own::TRAIL_READ) && who.standing.support.is_none();
    if !may || who.door != Door::Browser {
        return Err(Error::NotFound);
    }
    let (words, now) = (Words::asked(&headers), state.clock.now());
    let Some(wanted) = asked.ok().and_then(|Query(asked)| asked.read(now)) else {
        let page = TrailPage::new(words, &usual(now)).again(words.say("records-unfit"));
        return Ok((StatusCode::BAD_REQUEST, html(&page)?).into_response());
    };
    let page = TrailPage::new(words, &wanted);
    let elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site == CROSS_SITE);
    if uri.query().is_none() || elsewhere {
        return html(&page);
    }
    let (status, problem) = match state.trail.rows(&who, &wanted).await {
        Ok(seen) => return html(&page.with(seen)),
        Err(TrailTrouble::Refused) => return Err(Error::NotFound),
        Err(TrailTrouble::Unavailable(cause)) => return Err(Error::Unavailable(cause)),
        Err(TrailTrouble::Unguarded) => (StatusCode::NOT_FOUND, words.say("records-unguarded")),
        Err(TrailTrouble::TooMuch) => (StatusCode::BAD_REQUEST, words.say("records-too-much")),
        Err(TrailTrouble::Busy) => (StatusCode::TOO_MANY_REQUESTS, words.say("records-busy")),
    };
    Ok((status, html(&page.again(problem))?).into_response())
}

fn usual(now: Timestamp) -> TrailQuestion {
    TrailQuestion {
        from: now.saturating_sub(USUAL).unwrap_or(Timestamp::MIN),
        to: now,
        actor: None,
        table: None,
        request: None,
    }
}

impl Asked {
    /// What is asked; nothing when it cannot be meant.
    fn read(self, now: Timestamp) -> Option<TrailQuestion> {
        let moment = |text: &str| match text.trim() {
            "" => Some(None),
            text => moment::read(text, now).ok().map(Some),
        };
        let word = |text: String| match text.trim() {
            "" => Some(None),
            text if text.len() > MAX_WORD_BYTES || text.contains('\0') => None,
            text => Some(Some(text.to_owned())),
        };
        let (from, to) = (moment(&self.from)?, moment(&self.to)?);
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.saturating_sub(USUAL).unwrap_or(Timestamp::MIN));
        let from = from.max(EARLIEST);
        let (actor, table) = (word(self.actor)?, word(self.table)?);
        let wanted = TrailQuestion { from, to, actor, table, request: word(self.request)? };
        (wanted.from < wanted.to).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, EARLIEST, USUAL};

    #[test]
    fn what_cannot_be_meant_is_no_question() {
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        let asked = |from: &str, to: &str, actor: &str| {
            let text = |text: &str| text.to_owned();
            Asked { from: text(from), to: text(to), actor: text(actor), ..Asked::default() }
                .read(now)
        };
        let usual = asked("", " ", "").unwrap();
        assert_eq!((usual.from, usual.to, usual.actor), (now - USUAL, now, None));
        let one =
            asked("2026-11-01T00:00", "2026-11-02T00:00:00Z", " sari@sinar.example ").unwrap();
        assert_eq!(one.actor.as_deref(), Some("sari@sinar.example"));
        let all = asked("-000001-01-01T00:00:00Z", "", "").unwrap();
        assert_eq!(all.from, EARLIEST);
        let day = asked("", "2026-11-02T00:00", "").unwrap();
        assert_eq!(day.to.duration_since(day.from), USUAL);
        for (from, to, actor) in [
            ("yesterday", "", ""),
            ("2026-11-28T00:00", "", ""),
            ("2026-11-02T00:00", "2026-11-01T00:00", ""),
            ("2026-11-02T00:00", "2026-11-02T00:00", ""),
            ("-000001-01-01T00:00:00Z", "-000001-01-02T00:00:00Z", ""),
            ("", "", "a\0b"),
            ("", "", &"x".repeat(201)),
        ] {
            assert_eq!(asked(from, to, actor), None, "{from} {to} {actor}");
        }
    }
}
