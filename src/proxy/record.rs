//! What is remembered of a request for when its head has been used up.

use std::net::IpAddr;
use std::rc::Rc;

use super::client::Client;
use super::failures::Subject;
use super::thread::Thread;
use super::trail::{Asked, Said, Sinks, Trail};
use crate::http1::{Form, RequestHead, RequestId};

/// Bytes of `Accept` that are kept: four times what browsers send. The elements that do not fit
/// are as good as not sent.
const ACCEPT_MAX: usize = 512;

/// What one request leaves behind, for the log and for the answer of our own that it may get.
#[derive(Debug)]
pub(super) struct Record {
    /// What it is called, once it was read or refused.
    pub(super) id: RequestId,
    /// Who sent it, once that is known.
    pub(super) sender: Option<IpAddr>,
    accept: Vec<u8>,
    /// What the access log and its trace will say of it.
    pub(super) trail: Trail,
}

impl Default for Record {
    fn default() -> Self {
        let (sender, accept, trail) = (None, Vec::new(), Trail::default());
        Self { id: RequestId::from_draw(0), sender, accept, trail }
    }
}

impl Record {
    /// Begins another request, of which nothing is known yet.
    pub(super) fn begin(&mut self, sinks: Option<&Rc<Sinks>>) {
        self.sender = None;
        self.accept.clear();
        self.trail.begin(sinks);
    }

    /// Takes down a request that was read, or was refused while it was.
    pub(super) fn open_trail(&mut self, client: &Client, said: Said<'_>) {
        if self.trail.is_kept() {
            self.write_trail(client, said);
        }
    }

    /// By itself, so that without a log and traces a request does not even pay for the call.
    #[inline(never)]
    fn write_trail(&mut self, client: &Client, said: Said<'_>) {
        let (identity, peer) = (client.identity(), client.socket_address);
        let client = self.sender.unwrap_or(identity.address);
        let client_text = (client == identity.address).then(|| identity.peer.address());
        self.trail.open(&Asked { id: &self.id, client, client_text, peer, said });
    }

    /// Takes down what a head says, whose text is in `bytes`.
    pub(super) fn note_head(
        &mut self,
        (thread, client): (&Thread, &Client),
        head: &RequestHead,
        bytes: &[u8],
    ) {
        self.id = head.request_id(bytes).unwrap_or_else(|| thread.new_request_id());
        self.sender = Some(client.sender(&thread.settings.inbound, head, bytes));
        self.note_accepts(head, bytes);
        self.open_trail(client, Said::Head { head, bytes });
    }

    fn note_accepts(&mut self, head: &RequestHead, bytes: &[u8]) {
        for value in head.accept(bytes) {
            self.note_accept(value);
        }
    }

    /// Whom the log is told of, if the request fails.
    pub(super) fn subject(&self, client: &Client) -> Subject<'_> {
        let sender = self.sender.unwrap_or(client.identity().address);
        Subject { client: Some(sender), request_id: Some(&self.id) }
    }

    /// What outlives the request, if it is told of. In a box, for few connections need the room.
    pub(super) fn take_trail(&mut self) -> Option<Box<Trail>> {
        self.trail.is_due().then(|| Box::new(std::mem::take(&mut self.trail)))
    }

    /// The form of answer that the client would rather read.
    pub(super) fn form(&self) -> Form {
        Form::preferred(&self.accept)
    }

    /// Several lines are one list (RFC 9110 §5.3).
    fn note_accept(&mut self, value: &[u8]) {
        let room = ACCEPT_MAX.saturating_sub(self.accept.len() + 1);
        let fits = match value.len() <= room {
            true => value.len(),
            false => value[..room].iter().rposition(|&byte| byte == b',').unwrap_or(0),
        };
        if !self.accept.is_empty() {
            self.accept.push(b',');
        }
        self.accept.extend_from_slice(&value[..fits]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Limits;

    fn form(lines: &str) -> Form {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        let _ = head.parse(text.as_bytes(), &Limits::default()).unwrap();
        let mut record = Record::default();
        record.note_accepts(&head, text.as_bytes());
        record.form()
    }

    #[test]
    fn lines_are_one_list_and_other_headers_are_not_in_it() {
        assert_eq!(form("Accept-Language: text/html\r\n"), Form::Text);
        assert_eq!(form("ACCEPT: text/html;q=0.5\r\naccept: application/json\r\n"), Form::Json);
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let long = |count| format!("Accept: {}text/html\r\n", "image/png,".repeat(count));
        assert_eq!(form(&long(20)), Form::Html);
        assert_eq!(form(&long(51)), Form::Text);
        let endless = format!("Accept: application/json\r\nAccept: {}\r\n", "x".repeat(5000));
        assert_eq!(form(&endless), Form::Json);
    }
}
