//! Whom a proxy in front of us speaks for: the PROXY protocol, versions 1 and 2.
//!
//! A proxy that passes connections on without opening them can say, before the first byte of TLS,
//! who connected to it. Anybody could say so; it is believed of the addresses that the operator
//! names, and read from no others: from those it is a broken connection like any other.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of version 2, in bytes.
const FIXED_BYTES: usize = 16;
/// The most that may follow it, in bytes: addresses, and what the proxy knows besides.
const MAX_REST_BYTES: usize = 2048;
/// The longest line of version 1, in bytes, with its end.
const MAX_LINE_BYTES: usize = 107;
/// The first word of version 1.
const WORD: &[u8; 6] = b"PROXY ";

/// Addresses that are one, or have the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `address` belongs to it; one of version 4 that is written as version 6 is version 4.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let beyond = 32 - u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(beyond).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let beyond = 128 - u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(beyond).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address; write it as 10.0.0.5 or 10.0.0.0/24");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// How far the reading of an announcement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes more belong to it at least.
    More(usize),
    /// It is whole: who connected, or nobody but the proxy itself.
    Whole(Option<SocketAddr>),
    /// It is none.
    Wrong,
}

/// Reads the beginning of a connection from one of `proxies`, and says who is behind it. Whoever
/// announces nothing speaks for itself.
///
/// # Errors
/// When the connection ends, or an announcement begins and is none.
pub(crate) async fn who(
    tcp: &mut TcpStream,
    peer: SocketAddr,
    proxies: &[Network],
) -> io::Result<SocketAddr> {
    if !proxies.iter().any(|proxy| proxy.holds(peer.ip())) {
        return Ok(peer);
    }
    let mut first = [0];
    tcp.peek(&mut first).await?;
    // Neither TLS nor a method of ours but POST, PUT and PATCH begins so, and those are refused in clear.
    if !matches!(first, [b'P' | b'\r']) {
        return Ok(peer);
    }
    let mut heard = Vec::new();
    loop {
        match step(&heard) {
            Step::More(count) => {
                let from = heard.len();
                heard.resize(from + count, 0);
                tcp.read_exact(heard.get_mut(from..).unwrap_or_default()).await?;
            }
            Step::Whole(client) => return Ok(client.unwrap_or(peer)),
            Step::Wrong => return Err(io::Error::other("a proxy announces nobody")),
        }
    }
}

/// What the bytes of an announcement come to. It never asks for a byte behind its end, since those
/// are the client's.
pub(crate) fn step(heard: &[u8]) -> Step {
    // The shortest line of version 1 is longer than this too.
    let Some(start) = heard.first_chunk::<12>() else {
        return Step::More(SIGNATURE.len() - heard.len());
    };
    if *start == SIGNATURE { second(heard) } else { first(heard) }
}

