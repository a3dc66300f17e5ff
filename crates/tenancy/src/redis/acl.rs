//! What a tenant's login may do on Redis: a list of commands that are let through, everything else
//! is not. A command that a newer server brings is withheld until it stands here.
//!
//! Redis checks the keys and channels of a command against the login's patterns, where a command
//! names them. So a command is let through when every key and channel that it touches is among its
//! arguments, and when its answer speaks of these alone.

use ::redis::Value;

use super::place::Place;
use super::wire::Wire;
use crate::Result;

/// Commands that are let through, by what they are for.
pub(super) static ALLOWED: &[(&str, &str)] = &[
    (
        "connection: nothing of anybody's, but its own name and whether the server answers",
        "ping echo time acl|whoami client|setname client|getname client|setinfo select|0",
    ),
    (
        "keys: each names its keys",
        "del unlink exists type touch expire expireat pexpire pexpireat persist ttl pttl expiretime \
         pexpiretime rename renamenx",
    ),
    (
        "strings",
        "get set setex psetex setnx getset getdel getex mget mset msetnx append strlen getrange \
         setrange incr decr incrby decrby incrbyfloat lcs setbit getbit bitcount bitpos bitop \
         bitfield bitfield_ro",
    ),
    (
        "hashes",
        "hset hsetnx hget hmset hmget hgetall hdel hexists hlen hkeys hvals hstrlen hincrby \
         hincrbyfloat hscan hrandfield",
    ),
    (
        "lists",
        "lpush rpush lpushx rpushx lpop rpop llen lindex linsert lset lrange ltrim lrem lpos lmove \
         rpoplpush lmpop blpop brpop blmove brpoplpush blmpop",
    ),
    (
        "sets",
        "sadd srem smembers sismember smismember scard spop srandmember sscan smove sinter \
         sintercard sunion sdiff sinterstore sunionstore sdiffstore",
    ),
    (
        "sorted sets",
        "zadd zrem zscore zmscore zincrby zcard zcount zlexcount zrange zrangestore zrangebyscore \
         zrangebylex zrevrange zrevrangebyscore zrevrangebylex zrank zrevrank zscan zpopmin \
         zpopmax zmpop bzpopmin bzpopmax bzmpop zrandmember zremrangebyrank zremrangebyscore \
         zremrangebylex zunion zinter zintercard zdiff zunionstore zinterstore zdiffstore",
    ),
    ("counters of distinct things", "pfadd pfcount pfmerge"),
    ("places on the map", "geoadd geodist geohash geopos geosearch geosearchstore"),
    (
        "streams",
        "xadd xrange xrevrange xlen xdel xtrim xread xreadgroup xack xclaim xautoclaim xpending \
         xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy xgroup|setid \
         xinfo|stream xinfo|groups xinfo|consumers",
    ),
    ("transactions: each command in them is checked too", "multi exec discard watch unwatch"),
    (
        "channels: each names its channels, a pattern must be the login's own",
        "subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish",
    ),
];

/// Commands that are withheld, and why. The golden table of the tests refuses one that is in
/// neither list.
#[cfg(test)]
pub(super) static WITHHELD: &[(&str, &str)] = &[
    ("it lists keys of everybody", "keys scan randomkey"),
    ("it tells how much all have together", "dbsize"),
    ("it empties or exchanges what belongs to everybody", "flushall flushdb swapdb"),
    ("erasing looks into one database, and nothing may lie in another", "move copy select"),
    (
        "its BY and GET name keys inside of arguments, which are compared with no pattern of a login's",
        "sort sort_ro",
    ),
    ("it lists channels of everybody, or tells who listens to a guessed one", "pubsub"),
    ("it shows what others send", "monitor slowlog"),
    ("it tells of all connections, or ends them", "client"),
    ("it tells of the whole server, or changes it", "info config latency memory role lastsave"),
    (
        "scripts of all tenants share one store, in which a digest tells whether another has a \
         text; one that does not end stops everybody; and the interpreter has had ways out",
        "eval eval_ro evalsha evalsha_ro script fcall fcall_ro function",
    ),
    ("it tells of other logins, or changes them", "acl"),
    ("its input is the server's own format, which was made for a trusted hand", "restore dump"),
    ("it connects elsewhere", "migrate"),
    (
        "it belongs to the replicas and the cluster, or tells of them",
        "replicaof slaveof sync psync replconf failover cluster asking readonly readwrite wait \
         waitaof restore-asking",
    ),
    ("it writes to the disk or stops the server", "save bgsave bgrewriteaof shutdown"),
    ("it is the server's own workshop", "debug module pfdebug pfselftest object lolwut command"),
    (
        "an older form of another command, with keys that only a parser finds",
        "georadius georadiusbymember georadius_ro georadiusbymember_ro substr",
    ),
    ("help texts, and what sets a stream's counters from outside", "xgroup xinfo xsetid"),
];

/// What Redis lets everybody do, whatever the rules say: to log in, to leave, to choose a protocol.
#[cfg(test)]
pub(super) static ALWAYS: &[&str] = &["auth", "hello", "quit", "reset"];

/// Every name in a list.
pub(super) fn names(list: &'static [(&str, &str)]) -> impl Iterator<Item = &'static str> {
    list.iter().flat_map(|(_, names)| names.split_whitespace())
}

/// The rules on commands that this server knows: an older one is asked for less.
///
/// # Errors
/// When the server does not answer, or not for each.
pub(super) async fn commands(wire: &mut Wire) -> Result<Vec<String>> {
    let known = |name: &'static str| match name {
        // A first argument, not a command of its own.
        "select|0" => "select",
        name => name,
    };
    let asked = ["COMMAND", "INFO"].into_iter().chain(names(ALLOWED).map(known));
    let Value::Array(answers) = wire.ask(asked).await? else {
        return Err(wire.failed("it does not tell which commands it knows".to_owned()));
    };
    if answers.len() != names(ALLOWED).count() {
        return Err(wire.failed("it does not answer for each command".to_owned()));
    }
    let there = names(ALLOWED).zip(answers).filter(|(_, answer)| !matches!(answer, Value::Nil));
    Ok(there.map(|(name, _)| format!("+{name}")).collect())
}

/// What `ACL SETUSER` is told of a tenant's login. The password is given by its digest.
pub(super) fn rules(place: &Place, password_sha256: &str, commands: &[String]) -> Vec<String> {
    let prefix = place.prefix();
    let mut rules = vec![
        "reset".to_owned(),
        "on".to_owned(),
        // A server may give new users all channels.
        "resetchannels".to_owned(),
        format!("#{password_sha256}"),
        format!("~{prefix}*"),
        format!("&{prefix}*"),
        "-@all".to_owned(),
    ];
    rules.extend(commands.iter().cloned());
    rules
}
