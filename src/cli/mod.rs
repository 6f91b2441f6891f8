//! What was typed: every command, flag and environment variable. No effects, no decisions.

mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::tasks::{
    StoreArgs, TarefaArgs, TarefaVerb, TaskArgs, TaskTarget, TaskVerb, TasksArgs, TasksVerb,
};
use crate::address::Address;

/// Keeps an HTTP service up: launches the machines, balances the traffic over them, and replaces
/// any that fails before a client notices.
#[derive(Debug, Parser)]
#[command(name = "cloudaps", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// How the log is written [default: text on a terminal, json elsewhere].
    #[arg(long, global = true, value_enum, env = "CLOUDAPS_LOG_FORMAT", value_name = "FORMAT")]
    pub log: Option<LogKind>,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as
    /// `cloudaps::proxy=debug`.
    #[arg(
        long,
        global = true,
        env = "CLOUDAPS_LOG",
        value_name = "FILTER",
        // What the SDK says of a connection that it gives up is nobody's to act on.
        default_value = "info,aws_smithy_runtime=warn"
    )]
    pub log_filter: String,
    /// Use no colours. So does `NO_COLOR` in the environment, whatever it is set to.
    #[arg(
        long = "no-color",
        global = true,
        env = "NO_COLOR",
        hide_env_values = true,
        value_name = "ANY",
        num_args = 0..=1,
        default_missing_value = "1"
    )]
    pub no_color: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogKind {
    /// Lines for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// Whether there may be colours where there is a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// They help.
    Wanted,
    /// Somebody said so: see <https://no-color.org>.
    Unwanted,
}

impl Cli {
    /// Whether there may be colours.
    #[must_use]
    pub fn colours(&self) -> Colours {
        let is_unwanted = self.no_color.as_deref().is_some_and(|any| !any.is_empty());
        if is_unwanted { Colours::Unwanted } else { Colours::Wanted }
    }
}

/// One variant per command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole system: the balancer, the instances and the backend.
    Up(UpArgs),
    /// Validate a configuration file and print what it means.
    Check(CheckArgs),
    /// Show what `install` would make, change and remove on AWS, and what it costs.
    Plan(PlanArgs),
    /// Set the whole system up on AWS, or go on with that.
    Install(InstallArgs),
    /// Remove all that `install` and its balancer made on AWS.
    Destroy(DestroyArgs),
    /// Relay every request to one other server (the catch-all on each instance).
    Forward(ForwardArgs),
    /// Serve the tasks (`/Tarefa/`) from a database.
    Tasks(TasksArgs),
    /// Wait on a machine that was just made until the balancer claims it, then run a command.
    Join(JoinArgs),
    /// O cliente das tarefas: adicionar, listar, buscar, apagar, atualizar.
    Tarefa(TarefaArgs),
    /// The client of the task service: add, list, get, rm, set.
    Task(TaskArgs),
    /// Show the fleet: every slot, its instance, and what is waited for.
    Status(StatusArgs),
    /// Show what failed, and when each step of its repair was taken.
    Incidents(IncidentsArgs),
    /// Set the number of instances, until `up` is started again.
    Scale(ScaleArgs),
    /// Take an instance out of the traffic, let its requests end, then replace it.
    Drain(SlotArgs),
    /// Launch a successor for an instance first, then drain and end it.
    Replace(SlotArgs),
    /// Stop launching and ending instances; the traffic goes on, dead endpoints are still avoided.
    Pause(AdminArgs),
    /// Go on after `pause`, or after launches were frozen.
    Resume(AdminArgs),
    /// Break the running fleet on purpose, for a while, and judge how it copes.
    Chaos(ChaosArgs),
    /// Drain and stop everything that `up` started.
    Down(AdminArgs),
    /// Print what completes the command line in a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command.
    Man(ManArgs),
}

