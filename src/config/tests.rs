//! Every refusal names the key, the value, the line and what is allowed.

use super::*;
use crate::fleet::LaunchOn;
use crate::pool::Algorithm;
use crate::proxy::Affinity;

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

fn refusal(text: &str) -> String {
    match toml::from_str::<File>(text) {
        Err(error) => error.to_string(),
        Ok(file) => Config::new(&file, None).unwrap_err().to_string(),
    }
}

fn assert_names(refusal: &str, words: &[&str]) {
    for word in words {
        assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
    }
}

#[test]
fn without_a_file_three_forwarders_and_a_backend_are_wanted() {
    let config = Config::load(&UpArgs::default()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.admin.to_string(), "127.0.0.1:5001");
    assert_eq!((config.spec.instances.size, config.spec.backend.size), (3, 1));
    assert_eq!(config.spec.backend.handover, Handover::Fenced);
    let Provider::Process(Processes { instances, backend, .. }) = config.provider else { panic!() };
    assert!(matches!(instances, Workload::Forwarder { .. }));
    assert!(matches!(backend, Some(Workload::Tasks { store }) if store.ends_with("/tasks.db")));
}

#[test]
fn the_effective_file_says_the_same_as_the_file() {
    let written = file("instances = 5\n[probe]\ninterval = \"2s\"\n[proxy]\nretries = 0\n");
    let effective = written.effective();
    assert_names(&effective, &["instances = 5", "interval = \"2s\"", "retries = 0", "timeout"]);
    assert_eq!(file(&effective).effective(), effective);
}

