//! `amanah doctor`: what could keep Amanah from working, found without starting anything.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use gateway::{Certificates, GatewayError, Presented};
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock as _, SystemClock, shown};
use serde::Serialize;
use store::{Cluster, DatabaseUrl, Db, Programs};
use tenancy::Server;

use crate::cli::Place;
use crate::config::{Config, RootKind, Way};
use crate::data::Data;
use crate::exit::Exit;
use crate::roots::{self, NEW_ROOT_SECRET, ROOT_PASSWORD, ROOT_SECRET};
use crate::{comparing, mail, out, pages, people_reviews, reviews, sealing};

/// A certificate that ends within this is a problem.
const CERTIFICATE_ENDS_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What was looked at, and what to do if it is not well.
#[derive(Debug, Serialize)]
struct Sign {
    what: &'static str,
    well: bool,
    says: String,
}

pub(crate) async fn run(place: &Place) -> anyhow::Result<Exit> {
    let mut signs = Vec::new();
    let config = match Config::load(place.config.as_deref()) {
        Ok(config) => {
            signs.push(well("configuration", "can be read"));
            config
        }
        Err(error) => {
            signs.push(ill("configuration", format!("{error:#}")));
            return print(place, &signs);
        }
    };
    signs.push(programs(&config).await);
    signs.push(look_at_pages(&config));
    signs.extend(certificates(&config));
    if !place.data.exists() {
        let says = format!("{} is not there yet; `amanah up` makes it", place.data.display());
        signs.push(well("data directory", &says));
        return print(place, &signs);
    }
    match Data::open(&place.data) {
        Ok(data) => {
            signs.push(private(&data));
            signs.push(root(&config, &data));
            signs.push(database(place, &data).await);
            signs.push(redis(&config, &data));
            signs.push(listener(&config, &data));
            signs.push(seals(&data));
            signs.push(comparison(&data));
            signs.push(due(&data));
            signs.push(access_due(&data));
            signs.push(letters(&config, &data));
        }
        Err(error) => signs.push(ill("data directory", format!("{error:#}"))),
    }
    print(place, &signs)
}

async fn programs(config: &Config) -> Sign {
    match Programs::find(config.programs()).await {
        Ok(found) => well("PostgreSQL's programs", &format!("version {}", found.version())),
        Err(error) => ill("PostgreSQL's programs", error.to_string()),
    }
}

fn look_at_pages(config: &Config) -> Sign {
    match pages::load_all(&config.pages.directory) {
        Ok(pages) if pages.is_empty() => {
            ill("pages", format!("there are none in {}", config.pages.directory.display()))
        }
        Ok(pages) => well("pages", &format!("{}, all in order", out::count(pages.len(), "page"))),
        Err(error) => ill("pages", format!("{error:#}")),
    }
}

/// Whether the operator's certificates would be taken at a start, and last for two weeks.
fn certificates(config: &Config) -> Vec<Sign> {
    let what = "certificates";
    let now = SystemClock.now();
    let soon = now.checked_add(CERTIFICATE_ENDS_SOON).unwrap_or(Timestamp::MAX);
    let look = |read: Result<Presented, GatewayError>| match read {
        Ok(one) => {
            let says = format!(
                "{} is for {} until {}",
                one.file.display(),
                one.names.join(", "),
                one.until
            );
            if one.until < soon {
                ill(what, format!("{says}. Renew it"))
            } else {
                well(what, &says)
            }
        }
        Err(error) => ill(what, error.to_string()),
    };
    let files = config.gateway.tls.certificates();
    Certificates::inspect(&files, now).into_iter().map(look).collect()
}

/// A secret that others can read is no secret.
fn private(data: &Data) -> Sign {
    let open = |path: &&std::path::PathBuf| {
        path.metadata().is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
    };
    let files = match data.private_files() {
        Ok(files) => files,
        Err(error) => return ill("secrets", format!("{error:#}")),
    };
    match files.iter().find(open) {
        Some(file) => {
            ill("secrets", format!("others can read {0}. Run: chmod 600 {0}", file.display()))
        }
        None => well("secrets", &out::count(files.len(), "private file")),
    }
}

/// Where the root of the keys is, and how to take its secret off this machine's disk.
fn root(config: &Config, data: &Data) -> Sign {
    let what = "root of the keys";
    if config.keys.root != RootKind::File {
        return well(what, "is not a file here; keys.kms tells whether it is on this machine");
    }
    let (file, made) = (roots::root_file(data), data.read_secret(ROOT_PASSWORD));
    match (file.exists(), made) {
        (_, Err(error)) => ill(what, format!("{error:#}")),
        (false, _) => well(what, "is not there yet; `amanah up` makes it"),
        (true, Ok(None)) => well(
            what,
            &format!("{} is sealed by {ROOT_SECRET}, which is not on this disk", file.display()),
        ),
        (true, Ok(Some(_))) => well(
            what,
            &format!(
                "{} and the secret that seals it are both on this disk, so keys.kms cannot hold. \
                 To take the secret elsewhere: {NEW_ROOT_SECRET}_FILE=FILE amanah keys reseal, and \
                 start with {ROOT_SECRET}_FILE; or choose another root in [keys]",
                file.display()
            ),
        ),
    }
}

