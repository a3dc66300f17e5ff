//! What it costs to know who asks, and how soon everybody knows that a session is over.
//!
//! A hundred thousand sessions of two thousand people are in memory, and each decision is about
//! another one. The peers are a table of sessions in memory behind a lock, which hears of no end and
//! knows no limit, and one SELECT by the token's digest, which is what a framework's sessions in
//! the database cost where nothing is remembered. The end of a session is measured from the call
//! that ends it until the last of five gateways refuses it, each with a connection of its own.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Email, Identities, NewAccount, Opening, Pool};
use jiff::Timestamp;
use kernel::{
    Clock, Fut, Identity, NoStandings, Secret, SessionToken, Sessions as _, Strength, SystemClock,
    SystemRng, TenantId, random_hex,
};
use store::Db;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Contestant, in_a_second, per_second, race, row, spread};

/// The sessions in memory.
const SESSIONS: usize = 100_000;
/// Decisions in one turn: more than the processor's caches hold.
const DECISIONS: usize = 200_000;
/// How many of them go over tokens that are at hand: fewer than push each other out of the caches.
const AT_HAND: usize = 250;
/// Sessions looked up in the database in one turn.
const LOOKUPS: usize = 2_000;
/// From one decided session to the next, so that neighbours in memory are not asked one after
/// another: a prime.
const STEP: usize = 7_919;
/// How many ask the database at once while the memory is filled.
const FILLING: usize = 12;
/// The most that a decision may cost, in nanoseconds.
const WANTED_NS: f64 = 500.0;
/// The most that an end may take to be known everywhere, in milliseconds.
const WANTED_MS: f64 = 250.0;
/// The gateways that hear of ends, beside the one with all those sessions.
const GATEWAYS: usize = 4;
/// How many sessions are ended, one after another.
const ENDS: usize = 60;
/// Connections of each gateway.
const POOL: usize = 4;
/// No end takes so long, and no gateway so long until it hears.
const LONGEST: Duration = Duration::from_secs(10);
/// The reader of sessions that remembers nothing.
const LOOK_UP: &str = "SELECT account FROM identity.sessions WHERE token_sha256 = $1 AND \
                       revoked_at IS NULL AND idle_expires_at > now()";
/// Two thousand people like the first, with fifty sessions each like the first's. A token is the
/// SHA-256 of its number, so that both sides know it.
const FILL: &str = "
    INSERT INTO identity.accounts
    SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', gen_random_uuid(), 'email', 'person' || n || '@bench.example'))).*
    FROM identity.accounts a, generate_series(1, 1999) n;
    INSERT INTO identity.sessions
    SELECT (jsonb_populate_record(s, jsonb_build_object(
        'id', gen_random_uuid(), 'account', p.id,
        'token_sha256', sha256(sha256(convert_to(p.n * 50 + k || '', 'UTF8')))))).*
    FROM identity.sessions s,
        (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM identity.accounts) p,
        generate_series(0, 49) k;
    ANALYZE identity.accounts, identity.sessions";

