//! The launch of the balancer: its configuration goes into the bucket, and links to it and to the
//! program into the machine's user data.

use std::time::Duration;

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceMetadataOptionsRequest, InstanceType,
    ResourceType,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::super::observe::answer;
use super::super::order::Order;
use super::super::site::Site;
use crate::aws::{Error, Kind, Object, tags};
use crate::blueprint::{Account, Part, Permission};
use crate::boot::{BalancerScript, Program};
use crate::hexadecimal::hexadecimal;

/// For how long the links of a first start are good. A machine uses them in its first minutes; an
/// hour is what the shortest sessions of a role have left.
const LINK_VALID: Duration = Duration::from_secs(3600);

/// Balancers with the same blueprint that may have been ended at the same address before the tokens
/// run out. Each costs a call of a bucket of five.
const ATTEMPTS_MAX: u32 = 5;

impl Site {
    /// Launches the balancer, wherever there is room for it.
    pub(super) async fn launch(&self, order: &Order, account: &Account) -> Result<(), Error> {
        let script = match self.is_rehearsal {
            true => String::new(),
            false => self.prepare(order, account).await?,
        };
        let mut refusal = None;
        for instance_type in &order.machine.instance_types {
            for subnet in &order.machine.subnets {
                let call = self.call(order, account, &script);
                let call = call.instance_type(InstanceType::from(instance_type.as_str()));
                match self.run(order, account, call.subnet_id(subnet)).await {
                    Err(error) if error.kind == Kind::Capacity => refusal = Some(error),
                    other => return other,
                }
            }
        }
        Err(refusal.unwrap_or_else(|| Error::invalid("RunInstances", "no subnet is known")))
    }

    /// Leaves the configuration where the script of the machine's first start will find it.
    async fn prepare(&self, order: &Order, account: &Account) -> Result<String, Error> {
        let configuration = order.configuration(account)?;
        let script = self.script(order, &configuration).await?;
        self.store.put(&self.names.configuration, configuration.into_bytes()).await?;
        Ok(script)
    }

    async fn script(&self, order: &Order, configuration: &str) -> Result<String, Error> {
        let link = async |key: &str| {
            let object = Object { bucket: &self.names.bucket, key };
            self.access.link(object, LINK_VALID).await
        };
        let program = match (&order.spec.artifact, &order.program.url) {
            (_, Some(url)) => url.clone(),
            (Some(artifact), None) => link(&artifact.key).await?,
            (None, None) => return Err(Error::invalid("RunInstances", "there is no program")),
        };
        let settings = Program {
            url: link(&self.names.configuration).await?,
            sha256: hexadecimal(&Sha256::digest(configuration)),
        };
        let secret = Program {
            url: link(&self.names.secret).await?,
            sha256: hexadecimal(&Sha256::digest(self.store.get(&self.names.secret).await?)),
        };
        let script = BalancerScript {
            fleet: self.fleet.as_str(),
            program: &Program { url: program, sha256: order.program.sha256.clone() },
            settings: &settings,
            secret: &secret,
            port: order.spec.balancer.port,
        };
        script.user_data().map_err(|error| Error::invalid("RunInstances", error))
    }

    /// The call, but for what differs between offerings.
    fn call(&self, order: &Order, account: &Account, script: &str) -> RunInstancesFluentBuilder {
        let profile = match &order.spec.permission {
            Permission::Role(_) => account.profile.as_ref().map(|_| &self.names.role),
            Permission::Profile(name) => Some(name),
        };
        let profile =
            profile.map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_tokens(HttpTokensState::Required)
            .http_put_response_hop_limit(1);
        let part = [(tags::PART, Part::Balancer.as_str())];
        let machine = [part[0], (tags::DIGEST, order.spec.balancer.digest.as_str())];
        let key = order.public_key.as_ref().map(|_| self.names.key.clone());
        self.ec2
            .run_instances()
            .min_count(1)
            .max_count(1)
            .image_id(&order.machine.image)
            .set_security_group_ids(
                account.group(Part::Balancer).map(|group| vec![group.id.clone()]),
            )
            .set_key_name(key)
            .set_iam_instance_profile(profile)
            .metadata_options(metadata.build())
            .tag_specifications(self.tags(ResourceType::Instance, "balancer", &machine))
            .tag_specifications(self.tags(ResourceType::Volume, "balancer", &part))
            .tag_specifications(self.tags(ResourceType::NetworkInterface, "balancer", &part))
            .user_data(BASE64_STANDARD.encode(script))
            .set_dry_run(self.dry_run())
    }

    /// Runs it with a token that nobody has used up: a balancer that was ended keeps its token for
    /// hours, and with it the next one would be refused.
    async fn run(
        &self,
        order: &Order,
        account: &Account,
        call: RunInstancesFluentBuilder,
    ) -> Result<(), Error> {
        let address = account.address().map_or("", |address| &address.id);
        let mut attempt = order.attempt.get();
        loop {
            let text = format!("{} {address} {attempt}", order.spec.balancer.digest);
            let token = hexadecimal(&Sha256::digest(text));
            let error = match answer("RunInstances", call.clone().client_token(token).send()).await
            {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == Kind::TokenSpent => error,
                Err(error) => return Err(error),
            };
            attempt += 1;
            order.attempt.set(attempt);
            // Somebody has launched one with other links, who was killed before they heard of it:
            // it is there, and will be seen.
            if error.code.as_deref() == Some("IdempotentParameterMismatch") {
                return Ok(());
            }
            if attempt >= ATTEMPTS_MAX {
                return Err(error);
            }
        }
    }
}