async fn database(place: &Place, data: &Data) -> Sign {
    let what = "database";
    if let Some(url) = &place.database_url {
        let connect = async { Db::connect(&DatabaseUrl::parse(url)?, 1).await?.version().await };
        return match connect.await {
            Ok(version) => match version.check() {
                Ok(()) => well(what, &format!("PostgreSQL {version} answers")),
                Err(error) => ill(what, error.to_string()),
            },
            Err(error) => ill(what, error.to_string()),
        };
    }
    match Cluster::address_in(data.root()) {
        Some((socket, port)) => well(
            what,
            &format!(
                "the managed PostgreSQL runs; as its superuser: psql -h {} -p {port} -U postgres demo",
                socket.display()
            ),
        ),
        None => well(what, "the managed PostgreSQL does not run; `amanah up` starts it"),
    }
}

/// Without one everything else works.
fn redis(config: &Config, data: &Data) -> Sign {
    let what = "Redis";
    if !config.redis.url.is_empty() {
        return well(what, "one of yours is configured; isolation.cache tells whether it answers");
    }
    match Server::impossible(data.root(), config.redis.program()) {
        Some(why) => well(what, &format!("tenants have no places there, since {why}")),
        None => well(what, "the managed server runs, or can be started"),
    }
}

fn listener(config: &Config, data: &Data) -> Sign {
    let what = "gateway";
    if let Some(running) = data.running() {
        return well(what, &format!("https://{} runs as process {}", running.listen, running.pid));
    }
    let listen = config.gateway.listen;
    match TcpListener::bind(listen) {
        Ok(_) => well(what, &format!("does not run; {listen} is free")),
        Err(error) => {
            ill(what, format!("{listen} cannot be taken ({error}). Choose another with --listen"))
        }
    }
}

/// Whether rows of a trail wait for their seal.
fn seals(data: &Data) -> Sign {
    let what = "seals of the trails";
    if data.running().is_none() {
        return well(what, "are made while `amanah up` runs");
    }
    let waiting = sealing::waiting(data);
    if waiting.is_empty() {
        return well(what, "no row waits for more than a minute");
    }
    let all = waiting.iter().map(|one| format!("{}: {}", one.database, one.why));
    ill(what, format!("rows wait for more than a minute. {}", all.collect::<Vec<_>>().join("; ")))
}

/// Whether the comparison of write-ahead logs with trails has something to tell.
fn comparison(data: &Data) -> Sign {
    let what = "comparison of the trails";
    if data.running().is_none() {
        return well(what, "is made while `amanah up` runs");
    }
    let told = comparing::told(data);
    if told.is_empty() {
        return well(what, "nothing to tell");
    }
    let all = told.iter().map(|one| format!("{}: {}", one.database, one.what));
    ill(what, all.collect::<Vec<_>>().join("; "))
}

/// Whether a review of a trail is due.
fn due(data: &Data) -> Sign {
    let what = "reviews of the trails";
    if data.running().is_none() {
        return well(what, "are looked at while `amanah up` runs");
    }
    let told = reviews::told(data);
    if told.is_empty() {
        return well(what, "none is due within a week");
    }
    let all = told.iter().map(|one| format!("{}: {}", one.database, one.what));
    ill(what, all.collect::<Vec<_>>().join("; "))
}

/// Whether a review of what people may do is due.
fn access_due(data: &Data) -> Sign {
    let what = "reviews of access";
    if data.running().is_none() {
        return well(what, "are looked at while `amanah up` runs");
    }
    let told = people_reviews::told(data);
    if told.is_empty() {
        return well(what, "none is due within two weeks");
    }
    let all = told.iter().map(|one| format!("{}: {}", one.database, one.what));
    ill(what, all.collect::<Vec<_>>().join("; "))
}

/// Whether letters leave.
fn letters(config: &Config, data: &Data) -> Sign {
    let what = "letters";
    if data.running().is_none() {
        let way = match config.mail.way {
            Way::Folder => format!("are laid into {}", data.root().join("outbox").display()),
            Way::Smtp => format!("go to {}:{}", config.mail.host, config.mail.port),
        };
        return well(what, &format!("{way} while `amanah up` runs"));
    }
    let Some(told) = mail::told(data) else {
        return well(what, "nothing was told so far");
    };
    if told.stuck == 0 && told.given_up == 0 {
        return well(what, &format!("go to {}; none waits for another try", told.to));
    }
    let why = told.problem.unwrap_or_default();
    ill(
        what,
        format!(
            "{} wait for another try and {} never left, on their way to {}. {why}. Put [mail] right and start again: \
             those that wait are kept for two days",
            told.stuck, told.given_up, told.to
        ),
    )
}

fn print(place: &Place, signs: &[Sign]) -> anyhow::Result<Exit> {
    if place.json {
        out::line(&serde_json::to_string_pretty(signs)?);
    } else {
        for sign in signs {
            let mark = if sign.well { "ok     " } else { "PROBLEM" };
            out::line(&format!("{mark}  {}: {}", sign.what, shown(&sign.says)));
        }
    }
    let all_well = signs.iter().all(|sign| sign.well);
    Ok(if all_well { Exit::Holds } else { Exit::CannotTell })
}

fn well(what: &'static str, says: &str) -> Sign {
    Sign { what, well: true, says: says.to_owned() }
}

fn ill(what: &'static str, says: String) -> Sign {
    Sign { what, well: false, says }
}
