//! Violations that are seeded one at a time on a scratch server, so that the battery shows that it
//! would find them.

use std::collections::HashSet;

use kernel::{Finding, Secret, random_hex};

use super::attack::{self, Claim, Known, Target};
use super::server::{self, Scratch};
use super::wire::Wire;
use super::{Login, PASSWORD_BYTES, Place, Redis, acl, place};
use crate::Result;
use crate::bite::Bites;

/// One violation.
struct Violation {
    /// What it is, for the one who reads which was missed.
    name: &'static str,
    /// Rules for `ACL SETUSER`, the login's name first.
    seed: &'static str,
    /// Words of the finding that the battery must come to. After a bracket, the attack's name.
    told: &'static str,
}

/// How the violations of a claim are called: whoever reads that one was missed must know which.
#[cfg(test)]
pub(super) fn called(claim: Claim) -> impl Iterator<Item = &'static str> {
    all(claim).iter().map(|violation| violation.name)
}

const fn all(claim: Claim) -> &'static [Violation] {
    match claim {
        Claim::Cache => KEYS,
        Claim::Channels => CHANNELS,
    }
}

const fn of(name: &'static str, seed: &'static str, told: &'static str) -> Violation {
    Violation { name, seed, told }
}

/// What reaches another's keys.
const KEYS: &[Violation] = &[
    of("all keys", "{me} ~*", "(read-string"),
    of("the prefix of all places", "{me} ~{F}*", "(write-string"),
    of("another's keys", "{me} ~{T}*", "(delete"),
    of("another's keys for reading", "{me} %R~{T}*", "(read-hash"),
    of("another's keys for writing", "{me} %W~{T}*", "(write-list"),
    of("another's keys by a second rule", "{me} (+get ~{T}*)", "(read-string"),
    of("a prefix without its end", "{me} ~{P}*", "(prefix"),
    of("the list of all keys", "{me} +scan", "(list-keys"),
    of("the list of all keys at once", "{me} +keys", "(list-all-keys"),
    of("a key by chance", "{me} +randomkey", "(list-keys"),
    of("the number of keys", "{me} +dbsize", "(count-keys"),
    of("the right to empty the server", "{me} +flushall", "(empty"),
    of("the right to exchange databases", "{me} +swapdb", "(empty"),
    of("scripts", "{me} +eval", "(script"),
    of("the shared scripts", "{me} +script|exists", "(shared-script"),
    of("the right to forget scripts", "{me} +script|flush", "(end-scripts"),
    of("the functions", "{me} +function|list", "(function"),
    of("the right to change functions", "{me} +function|flush", "(change-functions"),
    of("the server's own format", "{me} +dump", "(dump"),
    of("the right to send keys away", "{me} +migrate", "(send-away"),
    of("the sight of what others send", "{me} +monitor", "(watch"),
    of("the list of connections", "{me} +client|list", "(connections"),
    of("the right to end connections", "{me} +client|kill", "(end-connections"),
    of("news of others' keys", "{me} +client|tracking", "(follow"),
    of("the statistics", "{me} +info", "(statistics"),
    of("the slow log", "{me} +slowlog", "(statistics"),
    of("the server's settings", "{me} +config|get", "(read-settings"),
    of("the right to change settings", "{me} +config|set", "(change-settings"),
    of("the server's workshop", "{me} +debug", "(change-settings"),
    of("the list of logins", "{me} +acl|list", "(read-logins"),
    of("the right to change logins", "{me} +acl|setuser", "(change-logins"),
    of("other databases", "{me} +select", "(database"),
    of("copies into other databases", "{me} +move", "other commands than meant"),
    of("sorting by other keys", "{me} +sort", "(sort"),
    of("scripts without an end", "{me} +eval", "(endless-script"),
    of("the place of a replica", "{me} +psync", "(replica"),
    of("the right to stop the server", "{me} +shutdown", "(stop"),
    of("all commands", "{me} +@all", "(watch"),
    of("a login without a password", "{them} nopass", "(password"),
    of("a second password", "{them} >another", "another number of passwords"),
    of("another tenant with all keys", "{them} ~*", "other keys than those of its place"),
    of("another tenant with one command more", "{them} +keys", "other commands than meant"),
    of("another tenant with more rules", "{them} (+get ~x)", "selectors"),
    of("a login that nobody knows", "{Q}_00000000 on", "in no registry"),
    of("an open server", "default on nopass ~* +@all", "(stranger"),
    of("the login of everybody", "default on >x", "`default` is on"),
    of("somebody else with all keys", "clerk on >x ~* +get", "may reach tenants' keys"),
    of("somebody else by a wildcard", "clerk on >x ~a?r_* +get", "may reach tenants' keys"),
    of("somebody else's second rule", "clerk on >x (+get ~amr_*)", "may reach tenants' keys"),
    of("somebody else who may list", "clerk on >x +scan", "may run SCAN"),
    of("somebody else who may make logins", "clerk on >x +acl", "may run ACL"),
];

