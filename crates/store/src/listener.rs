//! A connection of its own that hears what others `NOTIFY`.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Connection, NoTls};

use crate::tx::statement;
use crate::url::Host;
use crate::{DatabaseUrl, Result, ident};

/// So many notifications wait to be read; the server keeps the rest.
const WAITING: usize = 256;

/// A session that listens. It ends when it is dropped.
#[derive(Debug)]
pub struct Listener {
    client: Arc<tokio_postgres::Client>,
    heard: mpsc::Receiver<(String, String)>,
}

impl Listener {
    /// Connects under `url` and listens on `channels`.
    ///
    /// # Errors
    /// When there is no connection, or the server refuses.
    pub async fn connect(url: &DatabaseUrl, channels: &[&str]) -> Result<Self> {
        let (to, heard) = mpsc::channel(WAITING);
        let refused = |error| crate::db::refused(url, &error);
        let client = match url.host {
            Host::Socket(_) => {
                let (client, connection) = url.config().connect(NoTls).await.map_err(refused)?;
                tokio::spawn(hear(connection, to));
                client
            }
            Host::Tcp(_) => {
                let tls = crate::tls::connector()?;
                let (client, connection) = url.config().connect(tls).await.map_err(refused)?;
                tokio::spawn(hear(connection, to));
                client
            }
        };
        for channel in channels {
            let listen = format!("LISTEN {}", ident(channel));
            client.batch_execute(&listen).await.map_err(statement)?;
        }
        Ok(Self { client: Arc::new(client), heard })
    }

    /// Notifies everybody who listens on `channel` in this database, itself too.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        self.caller().notify(channel, payload).await
    }

    /// The same connection, to notify others by while it listens. It stays open as long as either is
    /// there.
    pub fn caller(&self) -> Caller {
        Caller(Arc::clone(&self.client))
    }

    /// The next notification, as channel and payload. `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<(String, String)> {
        self.heard.recv().await
    }
}

/// Notifies by a connection that listens.
#[derive(Debug, Clone)]
pub struct Caller(Arc<tokio_postgres::Client>);

impl Caller {
    /// Notifies everybody who listens on `channel` in this database, this connection too.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        let sql = "SELECT pg_catalog.pg_notify($1, $2)";
        self.0.execute(sql, &[&channel, &payload]).await.map_err(statement).map(drop)
    }
}

/// Moves the connection on, and what it hears to whoever reads it.
async fn hear<S, T>(mut connection: Connection<S, T>, to: mpsc::Sender<(String, String)>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(heard))) => {
                let heard = (heard.channel().to_owned(), heard.payload().to_owned());
                if to.send(heard).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}
