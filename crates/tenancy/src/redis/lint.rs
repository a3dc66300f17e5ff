//! Looks at every login of the server, as the server has it: a tenant's own must have exactly the
//! rules that were meant, and nobody else may reach what is the tenants'.

use std::collections::HashSet;

use ::redis::Value;
use kernel::Finding;

use super::attack::{Claim, Known, LOGINS, Target};
use super::place::Place;
use super::wire::{Wire, text, texts};
use super::{acl, users};
use crate::Result;
use crate::report::Report;

/// The login that a connection is before it has said who it is.
const DEFAULT: &str = "default";
/// What nobody but the operator has business to do, since it reaches all keys without naming any.
const REACHES_KEYS: &[&[&str]] =
    &[&["KEYS", "*"], &["SCAN", "0"], &["RANDOMKEY"], &["FLUSHALL"], &["FLUSHDB"], &["MONITOR"]];
/// The same for channels.
const REACHES_CHANNELS: &[&[&str]] = &[&["PUBSUB", "CHANNELS"], &["MONITOR"]];
/// And for both: it gives itself what it lacks, or changes how the server runs.
const REACHES_ALL: &[&[&str]] = &[
    &["ACL", "SETUSER", "x"],
    &["CONFIG", "SET", "maxmemory", "1"],
    &["CLIENT", "KILL", "TYPE", "normal"],
    &["CLIENT", "TRACKING", "ON"],
    &["DEBUG", "SLEEP", "0"],
    &["MODULE", "LIST"],
    &["REPLICAOF", "NO", "ONE"],
    &["SHUTDOWN"],
];
/// How Redis says that everything is withheld that no later rule lets through.
const NOTHING: &str = "-@all";
/// How many rules that should not be there are spelled out.
const LISTED: usize = 5;
const SHUT: &str = "ACL SETUSER … off, or give it keys and channels of its own, or name it in \
                    redis.trusted if it is the operator's";

/// A login, as `ACL GETUSER` tells it.
#[derive(Debug, Default)]
struct User {
    flags: Vec<String>,
    passwords: usize,
    commands: String,
    keys: String,
    channels: String,
    selectors: Vec<Selector>,
}

/// More rules of the same login.
#[derive(Debug, Default)]
struct Selector {
    keys: String,
    channels: String,
}

/// Looks at every login, and counts them.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn look(target: &Target<'_>, claim: Claim, report: &mut Report) -> Result<()> {
    let mut wire = target.door.enter().await?;
    let all = users(&mut wire).await?;
    // After them: what is made meanwhile is in none of both, and what ends is gone when it is looked at.
    let known = match &target.known {
        Known::These(known) => known.clone(),
        Known::Noted(redis) => redis.noted().await?,
    };
    let meant = meant(&mut wire, &target.marks.0).await?;
    report.total = all.len();
    let (mut trusted, mut lacking) = (Vec::new(), Vec::new());
    for name in all {
        let Some(user) = user(&mut wire, &name).await? else {
            // It has gone meanwhile.
            report.total -= 1;
            continue;
        };
        report.attacked += 1;
        let found = if name.starts_with(target.family) {
            lacking.extend(lacks(&user.commands, &meant));
            tenants(&user, &name, (&known, &meant), claim)
        } else if name == target.door.user {
            own(&user)
        } else if target.trusted.contains(&name) {
            trusted.push(name.clone());
            continue;
        } else {
            foreign(&mut wire, &user, &name, target.family, claim).await?
        };
        // A tenant's login is as opaque as its place, and still nothing for a page.
        let object = if name.starts_with(target.family) { LOGINS.to_owned() } else { name };
        let found = found.into_iter().map(|what| Finding::new(object.clone(), what).fix(SHUT));
        report.findings.extend(found);
    }
    if let Some(first) = lacking.first() {
        let count = lacking.len();
        report
            .notes
            .push(format!("{count} tenants' logins may run less than meant, one lacks {first}"));
    }
    if !trusted.is_empty() {
        report.notes.push(format!("trusted by redis.trusted: {}", trusted.join(", ")));
    }
    Ok(())
}