/// Measures all of it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let base = testkit::database(&[&identity::ROOM]).await;
    let first = Arc::new(gateway(&base.engine, Arc::new(LongMinute(SystemClock.now())))?);
    let account = somebody(&first).await?;
    first.open_session(&account, Strength::One, Opening::default()).await?;
    let tx = base.superuser.operator().await?;
    tx.batch(FILL).await?;
    tx.commit().await?;
    let tokens: Arc<Vec<SessionToken>> = Arc::new((0..SESSIONS).map(token).collect());

    let hearing = hear(&first, &base.engine).await?;
    let everybody = warm(&first, &tokens).await.context("filling the memory")?;
    let mut ours = Memory { identities: Arc::clone(&first), tokens: Arc::clone(&tokens), at: 0 };
    let mut table = Table { sessions: RwLock::new(everybody), tokens: Arc::clone(&tokens), at: 0 };
    let mut database = Database { db: base.engine.clone(), at: 0 };
    let before = first.session_vitals();
    let [decided, remembered, looked_up] = race([&mut ours, &mut table, &mut database]).await?;
    let after = first.session_vitals();
    let asked = after.asked.saturating_sub(before.asked);
    let answered = after.from_memory.saturating_sub(before.from_memory);
    ensure!(
        asked == 0 && answered > 0,
        "{asked} decisions went to the database, {answered} did not"
    );
    let what = "identity: a session decided, 100,000 in memory";
    let (_, middle, _) = spread(&decided);
    let mut rows = vec![
        row(what, &decided, "a table in memory behind a lock", &remembered),
        row(what, &decided, "one SELECT by its digest, prepared", &looked_up),
        format!(
            "| identity: a session decided, in time | {:.0} ns | what it was built for: {WANTED_NS:.0} ns | {:.2} |",
            1e9 / middle,
            WANTED_NS * middle / 1e9
        ),
    ];
    rows.push(ends(&base.engine, &first, &account).await.context("ends of sessions")?);
    hearing.abort();
    Ok(rows)
}

/// A moment that stays, at the price of the system's clock: what is in memory is read again after a minute, and
/// a read in the middle of a turn would be measured instead of what comes from memory.
#[derive(Debug)]
struct LongMinute(Timestamp);

impl Clock for LongMinute {
    fn now(&self) -> Timestamp {
        black_box(SystemClock.now());
        self.0
    }
}

/// As in the product, but that nobody has roles.
fn gateway(engine: &Db, clock: Arc<dyn Clock>) -> anyhow::Result<Identities> {
    let db = Db::lazy(engine.url(), POOL)?;
    let rng = Arc::new(SystemRng);
    Ok(Identities::new(db, clock, rng, Pool::default(), Arc::new(NoStandings))?)
}

async fn somebody(identities: &Identities) -> anyhow::Result<String> {
    let new = NewAccount {
        email: Email::new("sari@bench.example")?,
        name: "Sari".to_owned(),
        tenant: TenantId::new("bench")?,
        password: Secret::new(random_hex(&SystemRng, 16)?),
    };
    Ok(identities.create_account(&new).await?)
}

