//! Everything that is in a database, copied into an empty one on another cell.
//!
//! What defines it, before and after its rows, goes as SQL and is run as the owner of its tables:
//! it is the application's code. Rows flow from server to server through PostgreSQL's own programs.

use store::Programs;

use super::objects::Behind;
use super::{form, objects};
use crate::Result;
use crate::fleet::Place;
use crate::fleet::cell::Cell;

/// Copies everything but what is returned.
///
/// # Errors
/// When the other cell has not got what it takes, or a server is lost.
pub(in crate::fleet) async fn copy(
    programs: &Programs,
    (source, place): (&Cell, &Place),
    (target, copy): (&Cell, &Place),
) -> Result<Behind> {
    form::extensions((source, place), (target, copy)).await?;
    let (from, into) = (place.reader(source)?, copy.owner(target)?);
    let before = from.definition(programs, Some("pre-data")).await?;
    into.replay(programs, &portable(&before, place)).await?;
    from.pour(programs, &into, None).await?;
    let behind = objects::copy((source, place), (target, copy)).await?;
    let after = from.definition(programs, Some("post-data")).await?;
    into.replay(programs, &portable(&after, place)).await?;
    from.close();
    into.close();
    Ok(behind)
}

/// A definition without what does not go along: what a tenant's logins have set for what they would
/// make, which is nothing, and comments that extensions bring by themselves.
pub(super) fn portable(definition: &str, place: &Place) -> String {
    let own = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {}", place.name());
    let stays = |line: &&str| !line.starts_with(&own) && !line.starts_with("COMMENT ON EXTENSION ");
    let mut text = String::with_capacity(definition.len());
    for line in definition.lines().filter(stays) {
        text.push_str(line);
        text.push('\n');
    }
    text
}
