//! The codec against the inputs that have made proxies disagree, each with its section of
//! RFC 9110 or 9112; and the property that where the network splits a message changes nothing.

use proptest::prelude::*;

use super::*;

fn refusal(bytes: &[u8]) -> Option<u16> {
    let mut head = RequestHead::default();
    head.parse(bytes, &Limits::default()).err().map(Refusal::status)
}

fn parsed(bytes: &[u8]) -> RequestHead {
    let mut head = RequestHead::default();
    let progress = head.parse(bytes, &Limits::default());
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(progress, Ok(Progress::Complete), "{text:?}");
    head
}

#[track_caller]
fn assert_refused(status: u16, requests: &[(&str, &[u8])]) {
    for (rule, bytes) in requests {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(refusal(bytes), Some(status), "{rule}: {text:?}");
    }
}

#[test]
fn request_lines_that_are_ambiguous_are_refused() {
    assert_refused(
        400,
        &[
            ("9112 §2.2, bare LF", b"GET / HTTP/1.1\nHost: a\n\n"),
            ("9112 §2.2, bare CR", b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
            ("9112 §3, two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3, a tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3, a space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
            ("9112 §2.3, the version's case", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §2.3, two digits", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
            ("9110 §9.1, no token", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, no slash", b"GET admin HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2.4, asterisk", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2.3, authority", b"GET b:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, a fragment", b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, NUL", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, DEL", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, a raw octet", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("9110 §4.2.4, userinfo", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
    );
    assert_refused(505, &[("9110 §2.5", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n")]);
    assert_refused(501, &[("9110 §9.3.6", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")]);
    assert_refused(405, &[("9110 §9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")]);
    assert_refused(417, &[("9110 §10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 2\r\n\r\n")]);
}

#[test]
fn hosts_and_headers_that_are_ambiguous_are_refused() {
    assert_refused(
        400,
        &[
            ("9112 §3.2, no Host", b"GET / HTTP/1.1\r\n\r\n"),
            ("9112 §3.2, two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
            ("9112 §3.2, a list", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
            ("9112 §3.2, a path", b"GET / HTTP/1.1\r\nHost: a/x\r\n\r\n"),
            ("9112 §3.2, userinfo", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
            ("9112 §3.2, a port", b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
            ("9112 §5.1, a space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
            ("9112 §5.2, a folded line", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"),
            ("9112 §2.2, a space before the first", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
            ("9112 §5, no colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
            ("9112 §5, no name", b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
            ("9110 §5.5, NUL", b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
        ],
    );
    let many = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    assert_refused(431, &[("9110 §5.4, too many", many.as_bytes())]);
}

#[test]
fn lengths_and_codings_that_are_ambiguous_are_refused() {
    for value in ["+5", "-1", "-0", "0x5", "1_0", "5 5", "", "5.0", "5;", "5, 5", "5,6"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\n");
        assert_refused(400, &[("9112 §6.3", text.as_bytes())]);
    }
    for value in ["18446744073709551616", "999999999999999999999999999999"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\n");
        assert!(matches!(refusal(text.as_bytes()), Some(400 | 413)), "{value} wrapped");
    }
    for value in [
        "chunked, gzip",
        "gzip",
        "chunked, chunked",
        "xchunked",
        "identity",
        "chunked;x=1",
        "\"chunked\"",
        "chunked\x0b",
        "\x0cchunked",
        "chun ked",
        "",
        ",chunked",
        "chunked,",
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n");
        let status = refusal(text.as_bytes());
        assert!(matches!(status, Some(400 | 501)), "9112 §6.1, {value:?}: {status:?}");
    }
    let twice = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n";
    let both = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_refused(400, &[("9112 §6.3", twice), ("9112 §6.3", both), ("9112 §6.1", old)]);
}

#[test]
fn what_is_well_formed_is_framed_as_it_says() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (head, framing) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Framing::Empty),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Framing::Empty),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), Framing::Empty),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Framing::Empty),
        ("PURGE /x HTTP/1.2\r\nHost: a:\r\n\r\n".to_owned(), Framing::Empty),
        (format!("{post}Content-Length: 005\r\n\r\n"), Framing::Length(5)),
        (format!("{post}Transfer-Encoding: cHuNkEd\r\n\r\n"), Framing::Chunked),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n".to_owned(), Framing::Length(2)),
    ] {
        let head_len = head.len();
        let parsed = parsed(head.as_bytes());
        assert_eq!((parsed.framing(), parsed.len()), (framing, head_len), "{head:?}");
    }
}

#[test]
fn responses_are_framed_by_the_request_and_doubts_are_refused() {
    let framing = |text: &str, method| {
        let mut head = ResponseHead::default();
        head.parse(text.as_bytes(), &Limits::default(), method).map(|_| head.framing())
    };
    for (text, method, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, Framing::Length(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, Framing::Empty),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", Method::Get, Framing::Empty),
        ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", Method::Get, Framing::Empty),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get, Framing::Chunked),
        ("HTTP/1.1 200 OK\r\n\r\n", Method::Get, Framing::UntilClose),
    ] {
        assert_eq!(framing(text, method), Ok(expected), "9112 §6.3: {text:?}");
    }
    for text in [
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 1000 High\r\n\r\n",
        "HTTP/1.1 2 00 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    ] {
        assert!(framing(text, Method::Get).is_err(), "9112 §4, §6.3: {text:?}");
    }
}

#[test]
fn a_response_with_both_framings_is_chunked_and_its_connection_is_not_used_again() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(text, &Limits::default(), Method::Get), Ok(Progress::Complete));
    assert_eq!((head.framing(), head.persistence()), (Framing::Chunked, Persistence::Close));
}

/// A body's data, the bytes after it, and whether it has ended.
type Read = (Vec<u8>, Vec<u8>, bool);

/// Decodes a body that arrives in these pieces; says what it was and what is left of the last.
fn decode(framing: Framing, pieces: &[&[u8]]) -> Result<Read, Refusal> {
    let mut body = Body::new(framing, &Limits::default());
    let (mut data, mut rest) = (Vec::new(), Vec::new());
    for piece in pieces {
        if body.is_done() {
            rest.extend_from_slice(piece);
            continue;
        }
        let mut piece = piece.to_vec();
        let decoded = body.decode(&mut piece)?;
        data.extend_from_slice(&piece[decoded.data.clone()]);
        rest.extend_from_slice(&piece[decoded.consumed..]);
    }
    Ok((data, rest, body.is_done()))
}

#[test]
fn a_part_that_goes_by_unseen_counts_towards_the_length() {
    let mut body = Body::new(Framing::Length(5), &Limits::default());
    body.skip(2);
    assert_eq!((body.length_left(), body.is_done()), (3, false));
    assert_eq!(body.decode(&mut b"a".to_vec()).unwrap().consumed, 1);
    assert_eq!(body.end_of_stream(), Err(Refusal::Truncated));
    body.skip(2);
    assert_eq!((body.length_left(), body.is_done()), (0, true));
    for framing in [Framing::Empty, Framing::Chunked, Framing::UntilClose] {
        assert_eq!(Body::new(framing, &Limits::default()).length_left(), 0, "{framing:?}");
    }
}

#[test]
fn chunks_that_are_ambiguous_are_refused() {
    for text in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "5_0\r\n",
        "5\nhello\r\n",
        "5 \r\nhello\r\n",
        "10000000000000000\r\n",
        "00000000000000005\r\nhello\r\n",
        "5;\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;a\0\r\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
    ] {
        let decoded = decode(Framing::Chunked, &[text.as_bytes()]);
        assert!(decoded.is_err(), "9112 §7.1: {text:?} gave {decoded:?}");
    }
    // The last chunk without its empty line is not the end, whatever follows.
    let (_, _, done) = decode(Framing::Chunked, &[b"0\r\n"]).unwrap();
    assert!(!done);
    let mut body = Body::new(Framing::Length(5), &Limits::default());
    assert!(body.end_of_stream().is_err(), "9112 §8: a body that is cut is no body");
}

#[test]
fn extensions_and_trailers_are_dropped_and_the_next_message_is_left() {
    let text = b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\nGET /next";
    let (data, rest, done) = decode(Framing::Chunked, &[text]).unwrap();
    assert_eq!((data.as_slice(), rest.as_slice(), done), (&b"hello!"[..], &b"GET /next"[..], true));
}

proptest! {
    #[test]
    fn any_split_of_a_chunked_body_gives_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(&chunked::size_line(chunk.len()));
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(chunked::END);
        }
        wire.extend_from_slice(chunked::LAST);
        wire.extend_from_slice(b"next");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|two| &wire[two[0]..two[1]]).collect();
        let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let decoded = decode(Framing::Chunked, &pieces);
        prop_assert_eq!(decoded, Ok((chunks.concat(), b"next".to_vec(), true)));
    }

    #[test]
    fn a_head_is_the_same_however_it_arrives(cuts in prop::collection::vec(0_usize..120, 0..8)) {
        let wire: &[u8] = b"POST /Tarefa/ HTTP/1.1\r\nHost: a:5000\r\nContent-Length: 17\r\n\
            X-Request-Id: abc\r\n\r\n{\"value\":\"comprar\"}";
        let whole = parsed(wire);
        let mut head = RequestHead::default();
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
        ends.push(wire.len());
        ends.sort_unstable();
        for end in ends {
            let progress = head.parse(&wire[..end], &Limits::default());
            let expected =
                if end >= whole.len() { Progress::Complete } else { Progress::Incomplete };
            prop_assert_eq!(progress, Ok(expected));
            if expected == Progress::Complete {
                break;
            }
        }
        prop_assert_eq!((head.len(), head.framing()), (whole.len(), Framing::Length(17)));
    }

    #[test]
    fn no_bytes_at_all_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = refusal(&bytes);
        let _ = decode(Framing::Chunked, &[&bytes]);
        let mut head = ResponseHead::default();
        let _ = head.parse(&bytes, &Limits::default(), Method::Get);
    }
}
