//! Where the attacks are made: one key of each kind that the attacked keeps, and the same of the
//! attacker's. They end by themselves when a run is killed.

use ::redis::Value;

use super::Login;
use super::attack::Target;
use super::wire::{Door, Wire, packed};
use crate::{Error, Result};

/// What both keep. `{k}` begins the keys and `{v}` stands in every value that can hold it.
const FURNITURE: &[&str] = &[
    "SET {k}string {v}",
    "HSET {k}hash f {v}",
    "RPUSH {k}list {v} y",
    "SADD {k}set {v}",
    "ZADD {k}zset 1 {v}",
    "PFADD {k}hll {v}",
    "GEOADD {k}geo 1 1 {v}",
    "XADD {k}stream 1-1 f {v}",
    "XGROUP CREATE {k}stream g 0",
];
/// The kinds, and how each is read whole.
const KINDS: &[(&str, &str)] = &[
    ("string", "GET {k}string"),
    ("hash", "HGETALL {k}hash"),
    ("list", "LRANGE {k}list 0 -1"),
    ("set", "SMEMBERS {k}set"),
    ("zset", "ZRANGE {k}zset 0 -1 WITHSCORES"),
    ("hll", "PFCOUNT {k}hll"),
    ("geo", "GEOPOS {k}geo {v}"),
    ("stream", "XRANGE {k}stream - +"),
    ("stream", "XINFO GROUPS {k}stream"),
    // What attacks would make beside them.
    ("new", "EXISTS {k}new"),
];
/// How long they stay when nobody removes them.
const LIFE: &str = "600";

/// A pair of tenants, ready.
pub(super) struct Scene<'a> {
    pub(super) target: &'a Target<'a>,
    before: Vec<Value>,
}

impl<'a> Scene<'a> {
    /// Lets both in and has them store what the attacks go for.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses them their own keys.
    pub(super) async fn set(target: &'a Target<'a>) -> Result<Self> {
        let mut scene = Self { target, before: Vec::new() };
        scene.furnish().await?;
        Ok(scene)
    }

    /// Connects under one of the logins, the way that applications do.
    ///
    /// # Errors
    /// When it is not let in.
    pub(super) async fn enter(&self, login: &Login) -> Result<Wire> {
        let (address, user) = (self.target.outside.clone(), login.name.clone());
        Door { address, user, password: login.password.clone() }.enter().await
    }

    /// Stores everything anew.
    ///
    /// # Errors
    /// As [`Scene::set`].
    pub(super) async fn furnish(&mut self) -> Result<()> {
        let (me, them) = self.target.pair;
        for (login, mark) in [(me, &self.target.marks.0), (them, &self.target.marks.1)] {
            let mut wire = self.enter(login).await?;
            let removed = KINDS.iter().map(|(kind, _)| format!("UNLINK {{k}}{kind}"));
            let ends = KINDS.iter().map(|(kind, _)| format!("EXPIRE {{k}}{kind} {LIFE}"));
            let stored = FURNITURE.iter().map(|line| (*line).to_owned());
            let lines: Vec<String> = removed.chain(stored).chain(ends).collect();
            all(&mut wire, login, mark, &lines).await?;
        }
        self.before = self.look().await?;
        Ok(())
    }

    /// Whether the attacked finds what it has stored, as it was, and nothing beside it.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(super) async fn is_untouched(&self) -> Result<bool> {
        Ok(self.look().await? == self.before)
    }

    /// Removes what was stored.
    ///
    /// # Errors
    /// When the server cannot be reached; it ends by itself.
    pub(super) async fn strike(self) -> Result<()> {
        let (me, them) = self.target.pair;
        for (login, mark) in [(me, &self.target.marks.0), (them, &self.target.marks.1)] {
            let mut wire = self.enter(login).await?;
            let lines: Vec<String> =
                KINDS.iter().map(|(kind, _)| format!("UNLINK {{k}}{kind}")).collect();
            all(&mut wire, login, mark, &lines).await?;
        }
        Ok(())
    }

    /// What the attacked finds, values and ends.
    async fn look(&self) -> Result<Vec<Value>> {
        let (them, mark) = (self.target.pair.1, &self.target.marks.1);
        let mut wire = self.enter(them).await?;
        let ends = KINDS.iter().map(|(kind, _)| format!("EXPIRETIME {{k}}{kind}"));
        let values = KINDS.iter().map(|(_, read)| (*read).to_owned());
        let lines: Vec<String> = values.chain(ends).collect();
        all(&mut wire, them, mark, &lines).await
    }
}

/// Sends lines as one pipeline and takes their answers, none of which may be a refusal.
async fn all(wire: &mut Wire, login: &Login, mark: &str, lines: &[String]) -> Result<Vec<Value>> {
    let keys = format!("{}{mark}:", login.place.prefix());
    let line = |line: &String| {
        let line = line.replace("{k}", &keys).replace("{v}", mark);
        packed(line.split_whitespace())
    };
    wire.send(&lines.iter().flat_map(line).collect::<Vec<u8>>()).await?;
    let mut answers = Vec::new();
    for _ in lines {
        match wire.receive().await? {
            Value::ServerError(refusal) => {
                let why =
                    format!("a tenant's own keys are refused: {}", super::wire::words(&refusal));
                return Err(Error::Redis { place: "the synthetic tenants".to_owned(), why });
            }
            answer => answers.push(answer),
        }
    }
    Ok(answers)
}
