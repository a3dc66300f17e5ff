//! A login for a role that cannot sign in, made for one proof.
//!
//! `SET ROLE` in a superuser's session would not do: code that somebody planted on the way takes
//! it back with `RESET ROLE`, and is superuser. A login of its own has nothing to go back to.

use kernel::{Rng, Secret, random_hex};
use store::{Db, ident, literal};

use super::reach;
use crate::{Result, sql};

/// Probes are recognised by this, so that those of a run that was killed can be dropped.
const PREFIX: &str = "amanah_probe_";
/// Nobody owns the database of this name but the superuser: nothing is planted in it.
const MAINTENANCE: &str = "postgres";

/// A login that is a member of one role and nothing else. Its password is known to nobody, and it
/// ends by itself after ten minutes.
pub(crate) struct Probe {
    /// The login, in the database that `superuser` is connected to.
    pub(crate) db: Db,
    name: String,
    maker: Db,
}

impl Probe {
    /// Makes one for `role`.
    pub(crate) async fn make(superuser: &Db, role: &str, rng: &dyn Rng) -> Result<Self> {
        let url = superuser.url().pinned();
        let maker = Db::lazy(&url.database(MAINTENANCE), 1)?;
        let random = |bytes| random_hex(rng, bytes).map_err(store::Error::from);
        let (name, password) = (format!("{PREFIX}{}", random(6)?), Secret::new(random(24)?));
        drop_expired(&maker).await?;
        let tx = maker.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        tx.batch(&format!(
            "DO $$ BEGIN
                 EXECUTE format('CREATE ROLE %I NOLOGIN VALID UNTIL %L IN ROLE %I',
                                {}, now() + interval '10 minutes', {});
             END $$",
            literal(&name),
            literal(role)
        ))
        .await?;
        tx.commit().await?;
        maker.ensure_login(&name, &password).await?;
        // A database may let nobody in who was not named.
        let tx = superuser.operator().await?;
        let enters: bool = tx.query_one(reach::ENTERS, &[&name]).await?.get(0);
        tx.rollback().await?;
        if !enters {
            superuser.admit_role(&name).await?;
        }
        let db = Db::lazy(&url.login(&name, Some(password)), 1)?;
        Ok(Self { db, name, maker })
    }

    /// Drops it.
    pub(crate) async fn remove(self) -> Result<()> {
        self.db.close();
        let tx = self.maker.operator().await?;
        let name = ident(&self.name);
        tx.batch(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await?;
        Ok(tx.commit().await?)
    }
}

async fn drop_expired(maker: &Db) -> Result<()> {
    let tx = maker.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    for row in tx.query(reach::EXPIRED_PROBES, &[&PREFIX]).await? {
        let name: String = row.get(0);
        // Another proof may be faster.
        tx.batch(&format!(
            "DO $$ BEGIN
                 EXECUTE format('DROP OWNED BY %I', {0}); EXECUTE format('DROP ROLE %I', {0});
             EXCEPTION WHEN undefined_object THEN NULL; END $$",
            literal(&name)
        ))
        .await?;
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::Probe;

    /// Whatever a session of a probe does to its role, it is no superuser's, and its login is gone
    /// in the end.
    #[tokio::test]
    async fn a_probe_has_no_superuser_to_go_back_to() {
        let superuser = testkit::database(&[]).await.superuser;
        let probe = Probe::make(&superuser, "amanah_admin", &SystemRng).await.unwrap();
        let tx = probe.db.operator().await.unwrap();
        tx.batch("SET LOCAL ROLE amanah_admin; RESET ROLE").await.unwrap();
        let sql = "SELECT bool_or(rolsuper OR rolcreaterole OR rolbypassrls)
                     FROM pg_roles WHERE rolname IN (current_user, session_user)";
        assert!(!tx.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
        assert!(tx.batch("SET LOCAL SESSION AUTHORIZATION postgres").await.is_err());
        drop(tx);
        let name = probe.name.clone();
        probe.remove().await.unwrap();
        assert!(!superuser.has_role(&name).await.unwrap());
    }
}