/// `cloudaps up`.
#[derive(Debug, Default, Args)]
pub struct UpArgs {
    /// Read the settings from FILE; a flag overrides it.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the balancer listens [default: 127.0.0.1:5000].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where the admin API listens [default: 127.0.0.1:5001].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Let the admin API listen where other machines can reach it, although it does not encrypt:
    /// whoever listens on the way can take its token, and then the fleet.
    #[arg(long)]
    pub admin_exposed_unencrypted: bool,
    /// Where the launch records, logs, tokens and the database are kept.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Who makes the instances [default: process].
    #[arg(long, value_enum)]
    pub provider: Option<ProviderKind>,
    /// A server that already exists, for `--provider static`: IP:PORT or unix:/PATH; repeat it
    /// for more.
    #[arg(long = "endpoint", value_name = "ADDR")]
    pub endpoints: Vec<Address>,
    /// How many instances to keep [default: 3].
    #[arg(long, value_name = "N")]
    pub instances: Option<u32>,
    /// How many more to keep ready without traffic, to step in when one fails [default: 0].
    #[arg(long, value_name = "K")]
    pub standby: Option<u32>,
    /// Whom to tell the traces of requests.
    #[command(flatten)]
    pub traces: TracesArgs,
    /// Let `cloudaps chaos` break the controller itself: lose its listings and fail its launches.
    /// Whoever has the admin token can then do that. Never where anybody depends on the service.
    #[arg(long)]
    pub allow_chaos: bool,
}

/// Who makes the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProviderKind {
    /// Child processes on this machine.
    Process,
    /// Servers that already exist; none is launched or ended.
    Static,
    /// Machines on Amazon EC2.
    Ec2,
}

/// `cloudaps check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file to validate.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `cloudaps plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Read the settings from FILE.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the IAM policy that WHO needs instead; AWS is not asked.
    #[arg(long, value_enum, value_name = "WHO", num_args = 0..=1,
        default_missing_value = "installer")]
    pub policy: Option<PolicyKind>,
}

/// Who needs a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyKind {
    /// Whoever runs `plan`, `install` and `destroy`.
    Installer,
    /// The balancer's machine, or whoever runs `up --provider ec2`.
    Balancer,
}

/// `cloudaps install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Read the settings from FILE.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only ask AWS whether its calls would be allowed.
    #[arg(long)]
    pub dry_run: bool,
}

/// `cloudaps destroy`.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// Read the settings from FILE.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Leave the volume with the backend's data; the next `install` finds it.
    #[arg(long)]
    pub keep_data: bool,
    /// Only ask AWS whether its calls would be allowed.
    #[arg(long)]
    pub dry_run: bool,
}

/// `cloudaps completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellKind,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellKind {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// `cloudaps man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into DIR, such as /usr/local/share/man/man1.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Where the traces of requests go.
#[derive(Clone, Debug, Default, Args)]
pub struct TracesArgs {
    /// Tell the traces of requests to this collector, by OTLP over HTTP, such as
    /// http://127.0.0.1:4318 [default: none].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub traces_endpoint: Option<String>,
    /// What each export says besides, such as `x-api-key=KEY`, with `%20` for a space. A secret
    /// rather belongs into the variable: everybody can read a program's flags.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        value_name = "NAME=VALUE,…"
    )]
    pub traces_headers: Option<String>,
}

/// `cloudaps forward`.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// Where to listen for traffic; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// The server that every request goes to, such as `http://10.0.0.7:5000`; given several times,
    /// those that share the requests. May be left out with --control: requests are then held until
    /// a backend is known.
    #[arg(long, value_name = "URL", required_unless_present = "control")]
    pub to: Vec<String>,
    /// Where to answer `GET /health` and take `PUT /backend`, apart from user traffic.
    #[arg(long, value_name = "ADDR")]
    pub control: Option<SocketAddr>,
    /// Read the `[proxy]` and `[traces]` settings from FILE.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Append a line for each request to PATH; SIGUSR1 opens it anew. Not read from FILE, where
    /// it is the balancer's.
    #[arg(long, value_name = "PATH")]
    pub access_log: Option<PathBuf>,
    /// What a line of the access log looks like.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub access_log_format: LogFormatKind,
    /// Whom to tell the traces of requests.
    #[command(flatten)]
    pub traces: TracesArgs,
    /// Threads that carry traffic [default: one per core].
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// The bearer token that `PUT /backend` must carry.
    #[arg(long, env = "CLOUDAPS_CONTROL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub control_token: Option<String>,
    /// Ask the machine's metadata whether it is about to be taken away, as spot instances on EC2
    /// are, and say so in the answer to `GET /health`.
    #[arg(long, requires = "control")]
    pub spot: bool,
    /// Where the metadata is.
    #[arg(
        long,
        env = "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        value_name = "URL",
        default_value = "http://169.254.169.254"
    )]
    pub metadata: String,
    /// The instance's own name, repeated in the answer to `GET /health`.
    #[arg(long, env = "CLOUDAPS_INSTANCE", value_name = "ID")]
    pub instance: Option<String>,
}

