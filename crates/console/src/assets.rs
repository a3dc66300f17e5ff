//! The files that pages need: one stylesheet, one mark and two scripts, compiled in and served under a
//! name that holds their digest, so that a browser may keep them for ever.

use std::sync::LazyLock;

use kernel::hex;
use sha2::{Digest, Sha256};

/// How much of the digest the name holds, in bytes: enough that two versions never share one.
const DIGEST_BYTES: usize = 8;

/// One file.
pub(crate) struct Asset {
    /// Its address.
    pub(crate) path: String,
    /// The name in the address.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) media: &'static str,
    /// What it holds.
    pub(crate) text: &'static str,
}

/// How every page looks, on a screen and on paper.
pub(crate) static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../static/console.css");
    asset("console", "css", "text/css; charset=utf-8", text)
});

/// The mark beside the name, and in the browser's tab.
pub(crate) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../static/mark.svg");
    asset("mark", "svg", "image/svg+xml", text)
});

/// The script of challenges: the work, for browsers that run one. All others wait.
pub(crate) static CHALLENGE_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../static/challenge.js");
    asset("challenge", "js", "text/javascript; charset=utf-8", text)
});

/// The script for the one thing that a browser does not do without: asking for a passkey.
pub(crate) static PASSKEY_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../static/passkey.js");
    asset("passkey", "js", "text/javascript; charset=utf-8", text)
});

/// The file with this name.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    let all = [&*STYLESHEET, &*ICON, &*PASSKEY_SCRIPT, &*CHALLENGE_SCRIPT];
    all.into_iter().find(|asset| asset.name == name)
}

fn asset(stem: &str, ending: &str, media: &'static str, text: &'static str) -> Asset {
    let digest = Sha256::digest(text);
    let mark = hex(digest.get(..DIGEST_BYTES).unwrap_or(&digest));
    let name = format!("{stem}-{mark}.{ending}");
    let path = format!("/_amanah/static/{name}");
    Asset { path, name, media, text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The least contrast of text that WCAG 2.2 AA takes.
    const LEAST_CONTRAST: f64 = 4.5;

    /// The colours of one `:root` block.
    fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
        let (inner, _) = block.split_once('}').unwrap();
        let pairs = inner.split(';').filter_map(|line| line.trim().split_once(": #"));
        let channel = |hex: &str, at: usize| {
            f64::from(u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap()) / 255.0
        };
        pairs
            .map(|(name, hex)| {
                let name = name.trim_start_matches(|c: char| c != '-');
                (name, [channel(hex, 0), channel(hex, 2), channel(hex, 4)])
            })
            .collect()
    }

    /// The contrast of two colours as WCAG 2.2 counts it, from 1 to 21.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let light = |colour: [f64; 3]| {
            let linear = colour
                .map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (light(a) + 0.05, light(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_text_can_be_read_on_what_it_stands_on() {
        let blocks: Vec<_> = STYLESHEET.text.split(":root {").skip(1).collect();
        assert_eq!(blocks.len(), 3, "light, dark and paper");
        for block in blocks {
            let colours = colours(block);
            let check = |text: &str, ground: &str| {
                let found = contrast(colours[text], colours[ground]);
                assert!(found >= LEAST_CONTRAST, "{text} on {ground}: {found:.2}");
            };
            for text in ["--ink", "--soft", "--link"] {
                check(text, "--paper");
                check(text, "--sheet");
            }
            // The words of a button.
            check("--sheet", "--link");
            for verdict in kernel::Verdict::ALL {
                check(&format!("--{verdict}"), "--sheet");
                check(&format!("--{verdict}"), &format!("--{verdict}-wash"));
                check("--ink", &format!("--{verdict}-wash"));
            }
        }
    }

    #[test]
    fn the_stylesheet_asks_for_nothing_from_elsewhere() {
        for word in ["url(", "@import", "http"] {
            assert!(!STYLESHEET.text.contains(word), "{word}");
        }
    }

    #[test]
    fn a_name_holds_the_digest_and_no_other_name_is_served() {
        assert_eq!(find(&STYLESHEET.name).unwrap().text, STYLESHEET.text);
        assert_ne!(STYLESHEET.name, "console.css");
        for name in ["console.css", "../console.css", "", "mark.svg"] {
            assert!(find(name).is_none(), "{name}");
        }
    }
}
