//! `amanah keys list`.

use keys::{KeyCard, RingCard};
use serde_json::json;

use super::{age, columns, length, word};
use crate::cli::Place;
use crate::exit::Exit;
use crate::keyring::Keyhouse;
use crate::out;

const HEAD: [&str; 9] =
    ["key", "tenant", "kind", "purpose", "versions", "age", "rotates in", "wrapped by", "users"];

pub(crate) async fn run(place: &Place) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        let (ring, cards) = (keys.ring()?, keys.list());
        if place.json {
            let all = json!({"ring": ring, "keys": cards});
            out::line(&serde_json::to_string_pretty(&all)?);
            return Ok(Exit::Holds);
        }
        let now = house.cx.clock.now();
        let head = HEAD.map(str::to_owned).to_vec();
        let rows: Vec<_> =
            std::iter::once(head).chain(cards.iter().map(|card| row(card, now))).collect();
        out::line(&columns(&rows));
        out::line(&summary(&ring, now));
        Ok(Exit::Holds)
    })
    .await
}

fn row(card: &KeyCard, now: jiff::Timestamp) -> Vec<String> {
    let newest = card.newest().map(|version| version.made_at);
    let left = newest.map(|at| card.rotate_after - now.duration_since(at));
    let rotates = left.map(|left| {
        if left.is_negative() { format!("overdue {}", length(-left)) } else { length(left) }
    });
    vec![
        card.key.name.to_string(),
        card.key.tenant.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string),
        word(card.spec.kind),
        word(card.spec.purpose),
        card.versions.len().to_string(),
        newest.map(|at| age(at, now)).unwrap_or_default(),
        rotates.unwrap_or_default(),
        format!("v{}, {}", card.wrapped_by.version, age(card.wrapped_by.made_at, now)),
        card.users.join(", "),
    ]
}

/// What there is to say about the ring, and about whatever is not finished.
fn summary(ring: &RingCard, now: jiff::Timestamp) -> String {
    let place = if ring.root_on_host { ", on this machine" } else { "" };
    let mut lines = vec![format!(
        "  ring generation {}, {} old, its key {} old; root {}{place}",
        ring.generation,
        age(ring.written_at, now),
        age(ring.ring_key_made_at, now),
        ring.root,
    )];
    if ring.bytes >= ring.most_bytes / 2 {
        lines.push(format!(
            "  the ring is full for new keys: {} of {} MiB. Trim old versions, and remove or shred \
             keys that nobody needs",
            ring.bytes >> 20,
            ring.most_bytes >> 20
        ));
    }
    if !ring.pending.is_empty() {
        lines.push(format!(
            "  to be destroyed as soon as the root answers: {}",
            ring.pending.join(", ")
        ));
    }
    if !ring.scheduled.is_empty() {
        lines.push(format!(
            "  destroyed, and could be called back where the root lives: {}",
            ring.scheduled.join(", ")
        ));
    }
    for what in &ring.passed {
        lines.push(format!("  passed over, somebody may have forged it: {what}"));
    }
    if !ring.tombstones.is_empty() {
        let tenants = ring.tombstones.iter().filter(|stone| stone.tenant.is_some()).count();
        lines.push(format!("  destroyed: {tenants} tenants, {} in all", ring.tombstones.len()));
    }
    if ring.kits.is_empty() {
        lines.push(
            "  no recovery kit: make one with `amanah keys recovery-kit`, or a lost root loses \
             everything"
                .to_owned(),
        );
    } else {
        lines.push(format!("  recovery kits: {}", ring.kits.join("; ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use keys::RingCard;

    use super::summary;

    #[test]
    fn a_ring_that_fills_up_is_said() {
        let mut ring = RingCard {
            generation: 7,
            installation: "house".to_owned(),
            written_at: Timestamp::UNIX_EPOCH,
            bytes: (32 << 20) - 1,
            most_bytes: 64 << 20,
            root: "file: root".to_owned(),
            root_on_host: true,
            ring_key_made_at: Timestamp::UNIX_EPOCH,
            pending: Vec::new(),
            scheduled: Vec::new(),
            passed: Vec::new(),
            tombstones: Vec::new(),
            kits: Vec::new(),
        };
        assert!(!summary(&ring, Timestamp::UNIX_EPOCH).contains("full"));
        ring.bytes += 1;
        let said = summary(&ring, Timestamp::UNIX_EPOCH);
        assert!(said.contains("full for new keys: 32 of 64 MiB"), "{said}");
    }
}
