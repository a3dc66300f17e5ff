//! Where the gateways of one installation meet on Redis: a channel of their own.
//!
//! It promises that whoever listens and hears nothing for a while is told, since each gateway tells
//! something at least every few seconds. Tenants' logins cannot reach it: it lies beside their places.

use std::time::Duration;

use ::redis::Value;

use super::Redis;
use super::wire::{Wire, text};
use crate::Result;

/// How long nothing may be heard.
pub const SILENCE: Duration = Duration::from_secs(15);

/// The side that tells.
pub struct Teller {
    wire: Wire,
    channel: String,
}

/// The side that hears.
pub struct Hearer {
    wire: Wire,
}

impl Redis {
    /// The channel called `what` of this installation, to tell and to hear.
    ///
    /// # Errors
    /// When there is no server, it does not answer, or the login may not.
    pub async fn meet(&self, what: &str) -> Result<(Teller, Hearer)> {
        let channel = format!("amanah-{}-{what}", self.settings.installation);
        let mut hears = self.enter().await?;
        hears.ask(["SUBSCRIBE", &channel]).await?;
        Ok((Teller { wire: self.enter().await?, channel }, Hearer { wire: hears }))
    }
}

impl Teller {
    /// Tells everybody who hears.
    ///
    /// # Errors
    /// When the connection is lost; this one is of no more use then.
    pub async fn tell(&mut self, message: &[u8]) -> Result<()> {
        self.wire.ask([b"PUBLISH", self.channel.as_bytes(), message]).await.map(|_| ())
    }
}

impl Hearer {
    /// The next message.
    ///
    /// # Errors
    /// When the connection is lost, or nothing was said for [`SILENCE`]; this one is of no more use then.
    pub async fn hear(&mut self) -> Result<Vec<u8>> {
        loop {
            let Some(value) = self.wire.receive_within(SILENCE).await? else {
                return Err(self.wire.failed("nothing is heard from it".to_owned()));
            };
            let (Value::Array(parts) | Value::Push { data: parts, .. }) = value else {
                return Err(self.wire.failed("it answers what was not asked".to_owned()));
            };
            match parts.as_slice() {
                [kind, _, Value::BulkString(message)]
                    if text(kind).as_deref() == Some("message") =>
                {
                    return Ok(message.clone());
                }
                _ => {}
            }
        }
    }
}
