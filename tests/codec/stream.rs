//! Requests that follow one another on one connection, cut wherever the network likes.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use crate::http1::{Body, Framing, Limits, Progress, RequestHead, chunked};

/// What was sent, or understood, as one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    path: Vec<u8>,
    framing: Framing,
    body: Vec<u8>,
}

/// The receiving end of a connection.
#[derive(Default)]
struct Connection {
    buffer: Vec<u8>,
    head: RequestHead,
    /// The request whose body is being read.
    open: Option<(Message, Body)>,
    received: Vec<Message>,
}

impl Connection {
    fn receive(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
        while self.step() {}
    }

    /// Reads a head, or what there is of a body. Tells whether there may be more to read.
    fn step(&mut self) -> bool {
        let limits = Limits::default();
        let Some((message, body)) = &mut self.open else {
            if self.head.parse(&self.buffer, &limits) != Ok(Progress::Complete) {
                return false;
            }
            let path = self.head.path(&self.buffer).to_vec();
            let framing = self.head.framing();
            let message = Message { path, framing, body: Vec::new() };
            self.open = Some((message, Body::new(framing, &limits)));
            self.buffer.drain(..self.head.len());
            self.head.clear();
            return true;
        };
        let decoded = body.decode(&mut self.buffer).expect("the body is valid");
        message.body.extend_from_slice(&self.buffer[decoded.data]);
        self.buffer.drain(..decoded.consumed);
        if decoded.progress == Progress::Incomplete {
            return false;
        }
        self.received.extend(self.open.take().map(|(message, _)| message));
        true
    }
}

/// A request, and its bytes. The chunks of a chunked body are at most so long.
fn message() -> impl Strategy<Value = (Message, Vec<u8>)> {
    let framing = prop::sample::select(vec![0_u8, 1, 2]);
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        Just(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
    ];
    (0..99_u8, framing, data, 1_usize..20).prop_map(|(number, framing, data, chunk_len)| {
        let path = format!("/{number}").into_bytes();
        let head = format!("POST /{number} HTTP/1.1\r\nHost: a\r\n");
        let (framing, header, body) = match framing {
            0 => (Framing::Empty, String::new(), Vec::new()),
            1 => {
                let header = format!("Content-Length: {}\r\n", data.len());
                (Framing::Length(data.len() as u64), header, data.clone())
            }
            _ => {
                let header = "Transfer-Encoding: chunked\r\n".to_owned();
                (Framing::Chunked, header, encode(&data, chunk_len))
            }
        };
        let wire = [head.as_bytes(), header.as_bytes(), b"\r\n", &body].concat();
        let body = if framing == Framing::Empty { Vec::new() } else { data };
        (Message { path, framing, body }, wire)
    })
}

fn encode(data: &[u8], chunk_len: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in data.chunks(chunk_len) {
        wire.extend_from_slice(&chunked::size_line(chunk.len()));
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(chunked::END);
    }
    wire.extend_from_slice(chunked::LAST);
    wire
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(9112),
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_stream_of_requests_is_the_same_however_it_is_cut(
        messages in prop::collection::vec(message(), 1..6),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let (sent, wires): (Vec<Message>, Vec<Vec<u8>>) = messages.into_iter().unzip();
        let wire = wires.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let one_by_one: Vec<usize> = (0..=wire.len()).collect();
        for ends in [vec![0, wire.len()], one_by_one, at] {
            let mut connection = Connection::default();
            for piece in ends.windows(2) {
                connection.receive(&wire[piece[0]..piece[1]]);
            }
            prop_assert_eq!(&connection.received, &sent);
            prop_assert!(connection.buffer.is_empty(), "bytes of nobody are left");
        }
    }
}
