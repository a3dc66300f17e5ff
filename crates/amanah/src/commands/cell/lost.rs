//! What is said of a cell whose server is gone for good.

use serde_json::{Value, json};
use tenancy::{KnownLoss, Loss, LostCell};

/// What becomes of things that are not on a cell.
const KEPT: &str = "Their keys, their files and what they have on Redis are not on a cell and stay. On the disks of \
                    that server their rows lie as they are, in clear but for what their keys encrypted.";

/// Before it is done.
pub(super) fn previewed(cell: &LostCell) -> (String, Value) {
    let mut lines = vec![format!("{} does not answer: {}.", cell.cell, cell.silence)];
    if cell.lost.is_empty() {
        lines.push("No tenant lies there.".to_owned());
    } else {
        lines.push("With it these would be given up as lost:".to_owned());
        lines.extend(cell.lost.iter().map(line));
        lines.push(KEPT.to_owned());
    }
    lines.extend(remnants(cell));
    lines.push(format!(
        "Nothing was changed. When its server is gone for good: amanah cell remove {0} --lost {0}",
        cell.cell
    ));
    (lines.join("\n"), json!({"removed": false, "lost_cell": cell}))
}

/// After it was done.
pub(super) fn removed(cell: &LostCell) -> (String, Value) {
    let mut lines = vec![format!("{} is removed; it was silent: {}.", cell.cell, cell.silence)];
    if !cell.lost.is_empty() {
        lines.push("Lost with it, and not erased:".to_owned());
        lines.extend(cell.lost.iter().map(line));
        lines.push(KEPT.to_owned());
        lines.push(
            "Their names are free: `amanah tenant import` makes a tenant out of an archive, `amanah \
             tenant add` an empty one. `amanah cell losses` shows this again."
                .to_owned(),
        );
    }
    lines.extend(remnants(cell));
    (lines.join("\n"), json!({"removed": true, "lost_cell": cell}))
}

/// What was lost before.
pub(super) fn known(losses: &[KnownLoss]) -> (String, Value) {
    let one = |loss: &KnownLoss| {
        format!(
            "{}  {:.0}, with {}, said by {}",
            line(&loss.loss),
            loss.lost_at,
            loss.cell,
            loss.lost_by
        )
    };
    let mut lines: Vec<String> = losses.iter().map(one).collect();
    if lines.is_empty() {
        lines.push("nothing was lost with a cell".to_owned());
    }
    (lines.join("\n"), json!(losses))
}

fn line(loss: &Loss) -> String {
    let whose = loss.tenant.as_deref().unwrap_or("(of a tenant that was erased)");
    let version = loss.schema_version.as_deref().unwrap_or("–");
    format!("  {:<9}  {}  {version:<24}  {whose}", loss.was, loss.database)
}

fn remnants(cell: &LostCell) -> Vec<String> {
    if cell.remnants.is_empty() {
        return Vec::new();
    }
    let head = "Copies of them are on other cells, from moves. Nobody has compared them with what was \
                lost; look at them as a superuser before they are dropped:";
    let each = cell
        .remnants
        .iter()
        .map(|copy| format!("  {}  on {}, until {:.0}", copy.database, copy.cell, copy.until));
    std::iter::once(head.to_owned()).chain(each).collect()
}
