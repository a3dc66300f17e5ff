//! What Amanah encrypts, beside the cipher alone and beside Tink.
//!
//! Sealing a stream is a header, a key and a nonce for each segment, and what it takes to know the
//! last one. The cipher alone has one buffer, which it fills from the same memory and seals where
//! it lies. On a processor that encrypts nearly as fast as it copies, the copy is half of both, so
//! a third row leaves it out. All of it is on one thread, but for the rows that say how much more
//! two of them do. Tink is the one for Python, whose core
//! is C++.

mod api;
mod fields;
pub(crate) mod long;
mod streams;

pub(crate) use fields::House;

/// Measures all of it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let mut rows = streams::measure().await?;
    rows.extend(fields::measure().await?);
    Ok(rows)
}
