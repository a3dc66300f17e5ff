//! `amanah keys client`: which applications may use keys.

use std::collections::BTreeSet;

use keys::{ClientCard, NewClient, Reach};
use serde_json::json;

use super::{columns, word};
use crate::cli::Place;
use crate::cli::keys::{Add, Client};
use crate::exit::{Exit, Usage};
use crate::keyring::Keyhouse;
use crate::out;

pub(crate) async fn run(place: &Place, command: Client) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        match command {
            Client::Add(add) => admit(place, house, add).await?,
            Client::List => list(place, house).await?,
            Client::Remove { name } => {
                if !house.keys().await?.dismiss(&name).await? {
                    return Err(Usage(format!(
                        "there is no client {name}; `amanah keys client list` shows them"
                    ))
                    .into());
                }
                if place.json {
                    out::line(&json!({"removed": name}).to_string());
                } else {
                    out::line(&format!("The token of {name} is worth nothing from now on."));
                }
            }
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn admit(place: &Place, house: &Keyhouse, add: Add) -> anyhow::Result<()> {
    let reach = match (add.all_tenants, add.tenant.is_empty()) {
        (true, _) => Reach::All,
        (false, true) => Reach::House,
        (false, false) => Reach::Tenants(add.tenant.into_iter().collect()),
    };
    let expires_at = add.expires.map(|after| house.cx.clock.now() + after);
    let name = add.name;
    let client = NewClient {
        name: name.clone(),
        keys: add.keys,
        operations: add.allow.into_iter().collect::<BTreeSet<_>>(),
        reach,
        databases: add.databases.into_iter().collect(),
        expires_at,
    };
    let token = house.keys().await?.admit(client).await?;
    if place.json {
        let all = json!({"client": name, "token": token.expose(), "expires_at": expires_at});
        out::line(&all.to_string());
    } else {
        out::line(token.expose());
        out::aside(&format!(
            "This is the token of {name}; it is not shown again. Give it to the application in its \
             environment, and send it as `Authorization: Bearer` or `X-Vault-Token`."
        ));
    }
    Ok(())
}

async fn list(place: &Place, house: &Keyhouse) -> anyhow::Result<()> {
    let clients = house.keys().await?.clients();
    if place.json {
        out::line(&serde_json::to_string_pretty(&clients)?);
        return Ok(());
    }
    let head = ["client", "keys", "may", "whose", "until"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(clients.iter().map(row)).collect();
    out::line(&columns(&rows));
    Ok(())
}

fn row(card: &ClientCard) -> Vec<String> {
    let client = &card.client;
    let whose = match &client.reach {
        Reach::House => "the house".to_owned(),
        Reach::All => "everybody".to_owned(),
        Reach::Tenants(tenants) => {
            tenants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    vec![
        client.name.clone(),
        client.keys.join(", "),
        client.operations.iter().map(word).collect::<Vec<_>>().join(", "),
        whose,
        client.expires_at.map_or_else(|| "removed".to_owned(), |at| format!("{at:.0}")),
    ]
}
