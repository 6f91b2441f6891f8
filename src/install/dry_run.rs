//! `--dry-run`: asks AWS of each call whether it would be allowed. EC2 can answer that, IAM and S3
//! cannot.

use super::perform::Crew;
use super::site::Site;
use crate::aws::{Error, Kind};
use crate::blueprint::{Account, Change, Plan, Resource, Sign, Step};

/// What came of the question.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It would be done.
    Allowed,
    /// It would not.
    Refused(Error),
    /// There is nobody to ask.
    Unasked,
}

/// Asks about every step that the plan takes now, and about those for which it only waits until
/// what they name is there.
pub(super) async fn rehearse(
    crew: &Crew<'_>,
    plan: &Plan,
    account: &Account,
) -> Vec<(Step, Verdict)> {
    let site = Site { is_rehearsal: true, ..crew.site.clone() };
    let crew = Crew { site: &site, order: crew.order };
    let mut verdicts = Vec::new();
    for step in questions(plan) {
        let verdict = match can_be_asked(&step) {
            false => Verdict::Unasked,
            true => match crew.perform(&step, account).await {
                Ok(()) => Verdict::Allowed,
                Err(error) if error.kind == Kind::DryRun => Verdict::Allowed,
                Err(error) => Verdict::Refused(error),
            },
        };
        verdicts.push((step, verdict));
    }
    verdicts
}

fn questions(plan: &Plan) -> Vec<Step> {
    let mut steps: Vec<Step> = plan.ready().into_iter().cloned().collect();
    let is_made = |change: &&Change| matches!(change.sign, Sign::Add | Sign::Replace);
    for change in plan.changes.iter().filter(is_made) {
        let later = match change.resource {
            Resource::Volume(_) => Step::CreateVolume,
            Resource::Machine(_) => Step::Launch,
            _ => continue,
        };
        if !steps.contains(&later) {
            steps.push(later);
        }
    }
    steps
}

/// Whether it is a call of EC2.
fn can_be_asked(step: &Step) -> bool {
    match step {
        Step::CreateBucket
        | Step::TagBucket
        | Step::Upload
        | Step::DrawSecret
        | Step::DeleteObject(_)
        | Step::DeleteBucket
        | Step::CreateRole
        | Step::WritePolicy
        | Step::DeletePolicy
        | Step::DeleteRole
        | Step::CreateProfile
        | Step::AddRole
        | Step::TakeRole(_)
        | Step::DeleteProfile => false,
        Step::ImportKey
        | Step::DeleteKey(_)
        | Step::CreateGroup(_)
        | Step::Authorize { .. }
        | Step::Revoke { .. }
        | Step::DeleteGroup(_)
        | Step::CreateVolume
        | Step::DeleteVolume(_)
        | Step::AllocateAddress
        | Step::Associate { .. }
        | Step::ReleaseAddress(_)
        | Step::Launch
        | Step::Terminate(_) => true,
    }
}
