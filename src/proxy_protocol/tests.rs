//! What is a header, what is none, and that pieces and another parser make no difference.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use proptest::prelude::*;

use super::*;

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

fn complete(bytes: &[u8]) -> Header {
    parse(bytes).unwrap().expect("the header is incomplete")
}

/// A header of version 2 around these bytes, which its length counts.
fn v2(kind: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap();
    [v2::SIGNATURE, &[kind, family], &length.to_be_bytes(), rest].concat()
}

const INET: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

fn inet6() -> Vec<u8> {
    let (source, destination): (Ipv6Addr, Ipv6Addr) =
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    [&source.octets()[..], &destination.octets(), &[0, 80, 0, 81]].concat()
}

/// An extension.
fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// A header whose last extension is its own checksum.
fn summed(mut header: Vec<u8>) -> Vec<u8> {
    let at = header.len() - 4;
    let mut sum = crc32c::Crc32c::new();
    sum.add(&header);
    header[at..].copy_from_slice(&sum.get().to_be_bytes());
    header
}

#[test]
fn a_line_tells_the_client() {
    for (line, source) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443", client("192.0.2.1:56324")),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", client("0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2", client("[2001:db8::1]:1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", client("[::ffff:192.0.2.1]:1")),
        ("PROXY UNKNOWN", Source::Unknown),
        ("PROXY UNKNOWN ffff::1 what ever 1  2", Source::Unknown),
    ] {
        let bytes = format!("{line}\r\nGET / HTTP/1.1\r\n");
        let header = complete(bytes.as_bytes());
        assert_eq!((header.source, header.len), (source, line.len() + 2), "{line}");
    }
}

#[test]
fn a_line_that_says_more_or_less_is_refused() {
    for line in [
        "PROXY ",
        "PROXY  TCP4 192.0.2.1 198.51.100.1 1 2",
        "PROXY TCP4  192.0.2.1 198.51.100.1 1 2",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 ",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1",
        "PROXY TCP4 192.0.2.01 198.51.100.1 1 2",
        "PROXY TCP4 192.0.2 198.51.100.1 1 2",
        "PROXY TCP4 192.0.2.1 localhost 1 2",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 2",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2",
        "PROXY TCP6 [::1] ::1 1 2",
        "PROXY TCP4 192.0.2.1 198.51.100.1 01 2",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 65536",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 -2",
        "PROXY TCP5 192.0.2.1 198.51.100.1 1 2",
        "PROXY tcp4 192.0.2.1 198.51.100.1 1 2",
        "PROXY UNKNOWNS",
        "PROXY UNKNOWN \u{7f}",
        "PROXY UNKNOWN a\rb",
        "PROXY\tUNKNOWN",
    ] {
        let refused = parse(format!("{line}\r\n").as_bytes());
        let grammar = refused == Err(Malformed::Grammar) || refused == Err(Malformed::Signature);
        assert!(grammar, "{line}: {refused:?}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN\n"), Err(Malformed::Line));
    assert_eq!(parse(b"PROXY UNKNOWN \xff\r\n"), Err(Malformed::Grammar));
}

#[test]
fn a_line_has_107_bytes_at_most() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
    assert_eq!(complete(line(107).as_bytes()).len, 107);
    assert_eq!(parse(line(108).as_bytes()), Err(Malformed::Line));
    assert_eq!(parse(&line(108).as_bytes()[..107]), Err(Malformed::Line));
    assert_eq!(parse(&line(108).as_bytes()[..106]), Ok(None));
}

#[test]
fn requests_and_other_protocols_are_no_headers() {
    for bytes in ["GET / HTTP/1.1\r\n", "\r\n\r\nGET /", "PRI * HTTP/2.0\r\n", "proxy TCP4", "P\r"]
    {
        assert_eq!(parse(bytes.as_bytes()), Err(Malformed::Signature), "{bytes:?}");
    }
    assert_eq!(parse(b""), Ok(None));
}

