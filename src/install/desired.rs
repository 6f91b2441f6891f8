//! From the configuration and the ground to what is desired.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ground::{self, Network, Processor};
use super::order::{MachineOrder, Order, ProgramFile, PublicKey};
use super::site::Site;
use crate::aws::{Error, image};
use crate::blueprint::{
    Account, Balancer, KeySpec, Part, Permission, Ports, Spec, VolumeSpec, balancer_policy, rules,
};
use crate::boot::{CONTROL_PORT, TRAFFIC_PORT};
use crate::cli::Misuse;
use crate::config::{self, Config, File, Kept, Location, Provider, Word};
use crate::hexadecimal::hexadecimal;

/// The order of what a file describes, on the ground of a site.
pub(super) async fn order(site: &Site, file: &File) -> anyhow::Result<Order> {
    refuse_what_is_made(file)?;
    let network = Network::find(&site.ec2, &words(&file.ec2.subnets)).await?;
    let (program, processor) = program(file)?;
    let public_key = public_key(file)?;
    let told = told(site, file, &program, public_key.as_ref())?;
    let config = Config::new(&told, None).map_err(|error| Misuse(error.to_string()))?;
    let machine = MachineOrder {
        image: image_of(site, file, processor).await?,
        instance_types: instance_types(file),
        subnets: network.subnets.iter().map(|(id, _)| id.clone()).collect(),
    };
    let port = config.listen.port();
    let ports = Ports { balancer: port, traffic: TRAFFIC_PORT, control: CONTROL_PORT };
    let permission = permission(site, file);
    let digest = digest(&told, &permission, &machine.instance_types, public_key.as_ref());
    let instance_type = machine.instance_types.join(" or ");
    let spec = Spec {
        fleet: site.fleet.clone(),
        region: site.access.region().to_owned(),
        vpc: network.vpc.clone(),
        names: site.names.clone(),
        artifact: program.artifact(),
        permission,
        key: public_key.as_ref().map(|key| KeySpec { digest: key.digest.clone() }),
        rules: rules(ports, &file.ec2.install.ssh_from.to_strings()),
        volume: volume(&config, &network),
        balancer: Balancer { digest, instance_type, port },
    };
    Ok(Order { spec, program, public_key, machine, told, config, attempt: Cell::new(0) })
}

impl Order {
    /// What the balancer is to read, now that the security groups are there.
    pub(super) fn configuration(&self, account: &Account) -> Result<String, Error> {
        let group = |part: Part| -> Result<Vec<Word>, Error> {
            let missing = || Error::invalid("RunInstances", "a security group is missing");
            let group = account.group(part).ok_or_else(missing)?;
            let id = group.id.parse::<Word>();
            Ok(vec![id.map_err(|error| Error::invalid("DescribeSecurityGroups", error))?])
        };
        let mut told = self.told.clone();
        told.ec2.security_groups.instances = group(Part::Instances)?;
        told.ec2.security_groups.backend = group(Part::Backend)?;
        toml::to_string(&told).map_err(|error| Error::invalid("RunInstances", error))
    }
}

/// Refuses what the file says of things that are made here.
fn refuse_what_is_made(file: &File) -> Result<(), Misuse> {
    let ec2 = &file.ec2;
    let refuse = |text: &str| Err(Misuse(text.to_owned()));
    if ec2.security_groups != config::SecurityGroups::default() {
        return refuse(
            "`ec2.security_groups` is for `cloudaps up`: `install` makes its own, so leave it out",
        );
    }
    if ec2.profile.is_some() && ec2.install.profile.is_none() {
        return refuse(
            "with `ec2.profile` the balancer has to be allowed to pass that role on: give it an \
             instance profile that allows it as `ec2.install.profile`",
        );
    }
    if matches!(&ec2.artifact, Some(config::Artifact { url: Location::Object { .. }, .. })) {
        return refuse(
            "`install` puts the program into a bucket of its own: leave out `ec2.artifact`, or \
             name a link that begins with `https://`",
        );
    }
    let has_key = ec2.key.is_some() || ec2.install.ssh_key.is_some();
    if !ec2.install.ssh_from.is_empty() && !has_key {
        return refuse(
            "`ec2.install.ssh_from` lets SSH in, and nobody has a key: name a public key as \
             `ec2.install.ssh_key`, or a key pair that exists as `ec2.key`",
        );
    }
    if ec2.key.is_some() && ec2.install.ssh_key.is_some() {
        return refuse(
            "`ec2.key` and `ec2.install.ssh_key` both name a key: leave out one of them",
        );
    }
    Ok(())
}

