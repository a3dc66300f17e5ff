//! The ways in which what somebody was given ends, each tried with a person of its own.

use std::time::{Duration, Instant};

use kernel::{Identity, Secret, SessionToken, Sessions as _, Strength, random_hex};

use super::cast::Cast;
use crate::controls::visitors::{TENANT, Visitor, tenant_id};
use crate::passkey::{Party, SoftKey};
use crate::reset::GOOD_FOR;
use crate::{Again, Error, Holder, NewKey, Opening, Result, recovery, sql};

/// How long is waited between two requests.
pub(super) const PAUSE: Duration = Duration::from_millis(5);
/// How often a session is used before it ends, so that it is answered from memory.
const USES: usize = 3;
/// A shipped role that asks for a second factor.
pub(super) const ASKS_FOR_TWO: &str = "administrator";

/// A way in which something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    SignOut,
    One,
    Others,
    All,
    Disabled,
    Suspended,
    Written,
    NewPassword,
    Reset,
    Factor,
    FactorsRemoved,
    OffBoarded,
    Role,
    StepUp,
    TokenSignedOut,
    TokenRevoked,
    TokenOffBoarded,
    KeyRevoked,
    KeyAll,
    KeyOffBoarded,
    Held,
}

/// All of them, with whose name each is told.
pub(super) const WAYS: [(Way, &str); 21] = [
    (Way::SignOut, "signing out"),
    (Way::One, "ending one of several sessions"),
    (Way::Others, "ending all other sessions"),
    (Way::All, "ending whatever an account was given"),
    (Way::Disabled, "disabling the account"),
    (Way::Suspended, "suspending the tenant"),
    (Way::Written, "a statement in the database"),
    (Way::NewPassword, "another password"),
    (Way::Reset, "a password set anew by a link"),
    (Way::Factor, "another second factor"),
    (Way::FactorsRemoved, "removing every second factor"),
    (Way::OffBoarded, "off-boarding"),
    (Way::Role, "a role that asks for more"),
    (Way::StepUp, "proving once more who one is, under the old token"),
    (Way::TokenSignedOut, "signing out, by an access token of that session"),
    (Way::TokenRevoked, "revoking an access token"),
    (Way::TokenOffBoarded, "off-boarding, by an access token"),
    (Way::KeyRevoked, "revoking an API key"),
    (Way::KeyAll, "ending whatever an account was given, by an API key"),
    (Way::KeyOffBoarded, "off-boarding, by an API key"),
    (Way::Held, "signing out while the body of a request was held back"),
];

impl Way {
    pub(super) fn name(self) -> &'static str {
        WAYS.iter().find(|(way, _)| *way == self).map_or("", |(_, name)| *name)
    }

    const fn ends(self) -> End {
        match self {
            Self::SignOut | Self::TokenSignedOut | Self::Held => End::SignOut,
            Self::One => End::One,
            Self::Others => End::Others,
            Self::All | Self::KeyAll => End::All,
            Self::Disabled => End::Disabled,
            Self::Suspended => End::Suspended,
            Self::Written => End::Written,
            Self::NewPassword => End::NewPassword,
            Self::Reset => End::Reset,
            Self::Factor => End::Factor,
            Self::FactorsRemoved => End::FactorsRemoved,
            Self::OffBoarded | Self::TokenOffBoarded | Self::KeyOffBoarded => End::OffBoarding,
            Self::Role => End::Role,
            Self::StepUp => End::StepUp,
            Self::TokenRevoked | Self::KeyRevoked => End::Itself,
        }
    }
}

/// What is done.
enum End {
    SignOut,
    One,
    Others,
    All,
    Disabled,
    Suspended,
    Written,
    NewPassword,
    Reset,
    Factor,
    FactorsRemoved,
    OffBoarding,
    Role,
    StepUp,
    /// The token or the key itself is revoked.
    Itself,
}

