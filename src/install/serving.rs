//! The end of an installation: requests are answered, everybody is there, and where they are.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;

use super::answer;
use super::order::Order;
use super::perform::Crew;
use super::progress::Progress;
use crate::blueprint::{Account, Answer, Machine, Part, State};
use crate::clock;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a new balancer may take until requests are answered: two boots in a row, its own and
/// its instances', each of a minute or two, and twice that.
const SERVING_MAX: Duration = Duration::from_secs(600);

/// Waits until a request is answered at the balancer's address and all machines run.
pub(super) async fn wait(
    crew: &Crew<'_>,
    order: &Order,
    progress: &Progress,
) -> anyhow::Result<Account> {
    let deadline = clock::now() + SERVING_MAX;
    let (mut seen, mut answered) = (BTreeSet::new(), false);
    progress.wait(&["the balancer to answer"].into());
    loop {
        // A look that failed is followed by another.
        if let Ok(account) = crew.observe().await {
            tell_of_newcomers(&account, &mut seen, progress);
            if !answered {
                answered =
                    answer::ask(&account, order.spec.balancer.port).await == Answer::Answered;
                if answered {
                    progress.reached("the balancer answers");
                }
            }
            if answered && is_complete(order, &account) {
                return Ok(Account { answer: Answer::Answered, ..account });
            }
        }
        if clock::now() > deadline {
            bail!(hint(answered, crew.observe().await.ok().as_ref()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where everybody is.
pub(super) fn show(order: &Order, account: &Account, progress: &Progress) {
    let port = order.spec.balancer.port;
    let seconds = progress.elapsed().as_secs();
    println!();
    if let Some(address) = account.address() {
        println!("balancer     http://{}:{port}/ (after {seconds} s)", address.ip);
        let admin = order.config.admin;
        match account.keys.is_empty() && order.told.ec2.key.is_none() {
            true => println!("dashboard    http://{admin}/ on the balancer's machine"),
            false => println!(
                "dashboard    http://{admin}/ after `ssh -L {admin}:{admin} ec2-user@{}`",
                address.ip
            ),
        }
    }
    for machine in in_order(account) {
        let ip = machine.private_ip.as_deref().unwrap_or("no address");
        println!("{:<12} {} {ip}", machine.label, machine.id);
    }
    println!();
}

fn in_order(account: &Account) -> Vec<&Machine> {
    let mut machines: Vec<&Machine> =
        account.machines.iter().filter(|machine| machine.state == State::Running).collect();
    machines.sort_by_key(|machine| (machine.part, &machine.label));
    machines
}

fn tell_of_newcomers(account: &Account, seen: &mut BTreeSet<String>, progress: &Progress) {
    for machine in in_order(account) {
        if seen.insert(machine.id.clone()) {
            progress.reached(&format!("{} runs ({})", machine.label, machine.id));
        }
    }
}

fn is_complete(order: &Order, account: &Account) -> bool {
    let running =
        |part| account.living(part).filter(|machine| machine.state == State::Running).count();
    let (instances, backend) = (&order.config.spec.instances, &order.config.spec.backend);
    let wanted =
        [(Part::Instances, instances.size + instances.standby), (Part::Backend, backend.size)];
    wanted.into_iter().all(|(part, count)| running(part) >= count as usize)
}

/// What a person can look at.
fn hint(answered: bool, account: Option<&Account>) -> String {
    let seconds = SERVING_MAX.as_secs();
    if answered {
        return format!(
            "the balancer answers, but not all machines run after {seconds} s: \
             `cloudaps status` on its machine says why"
        );
    }
    let balancer = account.and_then(|account| account.living(Part::Balancer).next());
    let id = balancer.map_or("ID", |machine| &machine.id);
    format!(
        "the balancer does not answer after {seconds} s: \
         `aws ec2 get-console-output --latest --instance-id {id}` shows what its machine did; \
         `cloudaps install` goes on waiting"
    )
}
