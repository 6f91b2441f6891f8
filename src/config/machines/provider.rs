//! What the machines are, in the words of their provider.

use super::{Kept, Machines};
use crate::config::{Artifact, Ec2, Location, Word};
use crate::provider::ec2::{self, Backend, Config, Data, Market, Member, Source};
use crate::state_dir::Token;

impl Machines {
    /// The provider's settings. `control_token` is the state directory's.
    #[must_use]
    pub fn provider(&self, control_token: Token) -> Config {
        let Self { ec2, artifact, instances, backend, trace_headers } = self;
        let groups = &ec2.security_groups;
        let backend = backend.as_ref().map(|(duty, kept)| Backend {
            member: Member { duty: duty.clone(), security_groups: texts(&groups.backend) },
            data: data(kept, ec2),
        });
        let security_groups = texts(&groups.instances);
        Config {
            fleet: ec2.fleet.as_str().to_owned(),
            region: ec2.region.as_ref().map(Word::to_string),
            image: ec2.image.as_ref().map(Word::to_string),
            instance_types: texts(ec2.instance_types.as_slice()),
            subnets: texts(&ec2.subnets),
            key: ec2.key.clone(),
            profile: ec2.profile.as_ref().map(Word::to_string),
            market: if ec2.spot { Market::Spot } else { Market::OnDemand },
            artifact: program(artifact),
            instances: Member { duty: instances.clone(), security_groups },
            backend,
            control_token,
            trace_headers: trace_headers.clone(),
        }
    }
}

fn data(kept: &Kept, ec2: &Ec2) -> Data {
    match kept {
        Kept::OnVolume => Data::Volume { gibibytes: ec2.volume.to_u32() },
        Kept::Elsewhere(store) => Data::Elsewhere(store.clone()),
    }
}

fn program(artifact: &Artifact) -> ec2::Artifact {
    let source = match artifact.url.clone() {
        Location::Url(url) => Source::Url(url),
        Location::Object { bucket, key } => Source::Object { bucket, key },
    };
    ec2::Artifact { source, sha256: artifact.sha256.as_str().to_owned() }
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(Word::to_string).collect()
}
