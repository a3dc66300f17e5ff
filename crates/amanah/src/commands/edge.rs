//! `amanah edge`: bait, and who took it.

use access::BaitRow;
use jiff::SignedDuration;
use kernel::shown;
use serde_json::json;

use crate::cli::Place;
use crate::cli::edge::Edge;
use crate::exit::Exit;
use crate::installation::Installation;
use crate::{bait, out};

pub(crate) async fn run(place: &Place, edge: Edge) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let (words, data) = match edge {
            Edge::Hits { hours, all } => {
                let now = house.cx.clock.now();
                let back = SignedDuration::from_hours(i64::from(hours));
                let since = now.checked_sub(back).unwrap_or(now);
                let mut taken = house.access.bait_taken(since, None).await?;
                taken.retain(|hit| all || !bait::is_proof(hit));
                (listed(&taken), json!({"hits": taken}))
            }
            Edge::Bait => {
                let (routes, key) = (bait::laid_out(house)?, bait::key(house)?);
                let words = format!("{}\n\nKey: {}", routes.join("\n"), key.expose());
                (words, json!({"routes": routes, "key": key.expose()}))
            }
        };
        out::line(&if place.json { serde_json::to_string_pretty(&data)? } else { words });
        Ok(Exit::Holds)
    })
    .await
}

fn listed(taken: &[BaitRow]) -> String {
    if taken.is_empty() {
        return "nobody took bait".to_owned();
    }
    let line = |hit: &BaitRow| {
        let BaitRow { at, source, method, bait, times, holder } = hit;
        let who = holder.as_ref().map(|who| format!("  by account {who}")).unwrap_or_default();
        format!("{at:.0}  {}  {} {bait}  {times}×{who}", shown(source), shown(method))
    };
    taken.iter().map(line).collect::<Vec<_>>().join("\n")
}
