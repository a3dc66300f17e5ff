//! Attacks by whoever can write to the store, look into it, or has the engine's login; and those on
//! the quota, which are about how much one tenant takes from all.

use bytes::Bytes;
use kernel::{Condition, FileName, TenantId};

use super::wire::{Asked, encoded, holds};
use super::{FILE, Field, OWN, SECOND, Struck};
use crate::files::index::Filed;
use crate::files::shelf::{Found, Laying, Spot};

/// What the attacker may keep while its quota is tried, in bytes.
const SMALL: u64 = 64 << 10;
/// So many uploads are begun at once, each a third of that.
const AT_ONCE: usize = 6;
const THIRD: usize = 21 << 10;
/// A name that is shorter could stand in a random one by chance, in bytes.
const MIN_TELLING_BYTES: usize = 8;

/// The attacks that are made here, in their order.
const NAMES: &[&str] = &[
    "raw-content",
    "raw-names",
    "shared-part",
    "store-copy",
    "store-swap",
    "store-swap-within",
    "store-flip",
    "store-cut",
    "store-clear",
    "engine-unnamed",
    "engine-other",
    "engine-quota",
    "quota-bytes",
    "quota-at-once",
    "quota-of-other",
];

/// Makes those attacks that are wanted.
pub(super) async fn strike(
    field: &Field<'_>,
    struck: &mut Struck,
    wanted: impl Fn(&str) -> bool + Send,
) {
    for name in NAMES.iter().filter(|name| wanted(name)) {
        let outcome = match *name {
            "raw-content" => field.raw_content().await,
            "raw-names" => field.raw_names().await,
            "shared-part" => field.shared_part().await,
            "engine-unnamed" => field.engine("").await,
            "engine-other" => field.engine(field.tenants[0].as_str()).await,
            "engine-quota" => field.engine_quota().await,
            "quota-bytes" => field.quota_bytes().await,
            "quota-at-once" => field.quota_at_once().await,
            "quota-of-other" => field.quota_of_other().await,
            exchanged => match EXCHANGES.iter().find(|(known, _)| *known == exchanged) {
                Some((_, how)) => field.exchange(*how).await,
                None => Err("there is no such attack".to_owned()),
            },
        };
        struck.note(name, outcome);
    }
}

/// What is put in the place of what, in the store.
#[derive(Clone, Copy)]
enum Exchange {
    /// The attacked file's object in the place of the attacker's.
    Copy,
    /// Each in the place of the other.
    Swap,
    /// Two of the attacked tenant's own.
    Within,
    /// One bit of it is another.
    Flip,
    /// Its end is cut off.
    Cut,
    /// Its bytes are replaced by clear ones.
    Clear,
}

const EXCHANGES: &[(&str, Exchange)] = &[
    ("store-copy", Exchange::Copy),
    ("store-swap", Exchange::Swap),
    ("store-swap-within", Exchange::Within),
    ("store-flip", Exchange::Flip),
    ("store-cut", Exchange::Cut),
    ("store-clear", Exchange::Clear),
];