/// What a line of an access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormatKind {
    /// A JSON object.
    #[default]
    Json,
    /// As Apache and nginx.
    Combined,
}

/// `cloudaps join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Where to wait for `PUT /claim`.
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Keep the claim in FILE, readable by this user only; where it holds one already, nothing is
    /// waited for.
    #[arg(long, value_name = "FILE")]
    pub keep: PathBuf,
    /// The bearer token that the claim must carry. It is worth something once.
    #[arg(long, env = "CLOUDAPS_BOOT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub boot_token: String,
    /// What to become then, with what the claim says in its environment.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The locale for messages, as POSIX finds it: of its three variables the first that is set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a locale is no flag, and need not be UTF-8")]
pub fn locale() -> Option<String> {
    let mut values = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(std::env::var_os);
    let first = values.find(|value| !value.is_empty());
    first.map(|value| value.to_string_lossy().into_owned())
}

/// How the operator's verbs find the running `up`.
#[derive(Clone, Debug, Default, Args)]
pub struct AdminArgs {
    /// The admin API [default: what `up` wrote under the state directory].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// The state directory of the running `up`.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The configuration file of the running `up`.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `cloudaps status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Print again whenever something changes.
    #[arg(long)]
    pub watch: bool,
}

/// `cloudaps incidents`.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Only the newest N.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
}

/// `cloudaps scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// How many to keep.
    #[arg(value_name = "N")]
    pub count: u32,
    /// Of what.
    #[arg(long, value_enum, default_value_t, value_name = "GROUP")]
    pub group: GroupKind,
}

/// What there can be several of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GroupKind {
    /// The instances that the balancer sends requests to.
    #[default]
    Instances,
    /// The backends behind them, if their data can be open more than once.
    Backend,
}

/// `cloudaps drain` and `cloudaps replace`.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// The slot, such as `instance-0` or `backend-0`.
    #[arg(value_name = "SLOT")]
    pub slot: String,
}

/// `cloudaps chaos`.
#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// Which fleet.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Decides which fault comes when; the same seed gives the same ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// For how long faults are made; then the fleet has a minute to become whole.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = chaos_span)]
    pub span: Duration,
    /// Which faults; all that can be made here if left out.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT,…")]
    pub faults: Vec<FaultKind>,
    /// Requests a second that are sent meanwhile.
    #[arg(long, value_name = "N", default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// Connections that they are sent over.
    #[arg(long, value_name = "N", default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub connections: u32,
    /// What is asked for with GET. Every tenth request is a POST of a task, if the backend takes
    /// tasks.
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = request_path)]
    pub path: String,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultKind {
    /// SIGKILL.
    Kill,
    /// SIGSTOP: it keeps its connections and does nothing.
    Stop,
    /// Stopped and continued in turns, for two seconds.
    Slow,
    /// Every packet of new connections to it is dropped.
    Block,
    /// New connections to it are refused, while it lives.
    Refuse,
    /// The controller's listings fail for three seconds (`up --allow-chaos`).
    LostList,
    /// It is killed, and the launch of its successor fails (`up --allow-chaos`).
    FailedLaunch,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Stop,
        Self::Slow,
        Self::Block,
        Self::Refuse,
        Self::LostList,
        Self::FailedLaunch,
    ];
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Slow => "slow",
            Self::Block => "block",
            Self::Refuse => "refuse",
            Self::LostList => "lost-list",
            Self::FailedLaunch => "failed-launch",
        })
    }
}

/// The longest that faults are made: nobody wants to have forgotten it.
const CHAOS_MAX: Duration = Duration::from_secs(3600);

fn chaos_span(text: &str) -> Result<Duration, String> {
    let allowed = "allowed are 1s to 1h, such as `90s` or `5m`";
    let span = humantime::parse_duration(text).map_err(|error| format!("{error}; {allowed}"))?;
    let fits = (Duration::from_secs(1)..=CHAOS_MAX).contains(&span);
    if fits { Ok(span) } else { Err(format!("it is out of range; {allowed}")) }
}

fn request_path(text: &str) -> Result<String, String> {
    let fits = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    let refusal = "allowed is a path of printable ASCII that begins with `/`";
    if fits { Ok(text.to_owned()) } else { Err(refusal.to_owned()) }
}

/// A command that was called wrongly: it ends with exit code 64, and nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// How long a command that talks to a server waits for its answer.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