/// The token of this number, as [`FILL`] made it.
fn token(number: usize) -> SessionToken {
    let bytes = digest(&SHA256, number.to_string().as_bytes());
    SessionToken(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Has `gateway` listen from now on; it hears when this returns.
pub(crate) async fn hear(
    gateway: &Arc<Identities>,
    engine: &Db,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let (hearing, url) = (Arc::clone(gateway), engine.url().clone());
    let task = tokio::spawn(async move { hearing.keep(&url, std::future::pending()).await });
    let begun = Instant::now();
    while gateway.session_vitals().silent.is_none() {
        ensure!(begun.elapsed() < LONGEST, "a gateway does not hear");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(task)
}

/// Has every session decided once, by several at a time.
async fn warm(
    identities: &Arc<Identities>,
    tokens: &Arc<Vec<SessionToken>>,
) -> anyhow::Result<HashMap<String, Arc<Identity>>> {
    let mut filling = JoinSet::new();
    for lane in 0..FILLING {
        let (identities, tokens) = (Arc::clone(identities), Arc::clone(tokens));
        filling.spawn(async move {
            let mut known = Vec::new();
            for token in tokens.iter().skip(lane).step_by(FILLING) {
                let decided = identities.decide(token).await.map_err(anyhow::Error::msg)?;
                let decided = decided.context("a session is not known")?;
                known.push((token.0.expose().to_owned(), decided));
            }
            anyhow::Ok(known)
        });
    }
    let mut everybody = HashMap::new();
    while let Some(known) = filling.join_next().await {
        everybody.extend(known??);
    }
    Ok(everybody)
}

/// How long it takes until a session's end is known to all.
async fn ends(engine: &Db, first: &Arc<Identities>, account: &str) -> anyhow::Result<String> {
    let ender = gateway(engine, Arc::new(SystemClock))?;
    let (mut gateways, mut hearing) = (vec![Arc::clone(first)], Vec::new());
    for _ in 0..GATEWAYS {
        let another = Arc::new(gateway(engine, Arc::new(SystemClock))?);
        hearing.push(hear(&another, engine).await?);
        gateways.push(another);
    }
    let mut took = Vec::new();
    for _ in 0..ENDS {
        let token = ender.open_session(account, Strength::One, Opening::default()).await?;
        for gateway in &gateways {
            let known = gateway.decide(&token).await.map_err(anyhow::Error::msg)?;
            ensure!(known.is_some(), "a gateway does not know the session");
        }
        let begun = Instant::now();
        ender.sign_out(&token).await?;
        let all = async {
            for gateway in &gateways {
                while !matches!(gateway.decide(&token).await, Ok(None)) {
                    tokio::task::yield_now().await;
                }
            }
        };
        if timeout(LONGEST, all).await.is_err() {
            bail!("a session that was ended is known after {LONGEST:?}");
        }
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    for task in hearing {
        task.abort();
    }
    let (least, middle, most) = spread(&took);
    Ok(format!(
        "| identity: a session ended, until five gateways refuse it | {middle:.1} ms ({least:.1} \
         to {most:.1}) | what it was built for: {WANTED_MS:.0} ms | {:.2} / {:.2} / {:.2} |",
        WANTED_MS / most,
        WANTED_MS / middle,
        WANTED_MS / least
    ))
}

/// The next tokens that are asked about, copied: that of a request was read from its connection a moment ago,
/// so that finding it again in memory is no part of a decision.
fn at_hand(tokens: &[SessionToken], at: &mut usize) -> Vec<SessionToken> {
    let next = |_| {
        *at = (*at + STEP) % SESSIONS;
        tokens.get(*at).cloned()
    };
    (0..AT_HAND).filter_map(next).collect()
}

/// Ours.
struct Memory {
    identities: Arc<Identities>,
    tokens: Arc<Vec<SessionToken>>,
    at: usize,
}

impl Contestant for Memory {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let mut took = Duration::ZERO;
            for _ in 0..DECISIONS / AT_HAND {
                let at_hand = at_hand(&self.tokens, &mut self.at);
                let began = Instant::now();
                for token in &at_hand {
                    let decided = self.identities.decide(black_box(token)).await;
                    ensure!(matches!(black_box(decided), Ok(Some(_))), "a session is not known");
                }
                took += began.elapsed();
            }
            Ok(in_a_second(DECISIONS, took))
        })
    }
}

/// What a program would write by itself.
struct Table {
    sessions: RwLock<HashMap<String, Arc<Identity>>>,
    tokens: Arc<Vec<SessionToken>>,
    at: usize,
}

impl Contestant for Table {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let mut took = Duration::ZERO;
            for _ in 0..DECISIONS / AT_HAND {
                let at_hand = at_hand(&self.tokens, &mut self.at);
                let began = Instant::now();
                for token in &at_hand {
                    let sessions = self.sessions.read().map_err(|_| anyhow::anyhow!("poisoned"))?;
                    let known = sessions.get(black_box(token.0.expose())).map(Arc::clone);
                    ensure!(black_box(known).is_some(), "a session is not known");
                }
                took += began.elapsed();
            }
            Ok(in_a_second(DECISIONS, took))
        })
    }
}

/// What asks the database each time.
struct Database {
    db: Db,
    at: usize,
}

impl Contestant for Database {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let tx = self.db.operator().await?;
            let began = Instant::now();
            for _ in 0..LOOKUPS {
                self.at = (self.at + STEP) % SESSIONS;
                let bytes = digest(&SHA256, self.at.to_string().as_bytes());
                let key = digest(&SHA256, bytes.as_ref());
                let found = tx.query_opt(LOOK_UP, &[&key.as_ref()]).await?;
                ensure!(found.is_some(), "a session is not known");
            }
            let speed = per_second(LOOKUPS, began);
            tx.commit().await?;
            Ok(speed)
        })
    }
}