/// A tenant's login: exactly what was meant.
fn tenants(
    user: &User,
    name: &str,
    (known, meant): (&HashSet<String>, &str),
    claim: Claim,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: &str| found.push(format!("a tenant's login {what}"));
    let Some(place) = Place::of_login(name) else {
        return vec!["a login has the form of a tenant's and the name of none".to_owned()];
    };
    if !known.contains(name) {
        say("is on the server and in no registry, or its time is over");
    }
    if user.has("nopass") {
        say("needs no password");
    }
    if user.passwords != 1 {
        say("has another number of passwords than one");
    }
    if claim == Claim::Cache && user.keys != format!("~{}*", place.prefix()) {
        say("has other keys than those of its place");
    }
    if claim == Claim::Channels && user.channels != format!("&{}*", place.prefix()) {
        say("has other channels than those of its place");
    }
    if !user.selectors.is_empty() {
        say("has rules beside its own (selectors)");
    }
    if let Some(more) = beyond(&user.commands, meant) {
        found.push(format!("a tenant's login may run other commands than meant: {more}"));
    }
    found
}

/// What a login's rules on commands let through beyond `meant`, if anything. Both begin with
/// everything being withheld, so what is missing or stands elsewhere lets nothing through.
fn beyond(commands: &str, meant: &str) -> Option<String> {
    if commands.split_whitespace().next() != Some(NOTHING) {
        return Some(format!("its rules begin with what is let through: {commands}"));
    }
    let meant: HashSet<&str> = meant.split_whitespace().collect();
    let other = commands.split_whitespace().filter(|rule| !meant.contains(rule));
    let other: Vec<&str> = other.take(LISTED).collect();
    (!other.is_empty()).then(|| other.join(" "))
}

/// What a login may not run although it was meant to: no leak, and a tenant in trouble.
fn lacks(commands: &str, meant: &str) -> Option<String> {
    let held: HashSet<&str> = commands.split_whitespace().collect();
    let lacking = meant.split_whitespace().filter(|rule| !held.contains(rule));
    let lacking: Vec<&str> = lacking.take(LISTED).collect();
    (!lacking.is_empty()).then(|| lacking.join(" "))
}

/// The commands that a tenant's login should have, in the words of this server, which writes rules in
/// its own way: as a login has them that is off and has nothing else.
async fn meant(wire: &mut Wire, mark: &str) -> Result<String> {
    let (name, commands) = (format!("amanah-meant-{mark}"), acl::commands(wire).await?);
    let rules = ["ACL", "SETUSER", &name, "reset", "off", "resetchannels", NOTHING].into_iter();
    wire.ask(rules.chain(commands.iter().map(String::as_str))).await?;
    let meant = user(wire, &name).await;
    wire.ask(["ACL", "DELUSER", &name]).await?;
    meant?
        .map(|user| user.commands)
        .ok_or_else(|| wire.failed("a new login is not there".to_owned()))
}

/// Amanah's own login may do everything, and needs its password.
fn own(user: &User) -> Vec<String> {
    let open = user.has("nopass").then(|| "Amanah's own login needs no password".to_owned());
    open.into_iter().collect()
}

