//! The client that people use with Vault, unchanged, over a real connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use gateway::{Private, PrivateSettings};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hvac_works_unchanged() {
    let house = House::new().await;
    let narrow = house.client("narrow", "orders", &[Operation::Encrypt], tenants(&["toko"])).await;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = Private::bind(PrivateSettings::new(listen), house.router.clone()).await.unwrap();
    let address = private.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(private.run(async {
        let _ = stopped.await;
    }));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keys/hvac_test.py");
    let mut python = Command::new(testkit::python_tool("python"))
        .arg(script)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // Tokens never stand on a command line, where every process of the machine reads them.
    let told = json!({"url": format!("http://{address}"), "admin": house.admin, "narrow": narrow});
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(told.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = python.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert_eq!(said.trim(), "all is well");
    let _ = stop.send(());
    running.await.unwrap();
}
