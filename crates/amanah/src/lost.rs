//! Protected databases that a proof did not look at: one that could not be opened, because it was
//! dropped or is protected by half, and one that was protected while the proof ran.
//!
//! The others are attacked all the same. A claim about all of them is not proven then: it says what was
//! not looked at, and what gave way in another stays broken.

use std::sync::Arc;

use kernel::{Card, Control, Cx, Fut, Outcome, Params, Proof};

use crate::data::Data;
use crate::kept::{self, Kept};
use crate::known::{self, Known};

/// The claims that are about every protected database.
pub(crate) const ABOUT: &[&str] = &[
    "isolation.rows",
    "audit.triggers",
    "audit.append-only",
    "audit.hash",
    "access.production-audited",
    "rest.fields",
    "secrets.environment",
];

/// A control about every database, and which those are.
struct Whole {
    inner: Arc<dyn Control>,
    /// What could not be looked at.
    lost: Option<String>,
    known: Vec<Kept>,
    data: Data,
}

impl Whole {
    /// Why what was found is not about every database: some could not be opened, or others came
    /// while it was looked at them.
    fn short(&self) -> Option<String> {
        let changed = match kept::all(&self.data) {
            Ok(now) if known::are_same(&self.known, &now) => None,
            Ok(_) => {
                Some("other databases were protected or undone meanwhile: run it again".to_owned())
            }
            Err(error) => Some(format!("which databases are protected cannot be read: {error:#}")),
        };
        changed.or_else(|| self.lost.clone())
    }
}

impl Control for Whole {
    fn card(&self) -> &'static Card {
        self.inner.card()
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.inner.prove(cx, params).await;
            match (self.short(), proof.outcome()) {
                (None, _) => proof,
                (Some(why), Outcome::Holds) => Proof::unknown(cx.clock.now(), why),
                (Some(why), _) => proof.note(&why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        self.inner.bite(cx)
    }
}

/// The same controls; those that are about every protected database know which are `known`, and which
/// of them are lost.
pub(crate) fn told(
    controls: Vec<Arc<dyn Control>>,
    known: &Known,
    data: &Data,
) -> Vec<Arc<dyn Control>> {
    let each = known.lost.iter().map(|lost| {
        format!(
            "database {} was not looked at: {}. Mend it and run `amanah protect` on it again; the \
             others were looked at",
            lost.kept.database, lost.why
        )
    });
    let lost = Some(each.collect::<Vec<_>>().join("; ")).filter(|lost| !lost.is_empty());
    let whole = |inner: Arc<dyn Control>| -> Arc<dyn Control> {
        if ABOUT.contains(&inner.card().id) {
            let (known, data) = (known.kept.clone(), data.clone());
            Arc::new(Whole { inner, lost: lost.clone(), known, data })
        } else {
            inner
        }
    };
    controls.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kernel::{
        Card, Control, Cx, Finding, Fut, Outcome, Params, Population, Proof, Secret, TenantId,
    };
    use store::DatabaseUrl;

    use super::{Known, told};
    use crate::data::Data;
    use crate::installation::world;
    use crate::kept::Kept;
    use crate::known::Lost;

    static CARD: Card = Card {
        id: "isolation.rows",
        title: "",
        attack: "",
        bite: "",
        cadence: Duration::from_mins(1),
        deadline: Duration::from_mins(1),
        not_covered: &[],
    };

    /// A control whose proof is known.
    struct Fixed(Vec<Finding>);

    impl Control for Fixed {
        fn card(&self) -> &'static Card {
            &CARD
        }

        fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
            let population = Population::new(1, 1, "tables");
            let proof = Proof::weigh(cx.clock.now(), population, "x", "0", self.0.clone());
            Box::pin(async move { proof })
        }

        fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
            self.prove(cx, &NONE)
        }
    }

    static NONE: std::sync::LazyLock<Params> = std::sync::LazyLock::new(Params::none);

    fn kept(database: &str) -> Kept {
        let url = DatabaseUrl::parse(&format!("postgres://shop@db.example/{database}")).unwrap();
        let canaries = (TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        Kept::new(&url, "app", "tenant_id", canaries, "k1")
    }

    /// What holds for the rest is not said of the one that is lost, nor of one that came meanwhile, and
    /// what is broken stays broken.
    #[tokio::test]
    async fn a_database_that_was_not_looked_at_makes_its_claims_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::open(folder.path()).unwrap();
        let (shop, crm) = (kept("shop"), kept("crm"));
        let write = |kept: &Kept| {
            let text = Secret::new(serde_json::to_string(kept).unwrap());
            data.write_secret(&format!("protected-{}.json", kept.database), &text).unwrap();
        };
        let cx = world();
        let prove = async |findings: &[Finding], known: &Known| {
            let one: Arc<dyn Control> = Arc::new(Fixed(findings.to_vec()));
            told(vec![one], known, &data).first().unwrap().prove(&cx, &NONE).await
        };
        let (nothing, open) = (Vec::new(), vec![Finding::new("t", "open")]);
        write(&shop);
        let mut known = Known { kept: vec![shop.clone()], ..Known::default() };
        assert_eq!(prove(&nothing, &known).await.outcome(), Outcome::Holds);
        known.lost.push(Lost { kept: shop, why: "it does not exist".to_owned() });
        for (findings, outcome) in [(&nothing, Outcome::Unknown), (&open, Outcome::Broken)] {
            let proof = prove(findings, &known).await;
            assert_eq!(proof.outcome(), outcome);
            assert!(proof.detail().contains("database shop was not looked at"), "{proof:?}");
        }
        known.lost.clear();
        write(&crm);
        for (findings, outcome) in [(&nothing, Outcome::Unknown), (&open, Outcome::Broken)] {
            let proof = prove(findings, &known).await;
            assert_eq!(proof.outcome(), outcome);
            assert!(proof.detail().contains("protected or undone meanwhile"), "{proof:?}");
        }
    }
}