/// What is asked with until it is refused.
enum Shown {
    Session,
    /// An access token, and the refresh token that came with it.
    Token(Secret, Secret),
    /// A key, and its id.
    Key(Secret, String),
}

type Asked<T> = std::result::Result<T, String>;

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Warms the memory, ends what `session` or what came of it is, and asks until it is refused: how long
/// that took from its end on, if it was.
pub(super) async fn follow(
    cast: &Cast<'_>,
    way: Way,
    (person, session): (&Visitor, &SessionToken),
) -> Asked<Option<Duration>> {
    if way == Way::Held {
        return held(cast, session).await;
    }
    let shown = shown(cast, way, session).await?;
    for _ in 0..USES {
        if !answers(cast, session, &shown).await? {
            return Err("it was not recognised to begin with".to_owned());
        }
    }
    let prepared = prepare(cast, &way.ends(), person).await.map_err(words)?;
    end(cast, &way.ends(), (person, session, &shown), prepared.as_ref()).await.map_err(words)?;
    let begun = Instant::now();
    while answers(cast, session, &shown).await? {
        if begun.elapsed() > cast.patience {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let took = begun.elapsed();
    // It stays so: another memory must not bring it back.
    if answers(cast, session, &shown).await? { Ok(None) } else { Ok(Some(took)) }
}

/// A form whose head is read and whose first half comes before the end, and whose rest comes after it.
async fn held(cast: &Cast<'_>, session: &SessionToken) -> Asked<Option<Duration>> {
    let nothing = Box::pin(async { Ok(()) });
    if !cast.door.held(session, nothing).await? {
        return Err("a form that was held back is not answered to begin with".to_owned());
    }
    let begun = Instant::now();
    let end = Box::pin(async move {
        cast.other.sign_out(session).await.map_err(words)?;
        while cast.door.recognises(session).await? {
            if begun.elapsed() > cast.patience {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    });
    let answered = cast.door.held(session, end).await?;
    Ok((!answered).then(|| begun.elapsed()))
}

/// What somebody with this session asks with.
async fn shown(cast: &Cast<'_>, way: Way, session: &SessionToken) -> Asked<Shown> {
    match way {
        Way::TokenSignedOut | Way::TokenRevoked | Way::TokenOffBoarded => {
            let pair = cast.door.tokens().exchange(session).await?;
            let pair = pair.ok_or("a session was given no tokens")?;
            Ok(Shown::Token(pair.access, pair.refresh))
        }
        Way::KeyRevoked | Way::KeyAll | Way::KeyOffBoarded => {
            let who = known(cast, session).await.map_err(words)?;
            let new = NewKey { name: "canary".to_owned(), service: None, scopes: None, days: 1 };
            let (card, key) = cast.other.make_key(&who, &new).await.map_err(words)?;
            Ok(Shown::Key(key, card.id))
        }
        _ => Ok(Shown::Session),
    }
}

async fn answers(cast: &Cast<'_>, session: &SessionToken, shown: &Shown) -> Asked<bool> {
    match shown {
        Shown::Session => cast.door.recognises(session).await,
        Shown::Token(bearer, _) | Shown::Key(bearer, _) => cast.door.tokens().accepts(bearer).await,
    }
}

/// Whoever has this session.
async fn known(cast: &Cast<'_>, session: &SessionToken) -> Result<std::sync::Arc<Identity>> {
    let decided = cast.other.decide(session).await.map_err(Error::Undecided)?;
    decided.ok_or(Error::Canary("a session of its own is not recognised"))
}

/// Another session of the same person, in which something is done, where it takes one; or the factor that is
/// to be removed. Made before the time begins to count.
async fn prepare(
    cast: &Cast<'_>,
    end: &End,
    person: &Visitor,
) -> Result<Option<std::sync::Arc<Identity>>> {
    if matches!(end, End::FactorsRemoved) {
        plant_code(cast, &person.account).await?;
    }
    if !matches!(end, End::Others | End::NewPassword | End::Factor) {
        return Ok(None);
    }
    let opened = cast.other.open_session(&person.account, Strength::One, Opening::default());
    known(cast, &opened.await?).await.map(Some)
}

async fn end(
    cast: &Cast<'_>,
    end: &End,
    (person, session, shown): (&Visitor, &SessionToken, &Shown),
    beside: Option<&std::sync::Arc<Identity>>,
) -> Result<()> {
    let (other, account) = (&*cast.other, person.account.as_str());
    let beside = beside.ok_or(Error::Canary("there is no session beside it"));
    match end {
        End::SignOut => other.sign_out(session).await,
        End::One => {
            let id = known(cast, session).await?.session.clone();
            other.end_session(account, &id).await.map(drop)
        }
        End::Others => other.end_others(account, &beside?.session).await.map(drop),
        End::All => other.end_all(account).await,
        End::Suspended => other.suspend_tenant(&cast.shut).await,
        End::Disabled => by_hand(cast, sql::DISABLE_ACCOUNT, account).await,
        End::Written => by_hand(cast, sql::REVOKE_ALL, account).await,
        End::NewPassword => {
            let new = fresh(cast)?;
            cast.room.change_password(beside?, &person.password, &new).await
        }
        End::Reset => reset(cast, account).await,
        End::Factor => add_passkey(cast, beside?).await,
        End::FactorsRemoved => other.remove_factors(account).await.map(drop),
        End::OffBoarding => other.close(account, None).await.map(drop),
        End::Role => {
            let tenant = tenant_id(TENANT)?;
            let given = cast.roles.give(account, &tenant, ASKS_FOR_TWO).await;
            given.map_err(Error::Standing)
        }
        End::StepUp => {
            let who = known(cast, session).await?;
            let again = Again::Password(&person.password);
            other.step_up(&who, session, again).await.map(drop)
        }
        End::Itself => match shown {
            Shown::Token(_, refresh) => other.revoke_token(refresh).await,
            Shown::Key(_, id) => {
                let who = known(cast, session).await?;
                other.revoke_key(&who, id).await.map(drop)
            }
            Shown::Session => Err(Error::Canary("a session is not revoked so")),
        },
    }
}

/// A link for a new password, and its use.
async fn reset(cast: &Cast<'_>, account: &str) -> Result<()> {
    let tx = cast.other.db().operator().await?;
    let good = (cast.cx.clock.now(), GOOD_FOR);
    let link = cast.room.mint_reset(&tx, account, good).await?;
    tx.commit().await?;
    cast.room.reset(&SessionToken(Secret::new(link)), &fresh(cast)?).await.map(drop)
}

async fn add_passkey(cast: &Cast<'_>, who: &Identity) -> Result<()> {
    let (holder, party) = (Holder::Session(who), Party::of_sandbox());
    let asked = cast.other.start_passkey(holder, &party).await?;
    let answer = SoftKey::fresh(&*cast.cx.rng)?.register(&party, &asked.challenge, None)?;
    cast.other.add_passkey(holder, &party, "Canary", &answer).await.map(drop)
}

/// A recovery code, written past the service, which ends whatever is open when it makes one: what is followed
/// has to end by the removal alone.
async fn plant_code(cast: &Cast<'_>, account: &str) -> Result<()> {
    let tx = cast.owner.operator().await?;
    let now = cast.cx.clock.now();
    for (_, digest) in recovery::fresh(&*cast.cx.rng)? {
        tx.execute(sql::factors::ADD_CODE, &[&account, &digest.as_slice(), &now]).await?;
    }
    Ok(tx.commit().await?)
}

async fn by_hand(cast: &Cast<'_>, sql: &str, account: &str) -> Result<()> {
    let tx = cast.owner.operator().await?;
    tx.execute(sql, &[&account]).await?;
    Ok(tx.commit().await?)
}

fn fresh(cast: &Cast<'_>) -> Result<Secret> {
    Ok(Secret::new(random_hex(&*cast.cx.rng, 20)?))
}