/// Version 1: one line of text.
fn first(heard: &[u8]) -> Step {
    let Some(rest) = heard.strip_prefix(WORD) else {
        return Step::Wrong;
    };
    let Some(line) = rest.strip_suffix(b"\r\n") else {
        // Byte by byte, so that none is read which is the client's.
        return if heard.len() < MAX_LINE_BYTES { Step::More(1) } else { Step::Wrong };
    };
    let Ok(line) = std::str::from_utf8(line) else {
        return Step::Wrong;
    };
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Step::Whole(None);
    }
    let parts: Vec<&str> = line.split(' ').collect();
    let [kind, from, to, from_port, to_port] = parts[..] else {
        return Step::Wrong;
    };
    let address = |text: &str| -> Option<IpAddr> {
        match kind {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    match (address(from), address(to), port(from_port), port(to_port)) {
        (Some(from), Some(_), Some(port), Some(_)) => {
            Step::Whole(Some(SocketAddr::new(from, port)))
        }
        _ => Step::Wrong,
    }
}

/// `parse` would also take a leading plus sign.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Version 2: bytes, whose length is told.
fn second(heard: &[u8]) -> Step {
    let Some([.., command, family, high, low]) = heard.first_chunk::<FIXED_BYTES>() else {
        return Step::More(FIXED_BYTES - heard.len());
    };
    let rest = usize::from(u16::from_be_bytes([*high, *low]));
    if rest > MAX_REST_BYTES || !matches!(command, 0x20 | 0x21) {
        return Step::Wrong;
    }
    let missing = (FIXED_BYTES + rest).saturating_sub(heard.len());
    if missing > 0 {
        return Step::More(missing);
    }
    if *command == 0x20 {
        return Step::Whole(None);
    }
    let body = heard.get(FIXED_BYTES..).unwrap_or_default();
    match family {
        0x11 => match body.first_chunk::<12>() {
            Some([a, b, c, d, _, _, _, _, high, low, ..]) => {
                let address = Ipv4Addr::new(*a, *b, *c, *d);
                Step::Whole(Some((address, u16::from_be_bytes([*high, *low])).into()))
            }
            None => Step::Wrong,
        },
        0x21 => match (body.first_chunk::<16>(), body.get(32..34)) {
            (Some(address), Some([high, low])) => {
                let address = Ipv6Addr::from(*address);
                Step::Whole(Some((address, u16::from_be_bytes([*high, *low])).into()))
            }
            _ => Step::Wrong,
        },
        // A family that it cannot name, or that no connection of ours has.
        _ => Step::Whole(None),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Network, Step, step};

    fn second(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut all = super::SIGNATURE.to_vec();
        all.extend([command, family]);
        all.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        all.extend(body);
        all
    }

    fn samples() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let v6 =
            [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0x10, 0, 1, 0xbb]].concat();
        let more = [&[1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 1, 0xbb][..], &[4, 0, 1, 9]].concat();
        vec![
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 443\r\n".to_vec(), Some("1.2.3.4:4096")),
            (b"PROXY TCP6 2001:db8::1 ::1 4096 443\r\n".to_vec(), Some("[2001:db8::1]:4096")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n".to_vec(), None),
            (second(0x21, 0x11, &more), Some("1.2.3.4:4096")),
            (second(0x21, 0x21, &v6), Some("[2001:db8::1]:4096")),
            (second(0x20, 0x00, &[]), None),
            (second(0x21, 0x31, &[0; 216]), None),
        ]
    }

    /// Reads as a connection would, and says how many bytes were taken.
    fn read(bytes: &[u8]) -> (Step, usize) {
        let mut taken = 0;
        loop {
            match step(&bytes[..taken]) {
                Step::More(count) if taken + count <= bytes.len() => taken += count,
                other => return (other, taken),
            }
        }
    }

    /// Each form is read to its end, and not a byte further.
    #[test]
    fn announcements_are_read_to_their_end() {
        for (wire, client) in samples() {
            let client: Option<SocketAddr> = client.map(|client| client.parse().unwrap());
            let whole = [&wire[..], b"\x16\x03\x01"].concat();
            assert_eq!(read(&whole), (Step::Whole(client), wire.len()));
            assert!(matches!(read(&wire[..wire.len() - 1]).0, Step::More(_)));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for wire in [
            b"POST / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 4096\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 443\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 443\r\n".to_vec(),
            b"PROXY TCP4 ::1 5.6.7.8 4096 443\r\n".to_vec(),
            b"PROXY TCP4  1.2.3.4 5.6.7.8 4096 443\r\n".to_vec(),
            long,
            second(0x11, 0x11, &[0; 12]),
            second(0x21, 0x11, &[0; 11]),
            second(0x21, 0x21, &[0; 35][..33]),
            second(0x21, 0x11, &[0; 2049]),
        ] {
            assert_eq!(read(&wire).0, Step::Wrong, "{}", String::from_utf8_lossy(&wire));
        }
    }

    /// Whatever is announced, reading it ends, and never wants more than it may.
    #[test]
    fn damaged_announcements_are_survived() {
        let samples: Vec<Vec<u8>> = samples().into_iter().map(|(wire, _)| wire).collect();
        testkit::try_damaged("announcement", &samples, crate::fuzzing::announcement);
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.9.8.7") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.0.0.5", "10.0.0.5") && !holds("10.0.0.5", "10.0.0.4"));
        assert!(holds("10.0.0.5", "::ffff:10.0.0.5") && holds("0.0.0.0/0", "1.2.3.4"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        assert!(!holds("::/0", "1.2.3.4") && holds("::/0", "::1"));
        for wrong in ["", "here", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
