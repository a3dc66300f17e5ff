//! `amanah directory`: what the directories of tenants may reach.

use directory::{By, Event, GroupCard, NewToken, Overview, TokenCard};
use identity::Email;
use kernel::TenantId;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::directory::{Directory, Map, Token};
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::out;
use crate::rights::OPERATOR;

/// What is told of it, for people and for programs.
type Told = (String, Value);

pub(crate) async fn run(place: &Place, asked: Directory) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let (words, data) = act(house, asked).await?;
        if place.json {
            out::line(&serde_json::to_string_pretty(&data)?);
        } else {
            out::line(&words);
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn act(house: &Installation, asked: Directory) -> anyhow::Result<Told> {
    let (directory, operator) = (&house.directory, By::operator(OPERATOR));
    Ok(match asked {
        Directory::Token(asked) => token(house, asked).await?,
        Directory::List { tenant } => overview(&tenant, &directory.overview(&tenant).await?),
        Directory::Map(Map { group, role, by }) => {
            let email = Email::new(&by).map_err(|error| Usage(format!("--as: {error}")))?;
            let who = house.mailroom.as_account(&email, &*house.access).await?;
            let who = who.ok_or_else(|| nobody("--as", &by))?;
            directory.map(&who, &group, &role).await.map_err(usage)?;
            let words = format!("the members of {group} have the role {role}, in the name of {by}");
            (words, json!({"group": group, "role": role, "by": by}))
        }
        Directory::Unmap { group, role, tenant } => {
            directory.unmap(&tenant, &group, &role, &operator).await.map_err(usage)?;
            let words = format!("the group {group} does not give the role {role} any more");
            (words, json!({"group": group, "role": role}))
        }
        Directory::Adopt { email, tenant } => {
            let id = directory.adopt(&tenant, &email, &operator).await.map_err(usage)?;
            let words =
                format!("{email} is in the hand of the directory of {tenant}, as user {id}");
            (words, json!({"email": email, "user": id}))
        }
        Directory::Log { tenant } => events(&directory.events(&tenant).await?),
    })
}

async fn token(house: &Installation, asked: Token) -> anyhow::Result<Told> {
    let (directory, operator) = (&house.directory, By::operator(OPERATOR));
    Ok(match asked {
        Token::Create(new) => {
            let wanted = NewToken { name: new.name, days: new.days };
            let made = directory.make_token(&new.tenant, &wanted, &operator).await;
            let (card, secret) = made.map_err(usage)?;
            let words = format!(
                "{}\nThe directory of {} shows it until {:.0}. It is not shown again.",
                secret.expose(),
                card.tenant,
                card.expires_at
            );
            let until = card.expires_at;
            (words, json!({"id": card.id, "token": secret.expose(), "expires_at": until}))
        }
        Token::List { tenant } => {
            let cards = directory.tokens(tenant.as_ref()).await?;
            let lines: Vec<String> = cards.iter().map(line).collect();
            let words = if lines.is_empty() { "no token".to_owned() } else { lines.join("\n") };
            (words, cards.iter().map(shown).collect())
        }
        Token::Revoke { id } => {
            if !directory.revoke_token(None, &id, &operator).await? {
                let words = format!("there is no living token {id}; nothing was ended");
                return Err(Usage(words).into());
            }
            (format!("the token {id} is over"), json!({"revoked": id}))
        }
    })
}

/// What is wrong with the words of the command, and not with the installation.
fn usage(error: directory::Error) -> anyhow::Error {
    use directory::Error as E;
    match error {
        E::NotFound => {
            let words = "this tenant has no such group, or the group does not give the role, or nobody has an \
                         open account with the address; nothing was changed. `amanah directory list \
                         --tenant ID` shows its users, groups and roles";
            Usage(words.to_owned()).into()
        }
        E::Store(_) | E::Unavailable(_) | E::Random(_) => error.into(),
        other => Usage(other.to_string()).into(),
    }
}

fn line(card: &TokenCard) -> String {
    let used =
        card.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at:.0}"));
    let state = match &card.revoked {
        Some((at, by)) => format!("revoked {at:.0} by {by}"),
        None => format!("until {:.0}", card.expires_at),
    };
    format!("{}  {:<20} of {}, by {}, {used}, {state}", card.id, card.name, card.tenant, card.by)
}

fn shown(card: &TokenCard) -> Value {
    json!({
        "id": card.id, "tenant": card.tenant, "name": card.name, "by": card.by,
        "made_at": card.made_at, "expires_at": card.expires_at,
        "last_used_at": card.last_used_at, "revoked_at": card.revoked.as_ref().map(|one| one.0),
    })
}

fn overview(tenant: &TenantId, all: &Overview) -> Told {
    let groups = all.groups.iter().map(|group| {
        let roles: Vec<String> =
            group.roles.iter().map(|one| format!("{} by {}", one.role, one.by)).collect();
        let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
        format!("  {:<30} {:>5} members  {roles}", group.name, group.members)
    });
    let mut lines = vec![format!(
        "{tenant}: {} users, {} active, {}, {}",
        all.users,
        all.active,
        out::count(all.groups.len(), "group"),
        out::count(all.tokens.len(), "token")
    )];
    lines.extend(groups);
    let group = |one: &GroupCard| {
        let roles: Vec<Value> = one
            .roles
            .iter()
            .map(|role| json!({"role": role.role, "by": role.by, "at": role.at}))
            .collect();
        json!({"id": one.id, "name": one.name, "members": one.members, "roles": roles})
    };
    let data = json!({
        "tenant": tenant, "users": all.users, "active": all.active,
        "groups": all.groups.iter().map(group).collect::<Vec<_>>(),
        "tokens": all.tokens.iter().map(shown).collect::<Vec<_>>(),
    });
    (lines.join("\n"), data)
}

fn events(all: &[Event]) -> Told {
    let line = |one: &Event| {
        format!("{:.0}  {}  {} {} {}", one.at, one.actor, one.action, one.target, one.detail)
    };
    let shown = |one: &Event| {
        json!({"at": one.at, "actor": one.actor, "action": one.action, "target": one.target,
            "detail": one.detail})
    };
    let lines: Vec<String> = all.iter().map(|one| line(one).trim_end().to_owned()).collect();
    let words = if lines.is_empty() { "nothing was done".to_owned() } else { lines.join("\n") };
    (words, all.iter().map(shown).collect())
}
