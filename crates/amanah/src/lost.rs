//! Protected databases that could not be opened: a database that was dropped, or protected by half.
//!
//! The others are attacked all the same. A claim about all of them is not proven then: it names the
//! one that was not looked at, and what gave way in another stays broken.

use std::sync::Arc;

use kernel::{Card, Control, Cx, Fut, Outcome, Params, Proof};

/// The claims that are about every protected database.
pub(crate) const ABOUT: &[&str] = &[
    "isolation.rows",
    "audit.triggers",
    "audit.append-only",
    "rest.fields",
    "secrets.environment",
];

/// A control that could not look at everything.
struct Short {
    inner: Arc<dyn Control>,
    lost: String,
}

impl Control for Short {
    fn card(&self) -> &'static Card {
        self.inner.card()
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.inner.prove(cx, params).await;
            match proof.outcome() {
                Outcome::Holds => Proof::unknown(cx.clock.now(), &*self.lost),
                _ => proof.note(&self.lost),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        self.inner.bite(cx)
    }
}

/// The same controls; those that are about every protected database know of the `lost` ones, each
/// with its name and why it could not be opened.
pub(crate) fn told(
    controls: Vec<Arc<dyn Control>>,
    lost: &[(String, String)],
) -> Vec<Arc<dyn Control>> {
    if lost.is_empty() {
        return controls;
    }
    let each = lost.iter().map(|(name, why)| {
        format!(
            "database {name} was not looked at: {why}. Mend it and run `amanah protect` on it \
             again; the others were looked at"
        )
    });
    let lost = each.collect::<Vec<_>>().join("; ");
    let short = |inner: Arc<dyn Control>| -> Arc<dyn Control> {
        if ABOUT.contains(&inner.card().id) {
            Arc::new(Short { inner, lost: lost.clone() })
        } else {
            inner
        }
    };
    controls.into_iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kernel::{Card, Control, Cx, Finding, Fut, Outcome, Params, Population, Proof};

    use super::told;
    use crate::installation::world;

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
    struct Known(Vec<Finding>);

    impl Control for Known {
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

    /// What holds for the rest is not said of the one that is lost, and what is broken stays broken.
    #[tokio::test]
    async fn a_lost_database_makes_its_claims_unknown() {
        let lost = [("shop".to_owned(), "it does not exist".to_owned())];
        for (findings, without, with) in [
            (vec![], Outcome::Holds, Outcome::Unknown),
            (vec![Finding::new("t", "open")], Outcome::Broken, Outcome::Broken),
        ] {
            let one = || -> Vec<Arc<dyn Control>> { vec![Arc::new(Known(findings.clone()))] };
            let cx = world();
            let prove = async |controls: Vec<Arc<dyn Control>>| {
                controls.first().unwrap().prove(&cx, &NONE).await
            };
            assert_eq!(prove(told(one(), &[])).await.outcome(), without);
            let proof = prove(told(one(), &lost)).await;
            assert_eq!(proof.outcome(), with);
            assert!(proof.detail().contains("database shop was not looked at"), "{proof:?}");
        }
    }
}
