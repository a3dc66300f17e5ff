//! Tests on a real Redis.

mod crowd;
mod leases;
mod meeting;
mod prove;
mod rules;
mod scripts;
mod server;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use ::redis::Value;
use jiff::Timestamp;
use kernel::{ManualClock, Secret, SystemRng, TenantId};

use super::wire::{Door, Wire, text};
use super::{Redis, RedisSettings, Server, ServerSettings};
use crate::{CACHE_ROOM, CacheLease, FLEET_ROOM};

/// Places on a server of its own.
struct World {
    redis: Redis,
    server: Server,
    clock: Arc<ManualClock>,
    data: PathBuf,
}

fn settings(data: &std::path::Path) -> ServerSettings {
    ServerSettings {
        data: data.to_owned(),
        program: None,
        memory_mib: 64,
        password: Secret::new("a-password-for-tests".to_owned()),
    }
}

async fn server(data: &std::path::Path) -> Server {
    let made = Server::open(&settings(data), &SystemRng).await.unwrap();
    made.unwrap_or_else(|missing| panic!("tests need a Redis: {missing}"))
}

async fn world() -> World {
    let data = testkit::server_dir("redis/server.pid");
    let server = server(&data).await;
    let registry = testkit::database(&[&FLEET_ROOM, &CACHE_ROOM]).await.owner;
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let settings = RedisSettings {
        registry,
        data: data.clone(),
        program: None,
        installation: "0123abcd".to_owned(),
        naming: Secret::new("a secret for names".to_owned()),
        trusted: vec!["operator".to_owned()],
        clock: Arc::<ManualClock>::clone(&clock),
        rng: Arc::new(SystemRng),
    };
    let redis = Redis::on_managed(settings, &server);
    World { redis, server, clock, data }
}

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

/// Connects the way that an application does: with the address alone.
async fn enter(lease: &CacheLease) -> crate::Result<Wire> {
    let url = lease.url.expose().strip_prefix("redis://").unwrap();
    let (login, rest) = url.split_once(':').unwrap();
    let (password, address) = rest.split_once('@').unwrap();
    let port = address.strip_prefix("127.0.0.1:").unwrap().strip_suffix("/0").unwrap();
    let door = Door {
        address: super::Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: port.parse().unwrap(),
            tls: None,
        },
        user: login.to_owned(),
        password: Secret::new(password.to_owned()),
    };
    door.enter().await
}

impl World {
    async fn admin(&self) -> Wire {
        self.server.door().enter().await.unwrap()
    }

    /// One command of whoever runs the server.
    async fn run(&self, line: &str) -> Value {
        self.admin().await.ask(line.split_whitespace()).await.unwrap()
    }

    async fn get(&self, key: &str) -> Option<String> {
        text(&self.run(&format!("GET {key}")).await)
    }
}
