//! A client that lists everything, page by page, and looks at the memory of who answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};

use super::super::procfs;

/// What listing everything took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    pub(super) pages: u64,
    /// The most that the server's processes had in memory at the end of a page.
    pub(super) resident_bytes: u64,
}

/// Follows the links of the list to its end.
pub(super) fn everything(to: SocketAddr, server: u32) -> anyhow::Result<Scan> {
    let mut stream = BufReader::new(TcpStream::connect(to)?);
    let mut scan = Scan { pages: 0, resident_bytes: 0 };
    let mut next = Some("/tasks/?limit=1000".to_owned());
    while let Some(path) = next {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.get_mut().write_all(request.as_bytes())?;
        next = read_page(&mut stream).with_context(|| path.clone())?;
        scan.pages += 1;
        let resident = procfs::resident_bytes(&procfs::family(server));
        scan.resident_bytes = scan.resident_bytes.max(resident);
    }
    Ok(scan)
}

/// Reads one answer; says where the list goes on.
fn read_page(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Option<String>> {
    let (mut line, mut length, mut next) = (String::new(), 0, None);
    stream.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "the answer is {}", line.trim_end());
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse()?;
            }
            Some((name, value)) if name.eq_ignore_ascii_case("link") => {
                let path = value.strip_prefix('<').and_then(|rest| rest.split_once('>'));
                next = path.map(|(path, _)| path.to_owned());
            }
            Some(_) => {}
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(next)
}
