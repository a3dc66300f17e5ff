//! `amanah access offboard`: somebody leaves.

use std::sync::Arc;

use serde_json::json;

use crate::cli::Place;
use crate::cli::support::Offboard;
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::leaving::{Left, Offboarding};
use crate::out;
use crate::rights::OPERATOR;

pub(super) async fn run(place: &Place, asked: Offboard) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| {
        let desk = Offboarding {
            access: Arc::clone(&installation.access),
            identities: Arc::clone(&installation.identities),
            directory: Arc::clone(&installation.directory),
        };
        let known = desk.find(&asked.email).await?;
        let known = known.ok_or_else(|| nobody("EMAIL", &asked.email))?;
        let heir = match &asked.successor {
            None => None,
            Some(email) => {
                let heir = desk.find(email).await?.filter(|heir| !heir.closed);
                let heir = heir.ok_or_else(|| nobody("--successor", email))?;
                if heir.tenant != known.tenant || heir.account == known.account {
                    let why = "--successor: somebody else of the same tenant takes over";
                    return Err(Usage(why.to_owned()).into());
                }
                Some(heir.account)
            }
        };
        let left = desk.end(&known.account, OPERATOR, heir.as_deref()).await?;
        tell(place, &left);
        Ok(if left.remains.is_empty() { Exit::Holds } else { Exit::CannotTell })
    })
    .await
}

fn tell(place: &Place, left: &Left) {
    let email = &left.closed.email;
    if place.json {
        let ended = json!({
            "email": email,
            "account": left.closed.account,
            "ended": left.lines(),
            "left": left.remains,
        });
        out::line(&ended.to_string());
        return;
    }
    out::line(&format!("{email} is shut out. Ended:"));
    for line in left.lines() {
        out::line(&format!("  {line}"));
    }
    for line in &left.remains {
        out::line(&format!("  STILL THERE: {line}. Run it again"));
    }
}