#[test]
fn a_binary_header_tells_the_client() {
    // A client's datagrams (QUIC) may reach us as a stream, or as something without a number.
    for transport in [0, 1, 2] {
        let header = v2(0x21, 0x10 | transport, &INET);
        assert_eq!(complete(&header), Header { source: client("192.0.2.1:56324"), len: 28 });
    }
    let header = complete(&v2(0x21, 0x21, &inet6()));
    assert_eq!(header, Header { source: client("[2001:db8::1]:80"), len: 52 });
}

#[test]
fn headers_without_an_address_that_we_could_use_are_headers() {
    for (kind, family, rest, source) in [
        (0x20, 0x00, &[][..], Source::Proxy),
        (0x20, 0x11, &INET, Source::Proxy),
        // Whatever stands there must be ignored.
        (0x20, 0xff, &[1, 2, 3], Source::Proxy),
        (0x21, 0x00, &[], Source::Unknown),
        (0x21, 0x01, &[], Source::Unknown),
        (0x21, 0x31, &[0; 216], Source::Unknown),
    ] {
        let header = complete(&v2(kind, family, rest));
        assert_eq!(header, Header { source, len: 16 + rest.len() }, "{kind:x} {family:x}");
    }
}

#[test]
fn a_binary_header_that_does_not_exist_is_refused() {
    for (kind, family, rest, why) in [
        (0x11, 0x11, &INET[..], Malformed::Command),
        (0x22, 0x11, &INET, Malformed::Command),
        (0x31, 0x11, &INET, Malformed::Command),
        (0x21, 0x41, &INET, Malformed::Family),
        (0x21, 0x13, &INET, Malformed::Family),
        (0x21, 0x11, &INET[..11], Malformed::Length),
        (0x21, 0x21, &INET, Malformed::Length),
        (0x21, 0x31, &[0; 215], Malformed::Length),
        (0x21, 0x00, &[0; HEADER_MAX], Malformed::Length),
    ] {
        assert_eq!(parse(&v2(kind, family, rest)), Err(why), "{kind:x} {family:x}");
    }
}

#[test]
fn extensions_are_passed_over_if_they_fill_the_header() {
    let authority = extension(0x02, b"example.org");
    let whole = [&INET[..], &authority, &extension(0x04, b"")].concat();
    assert_eq!(complete(&v2(0x21, 0x11, &whole)).source, client("192.0.2.1:56324"));
    for cut in [1, 2, 3, 4, whole.len() - INET.len() - 1] {
        let part = &whole[..whole.len() - cut];
        let is_boundary = cut == 3;
        let refused = parse(&v2(0x21, 0x11, part)) == Err(Malformed::Extensions);
        assert_eq!(refused, !is_boundary, "{cut} bytes less");
    }
}

#[test]
fn a_checksum_has_to_be_the_headers() {
    let rest = [&INET[..], &extension(0x02, b"a"), &extension(0x03, &[0; 4])].concat();
    let header = summed(v2(0x21, 0x11, &rest));
    assert_eq!(complete(&header).source, client("192.0.2.1:56324"));
    let mut forged = header.clone();
    forged[16] ^= 1;
    assert_eq!(parse(&forged), Err(Malformed::Checksum));
    let twice = [&INET[..], &extension(0x03, &[0; 4]), &extension(0x03, &[0; 4])].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &twice)), Err(Malformed::Extensions));
    let short = [&INET[..], &extension(0x03, &[0; 3])].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &short)), Err(Malformed::Extensions));
}

#[test]
fn a_mapped_address_is_the_ipv4_address_that_it_is() {
    let mapped = client("[::ffff:192.0.2.1]:1");
    assert_eq!(mapped.ip(), Some(Ipv4Addr::new(192, 0, 2, 1).into()));
    assert_eq!((Source::Proxy.ip(), Source::Unknown.ip()), (None, None));
}

