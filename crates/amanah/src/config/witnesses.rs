//! What `trail.witnesses` says: who watches over the trails' logs.

use reqwest::Url;
use serde::Deserialize;
use tlog::WitnessKey;

/// The most witnesses: each is asked at every checkpoint.
const MAX_WITNESSES: usize = 16;

/// Whoever keeps checkpoints elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct Witnesses(pub(crate) Vec<WitnessAt>);

/// A witness and where it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WitnessAt {
    /// What `/add-checkpoint` is put after.
    pub(crate) url: Url,
    pub(crate) key: WitnessKey,
}

impl TryFrom<Vec<String>> for Witnesses {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        if lines.len() > MAX_WITNESSES {
            return Err(format!("at most {MAX_WITNESSES} witnesses are asked"));
        }
        let mut all: Vec<WitnessAt> = Vec::new();
        for line in lines {
            let witness = parse(&line)?;
            if all.iter().any(|other| other.key.name() == witness.key.name()) {
                return Err(format!("the witness {} stands here twice", witness.key.name()));
            }
            all.push(witness);
        }
        Ok(Self(all))
    }
}

fn parse(line: &str) -> Result<WitnessAt, String> {
    let wrong = |why: &str| {
        format!("`{line}` is no witness: {why}. Write \"URL KEYLINE\", as the witness tells them")
    };
    let (url, key) = line.trim().split_once(' ').ok_or_else(|| wrong("it has one part"))?;
    let key = key.trim().parse().map_err(|error: tlog::Error| wrong(&error.to_string()))?;
    let mut url: Url = url.parse().map_err(|_| wrong("it begins with no address"))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(wrong("its address is not https://HOST/PATH or http://HOST/PATH"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(WitnessAt { url, key })
}

#[cfg(test)]
mod tests {
    use tlog::WitnessKey;

    use super::Witnesses;

    fn read(lines: &[&str]) -> Result<Witnesses, String> {
        lines.iter().map(ToString::to_string).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn a_witness_is_an_address_and_a_key() {
        let key = WitnessKey::new("w.example/1", [1; 32]).unwrap();
        for (line, address) in [
            (format!("https://w.example {key}"), "https://w.example/"),
            (format!("http://127.0.0.1:8390/ {key}"), "http://127.0.0.1:8390/"),
            (format!("  https://w.example/one   {key} "), "https://w.example/one/"),
        ] {
            let Witnesses(all) = read(&[&line]).unwrap();
            assert_eq!((all[0].url.as_str(), &all[0].key), (address, &key));
            assert!(read(&[&line, &line]).unwrap_err().contains("twice"));
        }
        for bad in [
            "https://w.example".to_owned(),
            key.to_string(),
            format!("w.example {key}"),
            format!("ftp://w.example/ {key}"),
            format!("https://w.example/?a=b {key}"),
            format!("https://me@w.example/ {key}"),
            format!("https://w.example/ {key}x"),
        ] {
            assert!(read(&[&bad]).unwrap_err().contains("is no witness"), "{bad}");
        }
        assert_eq!(read(&[]), Ok(Witnesses::default()));
    }
}
