//! The oracle of what goes downstream: the response that was read, framed for the client.

use crate::http1::{
    CookieName, Delivery, Method, Persistence, Progress, Reply, RequestId, ResponseHead, Scheme,
    SetCookie, Version as Speaks, write_interim, write_response, write_switch,
};
use crate::reference::Outcome;
use crate::reference::framing::{Framing, Version};
use crate::reference::grammar::number;
use crate::reference::head::{Field, Head};
use crate::reference::names::{FRAMING, HOP_BY_HOP, Kind, kind};
use crate::reference::response::{self, Response};

use super::response::{Told, expected, to_head, told};
use super::verdict::show;
use super::{ROOMY, bounds, closes, framing};

const SET_COOKIE: &[u8] = b"own=v; Path=/; HttpOnly; SameSite=Lax; Secure";
const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
/// What we add to a head besides one byte to each of its lines.
const ADDED_MAX: usize = 1024;

/// Writes the response in each way that its status allows, and reads it again.
pub(super) fn check(input: &[u8], head: &ResponseHead, response: &Response<'_>, method: Method) {
    let id = RequestId::from_draw(7);
    if head.switches() {
        let text = written(|out| write_switch(out, head, input, &id, None));
        let sent = Sent { input, response, text: &text, method };
        let again = sent.check(Framing::Empty, Ends::No);
        sent.check_one_of_each(&again.head);
        assert_eq!(again.head.values("connection"), [b"upgrade"], "{}", sent.show());
        let accepted = response.head.elements("upgrade");
        assert_eq!(again.head.elements("upgrade"), accepted, "{}", sent.show());
    } else if head.is_interim() {
        let text = written(|out| write_interim(out, head, input));
        let sent = Sent { input, response, text: &text, method };
        let again = sent.check(Framing::Empty, Ends::No);
        for name in HOP_BY_HOP.iter().chain(&FRAMING).chain(&["via", "x-request-id"]) {
            assert_eq!(again.head.values(name).len(), 0, "{name}: {}", sent.show());
        }
    } else {
        check_final(input, head, response, method);
    }
}

/// To each version that a client speaks, and whether or not its connection should go on.
fn check_final(input: &[u8], head: &ResponseHead, response: &Response<'_>, method: Method) {
    let request_id = RequestId::from_draw(7);
    let name: CookieName = "own".parse().expect("a token");
    let cookie = SetCookie { name: &name, value: b"v", scheme: Scheme::Https };
    for version in [Speaks::Http10, Speaks::Http11] {
        for persistence in [Persistence::KeepAlive, Persistence::Close] {
            let request_id = &request_id;
            // With a cookie or without: which, need not be tried with everything else.
            let cookie = closes(persistence).then_some(cookie);
            let date = Some(DATE);
            let reply = Reply { method, version, persistence, request_id, date, cookie };
            let mut delivery = None;
            let text = written(|out| delivery = Some(write_response(out, head, input, &reply)));
            let sent = Sent { input, response, text: &text, method };
            sent.check_delivery(delivery.expect("it was written"), &reply);
        }
    }
}

/// What is appended to a buffer that has something in it.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut text = b"before".to_vec();
    write(&mut text);
    text.strip_prefix(b"before").expect("it is appended").to_vec()
}

/// Whether the client's connection ends with the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Yes,
    No,
}

/// A response, and what was written for it.
struct Sent<'a> {
    input: &'a [u8],
    response: &'a Response<'a>,
    text: &'a [u8],
    method: Method,
}

