//! Clients for which blocking reads are good enough: many that do nothing, and one that moves a
//! large body.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::exchange::request;
use super::tally::Report;
use super::{STARTED, STOPPED};
use crate::cli::{Direction, IdleArgs, TransferArgs};
use crate::clock::{Moment, pause};
use crate::head::{self, Head};

/// What one read or write takes.
const BLOCK_BYTES: usize = 256 * 1024;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a subject may do nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects, asks once on each connection, and keeps them until the standard input ends.
pub(crate) fn idle(args: &IdleArgs) -> anyhow::Result<()> {
    let (mut kept, begun) = (Vec::new(), Moment::now());
    let step = Duration::from_millis(args.over_ms) / args.connections.max(1);
    for number in 0..args.connections {
        pause(begun.after(step * number).remaining());
        let mut stream = connect(args.to).with_context(|| format!("connection {number}"))?;
        stream.write_all(&request("GET", "/", args.to, ""))?;
        let (head, body) = read_head(&mut stream)?;
        read_rest(&mut stream, head, body)?;
        kept.push(stream);
    }
    println!("{STARTED}");
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

/// Moves one body, checks its length, and prints the report.
pub(crate) fn transfer(args: &TransferArgs) -> anyhow::Result<()> {
    let mut stream = connect(args.to)?;
    println!("{STARTED}");
    let started = Moment::now();
    match args.direction {
        Direction::Down => download(&mut stream, args)?,
        Direction::Up => upload(&mut stream, args)?,
    }
    let seconds = Duration::from_nanos(Moment::now().nanos_since(started)).as_secs_f64();
    println!("{STOPPED}");
    let report = Report { requests: 1, bytes: args.bytes, seconds, ..Report::default() };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn download(stream: &mut TcpStream, args: &TransferArgs) -> anyhow::Result<()> {
    stream.write_all(&request("GET", &format!("/bytes/{}", args.bytes), args.to, ""))?;
    let (head, received) = read_head(stream)?;
    ensure!(head.body == args.bytes, "{} bytes were announced", head.body);
    let mut left = args.bytes.saturating_sub(received.len() as u64);
    let mut block = vec![0; BLOCK_BYTES];
    while left > 0 {
        let count = stream.read(&mut block).context("the body stalls")?;
        ensure!(count > 0 && count as u64 <= left, "{left} bytes were missing, {count} came");
        left -= count as u64;
    }
    Ok(())
}

fn upload(stream: &mut TcpStream, args: &TransferArgs) -> anyhow::Result<()> {
    let length = format!("Content-Length: {}\r\n", args.bytes);
    stream.write_all(&request("POST", "/sink", args.to, &length))?;
    let block = vec![b'x'; BLOCK_BYTES];
    let mut left = args.bytes;
    while left > 0 {
        let count = usize::try_from(left)?.min(BLOCK_BYTES);
        stream.write_all(&block[..count]).context("the body stalls")?;
        left -= count as u64;
    }
    let (head, received) = read_head(stream)?;
    let body = read_rest(stream, head, received)?;
    let counted = String::from_utf8_lossy(&body).into_owned();
    ensure!(counted == args.bytes.to_string(), "the origin has received {counted} bytes");
    Ok(())
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The head of a good answer, and what of its body has come with it.
fn read_head(stream: &mut TcpStream) -> anyhow::Result<(Head, Vec<u8>)> {
    let (mut bytes, mut length) = (vec![0; HEAD_BYTES_MAX], 0);
    loop {
        let count = stream.read(&mut bytes[length..])?;
        ensure!(count > 0, "the connection ended before the head of the answer");
        length += count;
        if let Some(head) = Head::read(&bytes[..length]) {
            let status = head::status(&bytes);
            ensure!(status == 200 && !head.is_chunked, "the answer is {status}");
            return Ok((head, bytes[head.length..length].to_vec()));
        }
    }
}

fn read_rest(stream: &mut TcpStream, head: Head, mut body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let received = body.len();
    body.resize(usize::try_from(head.body)?.max(received), 0);
    stream.read_exact(&mut body[received..])?;
    Ok(body)
}
