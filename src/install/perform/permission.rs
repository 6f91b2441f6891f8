//! The role and the instance profile.

use serde_json::json;

use super::super::observe::answer;
use super::super::order::Order;
use super::super::site::Site;
use crate::aws::{Error, Kind};
use crate::blueprint::{Permission, Step};

impl Site {
    /// The call of a step that makes a part of the balancer's permission.
    pub(super) async fn make_permission(&self, step: &Step, order: &Order) -> Result<(), Error> {
        match step {
            Step::CreateRole => self.create_role().await,
            Step::WritePolicy => self.write_policy(order).await,
            Step::CreateProfile => self.create_profile().await,
            Step::AddRole => self.add_role().await,
            other => unreachable!("{other} makes no permission"),
        }
    }

    /// The call of a step that takes a part of it away; none for any other.
    pub(super) async fn remove_permission(&self, step: &Step) -> Option<Result<(), Error>> {
        let name = &self.names.role;
        Some(match step {
            Step::TakeRole(role) => {
                let call = self.iam.remove_role_from_instance_profile();
                let call = call.instance_profile_name(name).role_name(role).send();
                answer("RemoveRoleFromInstanceProfile", call).await.map(drop)
            }
            Step::DeleteProfile => {
                let call = self.iam.delete_instance_profile().instance_profile_name(name).send();
                answer("DeleteInstanceProfile", call).await.map(drop)
            }
            Step::DeletePolicy => {
                let call = self.iam.delete_role_policy().role_name(name);
                let call = call.policy_name(&self.names.policy).send();
                answer("DeleteRolePolicy", call).await.map(drop)
            }
            Step::DeleteRole => {
                let call = self.iam.delete_role().role_name(name).send();
                answer("DeleteRole", call).await.map(drop)
            }
            _ => return None,
        })
    }

    async fn create_role(&self) -> Result<(), Error> {
        let whoever = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "ec2.amazonaws.com" },
                "Action": "sts:AssumeRole",
            }],
        });
        let description = format!("The balancer of the fleet {}", self.fleet);
        let call = self
            .iam
            .create_role()
            .role_name(&self.names.role)
            .description(description)
            .assume_role_policy_document(whoever.to_string())
            .tags(self.iam_tag()?);
        answer("CreateRole", call.send()).await.map(drop)
    }

    async fn write_policy(&self, order: &Order) -> Result<(), Error> {
        let Permission::Role(policy) = &order.spec.permission else { return Ok(()) };
        let call = self
            .iam
            .put_role_policy()
            .role_name(&self.names.role)
            .policy_name(&self.names.policy)
            .policy_document(policy.to_string());
        answer("PutRolePolicy", call.send()).await.map(drop)
    }

    async fn create_profile(&self) -> Result<(), Error> {
        let call = self.iam.create_instance_profile().instance_profile_name(&self.names.role);
        let call = call.tags(self.iam_tag()?).send();
        answer("CreateInstanceProfile", call).await.map(drop)
    }

    async fn add_role(&self) -> Result<(), Error> {
        let call = self.iam.add_role_to_instance_profile();
        let call = call.instance_profile_name(&self.names.role).role_name(&self.names.role).send();
        answer("AddRoleToInstanceProfile", call).await.map(drop).map_err(|mut error| {
            // A profile has room for one role, so it is in there: the answer to an earlier try was
            // lost. If it should be another one, the next look shows that.
            if error.kind == Kind::Quota {
                error.kind = Kind::Exists;
            }
            error
        })
    }
}
