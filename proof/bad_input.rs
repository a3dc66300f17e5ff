//! Bad input: each a clear line that says what to do, a non-zero exit, nothing lost, no panic.

use std::net::TcpListener;

use crate::house::{amanah, amanah_with, directory, shared};

/// A command, the exit code it must have, and the words that its error must hold.
struct Case<'a> {
    arguments: Vec<&'a str>,
    exit: i32,
    says: Vec<&'a str>,
}

impl Case<'_> {
    fn check(&self) {
        let output = amanah(&self.arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        let all = format!("{error}{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(self.exit), "{:?}: {all}", self.arguments);
        for word in &self.says {
            assert!(all.contains(word), "{:?} does not say {word:?}: {all}", self.arguments);
        }
        assert!(!all.contains("panicked"), "{all}");
    }
}

/// Each rule of a page, broken.
#[test]
fn a_broken_page_is_refused_with_its_line() {
    let dir = directory();
    let page = |body: &str| {
        let file = dir.path().join("page.md");
        let text = format!("---\ntitle: T\nlanguage: en\n---\n{body}\n");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let broken = [
        ("- Rows are [apart](claim:isolation.row).", "isolation.rows"),
        ("- Keys rotate [every 90 days](claim:keys.rotation?every=90).", "90d"),
        ("- Keys rotate [every 30 days](claim:keys.rotation?every=90d).", "30"),
        (
            "- Rows are [apart](claim:isolation.rows).\n- Rows are [apart](claim:isolation.rows).",
            "isolation.rows",
        ),
        ("- We are very safe.", "claim"),
        ("- Rows are [apart](claim:isolation.rows).", "--approve"),
    ];
    for (body, word) in broken {
        let file = page(body);
        Case { arguments: vec!["page", "lint", &file], exit: 2, says: vec![word] }.check();
        Case { arguments: vec!["verify", "--page", &file], exit: 2, says: vec!["is broken", word] }
            .check();
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = directory();
    let data = dir.path().join("data").display().to_string();
    Case {
        arguments: vec![
            "up",
            "--listen",
            &address,
            "--keys-listen",
            "127.0.0.1:0",
            "--data",
            &data,
        ],
        exit: 3,
        says: vec![&address, "--listen"],
    }
    .check();
}

#[test]
fn one_installation_runs_once() {
    let house = shared();
    let data = house.data.display().to_string();
    Case {
        arguments: vec!["up", "--listen", "127.0.0.1:0", "--data", &data],
        exit: 3,
        says: vec!["another amanah runs", "--data"],
    }
    .check();
}

#[test]
fn a_damaged_data_directory_is_left_as_it_is() {
    let dir = directory();
    let data = dir.path().join("data");
    std::fs::create_dir_all(data.join("postgres")).unwrap();
    std::fs::write(data.join("postgres/photo.jpg"), "precious").unwrap();
    let data = data.display().to_string();
    Case {
        arguments: vec!["verify", "--data", &data],
        exit: 3,
        says: vec!["no PostgreSQL cluster", "nothing was changed"],
    }
    .check();
    assert_eq!(std::fs::read(dir.path().join("data/postgres/photo.jpg")).unwrap(), b"precious");
}

/// A directory's name that was typed wrongly is told, and nothing is made there.
#[test]
fn what_only_looks_begins_no_installation() {
    let dir = directory();
    let data = dir.path().join("dtaa");
    let name = data.display().to_string();
    for command in [&["tenant", "list"][..], &["verify"], &["keys", "list"], &["file", "usage"]] {
        Case {
            arguments: [command, &["--data", &name]].concat(),
            exit: 2,
            says: vec!["there is no installation in", "dtaa", "nothing was made", "amanah up"],
        }
        .check();
        assert!(!data.exists(), "{command:?}");
    }
}

/// A wrong password says which server and user, and never the password.
#[test]
fn a_wrong_password_is_not_repeated() {
    let house = shared();
    let pid = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
    let port = pid.lines().nth(3).unwrap();
    let wrong = ["let", "mein"].concat();
    let url = format!("postgres://amanah:{wrong}@127.0.0.1:{port}/amanah");
    let dir = directory();
    let data = dir.path().join("data").display().to_string();
    let make = ["keys", "create", "orders", "--data", &data];
    let output = amanah_with(&[("AMANAH_DATABASE_URL", &url)], &make);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Check the user and the password"), "{said}");
    assert!(!said.contains(&wrong), "{said}");
    let bare = format!("postgres://amanah@127.0.0.1:{port}/amanah");
    let output = amanah_with(&[("AMANAH_DATABASE_URL", &bare)], &make);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Write the address with its password into the variable"), "{said}");
    Case {
        arguments: vec!["keys", "create", "orders", "--database-url", "http://x", "--data", &data],
        exit: 2,
        says: vec!["does not begin with postgres://"],
    }
    .check();
}

/// A secret in the configuration is refused before anything is started.
#[test]
fn a_secret_in_the_configuration_is_refused() {
    let dir = directory();
    let config = dir.path().join("amanah.toml");
    let key = ["pass", "word"].concat();
    std::fs::write(&config, format!("[postgres]\n{key} = \"x\"\n")).unwrap();
    let config = config.display().to_string();
    let data = dir.path().join("data").display().to_string();
    Case {
        arguments: vec!["verify", "--config", &config, "--data", &data],
        exit: 2,
        says: vec!["looks like a secret", "environment"],
    }
    .check();
}

#[test]
fn usage_is_two() {
    for arguments in
        [vec!["fly"], vec!["verify", "--pages"], vec!["protect", "x", "--tenant-column", "y"]]
    {
        Case { arguments, exit: 2, says: vec![] }.check();
    }
}

/// A server that is too old for row-level security says how old, what is needed, and why.
#[test]
fn a_postgresql_that_is_too_old_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = directory();
    let programs = dir.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let server = programs.join("postgres");
    std::fs::write(&server, "#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n").unwrap();
    std::fs::set_permissions(&server, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = dir.path().join("amanah.toml");
    std::fs::write(&config, format!("[postgres]\nprograms = {programs:?}\n")).unwrap();
    let (config, data) = (config.display().to_string(), dir.path().join("data"));
    let data = data.display().to_string();
    Case {
        arguments: vec!["up", "--config", &config, "--data", &data],
        exit: 3,
        says: vec!["15.18 is too old", "15.19", "apt-get install"],
    }
    .check();
}
