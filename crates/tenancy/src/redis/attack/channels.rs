//! Attacks on another's channels: hearing, speaking, listing.

use std::time::Duration;

use ::redis::Value;

use super::Expect::{Nothing, Refused};
use super::Way::{Inline, Login, Question, Stranger};
use super::{ASKED, Attack, of, shot};
use crate::Result;
use crate::attack::Outcome;
use crate::redis::scene::Scene;
use crate::redis::wire::Wire;

/// How long a message may take to arrive.
const HEARING: Duration = Duration::from_secs(10);

pub(super) static BATTERY: &[Attack] = &[
    of(
        "subscribe",
        "hears another's channels",
        ASKED,
        &["SUBSCRIBE {t}c", "SUBSCRIBE {m}c {t}c", "SUBSCRIBE {T}", "SUBSCRIBE {Q}"],
    ),
    of(
        "subscribe-all",
        "hears everybody's channels",
        ASKED,
        &["PSUBSCRIBE *", "PSUBSCRIBE {F}*", "PSUBSCRIBE a*", "PSUBSCRIBE ?*", "PSUBSCRIBE {M}* *"],
    ),
    of(
        "subscribe-pattern",
        "hears another's channels by a pattern",
        ASKED,
        &[
            "PSUBSCRIBE {T}*",
            "PSUBSCRIBE {t}c",
            "PSUBSCRIBE {t}*",
            "PSUBSCRIBE [a]{Q}*",
            "PSUBSCRIBE {F}????????????????????????????????:*",
            "PSUBSCRIBE {P}*",
            "PSUBSCRIBE {P}?*",
        ],
    ),
    of(
        "subscribe-shard",
        "hears another's channels of a shard",
        ASKED,
        &["SSUBSCRIBE {t}c", "SSUBSCRIBE {m}c {t}c"],
    ),
    of("publish", "speaks on another's channels", ASKED, &["PUBLISH {t}c x", "PUBLISH {T} x"]),
    of("publish-shard", "speaks on another's channels of a shard", ASKED, &["SPUBLISH {t}c x"]),
    of(
        "list-channels",
        "learns which channels there are and who listens",
        ASKED,
        &[
            "PUBSUB CHANNELS",
            "PUBSUB CHANNELS {T}*",
            "PUBSUB NUMSUB {t}c",
            "PUBSUB NUMPAT",
            "PUBSUB SHARDCHANNELS",
            "PUBSUB SHARDNUMSUB {t}c",
        ],
    ),
    of(
        "key-events",
        "is told by the server which keys others change",
        ASKED,
        &[
            "SUBSCRIBE __keyspace@0__:{t}string",
            "SUBSCRIBE __keyevent@0__:set",
            "PSUBSCRIBE __key*__:*",
            "PSUBSCRIBE __keyspace@0__:{T}*",
            "PUBLISH __keyspace@0__:{t}string del",
        ],
    ),
    of(
        "follow",
        "is told which keys others change",
        ASKED,
        &[
            "HELLO 3 ; CLIENT TRACKING ON BCAST",
            "CLIENT TRACKING ON REDIRECT 1 BCAST",
            "SUBSCRIBE __redis__:invalidate",
            "PUBLISH __redis__:invalidate x",
        ],
    ),
    of(
        "transaction",
        "speaks on another's channels in a transaction",
        ASKED,
        &["MULTI ; PUBLISH {t}c x ; EXEC", "MULTI ; SUBSCRIBE {t}c ; EXEC"],
    ),
    of(
        "push",
        "hears another's channels by the newer protocol",
        ASKED,
        &["HELLO 3 ; SUBSCRIBE {t}c", "HELLO 3 ; PSUBSCRIBE *", "HELLO 3 ; SSUBSCRIBE {t}c"],
    ),
    of(
        "script",
        "speaks on another's channels by a script",
        ASKED,
        &["EVAL return(1) 0", "EVAL redis.call('PUBLISH',ARGV[1],'x') 0 {t}c", "FCALL f 0 {t}c"],
    ),
    of(
        "stranger",
        "hears or speaks before it has logged in",
        (Stranger, Refused),
        &["SUBSCRIBE {t}c", "PUBLISH {t}c x", "PSUBSCRIBE *", "AUTH {them} x ; SUBSCRIBE {t}c"],
    ),
    of(
        "reset",
        "hears or speaks after a reset",
        ASKED,
        &["RESET ; SUBSCRIBE {t}c", "RESET ; PUBLISH {m}c x"],
    ),
    of(
        "prefix",
        "reaches channels whose names begin almost like its own",
        ASKED,
        &[
            "SUBSCRIBE {P}",
            "SUBSCRIBE {P}x:c",
            "PUBLISH {P}_:c x",
            "SUBSCRIBE {F}c",
            "SUBSCRIBE {nul}{t}c",
            "PUBLISH {empty} x",
            "SUBSCRIBE {t}c{nul}",
            "SUBSCRIBE {long}",
        ],
    ),
    of(
        "inline",
        "reaches another's channels in the form that people type",
        (Inline, Refused),
        &["SUBSCRIBE {t}c", "PUBLISH {t}c x"],
    ),
    of("watch", "sees what others send", (Question, Refused), &["MONITOR"]),
    of(
        "end-listeners",
        "ends the connections of listeners",
        (Question, Refused),
        &["CLIENT KILL TYPE pubsub", "CLIENT KILL USER {them}"],
    ),
    of(
        "own-names",
        "is answered with what is another's on its own channels",
        (Login, Nothing),
        &["PUBLISH {m}c x", "UNSUBSCRIBE {m}c", "PUNSUBSCRIBE {M}*"],
    ),
];

