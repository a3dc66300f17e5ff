//! Where the root of all keys lives: a file sealed by a secret of the environment, AWS KMS, the
//! transit engine of Vault or `OpenBao`, or a PKCS#11 token.
//!
//! It promises that each of them behaves alike, shown by one conformance suite: what is wrapped
//! for one context opens for no other, earlier generations open until they are destroyed, a
//! disabled one is refused, and a destroyed one never opens again. When a root cannot be reached
//! the answer is an error, never a guess and never a new root.
//!
//! It does not protect against whoever may use the root: who can ask a KMS to unwrap can unwrap.
//!
//! The attack it stops: reading the keys out of a stolen disk, dump or backup, which holds them
//! only wrapped; and opening an old copy of the key ring after a key in it was destroyed.

pub mod aws;
#[cfg(test)]
mod conformance;
mod error;
pub mod file;
#[doc(hidden)]
pub mod fuzzing;
mod http;
pub mod pkcs11;
mod root;
mod settings;
#[cfg(test)]
mod testing;
pub mod transit;

pub use aws::AwsRoot;
pub use error::{Error, Result};
pub use file::FileRoot;
pub use http::on_this_host;
pub use pkcs11::Pkcs11Root;
pub use root::{Destruction, Generation, Host, Place, Root, Wrapped};
pub use settings::{AwsSetting, FileSetting, Pkcs11Setting, Setting, Token, TransitSetting};
pub use transit::TransitRoot;

/// Runs what waits for a disk or a token where it holds up nobody else.
///
/// When nobody waits for it any more it runs on to its end all the same.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::Unavailable { place: "this process".to_owned(), why: error.to_string() })
    })
}
