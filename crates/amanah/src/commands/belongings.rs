//! What of a tenant belongs to it in all of its databases: its keys, its files, what its directory said, its
//! place on Redis.
//!
//! It promises that these go with the last of the tenant, whichever of its databases that is in, and
//! not before: keys that go too early make rows elsewhere unreadable for good.

use kernel::{TenantId, shown};
use keys::Keys;
use tenancy::{Cleared, ErasedFiles, Erasing, Gone, GoneKey, GonePart, Guarded, RowErasing};

use crate::installation::Installation;
use crate::kept::{self, Kept};
use crate::known::Known;

/// What the parts of a certificate call files.
const FILES: &str = "files";
/// Likewise, what its directory said.
const USERS: &str = "users of its directory";
const GROUPS: &str = "groups of its directory";

/// Which of a tenant's databases is looked at.
#[derive(Clone, Copy)]
pub(super) enum In<'a> {
    /// Its own.
    Own,
    /// One that it shares with others.
    Shared(&'a Guarded),
}

/// What there is of it.
pub(super) struct Belongings {
    pub(super) keys: usize,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) redis: bool,
    /// Where else the tenant has something, or may have: then all of it is kept.
    pub(super) elsewhere: Vec<String>,
}

impl Belongings {
    pub(super) async fn look(
        house: &Installation,
        here: In<'_>,
        id: &TenantId,
    ) -> anyhow::Result<Self> {
        let files = house.files.usage(id).await?.used;
        Ok(Self {
            keys: owned(&house.ring.keys, id).len(),
            files: files.files,
            bytes: files.bytes,
            redis: house.caches.has(id).await?,
            elsewhere: elsewhere(house, here, id).await?,
        })
    }

    /// Whether it goes now.
    pub(super) const fn goes(&self) -> bool {
        self.elsewhere.is_empty()
    }

    pub(super) const fn is_there(&self) -> bool {
        self.keys > 0 || self.files > 0 || self.redis
    }

    /// What becomes of it, behind the words about what goes otherwise.
    pub(super) fn told(&self) -> String {
        if !self.goes() {
            let elsewhere = self.elsewhere.join("; ");
            return format!(". Its keys, files and place on Redis stay: it has {elsewhere}");
        }
        let redis = if self.redis { ", its place on Redis with everything in it" } else { "" };
        format!(
            "{redis}, {} files with {} bytes, and {} keys with whatever they encrypted, wherever copies \
             of it lie",
            self.files, self.bytes, self.keys
        )
    }
}

/// Where else a tenant has something. What cannot be told counts as such.
pub(super) async fn elsewhere(
    house: &Installation,
    here: In<'_>,
    id: &TenantId,
) -> anyhow::Result<Vec<String>> {
    let (mut all, known) = (Vec::new(), house.known());
    let others: Vec<&Guarded> = match here {
        In::Own => known.guarded.iter().collect(),
        In::Shared(guarded) => {
            match house.fleet.find(id).await {
                Ok(tenant) => all.push(format!("a database of its own, {}", tenant.place.name())),
                Err(tenancy::Error::NoTenant(_)) => {}
                Err(error) => return Err(error.into()),
            }
            known.others(guarded).collect()
        }
    };
    for other in others {
        let name = &other.protected.name;
        match house.fleet.has_rows(other, id).await {
            Ok(true) => all.push(format!("rows in the database {name}")),
            Ok(false) | Err(tenancy::Error::NoName { .. } | tenancy::Error::Canary) => {}
            Err(why) => all
                .push(format!("rows in the database {name}, perhaps: {}", shown(&why.to_string()))),
        }
    }
    let lost = known.lost.iter();
    all.extend(lost.map(|one| {
        format!("rows in the database {}, perhaps: {}", one.kept.database, shown(&one.why))
    }));
    Ok(all)
}

/// The databases that were protected since this command began, or otherwise: they were not asked, and
/// count as if they had rows.
fn unasked(now: &[Kept], known: &Known) -> Vec<String> {
    let unasked = now.iter().filter(|one| !known.kept.contains(one));
    let words = |one: &Kept| {
        format!(
            "rows in the database {}, perhaps: it was protected while this command ran, so run it again",
            one.database
        )
    };
    unasked.map(words).collect()
}

/// An erasure that is begun, of either kind.
pub(super) enum Begun<'a> {
    Own(&'a Erasing),
    Shared(&'a mut RowErasing, &'a Guarded),
}

impl Begun<'_> {
    async fn note(&mut self, more: Gone) -> tenancy::Result<Gone> {
        match self {
            Self::Own(erasing) => erasing.note(more).await,
            Self::Shared(erasing, _) => erasing.note(more).await.cloned(),
        }
    }

    async fn keep(&mut self) -> tenancy::Result<()> {
        match self {
            Self::Own(erasing) => erasing.keep().await,
            Self::Shared(erasing, _) => erasing.keep().await,
        }
    }

    /// A database of its own lets nobody in any more, so nothing comes to it meanwhile.
    async fn look_again(&self) -> tenancy::Result<()> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Shared(erasing, _) => erasing.look_again().await,
        }
    }

    const fn here(&self) -> In<'_> {
        match self {
            Self::Own(_) => In::Own,
            Self::Shared(_, guarded) => In::Shared(guarded),
        }
    }
}

