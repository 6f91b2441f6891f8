//! The configurations of the subjects. All three do the same work: HTTP/1.1 with kept connections
//! on both sides, `X-Forwarded-For`, the origin with the fewest requests in flight, one thread.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::subject::free_address;

/// More origins than this are probed slowly: ten thousand probes a second would be measured too.
const PROBED_OFTEN_MAX: usize = 100;

/// One probe of each at the start, with time for all of them, and none while it is measured.
const SLOW_PROBES: &str = "\
[probe]
interval = \"10m\"
starting_interval = \"1m\"
timeout = \"1m\"

";

/// Whether requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Off,
    On,
}

/// The file of `cloudaps up`. The slow start is off, because a measurement is shorter than it.
pub(super) fn cloudaps(
    dir: &Path,
    listen: SocketAddr,
    origins: &[SocketAddr],
    log: Option<&Path>,
) -> io::Result<String> {
    let (admin, state) = (free_address()?, dir.join("state"));
    let endpoints: Vec<String> = origins.iter().map(|origin| format!("\"{origin}\"")).collect();
    let probe = if origins.len() > PROBED_OFTEN_MAX { SLOW_PROBES } else { "" };
    let log = log.map_or(String::new(), |log| format!("access_log = {log:?}\n"));
    Ok(format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate_dir = {state:?}\n\
         endpoints = [{}]\n\n{probe}[proxy]\nthreads = 1\nslow_start = \"0s\"\n{log}",
        endpoints.join(", ")
    ))
}

/// nginx closes a kept connection after a thousand requests, on both sides, unless it is told not
/// to; the others do not. It streams large bodies, as the others do, where they are large; and it
/// leaves `Host` as it came, as they do.
pub(super) fn nginx(dir: &Path, listen: SocketAddr, origins: &[SocketAddr], log: Log) -> String {
    let dir = dir.display();
    let log = if log == Log::On {
        nginx_log(&dir.to_string())
    } else {
        "    access_log off;\n".to_owned()
    };
    let mut servers = String::new();
    for origin in origins {
        let _ = writeln!(servers, "        server {origin};");
    }
    format!(
        r#"worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{
    worker_connections 20000;
}}
http {{
{log}    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    proxy_max_temp_file_size 0;
    map $http_upgrade $upgraded {{
        default upgrade;
        ""      "";
    }}
    upstream origins {{
        least_conn;
{servers}        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen} backlog=16384 reuseport;
        location / {{
            proxy_pass http://origins;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
        location /sink {{
            proxy_pass http://origins;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
        location /ws {{
            proxy_pass http://origins;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $upgraded;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"#
    )
}

fn nginx_log(dir: &str) -> String {
    let fields = [
        ("time", "$time_iso8601"),
        ("client", "$remote_addr"),
        ("method", "$request_method"),
        ("target", "$request_uri"),
        ("status", "$status"),
        ("bytes", "$body_bytes_sent"),
        ("seconds", "$request_time"),
        ("upstream", "$upstream_addr"),
        ("user_agent", "$http_user_agent"),
    ];
    let format = json_format(&fields);
    format!(
        "    log_format json escape=json '{format}';\n    \
         access_log {dir}/access.log json buffer=64k flush=1s;\n"
    )
}

/// HAProxy cannot write a file by itself: its log is its standard output, which is a file.
pub(super) fn haproxy(listen: SocketAddr, origins: &[SocketAddr], log: Log) -> String {
    let (target, log) = if log == Log::On {
        ("    log stdout format raw local0\n", haproxy_log())
    } else {
        ("", String::new())
    };
    let mut servers = String::new();
    for (number, origin) in origins.iter().enumerate() {
        let _ = writeln!(servers, "    server origin-{number} {origin} check inter 500ms");
    }
    format!(
        "global
{target}    nbthread 1
    maxconn 12000
    ulimit-n 20000
    no strict-limits
    tune.pool-low-fd-ratio 50
    tune.pool-high-fd-ratio 60

defaults
    mode http
    timeout connect 1s
    timeout client 75s
    timeout server 60s
    timeout http-keep-alive 75s
    timeout tunnel 1h
    option forwardfor
    option splice-response

frontend front
    bind {listen} backlog 16384
{log}    default_backend origins

backend origins
    balance leastconn
    http-reuse always
    option httpchk
    http-check send meth GET uri / ver HTTP/1.1 hdr Host {listen}
{servers}"
    )
}

fn haproxy_log() -> String {
    let fields = [
        ("time", "%tr"),
        ("client", "%ci"),
        ("method", "%HM"),
        ("target", "%[capture.req.uri,json]"),
        ("status", "%ST"),
        ("bytes", "%B"),
        ("ms", "%Ta"),
        ("upstream", "%si:%sp"),
        ("user_agent", "%[capture.req.hdr(0),json]"),
    ];
    let format = json_format(&fields).replace('"', "\\\"");
    format!(
        "    log global
    option httplog
    capture request header User-Agent len 128
    log-format \"{format}\"
"
    )
}

fn json_format(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    format!("{{{}}}", fields.join(","))
}
