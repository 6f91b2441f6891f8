//! Who is compared, and how each of them is configured.

use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::{fmt, io};

use super::super::children::words;
use super::super::subject::{self, Programs, Recipe, free_address, not_installed, program};
use super::DELAY_MS;

/// One of the programs in one of its configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Setup {
    Cloudaps,
    Nginx,
    NginxTuned,
    Haproxy,
    HaproxyTuned,
    Caddy,
    CaddyTuned,
}

/// How much was read in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    Default,
    Tuned,
}

impl Setup {
    pub(super) const ALL: [Self; 7] = [
        Self::Cloudaps,
        Self::Nginx,
        Self::NginxTuned,
        Self::Haproxy,
        Self::HaproxyTuned,
        Self::Caddy,
        Self::CaddyTuned,
    ];

    /// Why it cannot be measured here, if it cannot.
    pub(super) fn obstacle(self, programs: &Programs) -> Option<String> {
        match self {
            Self::Cloudaps => programs.cloudaps_missing(),
            Self::Nginx | Self::NginxTuned => not_installed("nginx"),
            Self::Haproxy | Self::HaproxyTuned => not_installed("haproxy"),
            Self::Caddy | Self::CaddyTuned => not_installed("caddy"),
        }
    }

    /// Writes its configuration into `dir` and says how to start it.
    pub(super) fn prepare(
        self,
        programs: &Programs,
        dir: &Path,
        listen: SocketAddr,
        origins: &[SocketAddr],
    ) -> io::Result<Recipe> {
        let (command, config) = match self {
            Self::Cloudaps => {
                let config = cloudaps(&programs.bench, dir, listen)?;
                (vec![programs.cloudaps.clone().into(), "up".into(), "-c".into()], config)
            }
            Self::Nginx | Self::NginxTuned => {
                (subject::nginx(dir), nginx(dir, listen, origins, self.effort()))
            }
            Self::Haproxy | Self::HaproxyTuned => {
                (subject::haproxy(), haproxy(listen, origins, self.effort()))
            }
            Self::Caddy | Self::CaddyTuned => {
                (caddy_command(dir), caddy(listen, origins, self.effort()))
            }
        };
        Recipe::write(dir, command, config)
    }

    const fn effort(self) -> Effort {
        match self {
            Self::Cloudaps | Self::Nginx | Self::Haproxy | Self::Caddy => Effort::Default,
            Self::NginxTuned | Self::HaproxyTuned | Self::CaddyTuned => Effort::Tuned,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cloudaps => "cloudaps",
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx, tuned",
            Self::Haproxy => "haproxy",
            Self::HaproxyTuned => "haproxy, tuned",
            Self::Caddy => "caddy",
            Self::CaddyTuned => "caddy, tuned",
        })
    }
}

/// Its version, if it is there.
pub(super) fn caddy_version() -> String {
    let output = Command::new(program("caddy")).arg("version").output();
    output.map_or("not installed".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

/// The origins run beside the clients, as those of the others do, and not where they are launched.
fn cloudaps(bench: &Path, dir: &Path, listen: SocketAddr) -> io::Result<String> {
    let (admin, state) = (free_address()?, dir.join("state"));
    Ok(format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate_dir = {state:?}\n\n[instance]\n\
         command = [\"taskset\", \"-c\", \"1\", {bench:?}, \"origin\", \"--delay-ms\", \
         \"{DELAY_MS}\", \"--listen\", \"127.0.0.1:{{port}}\"]\n"
    ))
}

fn nginx(dir: &Path, listen: SocketAddr, origins: &[SocketAddr], effort: Effort) -> String {
    let dir = dir.display();
    let (failures, kept, rules) = match effort {
        Effort::Default => ("", "", ""),
        Effort::Tuned => (
            " max_fails=1 fail_timeout=1s",
            "        keepalive 64;\n",
            "            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_connect_timeout 1s;
            proxy_next_upstream error timeout http_502 http_503 http_504;
            proxy_next_upstream_tries 3;
",
        ),
    };
    let mut servers = String::new();
    for origin in origins {
        let _ = writeln!(servers, "        server {origin}{failures};");
    }
    format!(
        "worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log crit;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream origins {{
{servers}{kept}    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://origins;
{rules}        }}
    }}
}}
"
    )
}

fn haproxy(listen: SocketAddr, origins: &[SocketAddr], effort: Effort) -> String {
    let (checks, rules) = match effort {
        Effort::Default => ("", ""),
        Effort::Tuned => (
            " check inter 200ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down",
            "    retries 3
    option redispatch 1
    retry-on conn-failure empty-response
    http-request disable-l7-retry if METH_POST
    http-reuse always
",
        ),
    };
    let mut servers = String::new();
    for (number, origin) in origins.iter().enumerate() {
        let _ = writeln!(servers, "    server origin-{number} {origin}{checks}");
    }
    format!(
        "global
    nbthread 1
    maxconn 4096

defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s

frontend front
    bind {listen}
    default_backend origins

backend origins
{rules}{servers}"
    )
}

fn caddy(listen: SocketAddr, origins: &[SocketAddr], effort: Effort) -> String {
    let to: Vec<String> = origins.iter().map(SocketAddr::to_string).collect();
    let rules = match effort {
        Effort::Default => "",
        Effort::Tuned => {
            "
        lb_policy least_conn
        lb_try_duration 5s
        lb_try_interval 50ms
        fail_duration 1s
        max_fails 1
        health_uri /
        health_interval 200ms
        health_timeout 200ms
    "
        }
    };
    let block = if rules.is_empty() { String::new() } else { format!(" {{{rules}}}") };
    format!(
        "{{
    admin off
    auto_https off
}}

http://{listen} {{
    reverse_proxy {}{block}
}}
",
        to.join(" ")
    )
}

/// It keeps what it keeps under the folder, and reads the configuration whose name comes last.
fn caddy_command(dir: &Path) -> Vec<OsString> {
    let home = format!("HOME={}", dir.display());
    let data = format!("XDG_DATA_HOME={}", dir.display());
    let start = words(["env", &home, &data]);
    [start, vec![program("caddy")], words(["run", "--adapter", "caddyfile", "--config"])].concat()
}
