//! What was typed about tasks: the service's command and its client's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// `cloudaps tasks`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TasksArgs {
    /// Something to do with the data instead of serving it.
    #[command(subcommand)]
    pub verb: Option<TasksVerb>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", required = true)]
    pub listen: Option<SocketAddr>,
    /// The database.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The instance's own name, told to who asks for `/healthcheck/`.
    #[arg(long, env = "CLOUDAPS_INSTANCE", value_name = "ID")]
    pub instance: Option<String>,
}

/// What can be done with the data besides serving it.
#[derive(Debug, Subcommand)]
pub enum TasksVerb {
    /// Write everything in a store to a new SQLite file, while it is served.
    Backup {
        /// The file; it must not exist.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Fill an empty store from a backup.
    Restore {
        /// The file that `backup` wrote.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Fill an empty store from another one, of either kind. Whatever is written to the first one
    /// meanwhile is left behind: stop its service before, or make it read-only.
    Copy {
        /// The store with the tasks.
        #[arg(value_name = "FROM")]
        from: String,
        /// The empty store.
        #[arg(value_name = "TO")]
        to: String,
    },
}

/// Where tasks are kept.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// The database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. The
    /// variable shows a password to nobody who lists processes.
    #[arg(
        long,
        env = "CLOUDAPS_STORE",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite://tasks.db"
    )]
    pub store: String,
}

/// `cloudaps tarefa`.
#[derive(Debug, Args)]
pub struct TarefaArgs {
    /// Where the tasks are and how to print them.
    #[command(flatten)]
    pub target: TaskTarget,
    /// O que fazer.
    #[command(subcommand)]
    pub verb: TarefaVerb,
}

/// Os verbos de `cloudaps tarefa`.
#[derive(Debug, Subcommand)]
pub enum TarefaVerb {
    /// Adiciona uma tarefa por VALOR.
    Adicionar {
        /// Os textos das tarefas; `-` lê um por linha da entrada padrão.
        #[arg(required = true, value_name = "VALOR")]
        values: Vec<String>,
    },
    /// Lista todas as tarefas.
    Listar,
    /// Mostra uma tarefa.
    Buscar {
        /// O número da tarefa.
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Apaga tarefas.
    Apagar {
        /// Os números das tarefas; `-` lê um por linha da entrada padrão.
        #[arg(required = true, value_name = "ID", value_parser = id_or_stdin)]
        ids: Vec<String>,
    },
    /// Troca o texto de uma tarefa.
    Atualizar {
        /// O número da tarefa.
        #[arg(value_name = "ID")]
        id: i64,
        /// O novo texto; `-` lê a entrada padrão.
        #[arg(value_name = "VALOR")]
        value: String,
    },
}

/// `cloudaps task`.
#[derive(Debug, Args)]
pub struct TaskArgs {
    /// Where the tasks are and how to print them.
    #[command(flatten)]
    pub target: TaskTarget,
    /// What to do.
    #[command(subcommand)]
    pub verb: TaskVerb,
}

/// The verbs of `cloudaps task`.
#[derive(Debug, Subcommand)]
pub enum TaskVerb {
    /// Add one task per VALUE.
    Add {
        /// The tasks' texts; `-` reads one per line from the standard input.
        #[arg(required = true, value_name = "VALUE")]
        values: Vec<String>,
    },
    /// List all tasks.
    List,
    /// Show one task.
    Get {
        /// The task's number.
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Remove tasks.
    Rm {
        /// The tasks' numbers; `-` reads one per line from the standard input.
        #[arg(required = true, value_name = "ID", value_parser = id_or_stdin)]
        ids: Vec<String>,
    },
    /// Replace a task's text.
    Set {
        /// The task's number.
        #[arg(value_name = "ID")]
        id: i64,
        /// The new text; `-` reads the standard input.
        #[arg(value_name = "VALUE")]
        value: String,
    },
}

/// The longest that anybody would want to wait for a task.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);

fn patience(text: &str) -> Result<Duration, String> {
    let allowed = "allowed are 0s to 1h, such as `500ms` or `30s`";
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}; {allowed}"))?;
    let fits = time <= PATIENCE_MAX;
    if fits { Ok(time) } else { Err(format!("it is out of range; {allowed}")) }
}

fn id_or_stdin(text: &str) -> Result<String, String> {
    let fits = text == "-" || text.parse::<i64>().is_ok();
    let refusal = "allowed is a whole number, or `-` for the standard input";
    if fits { Ok(text.to_owned()) } else { Err(refusal.to_owned()) }
}

/// Where the task client sends its requests.
#[derive(Clone, Debug, Args)]
pub struct TaskTarget {
    /// The balancer (or a task service itself).
    #[arg(
        long,
        global = true,
        env = "CLOUDAPS_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:5000"
    )]
    pub server: String,
    /// For how long nobody may answer: what can be tried again is, until then.
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = patience)]
    pub timeout: Duration,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}
