//! One violation for each rule of the linter, so that none of them is blunt.
//!
//! Each is made and looked for in one transaction that is undone: nobody else ever sees it, not even
//! a role of the whole server. What a superuser makes lies in a schema of his own and touches nothing
//! of the owner's, lest code of the owner's run with his rights.

mod seeds;

use kernel::{Finding, Rng, random_hex};
use store::{Db, Protected, ident};

use super::Bites;
use crate::form::ONE_AT_A_TIME;
use crate::lint::{RULES, Rule, examine};
use crate::{Result, lint};
use seeds::{GROUND, SCHEMA, SEEDS};

/// The rule that asks for a collation which a server can be built without.
const NEEDS_ICU: &str = "AM106";
/// Whether it was built with them.
const HAS_ICU: &str =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_collation c WHERE c.collprovider = 'i')";

/// One violation.
struct Seed {
    /// The rule that has to find it.
    rule: &'static str,
    /// What the finding names.
    object: &'static str,
    sql: &'static str,
    /// Whether it takes a superuser.
    superuser: bool,
}

/// What the marks in a seed stand for.
struct Names<'a> {
    sandbox: &'a Protected,
    role: String,
}

/// Seeds them one at a time; those that take a superuser where there is one.
///
/// # Errors
/// When the sandbox does not answer.
pub(super) async fn bite(sandbox: &Protected, rng: &dyn Rng, bites: &mut Bites) -> Result<()> {
    each(SEEDS, sandbox, rng, bites).await
}

async fn each(seeds: &[Seed], sandbox: &Protected, rng: &dyn Rng, bites: &mut Bites) -> Result<()> {
    let random = random_hex(rng, 6).map_err(store::Error::from)?;
    let names = Names { sandbox, role: format!("amanah_probe_{random}") };
    let tx = sandbox.owner.operator().await?;
    let has_icu: bool = tx.query_one(HAS_ICU, &[]).await?.get(0);
    tx.rollback().await?;
    for seed in seeds.iter().filter(|seed| has_icu || seed.rule != NEEDS_ICU) {
        let login = if seed.superuser { sandbox.superuser.as_ref() } else { Some(&sandbox.owner) };
        let rule = RULES.iter().find(|rule| rule.id == seed.rule);
        let (Some(login), Some(rule)) = (login, rule) else { continue };
        bites.seeded += 1;
        match seed.hunted(login, rule, &names).await? {
            Ok(finding) => bites.found.push(finding),
            Err(why) => bites.missed.push(why),
        }
    }
    Ok(())
}

impl Seed {
    /// The finding of the rule, or why there is none.
    async fn hunted(
        &self,
        login: &Db,
        rule: &'static Rule,
        names: &Names<'_>,
    ) -> Result<std::result::Result<Finding, String>> {
        let tx = login.operator().await?;
        let name = format!("the rule {}, {}", rule.id, rule.title);
        if let Err(error) = tx.batch(&names.quoted(&format!("{GROUND}{}", self.sql))).await {
            tx.rollback().await?;
            return Ok(Err(format!("{name} (it could not be seeded: {error})")));
        }
        let (column, app) = (&names.sandbox.tenant_column, &names.sandbox.app_role);
        let linted = examine(&tx, column, Some(app), &[rule]).await;
        tx.rollback().await?;
        let object = names.plain(self.object);
        let found = linted?.findings.into_iter().find(|lint| lint.object == object);
        Ok(found.map(lint::finding).ok_or(name))
    }
}

impl Names<'_> {
    /// In a statement.
    fn quoted(&self, sql: &str) -> String {
        self.filled(sql, ident)
    }

    /// In the name of an object.
    fn plain(&self, object: &str) -> String {
        self.filled(object, str::to_owned)
    }

    /// Each mark once: a name that looks like one stays what it is.
    fn filled(&self, text: &str, name: impl Fn(&str) -> String) -> String {
        let Protected { tenant_column, app_role, owner, name: database, .. } = self.sandbox;
        let marks = [
            ("alone}", ONE_AT_A_TIME.to_owned()),
            ("here}", name(SCHEMA)),
            ("col}", name(tenant_column)),
            ("app}", name(app_role)),
            ("owner}", name(&owner.url().user)),
            ("db}", name(database)),
            ("role}", name(&self.role)),
        ];
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let known =
                marks.iter().find_map(|(mark, name)| Some((name, after.strip_prefix(mark)?)));
            let (name, after) = known.map_or(("{", after), |(name, after)| (name.as_str(), after));
            filled.extend([before, name]);
            rest = after;
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::{Bites, GROUND, RULES, SCHEMA, SEEDS, Seed, each};
    use crate::tests::fixture;

    /// Rules that no seed is for, each with the reason.
    const UNSEEDED: &[(&str, &str)] = &[
        ("AM413", "a superuser would run an extension's script beside what the owner has made"),
        ("AM501", "no statement makes a server old; a test gives it the number of an old one"),
        ("AM514", "a superuser would run an extension's script beside what the owner has made"),
    ];

    #[test]
    fn every_rule_is_seeded_or_says_why_not() {
        for rule in RULES {
            let seeded = SEEDS.iter().any(|seed| seed.rule == rule.id);
            let excused = UNSEEDED.iter().any(|(id, why)| *id == rule.id && !why.is_empty());
            assert!(seeded != excused, "{}: seeded {seeded}, excused {excused}", rule.id);
        }
        let known = |id: &str| RULES.iter().any(|rule| rule.id == id);
        assert!(SEEDS.iter().all(|seed| known(seed.rule)), "a seed that no rule is for");
        assert!(UNSEEDED.iter().all(|(id, _)| known(id)));
        assert!(GROUND.contains(SCHEMA));
    }

    /// A rule that does not find what was seeded for it is missed, and so is one for which nothing could
    /// be seeded. Nothing is left of either.
    #[tokio::test]
    async fn a_blunt_rule_is_missed() {
        let guarded = fixture::protected(fixture::DJANGO, "company_id", fixture::NUMBERS).await;
        let seed = |sql| Seed { rule: "AM101", object: "{here}.plain", sql, superuser: false };
        let seeds = [
            seed("CREATE TABLE plain ({col} text NOT NULL)"),
            seed("CREATE TABLE plain (p_n int)"),
            seed("CREATE TABLE plain"),
        ];
        let sandbox = guarded.protected.sandbox(&SystemRng).await.unwrap();
        let mut bites = Bites::default();
        each(&seeds, sandbox.inside(), &SystemRng, &mut bites).await.unwrap();
        assert_eq!((bites.seeded, bites.found.len()), (3, 1), "{:?}", bites.missed);
        let title = "the rule AM101, A table with tenants' rows has no row-level security";
        assert_eq!(bites.missed[0], title);
        assert!(bites.missed[1].starts_with(&format!("{title} (it could not be seeded: ")));
        let tx = sandbox.inside().owner.operator().await.unwrap();
        let left = "SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1";
        assert!(tx.query_opt(left, &[&SCHEMA]).await.unwrap().is_none());
        tx.rollback().await.unwrap();
        sandbox.remove().await.unwrap();
    }
}
