//! What a decision costs: a permission, a whole request with its route and what is remembered, and
//! what an application asks over HTTP.
//!
//! The peer is what an application would write by itself: a hash set of roles and permissions by
//! their names, asked role by role. It finds no route and remembers nothing.

mod authzen;

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use access::{Access, By, Catalogue, Matrix, NewGrant, Routes};
use anyhow::{Context as _, ensure};
use kernel::{
    Actor, Door, Fut, Gatekeeper as _, Identity, Passage, PermissionId, Strength, SystemClock,
    TenantId,
};

use crate::{Contestant, race, row};

/// Decisions in one turn.
const DECISIONS: u32 = 500_000;
/// The most that a decision in the process may cost, in nanoseconds.
const WANTED: f64 = 50.0;
/// Somebody who asks.
const ACCOUNT: &str = "00000000-0000-4000-8000-000000000001";
const ROLE: &str = "editor";
const ASKED: &str = "products.read";
const PATH: &str = "/products/00000000-0000-4000-8000-000000000001";

/// Measures all of it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let base = testkit::database(&[&access::ROOM]).await;
    let access = Access::new(base.engine.clone(), Arc::new(SystemClock));
    access.guard(Routes::read(include_str!("../../demo/routes.toml"), Catalogue::shipped()?)?);
    let tenant = TenantId::new("bench")?;
    let new = NewGrant {
        account: ACCOUNT.to_owned(),
        tenant: tenant.clone(),
        role: ROLE.to_owned(),
        reason: "a measurement".to_owned(),
        until: None,
    };
    access.grant(&By::operator("bench")?, &new).await?;
    let who = Arc::new(Identity {
        account: ACCOUNT.to_owned(),
        actor: Actor::new("bench")?,
        name: "Bench".to_owned(),
        standing: access.standing_now(ACCOUNT, &tenant).await?,
        tenant,
        strength: Strength::One,
        authenticated_at: jiff::Timestamp::UNIX_EPOCH,
        session: ACCOUNT.to_owned(),
        door: Door::Browser,
    });
    let permission = Catalogue::shipped()?.number(ASKED).context("the permission")?;
    let mut bits = Permission { who: Arc::clone(&who), permission };
    let mut gate = Request { access, who };
    let mut names = Names(names()?);
    let [one, whole, theirs] = race([&mut bits, &mut gate, &mut names]).await?;
    let peer = "a hash set of names";
    let mut rows = vec![
        row("access: a permission decided", &one, peer, &theirs),
        row("access: a request decided, with its route and its use", &whole, peer, &theirs),
    ];
    let (_, middle, _) = crate::spread(&one);
    rows.push(format!(
        "| access: a permission decided, in time | {:.1} ns | what it was built for: {WANTED:.0} ns | {:.2} |",
        1e9 / middle,
        WANTED * middle / 1e9
    ));
    rows.extend(authzen::measure().await.context("AuthZEN")?);
    Ok(rows)
}

/// What each role permits, by names.
fn names() -> anyhow::Result<HashSet<(String, String)>> {
    let golden = Matrix::golden()?;
    let pairs = golden.roles.iter().zip(&golden.permits).flat_map(|(role, bits)| {
        let held = golden.permissions.iter().filter(|(id, _)| bits.has(*id));
        held.map(|(_, name)| (role.clone(), name.clone()))
    });
    Ok(pairs.collect())
}

fn speed(began: Instant) -> f64 {
    f64::from(DECISIONS) / began.elapsed().as_secs_f64()
}

struct Permission {
    who: Arc<Identity>,
    permission: PermissionId,
}

impl Contestant for Permission {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            for _ in 0..DECISIONS {
                ensure!(black_box(&self.who).may(black_box(self.permission)), "it was denied");
            }
            Ok(speed(began))
        })
    }
}

struct Request {
    access: Access,
    who: Arc<Identity>,
}

impl Contestant for Request {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            for _ in 0..DECISIONS {
                let passage = self.access.pass(black_box(&self.who), "GET", black_box(PATH));
                ensure!(passage == Passage::Open, "it was denied");
            }
            Ok(speed(began))
        })
    }
}

struct Names(HashSet<(String, String)>);

impl Contestant for Names {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let asked = (ROLE.to_owned(), ASKED.to_owned());
            let began = Instant::now();
            for _ in 0..DECISIONS {
                ensure!(self.0.contains(black_box(&asked)), "it was denied");
            }
            Ok(speed(began))
        })
    }
}
