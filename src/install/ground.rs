//! What is there before anything of ours is: the network, the image, the program and the key.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use aws_sdk_ec2::types::Filter;
use sha2::{Digest, Sha256};

use super::observe::answer;
use super::order::{ProgramFile, PublicKey};
use crate::aws::Error;
use crate::cli::Misuse;
use crate::hexadecimal::hexadecimal;

/// The largest program that is sent: S3 takes 5 GiB in one request, and this is a mistake.
const PROGRAM_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The longest public key that OpenSSH makes is a fifth of this.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// What the first bytes of a Linux program are, and where they say for which processor.
const ELF: &[u8] = b"\x7fELF";
const ELF_MACHINE: std::ops::Range<usize> = 18..20;
const ELF_X86_64: u16 = 62;
const ELF_AARCH64: u16 = 183;

/// The network that machines are put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) vpc: String,
    /// The subnets and their zones, in the order of the zones.
    pub(super) subnets: Vec<(String, String)>,
}

impl Network {
    /// The subnets that are named, or those of the default network.
    pub(super) async fn find(ec2: &aws_sdk_ec2::Client, named: &[String]) -> anyhow::Result<Self> {
        let call = ec2.describe_subnets();
        let call = match named.is_empty() {
            true => call.filters(Filter::builder().name("default-for-az").values("true").build()),
            false => call.set_subnet_ids(Some(named.to_vec())),
        };
        let found = answer("DescribeSubnets", call.send()).await?;
        let mut vpcs: Vec<String> =
            found.subnets().iter().filter_map(|subnet| Some(subnet.vpc_id()?.to_owned())).collect();
        vpcs.sort();
        vpcs.dedup();
        let mut subnets: Vec<(String, String)> = found
            .subnets()
            .iter()
            .filter_map(|one| {
                Some((one.subnet_id()?.to_owned(), one.availability_zone()?.to_owned()))
            })
            .collect();
        subnets.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
        match vpcs.as_slice() {
            [] => Err(Error::no_network().into()),
            [vpc] => Ok(Self { vpc: vpc.clone(), subnets }),
            several => Err(Misuse(format!(
                "`ec2.subnets` are in several networks ({}): name those of one",
                several.join(", ")
            ))
            .into()),
        }
    }
}

/// Reads the program that the machines are to run: the file that is named, or this one.
pub(super) fn program(named: Option<&Path>) -> anyhow::Result<(ProgramFile, Processor)> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("cannot find this program's own file")?,
    };
    let bytes = read(&path, PROGRAM_BYTES_MAX)?;
    let processor = Processor::of(&bytes).ok_or_else(|| {
        Misuse(format!(
            "{} is no program for Linux on x86-64 or arm64: name one with `ec2.install.binary`",
            path.display()
        ))
    })?;
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    Ok((ProgramFile { bytes, url: None, sha256 }, processor))
}

/// Reads somebody's public key.
pub(super) fn public_key(path: &Path) -> anyhow::Result<PublicKey> {
    let bytes = read(path, KEY_BYTES_MAX).with_context(|| {
        format!(
            "`ec2.install.ssh_key` has to be a public key: make one with \
             `ssh-keygen -t ed25519 -f {}`",
            path.with_extension("").display()
        )
    })?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.starts_with("ssh-"));
    let text = text.ok_or_else(|| {
        Misuse(format!(
            "{} is no public key: allowed is one line that begins with `ssh-`, as in a file whose \
             name ends with .pub",
            path.display()
        ))
    })?;
    let text = text.trim().to_owned();
    Ok(PublicKey { digest: hexadecimal(&Sha256::digest(&text)), text })
}

fn read(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("cannot read {}", path.display());
    let length = fs::metadata(path).with_context(failed)?.len();
    if length > bytes_max {
        return Err(anyhow!("it has {length} bytes, allowed are {bytes_max}")).with_context(failed);
    }
    fs::read(path).with_context(failed)
}

/// What a program was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    X86_64,
    Arm64,
}

impl Processor {
    /// What the head of a program says.
    fn of(program: &[u8]) -> Option<Self> {
        let machine = program.get(ELF_MACHINE).filter(|_| program.starts_with(ELF))?;
        match u16::from_le_bytes(machine.try_into().ok()?) {
            ELF_X86_64 => Some(Self::X86_64),
            ELF_AARCH64 => Some(Self::Arm64),
            _ => None,
        }
    }

    /// This program's own.
    pub(super) const OURS: Self =
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 };

    /// As EC2 calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_what_it_was_compiled_for() {
        let mut head = [0; 64];
        head[..4].copy_from_slice(ELF);
        head[18] = 62;
        assert_eq!(Processor::of(&head), Some(Processor::X86_64));
        head[18] = 183;
        assert_eq!(Processor::of(&head), Some(Processor::Arm64));
        head[18] = 3;
        assert_eq!(Processor::of(&head), None);
        assert_eq!(Processor::of(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn what_is_no_public_key_is_refused_before_it_is_sent_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id.pub");
        let refusal = public_key(&path).unwrap_err();
        assert!(format!("{refusal:#}").contains("ssh-keygen"), "{refusal:#}");
        fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        assert!(public_key(&path).unwrap_err().is::<Misuse>());
        fs::write(&path, "ssh-ed25519 AAAA ana@laptop\n").unwrap();
        assert_eq!(public_key(&path).unwrap().text, "ssh-ed25519 AAAA ana@laptop");
    }
}
