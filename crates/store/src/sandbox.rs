//! Sandboxes: a new database with the structure of a real one, in which a violation can be seeded
//! without anybody noticing.

use kernel::Rng;
use tokio::io::AsyncWriteExt;

use crate::databases::EMPTY;
use crate::programs::{run, tail};
use crate::structure::Structure;
use crate::{DatabaseUrl, Db, Error, Programs, Protected, Result, ident};

/// Sandboxes are recognised by this, so that those of a crashed run can be swept.
pub const SANDBOX: &str = "amanah_sandbox_";
/// Connections into one sandbox under one login.
const SIZE: usize = 4;

/// A clone of a database's structure, to be removed after use.
#[derive(Debug)]
pub struct Scratch {
    maker: Db,
    db: Db,
}

/// What a superuser makes in a sandbox before anybody else is let in. A copy of it would be the
/// owner's, and what the owner has made must not become a superuser's.
#[derive(Debug)]
pub struct Above {
    /// Its schema, which is left out of the copy.
    pub schema: &'static str,
    /// The statements that make it, out of our own text alone.
    pub statements: String,
}

impl Db {
    /// Makes a new database with the structure of this one: tables, functions, triggers, policies
    /// and grants, without rows. This login must be allowed to create databases and to read the
    /// structure, and owns all of the copy.
    ///
    /// # Errors
    /// When a program of PostgreSQL is missing or fails; nothing is left behind then.
    pub async fn scratch(&self, programs: &Programs, rng: &dyn Rng) -> Result<Scratch> {
        self.clone_structure(programs, rng, self, &[], None).await
    }

    /// As [`Db::scratch`], owned by the login of `owner`, who makes everything in it but extensions.
    /// Event triggers are left out, and so is what belonged to others and takes more rights.
    async fn clone_structure(
        &self,
        programs: &Programs,
        rng: &dyn Rng,
        owner: &Self,
        admitted: &[&str],
        above: Option<&Above>,
    ) -> Result<Scratch> {
        let name = format!("{SANDBOX}{}", kernel::random_hex(rng, 6)?);
        // Nobody else is let in until the extensions are there: their scripts run with more rights,
        // and nothing that they could stumble over may lie in their way.
        self.create_closed((&name, &self.url().user, EMPTY), &[], None).await?;
        let scratch =
            Scratch { maker: self.clone(), db: Self::lazy(&self.url().database(&name), SIZE)? };
        match scratch.fill(self, programs, owner, admitted, above).await {
            Ok(()) => Ok(scratch),
            Err(error) => {
                // The first error is the one to report; a leftover is swept at the next start.
                drop(scratch.remove().await);
                Err(error)
            }
        }
    }

