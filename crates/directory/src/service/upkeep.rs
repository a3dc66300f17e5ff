//! What has to be done although no directory asks: roles that could not be given at once, people who
//! leave another way, and tenants that end.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::TenantId;
use tokio::time::timeout;

use super::{Directory, away};
use crate::{Result, sql};

/// How often it is looked whether everybody has what their groups give.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How many tenants are read at a time.
const TENANTS: i64 = 500;
/// How long one tenant is looked after in one round. What is done by then is done, and the next round goes
/// on: nobody's groups wait for a tenant with very many.
const TENANT_FOR: Duration = Duration::from_secs(20);
/// How long a round lasts. The next one begins behind the last tenant that was looked after.
const ROUND_FOR: Duration = Duration::from_mins(5);
/// Who does it, as it is written down.
const UPKEEP: &str = "directory:upkeep";

impl Directory {
    /// Gives and takes what groups give, until `stop` ends: at once, whatever is done at that moment. What was
    /// cut off is made up for after the next start.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let rounds = async {
            let mut last = String::new();
            loop {
                tick.tick().await;
                match timeout(ROUND_FOR, self.round(&mut last)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "what groups give could not be looked at; it is tried again");
                    }
                    Err(_) => tracing::warn!(last, "a round was too long, and goes on from here"),
                }
            }
        };
        tokio::select! {
            () = stop => {}
            () = rounds => {}
        }
    }

    /// Gives and takes what groups give, in every tenant that nobody else is busy with.
    ///
    /// # Errors
    /// When the database does not answer. What one tenant's error is, is told in the log.
    pub async fn settle_all(&self) -> Result<()> {
        self.round(&mut String::new()).await
    }

    /// One round, from behind the tenant `last` to the last one of all, after which `last` is before the
    /// first. Cut off, it goes on where it was.
    async fn round(&self, last: &mut String) -> Result<()> {
        loop {
            let tx = self.db.operator().await?;
            let rows = tx.query(sql::TENANTS, &[&*last, &TENANTS]).await?;
            tx.commit().await?;
            for row in &rows {
                *last = row.get(0);
                let Ok(tenant) = TenantId::new(last.clone()) else { continue };
                // Whoever has the turn does what is theirs; the next round looks again.
                let Some(_turn) = self.turns.at_once(&tenant) else { continue };
                if timeout(TENANT_FOR, self.look_after(&tenant)).await.is_err() {
                    tracing::warn!(%tenant, "its groups were not done in time; the next round goes on");
                }
            }
            if rows.is_empty() {
                last.clear();
                return Ok(());
            }
        }
    }

    async fn look_after(&self, tenant: &TenantId) {
        if let Err(error) = self.close_inactive(tenant).await {
            tracing::warn!(%tenant, %error, "not everybody who is not active is shut out");
        }
        if let Err(error) = self.settle(tenant, None, UPKEEP).await {
            tracing::warn!(%tenant, %error, "not everybody has what their groups give");
        }
    }

    /// Ends the accounts that are open although their users are not active: a request opened them, or did
    /// not end them, and could not write that down.
    async fn close_inactive(&self, tenant: &TenantId) -> Result<()> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::NOT_ACTIVE, &[&tenant.as_str()]).await?;
        tx.commit().await?;
        let users: BTreeMap<String, String> =
            rows.iter().map(|row| (row.get(1), row.get(0))).collect();
        let accounts: Vec<String> = users.keys().cloned().collect();
        if accounts.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        for account in self.people.open_of(&accounts).await.map_err(away)? {
            let user = users.get(&account).map(String::as_str).unwrap_or_default();
            // One that cannot be ended, such as a tenant's last administrator, keeps no other open.
            if let Err(error) = self.close_one(tenant, &account, user).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn close_one(&self, tenant: &TenantId, account: &str, user: &str) -> Result<()> {
        self.not_last(tenant, account).await?;
        self.end_account(account, UPKEEP).await?;
        let tx = self.db.operator().await?;
        self.note(&tx, tenant, (UPKEEP, "change user"), (user, "off-boarded once more")).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Somebody was off-boarded, by whomever: the directory is told that they are not active, and tokens
    /// that they made are over. What was ended, in words.
    ///
    /// # Errors
    /// When the database did not do it; it may be done again.
    pub async fn left(&self, account: &str, by: &str) -> Result<Vec<String>> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        for row in tx.query(sql::USER_CLOSED, &[&account, &now]).await? {
            let (user, of): (String, String) = (row.get(0), row.get(1));
            if let Ok(tenant) = TenantId::new(of) {
                let told = (user.as_str(), "off-boarded by others");
                self.note(&tx, &tenant, (by, "change user"), told).await?;
            }
        }
        let ended = self.end_tokens_of(&tx, account, by).await?;
        tx.commit().await?;
        Ok(ended.into_iter().map(|id| format!("directory token {id}")).collect())
    }

    /// A tenant ends: its tokens are over, and nothing that its directory said is kept. What was done stays
    /// written down, and names ids alone. How many users and groups those were.
    ///
    /// # Errors
    /// When the database did not do it; it may be done again.
    pub async fn erase(&self, tenant: &TenantId, by: &str) -> Result<(u64, u64)> {
        let _turn = self.turn(tenant).await;
        let (now, of) = (self.clock.now(), tenant.as_str());
        let tx = self.db.operator().await?;
        let ended = tx.query(sql::END_TOKENS_IN, &[&of, &now, &by]).await?;
        for row in &ended {
            let id: String = row.get(0);
            self.ended(&tx, (&id, row.get(1)), by).await?;
        }
        let groups = tx.execute(sql::FORGET_GROUPS, &[&of]).await?;
        let users = tx.execute(sql::FORGET_USERS, &[&of]).await?;
        tx.commit().await?;
        Ok((users, groups))
    }
}
