//! Fields through the API as an application sends them: one connection over loopback, batches of
//! 1,000, and everything that is between the application and the cipher.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{Private, PrivateSettings};
use kernel::{SystemClock, SystemRng};
use keys::{Ciphertext, NewClient, Operation, Reach};
use serde_json::{Value, json};

use super::fields::{BATCH, Batches, House, Way};
use crate::asking::{Ask, Asking, beside};
use crate::{race, row};

/// What the API was built for.
const WANTED: f64 = 10_000.0;
/// An item that failed has an error in its place, which is shorter than this, in bytes.
const ITEM_BYTES: usize = 80;

const ENCRYPTED: &str = "fields: encrypted through the API, one connection, in batches of 1,000";
const DECRYPTED: &str = "fields: decrypted through the API, the same";
const IN_PROCESS: &str = "the same keys in the process";

pub(super) async fn measure(house: &House) -> anyhow::Result<Vec<String>> {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let router = console::keys::router(house.keys.clone(), clock, rng);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = Private::bind(PrivateSettings::new(listen), router).await?;
    let address = private.local_addr();
    let serving = tokio::spawn(private.run(std::future::pending()));
    let mut rows = Vec::new();
    for (way, what) in [(Way::Encrypt, ENCRYPTED), (Way::Decrypt, DECRYPTED)] {
        let mut ours = Asking::new(address, ask(house, way).await?).await?;
        let mut theirs = Batches { house, way };
        let [speeds, others] = race([&mut ours, &mut theirs]).await?;
        rows.push(row(what, &speeds, IN_PROCESS, &others));
        rows.push(beside(&ours.per_core, WANTED));
    }
    serving.abort();
    Ok(rows)
}

/// A batch that an application sends.
async fn ask(house: &House, way: Way) -> anyhow::Result<Ask> {
    let client = NewClient {
        name: "bench".to_owned(),
        keys: vec![house.key.name.to_string()],
        operations: [Operation::Encrypt, Operation::Decrypt].into(),
        reach: Reach::All,
        databases: [].into(),
        expires_at: None,
    };
    let token = house.keys.admit(client).await?;
    let (word, name, texts): (_, _, Vec<String>) = match way {
        Way::Encrypt => {
            ("encrypt", "plaintext", house.texts.iter().map(|t| STANDARD.encode(t)).collect())
        }
        Way::Decrypt => {
            ("decrypt", "ciphertext", house.sealed.iter().map(Ciphertext::text).collect())
        }
    };
    let item = |(text, context): (&String, &String)| -> Value {
        json!({name: text, "context": STANDARD.encode(context)})
    };
    let items: Vec<Value> = texts.iter().zip(&house.contexts).map(item).collect();
    let tenant = house.key.tenant.as_ref().map(ToString::to_string);
    let body = json!({"tenant": tenant, "items": items}).to_string();
    let path = format!("/api/v1/keys/{}/{word}", house.key.name);
    Ok(Ask { path, token, body, items: BATCH, least: BATCH * ITEM_BYTES })
}
