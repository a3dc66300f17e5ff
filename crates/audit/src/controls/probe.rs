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
    /// The superuser in the database where the probe may have come to own something.
    home: Db,
}

impl Probe {
    /// Makes one for `role`.
    pub(crate) async fn make(superuser: &Db, role: &str, rng: &dyn Rng) -> Result<Self> {
        let url = superuser.url().pinned();
        let maker = Db::lazy(&url.database(MAINTENANCE), 1)?;
        let home = Db::lazy(&url, 1)?;
        let random = |bytes| random_hex(rng, bytes).map_err(store::Error::from);
        let (name, password) = (format!("{PREFIX}{}", random(6)?), Secret::new(random(24)?));
        drop_expired(&maker, &home).await?;
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
        Ok(Self { db, name, maker, home })
    }

    /// Drops it, and what code that somebody planted has had it make. One that cannot be dropped
    /// leaves nothing open: it is no member of anything any more, and nobody can sign in as it.
    pub(crate) async fn remove(self) -> Result<()> {
        self.db.close();
        let Err(error) = drop_role(&self.maker, &self.home, &self.name).await else {
            return Ok(());
        };
        tracing::warn!(probe = self.name, why = %error, "a proof's login cannot be dropped");
        let tx = self.maker.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        tx.batch(&disarm(&self.name)).await?;
        Ok(tx.commit().await?)
    }
}

/// Drops what a role has in the database `home`, and the role.
async fn drop_role(maker: &Db, home: &Db, name: &str) -> Result<()> {
    let tx = home.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    // What hangs on it was made by whoever planted it.
    tx.batch(&format!("DROP OWNED BY {} CASCADE", ident(name))).await?;
    tx.commit().await?;
    let tx = maker.operator().await?;
    tx.batch(&format!("DROP ROLE IF EXISTS {}", ident(name))).await?;
    Ok(tx.commit().await?)
}

/// Drops probes of runs that were killed. One that has something in another database is left to the
/// proofs of that one, and is in the way of none here; nobody can sign in as it any more.
async fn drop_expired(maker: &Db, home: &Db) -> Result<()> {
    let tx = maker.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let expired = tx.query(reach::EXPIRED_PROBES, &[&PREFIX]).await?;
    tx.rollback().await?;
    for row in expired {
        let name: String = row.get(0);
        // Another proof may be faster.
        if let Err(error) = drop_role(maker, home, &name).await {
            tracing::debug!(probe = name, why = %error, "a former proof's login stays");
        }
    }
    Ok(())
}

/// Takes from a role what it is a member of, and its login.
fn disarm(name: &str) -> String {
    format!(
        "DO $$ DECLARE granted pg_catalog.name; BEGIN
             FOR granted IN SELECT r.rolname FROM pg_catalog.pg_auth_members m
                              JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
                             WHERE m.member = {0}::pg_catalog.regrole LOOP
                 EXECUTE pg_catalog.format('REVOKE %I FROM %I', granted, {1});
             END LOOP;
             EXECUTE pg_catalog.format('ALTER ROLE %I NOLOGIN PASSWORD NULL', {1});
         END $$",
        literal(&ident(name)),
        literal(name)
    )
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

    async fn run(db: &store::Db, sql: &str) {
        let tx = db.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Code that was planted has the probe own something, and something else hang on it: it is dropped
    /// all the same.
    #[tokio::test]
    async fn a_probe_that_owns_something_is_dropped() {
        let superuser = testkit::database(&[]).await.superuser;
        run(&superuser, "CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC").await;
        let probe = Probe::make(&superuser, "amanah_admin", &SystemRng).await.unwrap();
        let planted = "CREATE FUNCTION evil.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
                       CREATE TABLE evil.kept (id int); GRANT SELECT ON evil.kept TO PUBLIC";
        run(&probe.db, planted).await;
        run(&superuser, "CREATE VIEW evil.hung AS SELECT evil.one(), id FROM evil.kept").await;
        let name = probe.name.clone();
        probe.remove().await.unwrap();
        assert!(!superuser.has_role(&name).await.unwrap());
    }

    /// What a probe of another database has left is in nobody's way, and goes with that one's own.
    #[tokio::test]
    async fn what_another_databases_probe_has_left_is_in_no_ones_way() {
        let one = testkit::database(&[]).await.superuser;
        let other = testkit::database(&[]).await.superuser;
        let left = format!("amanah_probe_left_{}", kernel::random_hex(&SystemRng, 4).unwrap());
        let sql = format!(
            "CREATE ROLE {left} NOLOGIN IN ROLE amanah_admin VALID UNTIL '2020-01-01';
             CREATE TABLE public.left_over (id int); ALTER TABLE public.left_over OWNER TO {left}"
        );
        run(&one, &sql).await;
        Probe::make(&other, "amanah_admin", &SystemRng).await.unwrap().remove().await.unwrap();
        assert!(other.has_role(&left).await.unwrap(), "it owns something elsewhere");
        // Even one that cannot be dropped can do nothing.
        let probe = Probe::make(&other, "amanah_admin", &SystemRng).await.unwrap();
        let name = probe.name.clone();
        run(&one, &format!("ALTER TABLE public.left_over OWNER TO {name}")).await;
        probe.remove().await.unwrap();
        let tx = other.operator().await.unwrap();
        let able = "SELECT r.rolcanlogin OR EXISTS (SELECT FROM pg_auth_members m
                                                     WHERE m.member = r.oid)
                      FROM pg_roles r WHERE r.rolname = $1";
        assert!(!tx.query_one(able, &[&name]).await.unwrap().get::<_, bool>(0));
        tx.rollback().await.unwrap();
        run(&one, &format!("ALTER ROLE {name} VALID UNTIL '2020-01-01'")).await;
        Probe::make(&one, "amanah_admin", &SystemRng).await.unwrap().remove().await.unwrap();
        for gone in [left, name] {
            assert!(!one.has_role(&gone).await.unwrap());
        }
    }
}
