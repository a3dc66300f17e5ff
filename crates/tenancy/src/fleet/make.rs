//! Making tenants, the template that they are copied from, and the synthetic pair of each cell.

use kernel::{TenantFiles, TenantId};

use super::cell::{Cell, Choice, was_lost};
use super::{
    CANARIES, Fleet, HOME, Place, State, Tenant, archive, customer, held, migrate, moving,
    registry, sql,
};
use crate::{Error, Result};

impl Fleet {
    /// Makes a tenant's database and its role, from the template, on the cell with the most free
    /// room. A tenant that was half made is made anew where it was begun.
    ///
    /// # Errors
    /// When there is one already, no cell takes it, another command is at it, or the server
    /// refuses; what was made is made again at the next try.
    pub async fn add(&self, id: &TenantId) -> Result<Tenant> {
        self.add_where(id, None, None).await
    }

    /// As [`Fleet::add`], on the cell of this name.
    ///
    /// # Errors
    /// As [`Fleet::add`], and when there is no such cell.
    pub async fn add_on(&self, id: &TenantId, cell: &str) -> Result<Tenant> {
        self.add_where(id, Some(cell), None).await
    }

    /// As [`Fleet::add`], unless there are files of this name in `files`.
    pub(crate) async fn add_without_files(
        &self,
        id: &TenantId,
        cell: Option<&str>,
        files: &dyn TenantFiles,
    ) -> Result<Tenant> {
        self.add_where(id, cell, Some(files)).await
    }

    async fn add_where(
        &self,
        id: &TenantId,
        cell: Option<&str>,
        files: Option<&dyn TenantFiles>,
    ) -> Result<Tenant> {
        customer(id)?;
        let choice = self.choice(cell).await?;
        self.make(id, (false, &choice), files).await
    }

    /// Whether a tenant was begun and not finished; there is none otherwise.
    pub(super) async fn is_half_made(&self, id: &TenantId) -> Result<bool> {
        match registry::find(&self.settings.registry, id).await {
            Ok(tenant) if tenant.state == State::Making => Ok(true),
            Ok(_) => Err(Error::Exists(id.clone())),
            Err(Error::NoTenant(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The synthetic tenants of the installation's own server, made if they are not there and let
    /// in if they are shut out.
    ///
    /// # Errors
    /// As [`Fleet::add`].
    pub async fn ensure_canaries(&self) -> Result<[Tenant; 2]> {
        self.ensure_pair(&self.home()).await
    }

    /// The synthetic tenants of a cell.
    pub(super) async fn ensure_pair(&self, cell: &Cell) -> Result<[Tenant; 2]> {
        let named = |name: &str| match cell.name.as_str() {
            HOME => TenantId::new(name),
            other => TenantId::new(format!("{name}-{other}")),
        };
        let [a, b] = CANARIES.map(named);
        Ok([self.ensure_canary(&a?, cell).await?, self.ensure_canary(&b?, cell).await?])
    }

    async fn ensure_canary(&self, id: &TenantId, cell: &Cell) -> Result<Tenant> {
        match registry::find(&self.settings.registry, id).await {
            Ok(tenant) if tenant.state == State::Active => Ok(tenant),
            Ok(tenant) if tenant.state == State::Suspended => self.admit(id).await,
            Ok(_) | Err(Error::NoTenant(_)) => {
                self.make(id, (true, &Choice::canary(&cell.name)), None).await
            }
            Err(error) => Err(error),
        }
    }

    async fn make(
        &self,
        id: &TenantId,
        (canary, choice): (bool, &Choice),
        files: Option<&dyn TenantFiles>,
    ) -> Result<Tenant> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let made = async {
            if let Some(files) = files {
                self.is_half_made(id).await?;
                // Whose they are is not known, so they go to nobody and stay. Of one that was lost with
                // a cell it is.
                let known = was_lost(&self.settings.registry, id).await?;
                if !known && archive::files::has(files, id).await? {
                    return Err(Error::HasFiles(id.clone()));
                }
            }
            let (cell, tenant) = self.begin_in(&turn, canary, choice).await?;
            self.finish_in(&turn, &cell, tenant).await
        };
        let made = made.await;
        turn.end(made).await
    }

    /// Makes database and role; nobody is told of them yet.
    pub(super) async fn begin_in(
        &self,
        turn: &registry::Turn,
        canary: bool,
        choice: &Choice,
    ) -> Result<(Cell, Tenant)> {
        let (place, now) = (Place::tenant(&self.home())?, self.settings.clock.now());
        let tenant = turn.begin(place, canary, now, &|cards| choice.among(cards)).await?;
        let cell = self.cell_of(&tenant).await?;
        self.ensure_template(&cell).await?;
        // Until it is whole and listed, so that a migration of the template is missed by nobody.
        turn.copy_template(&cell).await?;
        tenant.place.provision(&cell, &Place::template(&cell)).await?;
        Ok((cell, tenant))
    }

    /// Tells of them: the tenant is let in.
    pub(super) async fn finish_in(
        &self,
        turn: &registry::Turn,
        cell: &Cell,
        tenant: Tenant,
    ) -> Result<Tenant> {
        let version = migrate::version(&tenant.place, cell).await?;
        turn.made(tenant.place.name(), version.as_deref()).await?;
        Ok(Tenant { state: State::Active, schema_version: version, ..tenant })
    }

    /// The database that new tenants of a cell are made from, made if it is not there or half
    /// made. Nobody is let in. On another cell than the first it is a copy of that one's, so that
    /// a tenant gets the same schema wherever it is made.
    pub(super) async fn ensure_template(&self, cell: &Cell) -> Result<()> {
        let home = self.home();
        let first = Place::template(&home);
        if !first.is_whole(&home).await? {
            let lock = registry::waiting(&self.settings.registry).await?;
            lock.query(sql::CHANGE_TEMPLATE, &[&HOME]).await?;
            let made = async {
                if !first.is_whole(&home).await? {
                    first.demolish(&home).await?;
                    first.provision_empty(&home).await?;
                }
                Ok(())
            };
            let made = made.await;
            held::end(lock, made).await?;
        }
        if cell.name == HOME || self.has_same_template(cell).await? {
            return Ok(());
        }
        let lock = registry::waiting(&self.settings.registry).await?;
        lock.query(sql::CHANGE_TEMPLATE, &[&cell.name]).await?;
        lock.query(sql::COPY_TEMPLATE, &[&HOME]).await?;
        let copied = self.copy_first_template(cell).await;
        held::end(lock, copied).await
    }

    /// Puts a copy of the first template in the place of another cell's, unless it is one.
    async fn copy_first_template(&self, cell: &Cell) -> Result<()> {
        if self.has_same_template(cell).await? {
            return Ok(());
        }
        let (home, copy) = (self.home(), Place::template(cell));
        let first = Place::template(&home);
        copy.demolish(cell).await?;
        let form = moving::Form::of(&first, &home).await?;
        copy.receive(cell, &form, (false, false)).await?;
        moving::copy(&self.settings.programs, (&home, &first), (cell, &copy)).await?;
        form.set(&copy, cell).await
    }

    /// Whether a cell's template is whole and has the migrations of the first one's.
    async fn has_same_template(&self, cell: &Cell) -> Result<bool> {
        let (home, template) = (self.home(), Place::template(cell));
        if !template.is_whole(cell).await? {
            return Ok(false);
        }
        let theirs = migrate::applied(&template, cell).await?;
        Ok(theirs == migrate::applied(&Place::template(&home), &home).await?)
    }
}