#[test]
fn every_refusal_names_the_line_the_key_the_value_and_what_is_allowed() {
    for (text, words) in [
        ("listen = 5000", &["line 1", "listen = 5000", "expected"][..]),
        ("listen = \"localhost\"", &["line 1", "listen = \"localhost\"", "socket address"]),
        ("\ninstances = 1001", &["line 2", "instances = 1001", "0 to 1000"]),
        ("instnces = 3", &["line 1", "instnces", "expected one of", "`instances`"]),
        ("provider = \"docker\"", &["line 1", "docker", "`process`", "`static`"]),
        ("[probe]\ntimeout = \"0s\"", &["line 2", "timeout = \"0s\"", "10ms to 1m"]),
        ("endpoints = [\"/run/a\"]", &["line 1", "/run/a", "127.0.0.1:8080", "unix:/PATH"]),
        ("endpoints = [\"unix:a\"]", &["line 1", "unix:a", "unix:/run/app.sock"]),
        ("[probe]\ntimeout = 3", &["line 2", "timeout = 3", "\"500ms\""]),
        ("endpoints = [8001]", &["line 1", "8001", "weight = 200"]),
        (
            "endpoints = [\n\"127.0.0.1:1\",\n{ address = \"127.0.0.1:2\", weight = 0 },\n]",
            &["line 3", "weight = 0", "0 is out of range", "1 to 1000"],
        ),
        (
            "endpoints = [{ address = \"127.0.0.1:2\", weight = 1001 }]",
            &["line 1", "1001", "1 to 1000"],
        ),
        (
            "endpoints = [{ address = \"127.0.0.1\", weight = 100 }]",
            &["line 1", "`127.0.0.1`", "127.0.0.1:8080"],
        ),
        ("endpoints = [{ weight = 100 }]", &["line 1", "missing field `address`"]),
        (
            "endpoints = [{ address = \"127.0.0.1:2\", wieght = 100 }]",
            &["line 1", "`wieght`", "`weight`"],
        ),
        ("[proxy]\nbalance = \"best\"", &["line 2", "best", "`round_robin`", "`hash`"]),
        ("[proxy]\nhash_on = \"body\"", &["line 2", "`body`", "header:NAME", "address"]),
        ("[proxy]\nhash_on = \"header:a b\"", &["line 2", "`a b`", "letters"]),
        ("[proxy]\nsticky = \"session\"", &["line 2", "`session`", "cookie:NAME"]),
        ("[proxy]\nsticky = \"cookie:a=b\"", &["line 2", "`a=b`", "letters"]),
        ("[proxy]\ntrusted_proxies = [\"10.0.0.1/8\"]", &["line 2", "10.0.0.1/8", "`10.0.0.0/8`"]),
        ("[proxy]\nproxy_protocol_from = [\"lb\"]", &["line 2", "`lb`", "\"10.0.0.0/8\""]),
        ("[proxy]\naccess_log = \"-\"", &["line 2", "`-`", "not offered", "path of a file"]),
        ("[proxy]\naccess_log = \"\"", &["line 2", "empty", "path of a file"]),
        ("[proxy]\naccess_log_format = \"xml\"", &["line 2", "xml", "`json`", "`combined`"]),
        ("[proxy]\nconnections_per_client = 0", &["line 2", "= 0", "1 to 1000000"]),
        ("[proxy]\nbody_rate = -1", &["line 2", "-1", "0 to 1000000000"]),
        ("[instance]\ncommand = []", &["line 2", "command", "the program"]),
        ("[instance]\ncommand = [\"sh\"]", &["line 2", "command = [\"sh\"]", "{port}"]),
        ("[instance]\nhealth = \"up\"", &["line 2", "health = \"up\"", "begins with `/`"]),
        ("[backend]\nreplicas = 0", &["line 2", "= 0", "1 to 100"]),
        ("[backend]\ndata = \"mine\"", &["line 2", "mine", "`exclusive`", "`shared`"]),
        ("[backend]\ncommand = [\"sh\"]", &["line 2", "command = [\"sh\"]", "{port}"]),
        ("[backend]\nstore = \"mysql://x\"", &["backend.store", "mysql://x", "sqlite://"]),
    ] {
        assert_names(&refusal(text), words);
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    for (text, words) in [
        ("listen = \"127.0.0.1:5001\"", &["listen", "admin", "5001"][..]),
        ("provider = \"static\"", &["static", "--endpoint"]),
        ("endpoints = [\"127.0.0.1:80\"]", &["endpoints", "--provider static"]),
        (
            "provider = \"static\"\ninstances = 2\nendpoints = [\"127.0.0.1:80\"]",
            &["instances", "endpoints"],
        ),
        (
            "provider = \"static\"\nstandby = 1\nendpoints = [\"127.0.0.1:80\"]",
            &["standby", "--standby", "static"],
        ),
        (
            "[instance]\ncommand = [\"a\", \"{port}\"]\n[backend]\nstore = \"sqlite://x\"",
            &["backend.store", "instance.command"],
        ),
        (
            "provider = \"static\"\nendpoints = [\"127.0.0.1:1\"]\n[backend]\nreplicas = 2",
            &["backend.replicas", "static", "leave out one"],
        ),
        (
            "[backend]\ncommand = [\"a\", \"{port}\"]\nstore = \"sqlite://x\"",
            &["backend.store", "backend.command"],
        ),
        (
            "[backend]\ncommand = [\"a\", \"{port}\"]\nreplicas = 2",
            &["backend.replicas = 2", "backend.data = \"shared\"", "allowed is 1"],
        ),
        ("[backend]\nreplicas = 3", &["backend.replicas = 3", "SQLite", "allowed is 1"]),
        ("[backend]\ndata = \"shared\"", &["backend.data", "backend.command", "backend.store"]),
        ("[proxy]\nbalance = \"hash\"", &["proxy.balance", "proxy.hash_on", "cookie:NAME"]),
        ("[proxy]\nhash_on = \"address\"", &["proxy.hash_on", "proxy.balance", "hash"]),
    ] {
        assert_names(&refusal(text), words);
    }
}

#[test]
fn a_flag_overrides_the_file_and_is_checked_like_it() {
    let args = UpArgs { instances: Some(7), ..UpArgs::default() };
    let overridden = file("instances = 5").overridden_by(&args).unwrap();
    assert_eq!(Config::new(&overridden, None).unwrap().spec.instances.size, 7);
    let args = UpArgs { instances: Some(5000), ..UpArgs::default() };
    let error = File::default().overridden_by(&args).unwrap_err().to_string();
    assert_names(&error, &["--instances", "5000", "0 to 1000"]);
}

#[test]
fn spares_come_on_top_of_the_instances() {
    let args = UpArgs { standby: Some(2), ..UpArgs::default() };
    let overridden = file("standby = 1").overridden_by(&args).unwrap();
    let spec = Config::new(&overridden, None).unwrap().spec;
    assert_eq!((spec.instances.size, spec.instances.slots(), spec.backend.slots()), (3, 5, 1));
    let args = UpArgs { standby: Some(5000), ..UpArgs::default() };
    let error = File::default().overridden_by(&args).unwrap_err().to_string();
    assert_names(&error, &["--standby", "5000", "0 to 1000"]);
}

#[test]
fn a_successor_is_launched_on_a_verdict_unless_the_file_says_otherwise() {
    let launch_on = |text| Config::new(&file(text), None).unwrap().spec.instances.launch_on;
    assert_eq!(launch_on(""), LaunchOn::Verdict);
    assert_eq!(launch_on("[fleet]\nlaunch_on = \"suspicion\""), LaunchOn::Suspicion);
    let text = "[fleet]\nlaunch_on = \"fear\"";
    let error = toml::from_str::<File>(text).unwrap_err().to_string();
    assert_names(&error, &["launch_on", "fear", "verdict", "suspicion"]);
}

#[test]
fn a_command_of_ones_own_runs_without_a_backend() {
    let file = file("[instance]\ncommand = [\"python3\", \"-m\", \"http.server\", \"{port}\"]");
    let config = Config::new(&file, None).unwrap();
    assert_eq!(config.spec.backend.size, 0);
    let Provider::Process(Processes { instances, backend, .. }) = config.provider else { panic!() };
    assert!(matches!(instances, Workload::Command(words) if words[0] == "python3"));
    assert!(backend.is_none());
}

#[test]
fn a_backend_of_ones_own_runs_as_often_as_its_data_allows() {
    let backend = "[backend]\ncommand = [\"serve\", \"{port}\"]\nhealth = \"/up\"\n";
    let config = |more: &str| Config::new(&file(&format!("{backend}{more}")), None).unwrap();
    let alone = config("");
    assert_eq!((alone.spec.backend.size, alone.spec.backend.handover), (1, Handover::Fenced));
    assert_eq!(alone.check.backend, "/up");
    let spec = config("data = \"shared\"\nreplicas = 3\n").spec.backend;
    assert_eq!((spec.size, spec.handover), (3, Handover::LaunchFirst { surge: 3 }));
    let Provider::Process(Processes { backend, .. }) = alone.provider else { panic!() };
    assert!(matches!(backend, Some(Workload::Command(words)) if words[0] == "serve"));
}

#[test]
fn task_services_on_postgresql_share_their_data_and_the_password_is_not_shown() {
    let text = "[backend]\nstore = \"postgres://u:secret@127.0.0.1:5432/t\"\nreplicas = 2\n";
    let config = Config::new(&file(text), None).unwrap();
    let spec = &config.spec.backend;
    assert_eq!((spec.size, spec.handover), (2, Handover::LaunchFirst { surge: 2 }));
    assert_eq!(config.check.backend, "/healthcheck/");
    let effective = file(text).effective();
    assert!(!effective.contains("secret"), "{effective}");
    assert_names(&effective, &["postgres://", "127.0.0.1:5432"]);
    let Provider::Process(Processes { backend, .. }) = config.provider else { panic!() };
    assert!(matches!(backend, Some(Workload::Tasks { store }) if store.contains("u:secret@")));
}

#[test]
fn requests_are_logged_only_where_a_file_is_named() {
    let log = |text| Config::new(&file(text), None).unwrap().access_log;
    assert_eq!(log("[proxy]\naccess_log_format = \"combined\""), None);
    let format = LogFormat::Json;
    assert_eq!(log("[proxy]\naccess_log = \"a\""), Some(LogTarget { path: "a".into(), format }));
}

#[test]
fn given_servers_are_not_ours_and_are_rarely_listed() {
    let file = file("provider = \"static\"\nendpoints = [\"127.0.0.1:1\", \"127.0.0.1:2\"]");
    let config = Config::new(&file, None).unwrap();
    assert_eq!(config.spec.instances.ownership, Ownership::Foreign);
    assert_eq!((config.spec.instances.size, config.spec.backend.size), (2, 0));
    assert_eq!(config.listing.steady, Duration::from_secs(600));
}

#[test]
fn a_server_may_be_given_a_weight() {
    let text = "provider = \"static\"\nendpoints = [\"127.0.0.1:1\", \
                { address = \"unix:/run/a\", weight = 200 }, { address = \"127.0.0.1:3\" }]";
    let config = Config::new(&file(text), None).unwrap();
    let Provider::Static(servers) = config.provider else { panic!() };
    let percents: Vec<u32> = servers.iter().map(|server| server.capacity.percent()).collect();
    assert_eq!(percents, [100, 200, 100]);
    let effective = file(text).effective();
    let shown = "[\"127.0.0.1:1\", { address = \"unix:/run/a\", weight = 200 }, \"127.0.0.1:3\"]";
    assert_names(&effective, &[shown]);
    assert_eq!(file(&effective).effective(), effective);
}

#[test]
fn what_ties_requests_to_endpoints_reads_back_as_it_was_written() {
    for on in ["header:X-User", "cookie:session", "address"] {
        let written = format!("[proxy]\nbalance = \"hash\"\nhash_on = \"{on}\"\n");
        let effective = file(&written).effective();
        assert_names(&effective, &[&format!("hash_on = \"{on}\"")]);
        let config = Config::new(&file(&effective), None).unwrap();
        assert_eq!(config.balance.algorithm, Algorithm::Hash);
        assert!(config.proxy.affinity.hash_on.is_some());
    }
    let sticky = file("[proxy]\nsticky = \"cookie:srv\"\n");
    assert_names(&sticky.effective(), &["sticky = \"cookie:srv\""]);
    let affinity = Config::new(&sticky, None).unwrap().proxy.affinity;
    assert_eq!(affinity.sticky.unwrap().as_str(), "srv");
    assert_eq!(Config::new(&file(""), None).unwrap().proxy.affinity, Affinity::default());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = File::read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert_names(&error, &["no/such.toml", "No such file"]);
}