/// What became of it.
#[derive(Default)]
pub(super) struct Destroyed {
    pub(super) cache: Option<Cleared>,
    pub(super) files: ErasedFiles,
    /// All that was destroyed, also before a crash.
    pub(super) gone: Gone,
    /// Whether it went, and with it the last of the tenant.
    pub(super) last: bool,
    /// What may still hold some of it, or is kept; one sentence each.
    pub(super) remains: Vec<String>,
}

/// Destroys it, or keeps it because the tenant has more. The keys go first: when something comes
/// between, what is left cannot be read. What was begun is gone on with, whatever came meanwhile.
pub(super) async fn destroy(
    house: &Installation,
    mut begun: Begun<'_>,
    id: &TenantId,
) -> anyhow::Result<Destroyed> {
    let keys = &house.ring.keys;
    let before = begun.note(Gone::default()).await?;
    let noted = !before.keys.is_empty() || !before.parts.is_empty();
    let goes_on = noted && keys.is_shredded(id);
    if !goes_on {
        // Also where it was looked for before the rows went: something may have come since.
        let elsewhere = elsewhere(house, begun.here(), id).await?;
        if !elsewhere.is_empty() {
            begun.keep().await?;
            let remains = vec![kept(&elsewhere)];
            return Ok(Destroyed { remains, ..Destroyed::default() });
        }
    }
    begun.look_again().await?;
    // Until the keys are gone nobody protects a database that was not asked.
    let turn = house.data.turn().await?;
    let unasked = unasked(&kept::all(&house.data)?, &house.known());
    if !goes_on && !unasked.is_empty() {
        drop(turn);
        begun.keep().await?;
        let remains = vec![kept(&unasked)];
        return Ok(Destroyed { remains, ..Destroyed::default() });
    }
    // Nobody knows the keys afterwards.
    begun.note(Gone { keys: owned(keys, id), parts: vec![begun_mark()] }).await?;
    // Also without keys: a file that comes later would make some for a tenant that is gone.
    let shredding = keys.shred(id).await?;
    drop(turn);
    let files = house.files.erase(id).await?;
    let (what, count, bytes) = (FILES.to_owned(), files.files, Some(files.bytes));
    begun.note(Gone { keys: Vec::new(), parts: vec![GonePart { what, count, bytes }] }).await?;
    let (users, groups) = house.directory.erase(id, crate::rights::OPERATOR).await?;
    let cache = house.caches.erase(id).await?;
    let part = |what: &str, count| GonePart { what: what.to_owned(), count, bytes: None };
    let mut parts = vec![part(USERS, users), part(GROUPS, groups)];
    parts.retain(|part| part.count > 0);
    parts.extend(cache.iter().map(|cache| part("keys on Redis", cache.keys)));
    let mut gone = begun.note(Gone { keys: Vec::new(), parts }).await?;
    gone.parts.retain(GonePart::says_something);
    let mut remains = Vec::new();
    if let Some(why) = house.caches.redis().absence() {
        remains.push(format!("Redis was not looked into, since there is none: {why}."));
    }
    if !gone.keys.is_empty() {
        remains.extend(shredding.remains);
    }
    Ok(Destroyed { cache, files, gone, last: true, remains })
}

/// Notes that this was begun, also where there are no keys that would say so. It counts no files, and is left
/// out of the certificate where there were none.
fn begun_mark() -> GonePart {
    GonePart { what: FILES.to_owned(), count: 0, bytes: Some(0) }
}

/// Why it was kept.
fn kept(elsewhere: &[String]) -> String {
    format!(
        "Its keys, its files and its place on Redis were kept, because it has more than this: {}. They \
         go with the last of it.",
        elsewhere.join("; ")
    )
}

/// The keys of a tenant.
fn owned(keys: &Keys, id: &TenantId) -> Vec<GoneKey> {
    let all = keys.list();
    let theirs = all.into_iter().filter(|card| card.key.tenant.as_ref() == Some(id));
    let gone = |card: keys::KeyCard| GoneKey {
        name: card.key.name.to_string(),
        versions: card.versions.into_iter().map(|version| version.id).collect(),
    };
    theirs.map(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::{Kept, Known, unasked};

    fn kept(database: &str, app_role: &str) -> Kept {
        let file = serde_json::json!({
            "database": database, "address": null, "owner": "o", "app_role": app_role,
            "tenant_column": "t", "canaries": ["1", "2"], "kid": "k",
        });
        serde_json::from_value(file).unwrap()
    }

    /// One that is protected no longer was asked while it was known.
    #[test]
    fn what_was_protected_since_was_not_asked() {
        let known = Known { kept: vec![kept("a", "x"), kept("b", "x")], ..Known::default() };
        assert_eq!(unasked(&[kept("b", "x")], &known), Vec::<String>::new());
        let now = [kept("a", "x"), kept("b", "y"), kept("c", "x")];
        let told = unasked(&now, &known).join(" ");
        assert!(!told.contains("database a"), "{told}");
        assert!(
            told.contains("database b, perhaps") && told.contains("database c, perhaps"),
            "{told}"
        );
    }
}