/// What the balancer is told: the same file, with what it cannot find out by itself, and without
/// what is none of its business.
fn told(
    site: &Site,
    file: &File,
    program: &ProgramFile,
    key: Option<&PublicKey>,
) -> anyhow::Result<File> {
    let mut told = file.clone();
    let everywhere = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    told.run_on_ec2();
    told.listen = Some(everywhere(file.listen.map_or(told.listen().port(), |at| at.port())));
    told.state_dir = None;
    told.ec2.region = Some(site.access.region().parse().map_err(Misuse)?);
    if key.is_some() {
        told.ec2.key = Some(site.names.key.clone());
    }
    let url = match (&program.url, program.artifact()) {
        (Some(url), _) => url.parse().map_err(Misuse)?,
        (None, Some(artifact)) => {
            Location::Object { bucket: site.names.bucket.clone(), key: artifact.key }
        }
        (None, None) => return Err(Misuse("there is no program".to_owned()).into()),
    };
    let sha256 = program.sha256.parse().map_err(Misuse)?;
    told.ec2.artifact = Some(config::Artifact { url, sha256 });
    told.ec2.install = config::Install::default();
    told.ec2.prices = config::Prices::default();
    Ok(told)
}

/// The digest of all that the balancer is made from; the program is among what it is told. The
/// image that is chosen when nobody names one is not: a new one is published every other week.
fn digest(
    told: &File,
    permission: &Permission,
    instance_types: &[String],
    key: Option<&PublicKey>,
) -> String {
    let settings = toml::to_string(told).unwrap_or_default();
    let profile = match permission {
        Permission::Role(_) => "",
        Permission::Profile(name) => name,
    };
    let key = key.map_or("", |key| &key.digest);
    let mut hash = Sha256::new();
    for part in [&settings, profile, &instance_types.join(" "), key] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hexadecimal(&hash.finalize())
}

fn program(file: &File) -> anyhow::Result<(ProgramFile, Processor)> {
    match &file.ec2.artifact {
        Some(config::Artifact { url: Location::Url(url), sha256 }) => {
            let (url, sha256) = (Some(url.clone()), sha256.as_str().to_owned());
            Ok((ProgramFile { bytes: Vec::new(), url, sha256 }, Processor::OURS))
        }
        Some(config::Artifact { url: Location::Object { .. }, .. }) | None => {
            ground::program(file.ec2.install.binary.as_deref())
        }
    }
}

fn public_key(file: &File) -> anyhow::Result<Option<PublicKey>> {
    let path = file.ec2.install.ssh_key.as_deref();
    path.map(|path: &Path| ground::public_key(path)).transpose()
}

async fn image_of(site: &Site, file: &File, processor: Processor) -> Result<String, Error> {
    match &file.ec2.image {
        Some(image) => Ok(image.as_str().to_owned()),
        None => image::newest(&site.ec2, processor.as_str()).await,
    }
}

fn instance_types(file: &File) -> Vec<String> {
    match &file.ec2.install.instance_type {
        Some(own) => vec![own.as_str().to_owned()],
        None => words(file.ec2.instance_types.as_slice()),
    }
}

fn permission(site: &Site, file: &File) -> Permission {
    match &file.ec2.install.profile {
        Some(profile) => Permission::Profile(profile.as_str().to_owned()),
        None => Permission::Role(balancer_policy(&site.fleet)),
    }
}

/// In the zone in which the first backend would be launched.
fn volume(config: &Config, network: &Network) -> Option<VolumeSpec> {
    let Provider::Ec2(machines) = &config.provider else { return None };
    let (_, kept) = machines.backend.as_ref()?;
    let (_, zone) = network.subnets.first().filter(|_| *kept == Kept::OnVolume)?;
    Some(VolumeSpec { gib: machines.ec2.volume.to_u32(), zone: zone.clone() })
}

fn words(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.as_str().to_owned()).collect()
}
