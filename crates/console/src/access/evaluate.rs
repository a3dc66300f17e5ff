//! Whether somebody may do something, once or many times.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;

use super::wire::{Question, Questions, Semantic, Whole};
use super::{MAX_EVALUATIONS, Served, Subject, unavailable};
use crate::keys::body::{Asked, Note, json, work};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// About how long the answer to one question is, in bytes.
const ROOM_BYTES: usize = 160;
/// The types of subjects that are people with an account.
pub(super) const PEOPLE: [&str; 2] = ["user", "account"];

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/access/v1/evaluation", post(one))
        .route("/access/v1/evaluations", post(many))
}

/// An answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Decision {
    decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Why>,
}

/// Why a question could not even be asked.
#[derive(Debug, Clone, Serialize)]
struct Why {
    error: Wrong,
}

#[derive(Debug, Clone, Serialize)]
struct Wrong {
    status: u16,
    message: String,
}

impl Decision {
    const fn of(decision: bool) -> Self {
        Self { decision, context: None }
    }

    fn wrong(fault: &Fault) -> Self {
        let message = fault.message.to_string();
        let error = Wrong { status: fault.status.as_u16(), message };
        Self { decision: false, context: Some(Why { error }) }
    }
}

/// Subjects that were read for this request. Nothing of it outlives the request, so that what is
/// taken from somebody counts for nothing in the next one.
#[derive(Default)]
pub(super) struct Read(HashMap<String, Option<Arc<Subject>>>);

async fn one(
    State(served): State<Served>,
    who: Caller,
    Note(held): Note,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let question: Question = held.parse()?;
    let decision = served.decide(&who, question.whole(), &mut Read::default()).await?;
    json(&who.share, StatusCode::OK, ROOM_BYTES, &Decision::of(decision))
}

async fn many(
    State(served): State<Served>,
    who: Caller,
    Asked(held): Asked,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let Questions { common, evaluations, options } = work(held.len(), move || held.parse()).await?;
    let mut read = Read::default();
    if evaluations.is_empty() {
        // As the specification has it, this is one question.
        let decision = served.decide(&who, common.whole(), &mut read).await?;
        return json(&who.share, StatusCode::OK, ROOM_BYTES, &Decision::of(decision));
    }
    if evaluations.len() > MAX_EVALUATIONS {
        return Err(Fault::bad("evaluations", "a request has at most 1,000 evaluations"));
    }
    let mut answers = Vec::with_capacity(evaluations.len());
    for question in &evaluations {
        let answer = match served.decide(&who, question.over(&common), &mut read).await {
            Ok(decision) => Decision::of(decision),
            Err(fault) if fault.status == StatusCode::BAD_REQUEST => Decision::wrong(&fault),
            Err(fault) => return Err(fault),
        };
        let last = match options.evaluations_semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !answer.decision,
            Semantic::PermitOnFirstPermit => answer.decision,
        };
        answers.push(answer);
        if last {
            break;
        }
    }
    let room = answers.len() * ROOM_BYTES;
    json(&who.share, StatusCode::OK, room, &serde_json::json!({ "evaluations": answers }))
}

impl Served {
    /// Whether the subject of `question` may do its action.
    async fn decide(
        &self,
        who: &Caller,
        question: Whole<'_>,
        read: &mut Read,
    ) -> Result<bool, Fault> {
        let missing = |what| Fault::bad("question", what);
        let subject = question.subject.ok_or(missing("there is no subject in it"))?;
        let action = question.action.ok_or(missing("there is no action in it"))?;
        if question.resource.is_none() {
            return Err(missing("there is no resource in it"));
        }
        let id = subject.id.as_deref().ok_or(missing("the subject has no id"))?;
        let tenant = question.tenant()?;
        let Some(permission) = self.decisions.permission(&action.name) else {
            return Ok(false);
        };
        if !PEOPLE.contains(&subject.kind.as_str()) {
            return Ok(false);
        }
        let Some(subject) = self.subject(id, read).await? else {
            return Ok(false);
        };
        // Somebody of another tenant has no rights in this one, whatever they have at home.
        if tenant.is_some_and(|tenant| tenant != subject.home) || !self.reaches(who, &subject.home)
        {
            return Ok(false);
        }
        let may = subject.permits.has(permission);
        if may {
            self.decisions.used(&subject, permission);
        }
        Ok(may)
    }

    /// The subject with this id, read once for each request.
    pub(super) async fn subject(
        &self,
        id: &str,
        read: &mut Read,
    ) -> Result<Option<Arc<Subject>>, Fault> {
        if let Some(known) = read.0.get(id) {
            return Ok(known.clone());
        }
        let found = self.decisions.subject(id).await.map_err(|why| unavailable(&why))?;
        let found = found.map(Arc::new);
        read.0.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}