/// Both listen on everything of their own and on the channel that the application calls by the
/// same name. The other speaks first, so that its words would arrive first.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn hear(scene: &Scene<'_>) -> Result<Outcome> {
    let (me, them) = scene.target.pair;
    let channel = |login: &super::Login| format!("{}news", login.place.prefix());
    let all = |login: &super::Login| format!("{}*", login.place.prefix());
    let (mut mine, mut theirs) = (scene.enter(me).await?, scene.enter(them).await?);
    mine.ask(["PSUBSCRIBE", &all(me)]).await?;
    mine.ask(["SUBSCRIBE", &channel(me)]).await?;
    theirs.ask(["SUBSCRIBE", &channel(them)]).await?;
    let (mut my_voice, mut their_voice) = (scene.enter(me).await?, scene.enter(them).await?);
    let (mine_said, theirs_said) = (&scene.target.marks.0, &scene.target.marks.1);
    their_voice.ask(["PUBLISH", &channel(them), theirs_said]).await?;
    my_voice.ask(["PUBLISH", &channel(me), mine_said]).await?;
    let heard = [hears(&mut mine).await?, hears(&mut mine).await?];
    let other = hears(&mut theirs).await?;
    let [Some(first), Some(second)] = &heard else {
        return Ok(Outcome::Unsure("a message did not arrive".to_owned()));
    };
    let Some(other) = other else {
        return Ok(Outcome::Unsure("the other's message did not arrive".to_owned()));
    };
    let sound = |value: &Value, said: &str| shot::holds(value, said.as_bytes());
    Ok(if [first, second].iter().any(|value| sound(value, theirs_said)) {
        Outcome::Leaked("the other's words arrived".to_owned())
    } else if sound(&other, mine_said) {
        Outcome::Leaked("its words arrived at the other".to_owned())
    } else {
        Outcome::Held
    })
}

/// A listener whose login ends is not connected any more.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn outlive(scene: &Scene<'_>) -> Result<Outcome> {
    let target = scene.target;
    let login = &target.passing;
    let mut wire = scene.enter(login).await?;
    wire.ask(["SUBSCRIBE", &format!("{}news", login.place.prefix())]).await?;
    target.door.enter().await?.ask(["ACL", "DELUSER", &login.name]).await?;
    Ok(match wire.receive_within(HEARING).await {
        Err(_) => Outcome::Held,
        Ok(None) => Outcome::Leaked("its connection stays".to_owned()),
        Ok(Some(_)) => Outcome::Unsure("it was told something else".to_owned()),
    })
}

async fn hears(wire: &mut Wire) -> Result<Option<Value>> {
    wire.receive_within(HEARING).await
}
