//! The tenants that have a database of their own on the installation's server: which logins make
//! and own them, and the sample ones.

use std::sync::Arc;

use kernel::{Cx, Fut, Secret, TenantId};
use keys::Strongbox;
use store::Db;
use tenancy::{Answer, Campaign, Error, Fleet, Logins, Script, Settings, Vault};

use crate::data::Data;
use crate::ground::Ground;

/// Tenants of the sample application that have a database of their own.
const SAMPLES: [&str; 2] = ["Kopi Senja", "مخبز الواحة"];
/// What their schema is made by.
const SAMPLE_SCRIPT: (&str, &str) =
    ("0001_orders.sql", include_str!("../../../demo/tenants/0001_orders.sql"));

/// The fleet of an installation. Its owner may log in and nothing else: it runs the migrations of
/// the application.
pub(crate) async fn open(
    ground: &Ground,
    data: &Data,
    strongbox: &Strongbox,
    cx: &Cx,
) -> anyhow::Result<Fleet> {
    let rng = &*cx.rng;
    let installation = data.installation(rng)?.expose().to_owned();
    let maker = ground.maker()?;
    let name = format!("amanah_tenants_{installation}");
    let password = data.password("tenants-owner", rng)?;
    maker.ensure_login(&name, &password).await?;
    if ground.cluster.is_none() {
        // Only a member of a role can give it a database.
        maker.grant_role(&name, &ground.owner.url().user).await?;
    }
    Ok(Fleet::new(Settings {
        registry: ground.owner.clone(),
        home: Logins {
            // It runs what applications have written.
            owner: ground.login(&name, password, &name).unpinned(),
            superuser: match &ground.cluster {
                Some(_) => ground.superuser("postgres")?,
                // There need be no other database that it may enter.
                None => ground.superuser(&ground.owner.url().database)?,
            },
            maker,
        },
        vault: Arc::new(Safe(strongbox.clone())),
        programs: ground.programs.clone(),
        installation,
        clock: cx.clock.clone(),
        rng: cx.rng.clone(),
    }))
}

/// How to log in on the cells, in the strongbox.
struct Safe(Strongbox);

impl Safe {
    fn name(cell: &str) -> String {
        format!("cell/{cell}")
    }
}

impl Vault for Safe {
    fn get<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<Option<Secret>>> {
        Box::pin(async move {
            self.0.get(&Self::name(cell), None).await.map_err(|error| error.to_string())
        })
    }

    fn put<'a>(&'a self, cell: &'a str, secret: &'a Secret) -> Fut<'a, Answer<()>> {
        Box::pin(async move {
            self.0.put(&Self::name(cell), None, secret).await.map_err(|error| error.to_string())
        })
    }

    fn remove<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<()>> {
        Box::pin(async move {
            let removed = self.0.remove(&Self::name(cell), None).await;
            removed.map(drop).map_err(|error| error.to_string())
        })
    }
}

/// The tenants' databases, for the proof of what is stored in them.
pub(crate) struct Databases(pub(crate) Fleet);

impl keys::Tenants for Databases {
    fn databases(&self) -> Fut<'_, Result<Vec<(String, Db)>, String>> {
        Box::pin(async { self.0.databases().await.map_err(|error| error.to_string()) })
    }
}

/// Makes the sample tenants, unless they are there.
pub(crate) async fn samples(fleet: &Fleet) -> anyhow::Result<()> {
    if !fleet.list().await?.is_empty() {
        return Ok(());
    }
    let scripts = [Script::new(SAMPLE_SCRIPT.0, SAMPLE_SCRIPT.1)?];
    fleet.migrate(&scripts, Campaign { workers: 1, budget: 0 }, &|_| {}).await?;
    for name in SAMPLES {
        match fleet.add(&TenantId::new(name)?).await {
            Ok(_) | Err(Error::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