impl Field<'_> {
    /// A file as its row has it.
    async fn row(&self, who: usize, name: &str) -> Result<Filed, String> {
        let tenant = self.tenants.get(who).ok_or("there are two tenants")?;
        let name = FileName::new(name).map_err(|error| error.to_string())?;
        self.files.filed(tenant, &name).await.map_err(|error| format!("{name}: {error}"))
    }

    async fn object(&self, spot: &Spot) -> Result<Bytes, String> {
        let place = &self.files.shelf;
        let gone = || "an object of a canary is not there".to_owned();
        let size = place.size(spot).await.map_err(|error| error.to_string())?.ok_or_else(gone)?;
        let read = place.read(spot, 0..size).await.map_err(|error| error.to_string())?;
        read.ok_or_else(gone)
    }

    async fn lay(&self, spot: &Spot, bytes: &[u8]) -> Result<(), String> {
        let place = &self.files.shelf;
        let mut laying = Laying::begin(spot.clone());
        laying.push(place, bytes).await.map_err(|error| error.to_string())?;
        laying.finish(place).await.map_err(|error| error.to_string())
    }

    /// Every object of the store, by its name.
    async fn all(&self) -> Result<Vec<Found>, String> {
        self.files.shelf.list(None).await.map_err(|error| error.to_string())
    }

    async fn raw_content(&self) -> Result<Option<String>, String> {
        for (who, name) in [(1, FILE), (1, SECOND)] {
            let bytes = self.object(&self.row(who, name).await?.spot).await?;
            for (what, text) in [("content", self.mark.as_str()), ("name", name)] {
                if holds(&bytes, text) {
                    return Ok(Some(format!("an object in the store holds its {what} in clear")));
                }
            }
        }
        Ok(None)
    }

    async fn raw_names(&self) -> Result<Option<String>, String> {
        let accounts = self.files.index.accounts().await.map_err(|error| error.to_string())?;
        let tenants = accounts.iter().map(|account| account.tenant.as_str());
        let telling: Vec<&str> = tenants
            .chain(self.tenants.iter().map(|tenant| tenant.as_str()))
            .chain([FILE, SECOND, OWN])
            .filter(|name| name.len() >= MIN_TELLING_BYTES)
            .collect();
        for found in self.all().await? {
            if telling.iter().any(|name| found.name.contains(name)) {
                return Ok(Some("the name of an object tells whose or what it is".to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether both tenants' files lie in one part of the store.
    async fn shared_part(&self) -> Result<Option<String>, String> {
        let (own, other) = (self.row(0, OWN).await?.spot, self.row(1, FILE).await?.spot);
        let shared = own.prefix == other.prefix;
        Ok(shared.then(|| "two tenants have one part of the store".to_owned()))
    }

    /// Changes what lies in the store, asks for both files, and puts it back.
    async fn exchange(&self, how: Exchange) -> Result<Option<String>, String> {
        let (own, other) = (self.row(0, OWN).await?.spot, self.row(1, FILE).await?.spot);
        let second = self.row(1, SECOND).await?.spot;
        let spots = [&own, &other, &second];
        let mut before = Vec::new();
        for spot in spots {
            before.push((spot, self.object(spot).await?));
        }
        let [(_, mine), (_, theirs), (_, more)] = before.as_slice() else {
            return Err("there are three objects".to_owned());
        };
        let laid = match how {
            Exchange::Copy => self.lay(&own, theirs).await,
            Exchange::Swap => {
                let swapped = self.lay(&own, theirs).await;
                swapped.and(self.lay(&other, mine).await)
            }
            Exchange::Within => {
                let swapped = self.lay(&other, more).await;
                swapped.and(self.lay(&second, theirs).await)
            }
            Exchange::Flip => {
                let mut bytes = theirs.to_vec();
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
                self.lay(&other, &bytes).await
            }
            Exchange::Cut => {
                let half = theirs.get(..theirs.len() / 2).unwrap_or_default();
                self.lay(&other, half).await
            }
            Exchange::Clear => {
                let clear = vec![b'x'; theirs.len()];
                self.lay(&other, &clear).await
            }
        };
        let seen = match laid {
            Ok(()) => self.seen(how).await,
            Err(why) => Err(why),
        };
        for (spot, bytes) in &before {
            self.lay(spot, bytes).await?;
        }
        seen
    }

    /// Whether something was opened after an exchange that was not put there by its tenant.
    async fn seen(&self, how: Exchange) -> Result<Option<String>, String> {
        let asked: &[(usize, &str)] = match how {
            Exchange::Copy => &[(0, OWN)],
            Exchange::Swap => &[(0, OWN), (1, FILE)],
            Exchange::Within => &[(1, FILE), (1, SECOND)],
            Exchange::Flip | Exchange::Cut | Exchange::Clear => &[(1, FILE)],
        };
        for (who, name) in asked {
            let answer = self.by(*who, "GET", &self.path(*who, name), &[], b"").await?;
            if (200..300).contains(&answer.status) {
                return Ok(Some(format!("it was opened all the same, with {}", answer.status)));
            }
        }
        Ok(None)
    }

    /// What the engine's login sees of the attacked tenant, having named another one, or nobody.
    async fn engine(&self, named: &str) -> Result<Option<String>, String> {
        let seen = self.files.index.seen(named, self.tenants[1]).await;
        let seen = seen.map_err(|error| error.to_string())?;
        Ok((seen > 0).then(|| format!("the engine's login sees {seen} rows without naming it")))
    }

    /// Whether the engine's login can give a tenant more room.
    async fn engine_quota(&self) -> Result<Option<String>, String> {
        let given = self.files.index.may_give_room(self.tenants[0]).await;
        let given = given.map_err(|error| error.to_string())?;
        Ok(given.then(|| "the engine's login can give a tenant more room".to_owned()))
    }

    async fn limit(&self, bytes: Option<u64>) -> Result<(), String> {
        let set = self.files.set_quota(self.tenants[0], bytes, None).await;
        set.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Writes more than the attacker may keep.
    async fn quota_bytes(&self) -> Result<Option<String>, String> {
        self.limit(Some(SMALL)).await?;
        let name = FileName::new("much").map_err(|error| error.to_string())?;
        let much = vec![b'x'; usize::try_from(SMALL * 2).unwrap_or(0)];
        let put = self.by(0, "PUT", &self.path(0, name.as_str()), &[], &much).await;
        self.limit(None).await?;
        let status = put?.status;
        let _ = self.served.remove(self.tenants[0], &name, &Condition::None).await;
        Ok((status != 507).then(|| format!("more than the quota was answered with {status}")))
    }

    /// Begins many uploads before any of them ends.
    async fn quota_at_once(&self) -> Result<Option<String>, String> {
        self.limit(Some(SMALL)).await?;
        let outcome = self.at_once().await;
        self.limit(None).await?;
        for n in 0..AT_ONCE {
            let name = FileName::new(format!("at-once-{n}")).map_err(|error| error.to_string())?;
            let _ = self.served.remove(self.tenants[0], &name, &Condition::None).await;
        }
        outcome
    }

    async fn at_once(&self) -> Result<Option<String>, String> {
        let token = self.door.tokens.first();
        let body = vec![b'x'; THIRD];
        let expect = [("Expect".to_owned(), "100-continue".to_owned())];
        let mut begun = Vec::new();
        for n in 0..AT_ONCE {
            let target = self.path(0, &format!("at-once-{n}"));
            let (headers, body) = (expect.as_slice(), body.as_slice());
            let asked = Asked { token, method: "PUT", target: &target, headers, body };
            begun.extend(asked.begin(self.door.address).await?.ok());
        }
        let mut kept = 0;
        for upload in begun {
            if (200..300).contains(&upload.end(&body).await?.status) {
                kept += 1;
            }
        }
        let bytes = kept * THIRD;
        let over = bytes as u64 > SMALL;
        Ok(over.then(|| format!("{bytes} bytes were kept at once, of {SMALL}")))
    }

    /// Whether what the attacker writes counts against the attacked tenant.
    async fn quota_of_other(&self) -> Result<Option<String>, String> {
        let used = async |tenant: &TenantId| {
            let usage = self.files.usage(tenant).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((usage.used.files, usage.used.bytes))
        };
        let before = used(self.tenants[1]).await?;
        let name = FileName::new("own-room").map_err(|error| error.to_string())?;
        let target = format!(
            "/api/v1/tenants/{}/files/{}",
            encoded(self.tenants[0].as_str()),
            encoded(name.as_str())
        );
        let put = self.by(0, "PUT", &target, &[], b"as much as that").await?;
        let after = used(self.tenants[1]).await?;
        let _ = self.served.remove(self.tenants[0], &name, &Condition::None).await;
        if !matches!(put.status, 200 | 201) {
            return Err(format!("the attacker's own file was answered with {}", put.status));
        }
        Ok((before != after).then(|| "it counts against another tenant".to_owned()))
    }
}