/// What reaches another's channels.
const CHANNELS: &[Violation] = &[
    of("all channels", "{me} &*", "(subscribe-all"),
    of("the prefix of all places", "{me} &{F}*", "(publish"),
    of("another's channels", "{me} &{T}*", "(subscribe"),
    of("another's channels by a second rule", "{me} (+publish &{T}*)", "(publish"),
    of("a prefix without its end", "{me} &{P}*", "(prefix"),
    of("news of the server about keys", "{me} &__key*", "(key-events"),
    of("the list of channels", "{me} +pubsub", "(list-channels"),
    of("news of others' keys", "{me} +client|tracking", "(follow"),
    of("scripts", "{me} +eval &*", "(script"),
    of("the sight of what others send", "{me} +monitor", "(watch"),
    of("the right to end connections", "{me} +client|kill", "(end-listeners"),
    of("all commands", "{me} +@all", "(list-channels"),
    of("another tenant with all channels", "{them} &*", "other channels than those of its place"),
    of("a login without a password", "{them} nopass", "needs no password"),
    of("a login that nobody knows", "{Q}_00000000 on", "in no registry"),
    of("an open server", "default on nopass &* +@all", "(stranger"),
    of("somebody else with all channels", "clerk on >x &* +publish", "may reach tenants' channels"),
    of("somebody else who may list", "clerk on >x +pubsub", "may run PUBSUB"),
];

/// Seeds every violation on a scratch server and makes the attack that must find it. The inner error says why
/// there is no such server.
///
/// # Errors
/// When it does not start or a login cannot be made there.
pub(super) async fn run(redis: &Redis, claim: Claim) -> Result<std::result::Result<Bites, String>> {
    let settings = &redis.settings;
    let at = (settings.data.as_path(), settings.program.as_deref());
    let scratch = match Scratch::start(at, settings.rng.as_ref()).await? {
        Ok(scratch) => scratch,
        Err(missing) => return Ok(Err(missing)),
    };
    let bites = on(redis, &scratch, claim).await;
    scratch.end().await;
    bites.map(Ok)
}

async fn on(redis: &Redis, scratch: &Scratch, claim: Claim) -> Result<Bites> {
    let random = |bytes| random_hex(redis.settings.rng.as_ref(), bytes).map_err(store::Error::from);
    let family = place::family(&redis.settings.installation);
    let login = |own: &str| {
        let place = Place::known(format!("{family}{}", random(16)?));
        let (name, password) = (format!("{}_{own}", place.name()), random(PASSWORD_BYTES)?);
        Result::Ok(Login { name, password: Secret::new(password), place })
    };
    let (me, them) = (login("0000000a")?, login("0000000b")?);
    let passing = Login { name: format!("{}_0000000c", me.place.name()), ..me.clone() };
    let known: HashSet<String> = [&me, &them, &passing].map(|login| login.name.clone()).into();
    let target = Target {
        door: &scratch.door,
        outside: &scratch.door.address,
        pair: (&me, &them),
        passing: &passing,
        family: &family,
        known: Known::These(known),
        trusted: &[],
        marks: (random(8)?, random(8)?),
    };
    let mut wire = scratch.door.enter().await?;
    let commands = acl::commands(&mut wire).await?;
    let mut bites = Bites::default();
    anew(&mut wire, &target, &commands).await?;
    // The pair as it is must be sound, or a finding says nothing about what was seeded.
    if let Some(finding) = attack::run(&target, claim, None).await?.findings.first() {
        bites.missed.push(format!("the scratch pair is not sound as it is: {finding}"));
        return Ok(bites);
    }
    for violation in all(claim) {
        bites.seeded += 1;
        anew(&mut wire, &target, &commands).await?;
        if let Err(error) = seed(&mut wire, &target, violation).await {
            bites.missed.push(format!("{} (it could not be seeded: {error})", violation.name));
            continue;
        }
        // The attack that must find it, or none where it is seen without one.
        let only = violation.told.strip_prefix('(').unwrap_or_default();
        let found = attack::run(&target, claim, Some(only)).await?.findings.into_iter();
        let told = |finding: &Finding| finding.what.contains(violation.told);
        match found.into_iter().find(told) {
            Some(finding) => bites.found.push(finding),
            None => bites.missed.push(violation.name.to_owned()),
        }
    }
    Ok(bites)
}

/// The logins as they should be, and no others.
async fn anew(wire: &mut Wire, target: &Target<'_>, commands: &[String]) -> Result<()> {
    for user in super::users(wire).await? {
        if user != target.door.user && user != "default" {
            wire.ask(["ACL", "DELUSER", &user]).await?;
        }
    }
    wire.ask(["ACL", "SETUSER", "default", "reset", "off", "resetchannels"]).await?;
    let (me, them) = target.pair;
    for login in [me, them, target.passing] {
        let rules = acl::rules(&login.place, &server::digest(&login.password), commands);
        let told = ["ACL", "SETUSER", &login.name].into_iter();
        wire.ask(told.chain(rules.iter().map(String::as_str))).await?;
    }
    Ok(())
}

async fn seed(wire: &mut Wire, target: &Target<'_>, violation: &Violation) -> Result<()> {
    let rules = attack::fill(&target.pair, target.family, &target.marks, violation.seed);
    // What is in brackets is one rule.
    let (rules, selector) = match rules.split_once(" (") {
        Some((rules, selector)) => (rules.to_owned(), Some(format!("({selector}"))),
        None => (rules, None),
    };
    let told = ["ACL", "SETUSER"].into_iter().chain(rules.split_whitespace());
    wire.ask(told.chain(selector.as_deref())).await.map(drop)
}
