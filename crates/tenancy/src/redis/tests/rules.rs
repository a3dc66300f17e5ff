//! The golden table: every command of the server, and whether a tenant may run it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ::redis::Value;

use super::{World, tenant, world};
use crate::redis::acl::{ALLOWED, ALWAYS, WITHHELD, names};
use crate::redis::wire::{text, texts, words};

/// How many arguments a command takes at least, itself included.
async fn arity(world: &World, name: &str) -> usize {
    let Value::Array(all) = world.run(&format!("COMMAND INFO {name}")).await else {
        panic!("{name}")
    };
    let Some(Value::Array(info)) = all.first() else { panic!("{name}") };
    let Some(Value::Int(arity)) = info.get(1) else { panic!("{name}") };
    usize::try_from(arity.unsigned_abs()).unwrap()
}

/// What the server itself says: whether the login may run it, with keys of its own.
async fn may(world: &World, login: &str, key: &str, name: &str) -> bool {
    let mut line = vec!["ACL", "DRYRUN", login];
    line.extend(name.split('|'));
    let given = name.split('|').count();
    let wanted = arity(world, name).await;
    // Counts of keys come first, where there are any.
    line.extend(std::iter::repeat_n(key, wanted.saturating_sub(given)));
    match world.admin().await.try_ask(&line).await.unwrap() {
        Value::ServerError(refusal) => panic!("{name}: {}", words(&refusal)),
        said => !text(&said).unwrap().contains("no permissions to run"),
    }
}

/// The table in the documentation leaves none out.
#[test]
fn what_is_withheld_is_documented() {
    let docs = include_str!("../../../../../docs/redis.md");
    for name in names(WITHHELD) {
        let told = format!("`{}`", name.strip_suffix("_ro").unwrap_or(name).to_uppercase());
        assert!(docs.contains(&told), "{told}");
    }
}

/// A newer server brings new commands: they are withheld, and this test asks for a decision.
#[tokio::test]
async fn every_command_is_decided() {
    let world = world().await;
    let lease = world.redis.lease(&tenant("a"), Duration::from_mins(1)).await.unwrap();
    let users = texts(&world.run("ACL USERS").await);
    let login = users.iter().find(|user| user.starts_with("amr_")).unwrap();
    let key = format!("{}k", lease.prefix);
    let allowed: HashSet<&str> = names(ALLOWED).collect();
    let withheld: HashSet<&str> = names(WITHHELD).collect();
    let all = texts(&world.run("COMMAND LIST").await);
    let containers: HashSet<&str> =
        all.iter().filter_map(|name| Some(name.split_once('|')?.0)).collect();
    let (mut table, mut undecided) = (BTreeMap::new(), Vec::new());
    for name in &all {
        let family = name.split('|').next().unwrap();
        // A family of commands is what its members are.
        if containers.contains(name.as_str()) {
            continue;
        }
        let always = ALWAYS.contains(&name.as_str());
        let open = may(&world, login, &key, name).await;
        assert_eq!(open, always || allowed.contains(name.as_str()), "{name}");
        if !open && !withheld.contains(family) {
            undecided.push(name.clone());
        }
        table.insert(
            name.clone(),
            if always {
                "always"
            } else if open {
                "yes"
            } else {
                "-"
            },
        );
    }
    assert_eq!(undecided, Vec::<String>::new(), "neither allowed nor withheld with a reason");
    let lines: Vec<String> = table.iter().map(|(name, word)| format!("{word:<6} {name}")).collect();
    insta::assert_snapshot!("commands", lines.join("\n"));
}
