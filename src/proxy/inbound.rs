//! Who a client is, settled once: when its connection is accepted or, behind a proxy that speaks
//! the PROXY protocol, when that has said so. Everything later (whose word is believed, which
//! address is logged, hashed and counted) follows from it.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::time::timeout;

use super::alarm::Alarm;
use super::client::{Client, Identity, Resting};
use super::error::{Error, Kind};
use super::io::{look, reset_when_closed, take_exactly};
use super::per_client::Counted;
use super::settings::Inbound;
use super::socket::Socket;
use super::thread::Thread;
use crate::clock;
use crate::http1::{Forwarding, Peer, Scheme};
use crate::proxy_protocol::{self, Source};

/// What came of reading a PROXY header.
enum Read {
    /// There will be more of it.
    More,
    /// It is whole.
    Whole(Source),
    /// The connection ended.
    End,
}

impl Inbound {
    /// Whether a connection from there has to begin with a PROXY header.
    pub(super) fn is_announced(&self, socket: IpAddr) -> bool {
        self.proxy_protocol_from.contains(socket)
    }

    /// What becomes of what the client says about itself.
    fn forwarding(&self, address: IpAddr, otherwise: Forwarding) -> Forwarding {
        if self.trusted_proxies.contains(address) { Forwarding::Append } else { otherwise }
    }
}

/// Settles who the client is. `announced` is whom a PROXY header has named; without one it is
/// whoever is at the other end of the socket.
pub(super) fn settle(
    thread: &Thread,
    client: &Client,
    announced: Option<IpAddr>,
) -> Result<(), Error> {
    let address = announced.unwrap_or(client.socket_address);
    // A proxy that has to announce its clients and speaks for itself is not counted.
    let counted = match announced.is_none() && thread.settings.inbound.is_announced(address) {
        true => None,
        false => count(thread, address)?,
    };
    client.settle(identity(thread, address, counted));
    Ok(())
}

/// Counts one more connection of a client, if it may have one. Behind the address of a proxy that
/// we trust there are as many clients as it likes.
fn count(thread: &Thread, address: IpAddr) -> Result<Option<Counted>, Error> {
    if thread.settings.inbound.trusted_proxies.contains(address) {
        return Ok(None);
    }
    thread.per_client.enter(address).map(Some).ok_or(Error::downstream(Kind::Crowd))
}

/// A client that has just connected and is known by its socket's address, if it may stay.
pub(super) fn arrive(
    thread: &Thread,
    stream: OwnedFd,
    socket_address: IpAddr,
) -> Result<Resting, Error> {
    let counted = count(thread, socket_address).inspect_err(|_| reset_when_closed(&stream))?;
    let (address, since) = (socket_address, thread.tick_now());
    Ok(Resting { stream, socket_address, address, counted, since })
}

/// The same client, in a session.
pub(super) fn resume(thread: &Thread, resting: Resting, alarm: Rc<Alarm>) -> Client {
    let Resting { stream, socket_address, address, counted, .. } = resting;
    let client = Client::new(stream.into(), socket_address, alarm);
    client.settle(identity(thread, address, counted));
    client
}

fn identity(thread: &Thread, address: IpAddr, counted: Option<Counted>) -> Identity {
    let forwarding = thread.settings.inbound.forwarding(address, thread.settings.forwarding);
    Identity { address, peer: Peer::new(address, Scheme::Http), forwarding, counted }
}

/// Reads the PROXY header that the connection has to begin with, and settles who the client is.
/// `false`: nobody is there, or whoever is may not stay.
pub(super) async fn introduce(thread: &Rc<Thread>, client: &Client) -> bool {
    let announced = match announcement(thread, client).await {
        Ok(Some(source)) => source.ip(),
        // Connecting and leaving is how many a proxy sees whether we are there.
        Ok(None) => return false,
        Err(error) => {
            refuse(thread, client, error, client.socket_address);
            return false;
        }
    };
    let address = announced.unwrap_or(client.socket_address);
    let settled = settle(thread, client, announced);
    settled.inspect_err(|error| refuse(thread, client, *error, address)).is_ok()
}

fn refuse(thread: &Thread, client: &Client, error: Error, address: IpAddr) {
    client.reset();
    thread.note_refused_connection(error, address);
}

/// Reads a PROXY header, and not a byte of what follows it.
async fn announcement(thread: &Thread, client: &Client) -> Result<Option<Source>, Error> {
    let deadline = clock::now() + thread.settings.timeouts.head;
    let mut header = Vec::new();
    // Each round takes a byte at least, or waits.
    for _ in 0..2 * proxy_protocol::HEADER_MAX {
        let left = deadline.since(clock::now());
        if timeout(left, client.wait(thread.tick_now())).await.is_err() {
            break;
        }
        match read(&client.stream, &mut header)? {
            Read::More => {}
            Read::Whole(source) => return Ok(Some(source)),
            Read::End if header.is_empty() => return Ok(None),
            Read::End => break,
        }
    }
    Err(Error::downstream(Kind::NoAnnouncement))
}

/// Reads on, as far as the header goes. What has arrived is looked at first and then taken: all of
/// it while the header is incomplete, and its rest when that is known.
fn read(stream: &Socket, header: &mut Vec<u8>) -> Result<Read, Error> {
    let held = header.len();
    header.resize(proxy_protocol::HEADER_MAX, 0);
    let looked = look(stream, &mut header[held..]);
    header.truncate(held + *looked.as_ref().unwrap_or(&0));
    match looked {
        Ok(0) => return Ok(Read::End),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::More),
        Err(_) => return Ok(Read::End),
    }
    let parsed = proxy_protocol::parse(header);
    let parsed = parsed.map_err(|malformed| Error::downstream(Kind::Announcement(malformed)))?;
    let end = parsed.map_or(header.len(), |whole| whole.len);
    let gone = |_: io::Error| Error::downstream(Kind::NoAnnouncement);
    take_exactly(stream, &mut header[held..end]).map_err(gone)?;
    Ok(parsed.map_or(Read::More, |whole| Read::Whole(whole.source)))
}
