//! Where a request comes from, as keys of tables.

use std::net::IpAddr;

/// An address and its neighbourhood, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// The address itself; of version 6 its /64, since whoever has one address there has all of them.
    pub(crate) address: [u8; 9],
    /// /24, of version 6 /48.
    pub(crate) prefix: [u8; 9],
}

impl Source {
    pub(crate) fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(ip) => {
                let bits = u64::from(ip.to_bits());
                Self { address: spot(4, bits), prefix: spot(5, bits & !0xff) }
            }
            IpAddr::V6(ip) => {
                let (network, _) = halves(ip.to_bits());
                Self { address: spot(6, network), prefix: spot(7, network & !0xffff) }
            }
        }
    }
}

const fn halves(bits: u128) -> (u64, u64) {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
    ((bits >> 64) as u64, bits as u64)
}

/// What it is, so that none is taken for another, and its bits.
fn spot(kind: u8, bits: u64) -> [u8; 9] {
    let mut spot = [kind; 9];
    if let Some(rest) = spot.last_chunk_mut::<8>() {
        *rest = bits.to_be_bytes();
    }
    spot
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn neighbours_share_a_prefix_and_nothing_else() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        for (one, other, address, prefix) in [
            ("192.0.2.1", "192.0.2.2", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("192.0.2.0", "192.0.2.0", true, true),
            ("2001:db8::1", "2001:db8::2", true, true),
            ("2001:db8::1", "2001:db8:0:1::1", false, true),
            ("2001:db8::1", "2001:db8:1::1", false, false),
        ] {
            let (one, other) = (of(one), of(other));
            assert_eq!(one.address == other.address, address, "{one:?} {other:?}");
            assert_eq!(one.prefix == other.prefix, prefix, "{one:?} {other:?}");
        }
        assert_ne!(of("192.0.2.0").address, of("192.0.2.0").prefix);
    }
}
