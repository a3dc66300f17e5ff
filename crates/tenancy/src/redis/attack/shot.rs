//! One attempt: a line of the battery, made into commands, sent, and judged.

use ::redis::Value;

use super::{Attack, Expect, Way};
use crate::Result;
use crate::attack::Outcome;
use crate::redis::scene::Scene;
use crate::redis::wire::{Wire, packed, text, words};

/// A refusal for want of a right, for want of a login, and of a transaction with such a refusal.
const DENIED: &str = "NOPERM";
const STRANGER: &str = "NOAUTH";
const ABORTED: &str = "EXECABORT";
const WRONG_PASSWORD: &str = "WRONGPASS";
/// The beginning of what `ACL DRYRUN` answers about what is not allowed.
const NO: &str = "This user has no permissions";
/// Bytes of a key that is very long.
const LONG: usize = 1 << 20;

/// A command with its arguments.
type Command = Vec<Vec<u8>>;

/// Makes one attempt.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn fire(scene: &Scene<'_>, attack: &Attack, line: &str) -> Result<Outcome> {
    let commands = commands(scene, line);
    let mut wire = match attack.way {
        Way::Question => return question(scene, &commands).await,
        Way::Stranger => Wire::connect(scene.target.outside).await?,
        Way::Login | Way::Inline => scene.enter(scene.target.pair.0).await?,
    };
    let mut answers = Vec::new();
    let mut bytes = Vec::new();
    for command in &commands {
        match attack.way {
            Way::Inline => {
                bytes.extend(command.join(&b' '));
                bytes.extend(b"\r\n");
            }
            _ => bytes.extend(packed(command)),
        }
    }
    // At once, as a pipeline: what is refused must not open what comes after it.
    let sent = wire.send(&bytes).await;
    for _ in &commands {
        match wire.receive().await {
            Ok(answer) => answers.push(answer),
            // A server may end the connection of whoever asks for too much before a login.
            Err(error) if sent.is_err() || answers.is_empty() => {
                return Ok(Outcome::Unsure(error.to_string()));
            }
            Err(_) => break,
        }
    }
    Ok(judge(scene, attack.expect, &answers))
}

/// Asks the server whether the attacker may run the last command.
async fn question(scene: &Scene<'_>, commands: &[Command]) -> Result<Outcome> {
    let mut wire = scene.target.door.enter().await?;
    for command in commands {
        let mut asked: Command =
            vec![b"ACL".to_vec(), b"DRYRUN".to_vec(), scene.target.pair.0.name.clone().into()];
        asked.extend(command.iter().cloned());
        match wire.try_ask(asked).await? {
            Value::ServerError(refusal) if refusal.details().is_some_and(is_unknown) => {}
            Value::ServerError(refusal) => return Ok(Outcome::Unsure(words(&refusal))),
            answer => match text(&answer) {
                Some(said) if said.starts_with(NO) => {}
                Some(said) if said == "OK" => {
                    return Ok(Outcome::Leaked("the server would run it".to_owned()));
                }
                said => return Ok(Outcome::Unsure(said.unwrap_or_default())),
            },
        }
    }
    Ok(Outcome::Held)
}

/// What a server says of a command that it does not have.
fn is_unknown(details: &str) -> bool {
    details.contains("not found") || details.starts_with("unknown command")
}

fn judge(scene: &Scene<'_>, expect: Expect, answers: &[Value]) -> Outcome {
    if answers.iter().any(|answer| holds(answer, scene.target.marks.1.as_bytes())) {
        return Outcome::Leaked("it was answered with what is the other's".to_owned());
    }
    let refusals: Vec<&::redis::ServerError> = answers.iter().filter_map(refusal).collect();
    let code = |wanted: &[&str]| refusals.iter().any(|refusal| wanted.contains(&refusal.code()));
    let last = answers.last().and_then(refusal);
    match (expect, last) {
        (Expect::Refused | Expect::WrongPassword, None) => {
            Outcome::Leaked("it was answered".to_owned())
        }
        (Expect::Refused, Some(last)) => match last.code() {
            DENIED | STRANGER => Outcome::Held,
            ABORTED if code(&[DENIED, STRANGER]) => Outcome::Held,
            _ if last.details().is_some_and(is_unknown) => Outcome::Held,
            _ => Outcome::Unsure(words(last)),
        },
        (Expect::WrongPassword, Some(last)) if last.code() == WRONG_PASSWORD => Outcome::Held,
        (Expect::Nothing, None) => Outcome::Held,
        (Expect::WrongPassword | Expect::Nothing, Some(last)) => Outcome::Unsure(words(last)),
    }
}

fn refusal(answer: &Value) -> Option<&::redis::ServerError> {
    match answer {
        Value::ServerError(refusal) => Some(refusal),
        _ => None,
    }
}

/// Whether `mark` stands anywhere in an answer.
pub(super) fn holds(answer: &Value, mark: &[u8]) -> bool {
    let inside = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    match answer {
        Value::BulkString(bytes) => inside(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => inside(text.as_bytes()),
        Value::Array(all) | Value::Set(all) | Value::Push { data: all, .. } => {
            all.iter().any(|one| holds(one, mark))
        }
        Value::Map(pairs) => pairs.iter().any(|(k, v)| holds(k, mark) || holds(v, mark)),
        Value::Attribute { data, attributes } => {
            holds(data, mark) || attributes.iter().any(|(k, v)| holds(k, mark) || holds(v, mark))
        }
        _ => false,
    }
}

fn commands(scene: &Scene<'_>, line: &str) -> Vec<Command> {
    let each = line.split(" ; ");
    each.map(|command| command.split_whitespace().map(|word| argument(scene, word)).collect())
        .collect()
}

fn argument(scene: &Scene<'_>, word: &str) -> Vec<u8> {
    match word {
        "{empty}" => Vec::new(),
        word => {
            let word = fill(&scene.target.pair, scene.target.family, &scene.target.marks, word);
            let word = word.replace("{nul}", "\0").replace("{long}", &"x".repeat(LONG));
            word.into_bytes()
        }
    }
}

/// Puts names in for the placeholders of a line: `{m}` and `{t}` begin my keys and theirs, `{M}` and
/// `{T}` are the prefixes of the places, `{P}` and `{Q}` the places, `{me}` and `{them}` the logins,
/// `{pass}` my password, `{F}` what all places begin with.
pub(in crate::redis) fn fill(
    (me, them): &(&super::Login, &super::Login),
    family: &str,
    marks: &(String, String),
    line: &str,
) -> String {
    let (mine, theirs) = (me.place.prefix(), them.place.prefix());
    line.replace("{m}", &format!("{mine}{}:", marks.0))
        .replace("{t}", &format!("{theirs}{}:", marks.1))
        .replace("{M}", &mine)
        .replace("{T}", &theirs)
        .replace("{P}", me.place.name())
        .replace("{Q}", them.place.name())
        .replace("{me}", &me.name)
        .replace("{them}", &them.name)
        .replace("{pass}", me.password.expose())
        .replace("{F}", family)
}