/// Bytes that are a header, nearly one, or none.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let line = "PROXY (TCP4 [0-9.]{7,15} [0-9.]{7,15}|TCP6 [0-9a-f:]{2,20} ::1|UNKNOWN)\
                ( [0-9]{1,5}){0,3}\r?\n[a-z]{0,9}";
    let part = || prop::collection::vec(any::<u8>(), 0..60);
    let kinds = prop_oneof![Just(0x20_u8), Just(0x21), any::<u8>()];
    let families = prop_oneof![Just(0x11_u8), Just(0x21), Just(0x00), Just(0x31), any::<u8>()];
    let binary = (kinds, families, part(), part()).prop_map(|(kind, family, rest, more)| {
        let mut header = v2(kind, family, &rest);
        header.extend(more);
        header
    });
    let tiled = (any::<[u8; 12]>(), any::<u8>(), part()).prop_map(|(inet, kind, value)| {
        v2(0x21, 0x11, &[&inet[..], &extension(kind, &value)].concat())
    });
    prop_oneof![line.prop_map(String::into_bytes), binary, tiled, part()]
}

fn pair() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = any::<(u32, u16)>()
        .prop_map(|(ip, port)| SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(ip), port)));
    let v6 = any::<(u128, u16)>()
        .prop_map(|(ip, port)| SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, 0)));
    prop_oneof![(v4.clone(), v4), (v6.clone(), v6)]
}

/// What the crate `ppp` says of bytes that we take for a header.
fn theirs(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let address = |ip: IpAddr, port| Some(SocketAddr::new(ip, port));
    match ppp::HeaderResult::parse(bytes) {
        ppp::HeaderResult::V1(header) => {
            let header = header.ok()?;
            let source = match header.addresses {
                ppp::v1::Addresses::Tcp4(tcp) => {
                    address(tcp.source_address.into(), tcp.source_port)
                }
                ppp::v1::Addresses::Tcp6(tcp) => {
                    address(tcp.source_address.into(), tcp.source_port)
                }
                ppp::v1::Addresses::Unknown => None,
            };
            Some((source, header.header.len()))
        }
        ppp::HeaderResult::V2(header) => {
            let header = header.ok()?;
            let source = match header.addresses {
                ppp::v2::Addresses::IPv4(v4) => address(v4.source_address.into(), v4.source_port),
                ppp::v2::Addresses::IPv6(v6) => address(v6.source_address.into(), v6.source_port),
                _ => None,
            };
            Some((source, header.as_bytes().len()))
        }
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(bytes in bytes()) {
        let whole = parse(&bytes);
        for length in 0..bytes.len() {
            match parse(&bytes[..length]) {
                Ok(None) => {}
                early => prop_assert_eq!(early, whole, "after {} bytes", length),
            }
        }
    }

    #[test]
    fn whatever_is_taken_the_crate_ppp_takes_for_the_same(bytes in bytes()) {
        let taken = parse(&bytes).ok().flatten();
        // The addresses of LOCAL must be ignored, and ppp insists on valid ones.
        if let Some(header) = taken.filter(|header| header.source != Source::Proxy) {
            let (theirs, len) = theirs(&bytes).expect("it is no header for ppp");
            prop_assert_eq!(header.len, len);
            if let Source::Client(ours) = header.source {
                prop_assert_eq!(Some(ours), theirs);
            }
        }
    }

    #[test]
    fn whatever_the_crate_ppp_writes_is_taken((source, destination) in pair()) {
        let line = ppp::v1::Addresses::from((source, destination)).to_string();
        prop_assert_eq!(complete(line.as_bytes()).source, Source::Client(source));
        let binary = ppp::v2::Builder::with_addresses(
            ppp::v2::Version::Two | ppp::v2::Command::Proxy,
            ppp::v2::Protocol::Stream,
            (source, destination),
        );
        let binary = binary.write_tlv(ppp::v2::Type::ALPN, b"h2").unwrap().build().unwrap();
        let header = complete(&binary);
        prop_assert_eq!((header.source, header.len), (Source::Client(source), binary.len()));
    }
}
