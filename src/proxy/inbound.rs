//! Who a client is, settled once: when its connection is accepted or, behind a proxy that speaks
//! the PROXY protocol, when that has said so. Everything later (whose word is believed, which
//! address is logged, hashed and counted) follows from it.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::rc::Rc;

use tokio::time::timeout;

use super::client::{Client, Identity};
use super::error::{Error, Kind};
use super::io::{look, take_exactly};
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
    let inbound = &thread.settings.inbound;
    let address = announced.unwrap_or(client.socket_address);
    // Behind a proxy's address there are as many clients as it likes.
    let is_exempt = inbound.trusted_proxies.contains(address)
        || (announced.is_none() && inbound.is_announced(address));
    let counted = match is_exempt {
        true => None,
        false => Some(thread.per_client.enter(address).ok_or(Error::downstream(Kind::Crowd))?),
    };
    let forwarding = inbound.forwarding(address, thread.settings.forwarding);
    client.settle(Identity {
        address,
        peer: Peer::new(address, Scheme::Http),
        forwarding,
        counted,
    });
    Ok(())
}

/// Reads the PROXY header that the connection has to begin with, and settles who the client is.
/// `false`: nobody is there, or whoever is may not stay.
pub(super) async fn introduce(thread: &Rc<Thread>, client: &Client) -> bool {
    let announced = match announcement(thread, client).await {
        Ok(Some(source)) => source.ip(),
        // Connecting and leaving is how many a proxy sees whether we are there.
        Ok(None) => return false,
        Err(error) => {
            thread.refuse_connection(error, client, client.socket_address);
            return false;
        }
    };
    let address = announced.unwrap_or(client.socket_address);
    let settled = settle(thread, client, announced);
    settled.inspect_err(|error| thread.refuse_connection(*error, client, address)).is_ok()
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