/// Somebody else's login.
async fn foreign(
    wire: &mut Wire,
    user: &User,
    name: &str,
    family: &str,
    claim: Claim,
) -> Result<Vec<String>> {
    if !user.has("on") {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    if name == DEFAULT {
        found.push("the login `default` is on: whoever connects is it".to_owned());
    }
    if user.has("nopass") {
        found.push("it is let in without a password".to_owned());
    }
    let (what, mark) = match claim {
        Claim::Cache => ("keys", '~'),
        Claim::Channels => ("channels", '&'),
    };
    let patterns = |keys: &str, channels: &str| match claim {
        Claim::Cache => reaches(keys, mark, family),
        Claim::Channels => reaches(channels, mark, family),
    };
    let selectors = user.selectors.iter();
    if patterns(&user.keys, &user.channels)
        || selectors.into_iter().any(|more| patterns(&more.keys, &more.channels))
    {
        found.push(format!("it may reach tenants' {what}"));
    }
    let special = match claim {
        Claim::Cache => REACHES_KEYS,
        Claim::Channels => REACHES_CHANNELS,
    };
    for command in special.iter().chain(REACHES_ALL) {
        let asked = ["ACL", "DRYRUN", name].into_iter().chain(command.iter().copied());
        if text(&wire.try_ask(asked).await?).is_some_and(|said| said == "OK") {
            found.push(format!("it may run {}, which reaches tenants' {what}", command.join(" ")));
            break;
        }
    }
    Ok(found)
}

/// Whether one of the patterns can match a name that begins with `family`. In doubt it can.
fn reaches(patterns: &str, mark: char, family: &str) -> bool {
    patterns.split_whitespace().any(|pattern| {
        // `%R~` and `%W~` are for reading and writing alone.
        let Some((_, pattern)) = pattern.split_once(mark) else {
            return pattern.starts_with("all");
        };
        let literal = pattern.split(['*', '?', '[', '\\']).next().unwrap_or_default();
        if literal.len() == pattern.len() {
            return pattern.starts_with(family);
        }
        literal.starts_with(family) || family.starts_with(literal)
    })
}

impl User {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

/// What the server knows of a login; `None` when there is none.
async fn user(wire: &mut Wire, name: &str) -> Result<Option<User>> {
    let answer = wire.ask(["ACL", "GETUSER", name]).await?;
    let Value::Array(fields) = answer else { return Ok(None) };
    let mut user = User::default();
    for (name, value) in pairs(&fields) {
        match name.as_str() {
            "flags" => user.flags = texts(value),
            "passwords" => user.passwords = texts(value).len(),
            "commands" => user.commands = joined(value),
            "keys" => user.keys = joined(value),
            "channels" => user.channels = joined(value),
            "selectors" => user.selectors = selectors(value),
            _ => {}
        }
    }
    Ok(Some(user))
}

fn selectors(value: &Value) -> Vec<Selector> {
    let Value::Array(all) = value else { return Vec::new() };
    let one = |value: &Value| {
        let mut selector = Selector::default();
        if let Value::Array(fields) = value {
            for (name, value) in pairs(fields) {
                match name.as_str() {
                    "keys" => selector.keys = joined(value),
                    "channels" => selector.channels = joined(value),
                    _ => {}
                }
            }
        }
        selector
    };
    all.iter().map(one).collect()
}

/// A list of names and values, one after the other.
fn pairs(fields: &[Value]) -> impl Iterator<Item = (String, &Value)> {
    fields.chunks_exact(2).filter_map(|pair| match pair {
        [name, value] => Some((text(name)?, value)),
        _ => None,
    })
}

fn joined(value: &Value) -> String {
    texts(value).join(" ")
}

#[cfg(test)]
mod tests {
    use super::{beyond, lacks, reaches};

    #[test]
    fn only_more_than_meant_is_a_finding() {
        let meant = "-@all +get +set +client|setname";
        for held in [meant, "-@all +set +get", "-@all"] {
            assert_eq!(beyond(held, meant), None, "{held}");
        }
        assert_eq!(lacks("-@all +set +get", meant).unwrap(), "+client|setname");
        assert_eq!(beyond("-@all +get +keys +scan", meant).unwrap(), "+keys +scan");
        for open in ["+@all", "+@all -keys", "+get -@all", ""] {
            assert!(beyond(open, meant).unwrap().contains("begin"), "{open}");
        }
    }

    #[test]
    fn a_pattern_reaches_when_it_could() {
        let family = "amr_0123abcd_";
        for pattern in ["~*", "~amr_*", "~a?r*", "~[ab]*", "%R~*", "~amr_0123abcd_x", "~x* ~amr*"] {
            assert!(reaches(pattern, '~', family), "{pattern}");
        }
        for pattern in ["", "~shop:*", "~amr", "~amr_0123abcd", "~b*", "%RW~shop:*"] {
            assert!(!reaches(pattern, '~', family), "{pattern}");
        }
    }
}
