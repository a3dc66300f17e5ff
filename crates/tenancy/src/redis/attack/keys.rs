//! Attacks on another's keys: every kind of value read, changed, moved and removed.

use super::Expect::{Nothing, Refused};
use super::Way::{Inline, Login};
use super::{ASKED, Attack, of};
use crate::Result;
use crate::attack::Outcome;
use crate::redis::scene::Scene;
use crate::redis::wire::text;

const fn refused(name: &'static str, told: &'static str, shots: &'static [&'static str]) -> Attack {
    of(name, told, ASKED, shots)
}

pub(super) static BATTERY: &[Attack] = &[
    refused(
        "read-string",
        "reads another's texts",
        &[
            "GET {t}string",
            "MGET {m}string {t}string",
            "GETRANGE {t}string 0 -1",
            "STRLEN {t}string",
            "GETEX {t}string",
            "GETDEL {t}string",
            "GETBIT {t}string 1",
            "BITCOUNT {t}string",
            "BITPOS {t}string 1",
            "BITFIELD_RO {t}string GET u8 0",
            "LCS {m}string {t}string",
            "SUBSTR {t}string 0 -1",
        ],
    ),
    refused(
        "read-hash",
        "reads another's hashes",
        &[
            "HGETALL {t}hash",
            "HGET {t}hash f",
            "HMGET {t}hash f",
            "HKEYS {t}hash",
            "HVALS {t}hash",
            "HLEN {t}hash",
            "HSCAN {t}hash 0",
            "HRANDFIELD {t}hash",
            "HSTRLEN {t}hash f",
        ],
    ),
    refused(
        "read-list",
        "reads another's lists",
        &["LRANGE {t}list 0 -1", "LINDEX {t}list 0", "LLEN {t}list", "LPOS {t}list x"],
    ),
    refused(
        "read-set",
        "reads another's sets",
        &[
            "SMEMBERS {t}set",
            "SRANDMEMBER {t}set",
            "SISMEMBER {t}set x",
            "SSCAN {t}set 0",
            "SCARD {t}set",
            "SUNION {m}set {t}set",
            "SINTER {t}set {m}set",
            "SDIFF {t}set {m}set",
            "SINTERCARD 2 {m}set {t}set",
        ],
    ),
    refused(
        "read-sorted-set",
        "reads another's sorted sets",
        &[
            "ZRANGE {t}zset 0 -1",
            "ZRANGEBYSCORE {t}zset -inf +inf",
            "ZREVRANGE {t}zset 0 -1",
            "ZSCORE {t}zset x",
            "ZSCAN {t}zset 0",
            "ZCARD {t}zset",
            "ZUNION 2 {m}zset {t}zset",
            "ZINTER 2 {t}zset {m}zset",
            "ZDIFF 2 {t}zset {m}zset",
            "ZRANDMEMBER {t}zset",
        ],
    ),
    refused(
        "read-stream",
        "reads another's streams",
        &[
            "XRANGE {t}stream - +",
            "XREVRANGE {t}stream + -",
            "XLEN {t}stream",
            "XREAD STREAMS {t}stream 0",
            "XREAD STREAMS {m}stream {t}stream 0 0",
            "XINFO STREAM {t}stream",
            "XINFO GROUPS {t}stream",
            "XPENDING {t}stream g",
        ],
    ),
    refused(
        "read-group",
        "reads another's streams as one of its group",
        &[
            "XREADGROUP GROUP g me STREAMS {t}stream >",
            "XCLAIM {t}stream g me 0 1-1",
            "XAUTOCLAIM {t}stream g me 0 0",
            "XACK {t}stream g 1-1",
        ],
    ),
    refused(
        "read-distinct",
        "reads another's counters",
        &["PFCOUNT {t}hll", "PFCOUNT {m}hll {t}hll"],
    ),
    refused(
        "read-map",
        "reads another's places on the map",
        &[
            "GEOPOS {t}geo x",
            "GEODIST {t}geo x x",
            "GEOHASH {t}geo x",
            "GEOSEARCH {t}geo FROMLONLAT 0 0 BYRADIUS 9999 km ASC",
            "GEORADIUS_RO {t}geo 0 0 9999 km",
        ],
    ),
    refused(
        "exists",
        "learns whether another has a key",
        &[
            "EXISTS {t}string",
            "EXISTS {m}string {t}string",
            "TYPE {t}string",
            "TTL {t}string",
            "PTTL {t}string",
            "EXPIRETIME {t}string",
            "TOUCH {t}string",
            "OBJECT ENCODING {t}string",
            "MEMORY USAGE {t}string",
            "TYPE {t}nothing",
        ],
    ),
    refused(
        "write-string",
        "changes another's texts",
        &[
            "SET {t}string x",
            "SET {t}new x NX GET",
            "SETNX {t}new x",
            "GETSET {t}string x",
            "APPEND {t}string x",
            "SETRANGE {t}string 0 x",
            "SETEX {t}string 9 x",
            "PSETEX {t}string 9 x",
            "MSET {m}string x {t}string x",
            "MSETNX {m}new x {t}new x",
            "SETBIT {t}string 1 1",
            "BITFIELD {t}string SET u8 0 1",
        ],
    ),
    refused(
        "count",
        "counts in another's numbers",
        &[
            "INCR {t}new",
            "DECR {t}new",
            "INCRBY {t}new 2",
            "DECRBY {t}new 2",
            "INCRBYFLOAT {t}new 1",
        ],
    ),
    refused(
        "write-hash",
        "changes another's hashes",
        &[
            "HSET {t}hash f x",
            "HMSET {t}hash f x",
            "HSETNX {t}hash n x",
            "HDEL {t}hash f",
            "HINCRBY {t}hash n 1",
            "HINCRBYFLOAT {t}hash n 1",
        ],
    ),
    refused(
        "write-list",
        "changes another's lists",
        &[
            "LPUSH {t}list x",
            "RPUSH {t}list x",
            "RPUSHX {t}list x",
            "LSET {t}list 0 x",
            "LREM {t}list 0 x",
            "LTRIM {t}list 1 0",
            "LINSERT {t}list BEFORE x x",
        ],
    ),
    refused(
        "take-list",
        "takes out of another's lists",
        &[
            "LPOP {t}list",
            "RPOP {t}list",
            "LMOVE {t}list {m}list LEFT LEFT",
            "LMOVE {m}list {t}list LEFT LEFT",
            "RPOPLPUSH {t}list {m}list",
            "RPOPLPUSH {m}list {t}list",
            "LMPOP 2 {m}none {t}list LEFT",
        ],
    ),
    refused(
        "write-set",
        "changes another's sets",
        &[
            "SADD {t}set x",
            "SREM {t}set x",
            "SPOP {t}set",
            "SMOVE {t}set {m}set x",
            "SMOVE {m}set {t}set x",
        ],
    ),
    refused(
        "write-sorted-set",
        "changes another's sorted sets",
        &[
            "ZADD {t}zset 1 x",
            "ZINCRBY {t}zset 1 x",
            "ZREM {t}zset x",
            "ZPOPMIN {t}zset",
            "ZPOPMAX {t}zset",
            "ZMPOP 2 {m}none {t}zset MIN",
            "ZREMRANGEBYRANK {t}zset 0 -1",
            "ZREMRANGEBYSCORE {t}zset -inf +inf",
        ],
    ),
    refused(
        "write-stream",
        "changes another's streams",
        &[
            "XADD {t}stream * f x",
            "XDEL {t}stream 1-1",
            "XTRIM {t}stream MAXLEN 0",
            "XGROUP CREATE {t}stream h $",
            "XGROUP DESTROY {t}stream g",
            "XSETID {t}stream 9-9",
        ],
    ),
    refused(
        "write-other",
        "changes another's counters and places",
        &["PFADD {t}hll x", "GEOADD {t}geo 1 1 x", "PFMERGE {t}hll {m}hll"],
    ),
    refused(
        "delete",
        "removes another's keys",
        &[
            "DEL {t}string",
            "UNLINK {t}string",
            "DEL {m}none {t}string",
            "UNLINK {m}none {t}list {t}set",
        ],
    ),
    refused(
        "expire",
        "sets how long another's keys live",
        &[
            "EXPIRE {t}string 1",
            "PEXPIRE {t}string 1",
            "EXPIREAT {t}string 1",
            "PEXPIREAT {t}string 1",
            "PERSIST {t}string",
            "GETEX {t}string PERSIST",
        ],
    ),
    refused(
        "rename",
        "renames another's keys, or its own onto them",
        &[
            "RENAME {t}string {m}new",
            "RENAME {m}string {t}string",
            "RENAMENX {t}string {m}new",
            "RENAMENX {m}string {t}new",
        ],
    ),
    refused(
        "copy",
        "copies another's keys, or its own onto them",
        &[
            "COPY {t}string {m}new",
            "COPY {m}string {t}string REPLACE",
            "COPY {t}string {m}new DB 0",
            "MOVE {t}string 1",
            "MOVE {m}string 1",
        ],
    ),
    refused(
        "store",
        "stores what is made of another's keys, or onto them",
        &[
            "SUNIONSTORE {m}new {t}set",
            "SUNIONSTORE {t}set {m}set",
            "SINTERSTORE {m}new {m}set {t}set",
            "SDIFFSTORE {m}new {t}set {m}none",
            "ZUNIONSTORE {m}new 2 {m}zset {t}zset",
            "ZUNIONSTORE {t}zset 1 {m}zset",
            "ZINTERSTORE {m}new 2 {t}zset {m}zset WEIGHTS 1 1",
            "ZDIFFSTORE {m}new 2 {t}zset {m}none",
            "ZRANGESTORE {m}new {t}zset 0 -1",
            "ZRANGESTORE {t}zset {m}zset 0 -1",
            "BITOP OR {m}new {t}string",
            "BITOP NOT {t}string {m}string",
            "PFMERGE {m}new {t}hll",
            "GEOSEARCHSTORE {m}new {t}geo FROMLONLAT 0 0 BYRADIUS 9999 km",
            "GEORADIUS {m}geo 0 0 9999 km STORE {t}geo",
        ],
    ),
    refused(
        "sort",
        "sorts by another's keys",
        &[
            "SORT {t}list ALPHA",
            "SORT {m}list BY {T}* ALPHA",
            "SORT {m}list BY nosort GET {t}string",
            "SORT {m}list ALPHA STORE {t}list",
            "SORT_RO {t}list ALPHA",
            "SORT {m}list ALPHA",
        ],
    ),
    refused(
        "transaction",
        "reaches another's keys inside a transaction",
        &[
            "MULTI ; GET {t}string ; EXEC",
            "MULTI ; SET {m}string x ; DEL {t}string ; EXEC",
            "WATCH {t}string",
            "WATCH {m}string {t}string",
        ],
    ),
    refused(
        "wait",
        "waits for what another stores",
        &[
            "BLPOP {t}list 1",
            "BRPOP {m}none {t}list 1",
            "BLMOVE {t}list {m}list LEFT LEFT 1",
            "BRPOPLPUSH {t}list {m}list 1",
            "BLMPOP 1 1 {t}list LEFT",
            "BZPOPMIN {t}zset 1",
            "BZPOPMAX {t}zset 1",
            "BZMPOP 1 1 {t}zset MIN",
            "XREAD BLOCK 1 STREAMS {t}stream $",
        ],
    ),
    refused(
        "prefix",
        "reaches keys whose names begin almost like its own",
        &[
            "SET {P} x",
            "SET {P}x: x",
            "GET {P};:string",
            "SET {P}_:string x",
            "GET {F}string",
            "SET {F}: x",
            "SET x{m}string x",
            "SET :{m}string x",
            "SET {empty} x",
            "GET {nul}{t}string",
        ],
    ),
    refused(
        "glob",
        "reaches another's keys by wildcards in their names",
        &["GET {F}*", "GET *", "GET [a]{t}string", "DEL {F}?", "GET {Q}\\:string", "MGET {m}* *"],
    ),
    refused(
        "strange-names",
        "reaches another's keys by strange names",
        &[
            "GET {t}string{nul}",
            "SET {t}{nul}{m} x",
            "GET {t}\u{0627}\u{202e}\u{1f511}",
            "SET {t}{long} x",
            "GET {long}",
            "MGET {m}string {m}{long} {t}string",
        ],
    ),
    of(
        "inline",
        "reaches another's keys in the form that people type",
        (Inline, Refused),
        &["GET {t}string", "SET {t}string x", "GET {m}string ; DEL {t}string"],
    ),
    of(
        "own-names",
        "finds another's value under a name of its own",
        (Login, Nothing),
        &["GET {M}{t}string", "GET {m}{nul}{t}string", "GET {m}../{t}string", "MGET {m}* {M}*"],
    ),
];

/// Both store under the key that the application calls by the same name, and each finds its own.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn collide(scene: &Scene<'_>) -> Result<Outcome> {
    let (me, them) = scene.target.pair;
    let (mut mine, mut theirs) = (scene.enter(me).await?, scene.enter(them).await?);
    let name = format!("basket:{}", scene.target.marks.0);
    let key = |login: &super::Login| format!("{}{name}", login.place.prefix());
    mine.ask(["SET", &key(me), "mine", "EX", "60"]).await?;
    theirs.ask(["SET", &key(them), "theirs", "EX", "60"]).await?;
    let found = (
        text(&mine.ask(["GETDEL", &key(me)]).await?),
        text(&theirs.ask(["GETDEL", &key(them)]).await?),
    );
    Ok(match found {
        (Some(a), Some(b)) if a == "mine" && b == "theirs" => Outcome::Held,
        (a, b) => Outcome::Leaked(format!("found {a:?} and {b:?}")),
    })
}
