//! Attacks on what belongs to the whole server: lists of keys, scripts, connections, logins.

use super::Attack;
use super::Expect::{self, Nothing, Refused, WrongPassword};
use super::Way::{self, Login, Question, Stranger};

const fn of(
    name: &'static str,
    told: &'static str,
    (way, expect): (Way, Expect),
    shots: &'static [&'static str],
) -> Attack {
    Attack { name, told, way, expect, shots }
}

const ASKED: (Way, Expect) = (Login, Refused);
/// What would harm everybody when it is let through.
const HARMFUL: (Way, Expect) = (Question, Refused);

pub(super) static BATTERY: &[Attack] = &[
    of(
        "list-keys",
        "lists the keys of everybody",
        ASKED,
        &["SCAN 0 COUNT 1", "SCAN 0 MATCH {T}* COUNT 1", "RANDOMKEY", "SCAN 0 MATCH {M}* COUNT 1"],
    ),
    // Not sent: on a large server they would stop everybody for a while.
    of("list-all-keys", "lists the keys of everybody", HARMFUL, &["KEYS *", "KEYS {T}*"]),
    of("count-keys", "learns how many keys all have", ASKED, &["DBSIZE"]),
    of(
        "empty",
        "empties the server",
        HARMFUL,
        &["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "SWAPDB 0 1"],
    ),
    of(
        "database",
        "goes to another database",
        ASKED,
        &["SELECT 1", "SELECT 15", "SELECT 1 ; GET {t}string"],
    ),
    of(
        "script",
        "reaches another's keys by a script",
        ASKED,
        &[
            "EVAL return(redis.call('GET',KEYS[1])) 1 {t}string",
            "EVAL return(redis.call('GET',ARGV[1])) 0 {t}string",
            "EVAL return(redis.call('GET',ARGV[1])) 1 {m}string {t}string",
            "EVAL_RO return(redis.call('GET',ARGV[1])) 0 {t}string",
            "EVAL return(1) 0",
            "EVAL return(1) -1",
        ],
    ),
    of(
        "shared-script",
        "runs another's script, or learns that there is one",
        ASKED,
        &[
            "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
            "EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
            "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
            "SCRIPT LOAD return(1)",
        ],
    ),
    of("end-scripts", "ends or forgets others' scripts", HARMFUL, &["SCRIPT FLUSH", "SCRIPT KILL"]),
    of(
        "function",
        "reaches others' functions",
        ASKED,
        &[
            "FUNCTION LIST",
            "FUNCTION DUMP",
            "FUNCTION STATS",
            "FCALL f 0",
            "FCALL_RO f 1 {t}string",
        ],
    ),
    of(
        "change-functions",
        "changes others' functions",
        HARMFUL,
        &["FUNCTION FLUSH", "FUNCTION DELETE f", "FUNCTION LOAD x", "FUNCTION RESTORE x"],
    ),
    of(
        "dump",
        "takes another's keys in the server's own format, or puts it in",
        ASKED,
        &["DUMP {t}string", "DUMP {m}string", "RESTORE {t}new 0 x", "RESTORE {m}new 0 x"],
    ),
    of(
        "send-away",
        "sends keys to a server of its own",
        HARMFUL,
        &["MIGRATE 127.0.0.1 1 {t}string 0 1", "MIGRATE 127.0.0.1 1 {m}string 0 1"],
    ),
    of("watch", "sees what others send", ASKED, &["MONITOR"]),
    of(
        "connections",
        "learns of others' connections",
        ASKED,
        &["CLIENT LIST", "CLIENT ID", "CLIENT INFO", "CLIENT GETREDIR", "CLIENT TRACKINGINFO"],
    ),
    of(
        "follow",
        "is told which keys others change",
        ASKED,
        &[
            "HELLO 3 ; CLIENT TRACKING ON BCAST",
            "HELLO 3 ; CLIENT TRACKING ON BCAST PREFIX {T}",
            "CLIENT TRACKING ON",
            "CLIENT CACHING YES",
        ],
    ),
    of(
        "end-connections",
        "ends or holds up others' connections",
        HARMFUL,
        &[
            "CLIENT KILL TYPE normal",
            "CLIENT KILL USER {them}",
            "CLIENT PAUSE 1",
            "CLIENT UNBLOCK 1",
            "CLIENT NO-EVICT ON",
        ],
    ),
    of(
        "statistics",
        "learns how busy others are",
        ASKED,
        &[
            "INFO",
            "INFO everything",
            "SLOWLOG GET",
            "SLOWLOG LEN",
            "LATENCY LATEST",
            "LATENCY HISTOGRAM",
            "MEMORY STATS",
            "MEMORY DOCTOR",
            "LASTSAVE",
            "ROLE",
        ],
    ),
    of("read-settings", "reads the server's settings", ASKED, &["CONFIG GET *", "CONFIG GET dir"]),
    of(
        "change-settings",
        "changes the server's settings",
        HARMFUL,
        &[
            "CONFIG SET maxmemory 1",
            "CONFIG SET notify-keyspace-events KEA",
            "CONFIG RESETSTAT",
            "CONFIG REWRITE",
            "MODULE LOAD /tmp/x.so",
            "DEBUG SLEEP 0",
            "DEBUG SEGFAULT",
            "DEBUG OBJECT {t}string",
            "PFDEBUG ENCODING {t}hll",
        ],
    ),
    of(
        "read-logins",
        "learns of others' logins",
        ASKED,
        &[
            "ACL LIST",
            "ACL USERS",
            "ACL GETUSER {them}",
            "ACL GETUSER {me}",
            "ACL LOG",
            "ACL CAT",
            "ACL DRYRUN {them} GET {t}string",
        ],
    ),
    of(
        "change-logins",
        "changes logins, its own too",
        HARMFUL,
        &[
            "ACL SETUSER {me} ~* &* +@all",
            "ACL SETUSER {them} nopass",
            "ACL SETUSER x on nopass ~* +@all",
            "ACL DELUSER {them}",
            "ACL SAVE",
            "ACL LOAD",
        ],
    ),
    of(
        "replica",
        "makes itself a replica, or the server one",
        HARMFUL,
        &[
            "REPLICAOF 127.0.0.1 1",
            "SLAVEOF NO ONE",
            "PSYNC ? -1",
            "SYNC",
            "FAILOVER",
            "CLUSTER NODES",
            "CLUSTER RESET",
            "REPLCONF listening-port 1",
            "WAIT 0 1",
        ],
    ),
    of(
        "stop",
        "stops the server or has it write to the disk",
        HARMFUL,
        &["SHUTDOWN NOSAVE", "SAVE", "BGSAVE", "BGREWRITEAOF"],
    ),
    of(
        "password",
        "logs in as another with a wrong password",
        (Login, WrongPassword),
        &[
            "AUTH {them} {pass}",
            "AUTH {them} {empty}",
            "HELLO 3 AUTH {them} {pass}",
            "AUTH default {empty}",
            "AUTH default {pass}",
            "AUTH amanah {pass}",
            // The same words for one that there is not.
            "AUTH {Q}_00000000 {pass}",
        ],
    ),
    of(
        "guess",
        "logs in under a guessed name",
        (Stranger, WrongPassword),
        &["AUTH {them} x", "AUTH {Q}_00000000 x", "AUTH default x", "AUTH {empty} {empty}"],
    ),
    of(
        "stranger",
        "asks before it has logged in",
        (Stranger, Refused),
        &[
            "GET {t}string",
            "SET {t}string x",
            "SCAN 0",
            "MULTI ; GET {t}string ; EXEC",
            "AUTH {them} x ; GET {t}string",
            "GET {m}string ; GET {t}string",
        ],
    ),
    of(
        "reset",
        "keeps rights over a reset",
        ASKED,
        &["RESET ; GET {t}string", "RESET ; GET {m}string", "AUTH {them} x ; GET {t}string"],
    ),
    of(
        "wrong-numbers",
        "hides another's keys behind wrong numbers",
        ASKED,
        &[
            "ZUNIONSTORE {m}new 1 {t}zset",
            "ZUNION 1 {t}zset WEIGHTS 1",
            "SINTERCARD 1 {t}set LIMIT 9",
            "LMPOP 1 {t}list LEFT COUNT 9",
            "XREAD COUNT 1 STREAMS {t}stream 0",
            "XREADGROUP GROUP g me COUNT 1 NOACK STREAMS {m}stream {t}stream > >",
        ],
    ),
    of(
        "greeting",
        "is told of others when it says hello",
        (Login, Nothing),
        &["HELLO 3", "HELLO 2", "ACL WHOAMI", "CLIENT GETNAME", "PING", "TIME", "SELECT 0"],
    ),
];
