//! Every tenant's rows beside what lies in the store. Nothing of a customer's is opened.

use std::collections::{HashMap, HashSet};

use kernel::{FileFault, Finding};

use super::index::{Account, signed, store, unsigned};
use super::{Files, sql};
use crate::fleet::is_canary;

/// A tenant with more files is not compared, in files.
const MAX_FILES: u64 = 200_000;
/// So much of a tenant's place tells an operator which one it is, and nobody else.
const SHOWN: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// How many tenants with files were compared, of how many.
    pub(crate) checked: usize,
    pub(crate) total: usize,
    pub(crate) findings: Vec<Finding>,
    /// What could not be compared, with the reason.
    pub(crate) missed: Vec<(String, String)>,
}

impl Files {
    /// Compares every customer's rows with the store.
    pub(crate) async fn survey(&self) -> Result<Survey, FileFault> {
        let (mut survey, mut places) = (Survey::default(), HashSet::new());
        let counted = self.counted().await?;
        for account in self.index.accounts().await? {
            let label = label(&account);
            if !places.insert(account.prefix.clone()) {
                survey.findings.push(Finding::new(&label, "another tenant has the same place"));
            }
            // What is noted is what is compared, so it decides nothing by itself.
            let rows = counted.get(account.tenant.as_str()).copied().unwrap_or_default();
            let files = rows.max(account.used.files);
            if is_canary(&account.tenant) || files == 0 {
                continue;
            }
            survey.total += 1;
            if files > MAX_FILES {
                let why = format!("it has more than {MAX_FILES} files");
                survey.missed.push((label, why));
                continue;
            }
            let lost = self.compare(&account, &label, &mut survey.findings).await?;
            if lost > 0 {
                let why = format!("{lost} of its objects are not in the store");
                survey.missed.push((label, why));
                continue;
            }
            survey.checked += 1;
        }
        Ok(survey)
    }

    /// How many files each tenant has.
    async fn counted(&self) -> Result<HashMap<String, u64>, FileFault> {
        let tx = self.index.owner.operator().await.map_err(store)?;
        let rows = tx.query(sql::COUNTED, &[]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        Ok(rows.iter().map(|row| (row.get(0), unsigned(row.get(1)))).collect())
    }

    /// Compares one tenant's. How many objects are not there.
    async fn compare(
        &self,
        account: &Account,
        label: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<usize, FileFault> {
        let id = account.tenant.as_str();
        let tx = self.index.owner.operator().await.map_err(store)?;
        // The two belong to one moment.
        tx.query(sql::TAKE_TENANT, &[&id]).await.map_err(store)?;
        let row = tx.query_opt(sql::TENANT, &[&id]).await.map_err(store)?;
        let summed = tx.query_one(sql::SUMMED, &[&id]).await.map_err(store)?;
        let rows = tx.query(sql::LAID, &[&id, &signed(MAX_FILES)]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        let Some(row) = row else { return Ok(0) };
        if (row.get::<_, i64>(3), row.get::<_, i64>(4)) != (summed.get(1), summed.get(0)) {
            findings.push(Finding::new(label, "its quota counts other files than it has"));
        }
        let found = self.shelf.list(Some(&account.prefix)).await?;
        let found: HashMap<&str, u64> =
            found.iter().map(|found| (found.name.as_str(), found.bytes)).collect();
        let mut lost = Vec::new();
        for row in &rows {
            let (object, bytes): (&str, i64) = (row.get(0), row.get(1));
            match found.get(object) {
                None => lost.push(object),
                Some(there) if *there == self.seals.sealed_bytes(unsigned(bytes))? => {}
                Some(_) => {
                    let what = "an object is not as long as it is when it is sealed";
                    findings.push(Finding::new(label, what));
                }
            }
        }
        // What was removed meanwhile is not lost.
        let known =
            if lost.is_empty() { HashSet::new() } else { self.known(&account.tenant).await? };
        Ok(lost.into_iter().filter(|object| known.contains(*object)).count())
    }
}

/// A tenant as the proof names it: the page is public.
fn label(account: &Account) -> String {
    let short: String = account.prefix.chars().take(SHOWN).collect();
    format!("the tenant whose files lie in {short}…")
}
