//! Tokens that must not pass.

use kernel::{Actor, Scope, hex};

use super::Scene;
use crate::{BindingKey, Claims, canary};

/// A token longer than this is not looked at, in characters; the database's bound is below it.
const LONG: usize = 10_000;
/// How long ago the expired token ended, in seconds.
const EXPIRED: i64 = 5;

/// Tokens that are not good: some made from a good one, some that only whoever holds the key could
/// have made, as an attacker might find them in an old log or in another database.
pub(super) fn forgeries(scene: &Scene<'_>) -> Vec<String> {
    let (a, b) = &scene.protected.canaries;
    let (now, name) = (scene.clock.now(), &scene.protected.name);
    let token = |scope, database: &str| {
        let token = canary::token(scene.key, a, scope, database, now);
        token.expose().to_owned()
    };
    let good = token(Scope::ReadWrite, name);
    let reading = token(Scope::ReadOnly, name);
    let mut all = vec![
        good.replace(&hex(a.as_str().as_bytes()), &hex(b.as_str().as_bytes())),
        reading.replace(".ro.", ".rw."),
        good.chars().take(good.len().saturating_sub(64)).chain("0".repeat(64).chars()).collect(),
        good.chars().take(good.len().saturating_sub(1)).collect(),
        format!("{good}.{good}"),
        token(Scope::ReadWrite, "another_database"),
        b.as_str().to_owned(),
        "amb1".to_owned(),
        "x' OR '1'='1".to_owned(),
        "x".repeat(LONG),
    ];
    let Ok(actor) = Actor::new("amanah-canary") else {
        return all;
    };
    let claims = Claims { tenant: b, actor: &actor, scope: Scope::ReadWrite, database: name };
    let expired = scene.key.mint_until(&claims, now.as_second() - EXPIRED);
    all.push(expired.expose().to_owned());
    // The right name of the key with another secret, and a name that is not known.
    for kid in [scene.key.kid(), "unknown"] {
        if let Ok(other) = BindingKey::new(kid, &[0; 32]) {
            all.push(other.mint(&claims, now).expose().to_owned());
        }
    }
    all
}