impl<'a> Sent<'a> {
    fn check_delivery(&self, delivery: Delivery, reply: &Reply<'_>) {
        let is_old = reply.version == Speaks::Http10;
        let wanted = match self.response.framing {
            // RFC 9112 §7.1: the chunked coding is the end that a client of 1.1 can see.
            Framing::UntilClose if !is_old => Framing::Chunked,
            Framing::Chunked if is_old => Framing::UntilClose,
            framing => framing,
        };
        let ends = closes(reply.persistence) || wanted == Framing::UntilClose;
        assert_eq!(framing(delivery.framing), wanted, "{}", self.show());
        assert_eq!(closes(delivery.persistence), ends, "{}", self.show());
        let again = self.check(wanted, if ends { Ends::Yes } else { Ends::No });
        self.check_one_of_each(&again.head);
        let connection: &[&[u8]] = match (ends, is_old) {
            (true, _) => &[b"close"],
            (false, true) => &[b"keep-alive"],
            (false, false) => &[],
        };
        assert_eq!(again.head.values("connection"), connection, "{}", self.show());
        assert_eq!(again.head.values("upgrade").len(), 0, "{}", self.show());
        let count = |head: &Head<'_>| {
            head.values("set-cookie").into_iter().filter(|&value| value == SET_COOKIE).count()
        };
        let added = count(&again.head) - count(&self.response.head);
        assert_eq!(added, usize::from(reply.cookie.is_some()), "{}", self.show());
        let dates = self.response.head.values("date");
        let dates = if dates.is_empty() { vec![DATE] } else { dates };
        assert_eq!(again.head.values("date"), dates, "{}", self.show());
        // RFC 9110 §8.6: after HEAD, and in a 304, the length is that of the body left out.
        let length = self.response.declared_length.filter(|_| self.response.status != 204);
        let length = length.filter(|_| wanted == Framing::Empty || is_length(wanted));
        assert_eq!(again.declared_length, length, "{}", self.show());
    }

    /// Both readers understand the same, namely what the server meant.
    fn check(&self, framing: Framing, ends: Ends) -> Response<'a> {
        let mut head = ResponseHead::default();
        assert!(self.text.len() <= self.input.len() + 256 + ADDED_MAX, "{}", self.show());
        let progress = head.parse(self.text, &ROOMY, self.method);
        assert_eq!(progress, Ok(Progress::Complete), "{}", self.show());
        let outcome = response::read(self.text, &bounds(&ROOMY), to_head(self.method));
        let told = told(&head, self.text);
        let meant = Told {
            len: self.text.len(),
            version: Version::Http11,
            status: self.response.status,
            fields: told.fields.clone(),
            framing,
            closes: ends == Ends::Yes,
        };
        assert_eq!(told, meant, "{}", self.show());
        assert_eq!(Outcome::Read(told), expected(&outcome), "{}", self.show());
        let Outcome::Read(again) = outcome else { unreachable!("it was compared") };
        let line =
            [format!("HTTP/1.1 {} ", again.status).as_bytes(), self.response.reason].concat();
        assert_eq!(again.head.line, line, "{}", self.show());
        assert_eq!(self.cargo(&again.head), self.cargo(&self.response.head), "{}", self.show());
        again
    }

    /// What passes as it came, unless `Connection` names it.
    fn cargo<'b>(&self, head: &Head<'b>) -> Vec<Field<'b>> {
        let is_listed = |field: &Field<'_>| {
            self.response.options.iter().any(|option| option.eq_ignore_ascii_case(field.name))
        };
        let passes = |field: &Field<'_>| match kind(field.name) {
            // We may have added one.
            _ if field.value == SET_COOKIE => false,
            Kind::Known => self.is_passed(field.name),
            Kind::Disguised | Kind::Cargo => !is_listed(field),
        };
        head.fields.iter().copied().filter(passes).collect()
    }

    /// The names that a proxy acts on in a request and lets pass in a response.
    fn is_passed(&self, name: &[u8]) -> bool {
        let mut ours = HOP_BY_HOP.iter().chain(&FRAMING).chain(&["date", "via", "x-request-id"]);
        !ours.any(|each| name.eq_ignore_ascii_case(each.as_bytes()))
    }

    /// One framing, one `Via`, one id; nothing about the server's connection.
    fn check_one_of_each(&self, sent: &Head<'_>) {
        let count = |name: &str| sent.values(name).len();
        let framings: usize = FRAMING.iter().map(|name| count(name)).sum();
        assert!(framings <= 1, "{}", self.show());
        let is_canonical =
            |length| number(length).is_some_and(|it| it.to_string().as_bytes() == length);
        assert!(sent.values("content-length").into_iter().all(is_canonical), "{}", self.show());
        for name in HOP_BY_HOP.iter().filter(|&&name| name != "connection" && name != "upgrade") {
            assert_eq!(count(name), 0, "{name}: {}", self.show());
        }
        let mut via = self.response.head.elements("via");
        via.push(match self.response.version {
            Version::Http10 => b"1.0 cloudaps",
            Version::Http11 => b"1.1 cloudaps",
        });
        assert_eq!((count("via"), sent.elements("via")), (1, via), "{}", self.show());
        assert_eq!(count("x-request-id"), 1, "{}", self.show());
    }

    fn show(&self) -> String {
        format!("{} became {}", show(self.input), show(self.text))
    }
}

fn is_length(framing: Framing) -> bool {
    matches!(framing, Framing::Length(_))
}
