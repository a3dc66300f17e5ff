//! Reading the trail from end to end: what the commands print, the row that each leaves, and exports that
//! other people's parsers read.

use std::process::Command;

use serde_json::Value;

use crate::house::{House, shared};

/// Whoever reads in these tests, and why.
const WHO: [&str; 4] = ["--by", "nia@sinar.example", "--purpose", "a test of reading"];

fn run(house: &House, args: &[&str]) -> (Option<i32>, String, String) {
    let out = house.run(&[&["audit"], args, &["--database", "demo"], &WHO].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// How many readings of these tests the trail tells of.
fn readings(house: &House) -> u64 {
    let sql = "SELECT count(*) FROM audit.system_audit_logs
                WHERE action = 'READ' AND new_data ->> 'purpose' LIKE 'a test of reading%'";
    house.psql("demo", sql).parse().unwrap()
}

#[test]
fn rows_are_read_and_the_trail_says_so() {
    let house = shared();
    house.psql("demo", "UPDATE tenants SET name = name");
    let before = readings(&house);
    let (exit, printed, said) = run(&house, &["log", "--table", "tenants", "--json"]);
    assert_eq!(exit, Some(0), "{said}");
    let rows: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row["table_name"] == "tenants"), "{printed}");
    // Other tests of this house remove rows, which have no new data.
    let changed = |row: &&Value| row["action"] == "UPDATE";
    assert!(rows.iter().filter(changed).count() > 1, "{printed}");
    assert!(rows.iter().filter(changed).all(|row| row["new_data"].is_object()), "{printed}");
    assert_eq!(readings(&house), before + 1);
    let (exit, printed, _) = run(&house, &["log", "--action", "read", "--limit", "1"]);
    assert_eq!(exit, Some(0));
    assert!(printed.contains("a test of reading (nia@sinar.example)"), "{printed}");
    assert_eq!(readings(&house), before + 2);

    // Nobody reads without saying who and why, and nothing is recorded of that.
    let refused = house.run(&["audit", "log", "--by", " ", "--purpose", "x"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(readings(&house), before + 2);
}

#[test]
fn a_record_is_shown_as_it_was() {
    let house = shared();
    let clock = || {
        house.psql(
            "demo",
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',
                                                     'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        )
    };
    let id = house.psql("demo", "SELECT tenant_id FROM tenants ORDER BY tenant_id LIMIT 1");
    house.psql(
        "demo",
        &format!("UPDATE tenants SET name = name || ' one' WHERE tenant_id = '{id}'"),
    );
    let then = clock();
    house.psql(
        "demo",
        &format!("UPDATE tenants SET name = name || ' two' WHERE tenant_id = '{id}'"),
    );
    let (exit, printed, said) = run(&house, &["history", "public.tenants", &id, "--at", &then]);
    house.psql(
        "demo",
        &format!(
            "UPDATE tenants SET name = replace(name, ' one two', '') WHERE tenant_id = '{id}'"
        ),
    );
    assert_eq!(exit, Some(0), "{said}");
    assert!(printed.contains(" one\"") && !printed.contains(" two\""), "{printed}");
    let (exit, printed, _) = run(&house, &["history", "tenants", &id, "--json"]);
    assert_eq!(exit, Some(0));
    assert!(printed.lines().count() >= 3 && printed.contains(" one two\""), "{printed}");
    let (exit, printed, _) = run(&house, &["history", "tenants", &id, "--at", "2001-01-01"]);
    assert!(exit == Some(3) || printed.contains("not there yet"), "{printed}");
    let (exit, ..) = run(&house, &["history", "tenants", "no such key"]);
    assert_eq!(exit, Some(3));
}

/// Numbers without a gap, and each form in the hands of somebody else's parser.
#[test]
fn an_export_is_whole_and_others_read_it() {
    let house = shared();
    house.psql("demo", "UPDATE tenants SET name = name");
    let (exit, printed, said) = run(&house, &["export"]);
    assert_eq!(exit, Some(0), "{said}");
    let lines: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (head, tail) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!((&head["kind"], &tail["kind"]), (&"head".into(), &"tail".into()));
    assert_eq!(tail["whole"], true);
    let numbers: Vec<u64> =
        lines[1..lines.len() - 1].iter().map(|l| l["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..head["next"].as_u64().unwrap()).collect::<Vec<_>>());
    let half = (numbers.len() as u64 / 2).to_string();
    for format in ["jsonl", "csv", "ocsf", "cef"] {
        let args = ["export", "--format", format, "--after", &half];
        let (exit, printed, said) = run(&house, &args);
        assert_eq!(exit, Some(0), "{said}");
        let read = parsed(format, &printed);
        let first = half.parse::<u64>().unwrap() + 1;
        let wanted: Vec<u64> = (first..first + read.len() as u64).collect();
        assert!(!read.is_empty() && read == wanted, "{format}: {read:?}");
    }
}

/// The numbers of entries, as Python's standard library reads them.
fn parsed(format: &str, text: &str) -> Vec<u64> {
    let program = match format {
        "csv" => {
            "import csv,io,sys\nrows=csv.DictReader(io.StringIO(sys.stdin.buffer.read().decode(),newline=''),strict=True)\n\
             print(*[r['sequence'] for r in rows if r['sequence']])"
        }
        "jsonl" => {
            "import json,sys\nprint(*[e['sequence'] for e in map(json.loads,sys.stdin) if 'sequence' in e])"
        }
        "ocsf" => {
            "import json,sys\nfor e in map(json.loads,sys.stdin):\n  \
             assert e['type_uid']==e['class_uid']*100+e['activity_id']\n  \
             if 'sequence' in e['metadata']: print(e['metadata']['sequence'])"
        }
        _ => {
            "import re,sys\nfor l in sys.stdin:\n  \
             m=re.fullmatch(r'<(\\d+)>1 (\\S+) - amanah - (\\S+) - CEF:0((?:\\|(?:[^|\\\\]|\\\\.)*){6})\\|(.*)\\n',l)\n  \
             n=re.search(r'(?:^| )externalId=(\\d+)',m[5])\n  \
             if n: print(n[1])"
        }
    };
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let feed = std::thread::spawn(move || std::io::Write::write_all(&mut input, text.as_bytes()));
    let out = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(out.status.success());
    let printed = String::from_utf8(out.stdout).unwrap();
    printed.split_whitespace().map(|number| number.parse().unwrap()).collect()
}