    /// Removes sandboxes that nobody is connected to: those of a run that was killed.
    ///
    /// # Errors
    /// When the list cannot be read. One that cannot be dropped is left for the next time.
    pub async fn sweep(&self) -> Result<usize> {
        let tx = self.operator().await?;
        let sql = "
            SELECT d.datname::text FROM pg_catalog.pg_database d
             WHERE starts_with(d.datname::text, $1)
               AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)";
        let names = tx.query(sql, &[&SANDBOX]).await?;
        tx.rollback().await?;
        let mut swept = 0;
        for row in names {
            let name: String = row.get(0);
            let gone = format!("DROP DATABASE IF EXISTS {}", ident(&name));
            if self.drop_slots(&name).await.is_ok() && self.alone(&gone).await.is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl Scratch {
    /// The clone, under the login that made it.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Drops the database, whoever is connected to it.
    ///
    /// # Errors
    /// When the server refuses; it is swept at the next start then.
    pub async fn remove(self) -> Result<()> {
        self.db.close();
        self.maker.drop_database(&self.db.url().database).await
    }

    /// The maker makes extensions in the empty database and hands it over; all that somebody else
    /// has written is run by the owner. A superuser's session could be taken over otherwise.
    async fn fill(
        &self,
        source: &Db,
        programs: &Programs,
        owner: &Db,
        admitted: &[&str],
        above: Option<&Above>,
    ) -> Result<()> {
        let (name, user) = (&self.db.url().database, &owner.url().user);
        let structure = Structure::read(source, programs, user, above.map(|a| a.schema)).await?;
        structure.extend(&self.db, user).await?;
        if let Some(above) = above {
            let tx = self.db.operator().await?;
            tx.batch(&above.statements).await?;
            tx.commit().await?;
        }
        if self.maker.url().user != *user {
            let tx = self.maker.operator().await?;
            tx.batch(&format!("ALTER DATABASE {} OWNER TO {}", ident(name), ident(user))).await?;
            tx.commit().await?;
        }
        self.maker.close_database(name, admitted).await?;
        let inside = Db::lazy(&owner.url().database(name), 1)?;
        structure.make(programs, &inside).await
    }

    /// Copies the rows of a schema, as `login` and with its rights: triggers that its owner has
    /// planted there run as that owner.
    async fn copy_rows(&self, source: &Db, programs: &Programs, schema: &str) -> Result<()> {
        let schema = format!("--schema={}", ident(schema));
        let rows = dump(source, programs, &["--data-only", &schema]).await?;
        let into = source.url().database(&self.db.url().database);
        self.replay(programs, &into, &rows).await
    }

    async fn replay(&self, programs: &Programs, into: &DatabaseUrl, dump: &[u8]) -> Result<()> {
        let failed = |why: String| Error::Program { program: "psql", why };
        let mut psql = programs
            .client("psql", into)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let mut input = psql.stdin.take().ok_or_else(|| failed("it has no input".to_owned()))?;
        let feed = async move {
            // When psql stops early, its own words below say why.
            let _ = input.write_all(dump).await;
            drop(input);
        };
        let ((), output) = tokio::join!(feed, psql.wait_with_output());
        let output = output.map_err(|e| failed(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(tail(&String::from_utf8_lossy(&output.stderr))))
    }
}

/// A protected database's clone, with every login that the real one has.
#[derive(Debug)]
pub struct Sandbox {
    scratch: Scratch,
    inside: Protected,
}

impl Protected {
    /// Clones the structure of this database and the rows of schema `amanah`, so that the same
    /// bindings are good there. It holds no tenant's rows.
    ///
    /// # Errors
    /// When neither the superuser nor the owner may create databases, or a program of PostgreSQL
    /// fails; nothing is left behind then.
    pub async fn sandbox(&self, rng: &dyn Rng) -> Result<Sandbox> {
        self.sandbox_below(rng, None).await
    }

    /// As [`Protected::sandbox`], below what the superuser has made there first.
    ///
    /// # Errors
    /// As [`Protected::sandbox`].
    pub async fn sandbox_below(&self, rng: &dyn Rng, above: Option<&Above>) -> Result<Sandbox> {
        let maker = self.superuser.as_ref().unwrap_or(&self.owner);
        // Those who have business in the real one: the attackers are members of these.
        let admitted = [self.app_role.as_str(), "amanah_admin", "amanah_auditor"];
        let scratch =
            maker.clone_structure(&self.programs, rng, &self.owner, &admitted, above).await?;
        if let Err(error) = scratch.copy_rows(&self.owner, &self.programs, "amanah").await {
            drop(scratch.remove().await);
            return Err(error);
        }
        let name = &scratch.db.url().database;
        let at = |db: &Db| Db::lazy(&db.url().database(name), SIZE);
        let inside = Self {
            name: name.clone(),
            owner: at(&self.owner)?,
            intruder: at(&self.intruder)?,
            superuser: self.superuser.as_ref().map(at).transpose()?,
            replicator: self.replicator.as_ref().map(at).transpose()?,
            reader: self.reader.as_ref().map(at).transpose()?,
            ..self.clone()
        };
        Ok(Sandbox { scratch, inside })
    }
}

impl Sandbox {
    /// The clone.
    pub const fn inside(&self) -> &Protected {
        &self.inside
    }

    /// Drops it.
    ///
    /// # Errors
    /// As [`Scratch::remove`].
    pub async fn remove(self) -> Result<()> {
        self.inside.owner.close();
        self.inside.intruder.close();
        for db in [&self.inside.superuser, &self.inside.replicator].into_iter().flatten() {
            db.close();
        }
        self.scratch.remove().await
    }
}

async fn dump(source: &Db, programs: &Programs, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = programs.client("pg_dump", source.url());
    run("pg_dump", command.args(arguments)).await
}
