//! The verbs `plan`, `install` and `destroy`: the effects of what [`crate::blueprint`] decides.

mod answer;
mod bill;
mod desired;
mod dry_run;
mod ground;
mod observe;
mod order;
mod perform;
mod progress;
mod serving;
mod site;
mod work;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::blueprint::{
    Account, Data, FleetName, Heading, Plan, balancer_policy, installer_policy, outcome, plan,
    removal, text,
};
use crate::cli::{DestroyArgs, InstallArgs, Misuse, PlanArgs, PolicyKind};
use crate::config::File;
use dry_run::Verdict;
use order::Order;
use perform::Crew;
use progress::Progress;
use site::Site;
use work::Work;

/// The exit code of a plan that would change something, as Terraform's `-detailed-exitcode`.
const EXIT_CHANGES: u8 = 2;

/// `cloudaps plan`: shows what `install` would do, or what has to be allowed for it.
///
/// # Errors
/// AWS cannot be asked, or something is in the way; [`Misuse`] for a configuration that cannot be
/// installed.
pub fn show_plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let file = read(args.config.as_deref())?;
    if let Some(kind) = args.policy {
        return print_policy(&file, kind);
    }
    block_on(async {
        let site = open(&file).await?;
        let order = desired::order(&site, &file).await?;
        let mut account = site.observe().await?;
        account.answer = answer::ask(&account, order.spec.balancer.port).await;
        let plan = plan(&order.spec, &account);
        print!("{}", text(&plan, &heading(&site, Some(&order)), Some(&bill::of(&order, &file))));
        Ok(code_of(&plan))
    })
}

/// `cloudaps install`: makes what is missing, and waits until the balancer answers.
///
/// # Errors
/// A call failed in a way that does not pass; run again, it goes on where it stopped.
pub fn install(args: &InstallArgs) -> anyhow::Result<ExitCode> {
    let file = read(args.config.as_deref())?;
    block_on(async {
        let (site, progress) = (open(&file).await?, Progress::new());
        let order = desired::order(&site, &file).await?;
        let crew = Crew { site: &site, order: Some(&order) };
        let account = site.observe().await?;
        let first = plan(&order.spec, &account);
        let heading = heading(&site, Some(&order));
        print!("{}", text(&first, &heading, Some(&bill::of(&order, &file))));
        if args.dry_run {
            return Ok(rehearse(&crew, &first, &account).await);
        }
        let mut work = Work::new(&crew, &progress);
        let made = work.carry_out(|account| plan(&order.spec, account)).await?;
        let account = serving::wait(&crew, &order, &progress).await?;
        let answered = |account: &Account| {
            plan(
                &order.spec,
                &Account { answer: crate::blueprint::Answer::Answered, ..account.clone() },
            )
        };
        work.carry_out(answered).await?;
        serving::show(&order, &account, &progress);
        println!("{}", outcome(made));
        Ok(ExitCode::SUCCESS)
    })
}

/// `cloudaps destroy`: removes everything that carries the fleet's tag, after it has asked.
///
/// # Errors
/// A call failed in a way that does not pass, or nobody said yes.
pub fn destroy(args: &DestroyArgs) -> anyhow::Result<ExitCode> {
    let file = read(args.config.as_deref())?;
    let data = if args.keep_data { Data::Kept } else { Data::Removed };
    block_on(async {
        let (site, progress) = (open(&file).await?, Progress::new());
        let crew = Crew { site: &site, order: None };
        let removal = |account: &Account| removal(&site.names, account, data);
        let account = site.observe().await?;
        let first = removal(&account);
        print!("{}", text(&first, &heading(&site, None), None));
        if args.dry_run {
            return Ok(rehearse(&crew, &first, &account).await);
        }
        if first.changes.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        if !args.yes {
            confirm(&site.fleet)?;
        }
        let removed = Work::new(&crew, &progress).carry_out(removal).await?;
        println!("{}", outcome(removed));
        Ok(ExitCode::SUCCESS)
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

fn read(path: Option<&Path>) -> Result<File, Misuse> {
    File::read_or_default(path).map_err(|error| Misuse(error.to_string()))
}

fn fleet(file: &File) -> Result<FleetName, Misuse> {
    file.ec2.fleet.as_str().parse().map_err(|error| Misuse(format!("`ec2.fleet`: {error}")))
}

async fn open(file: &File) -> anyhow::Result<Site> {
    let region = file.ec2.region.as_ref().map(crate::config::Word::as_str);
    Ok(Site::open(region, fleet(file)?).await?)
}

/// Needs nobody's credentials.
fn print_policy(file: &File, kind: PolicyKind) -> anyhow::Result<ExitCode> {
    let fleet = fleet(file)?;
    let policy = match kind {
        PolicyKind::Installer => installer_policy(&fleet),
        PolicyKind::Balancer => balancer_policy(&fleet),
    };
    println!("{policy:#}");
    Ok(ExitCode::SUCCESS)
}

fn code_of(plan: &Plan) -> ExitCode {
    match (plan.obstacles.is_empty(), plan.changes.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(EXIT_CHANGES),
    }
}

fn heading(site: &Site, order: Option<&Order>) -> Heading {
    let fleet = format!("Fleet {} in {}", site.fleet, site.access.region());
    let then = order.map(|order| {
        let (instances, backend) = (&order.config.spec.instances, &order.config.spec.backend);
        let counts = (instances.size + instances.standby, backend.size);
        format!("the balancer keeps {} instances and {} backends", counts.0, counts.1)
    });
    Heading { fleet, then }
}

/// Prints what AWS would say. Only a refusal is a failure.
async fn rehearse(crew: &Crew<'_>, plan: &Plan, account: &Account) -> ExitCode {
    let verdicts = dry_run::rehearse(crew, plan, account).await;
    for (step, verdict) in &verdicts {
        match verdict {
            Verdict::Allowed => println!("  allowed    {step}"),
            Verdict::Refused(error) => println!("  refused    {step}: {error}"),
            Verdict::Unasked => println!("  not asked  {step}: there is no dry run of it"),
        }
    }
    let is_refused = |(_, verdict): &(_, Verdict)| matches!(verdict, Verdict::Refused(_));
    if verdicts.iter().any(is_refused) { ExitCode::FAILURE } else { code_of(plan) }
}

/// Whoever removes everything types the fleet's name.
fn confirm(fleet: &FleetName) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Misuse("nobody is there to be asked: add --yes".to_owned()).into());
    }
    print!("Type the fleet's name, {fleet}, to remove all of this: ");
    std::io::stdout().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).context("cannot read the answer")?;
    match typed.trim() == fleet.as_str() {
        true => Ok(()),
        false => Err(anyhow::anyhow!("nothing was removed")),
    }
}
