//! Plans carried out on a simulated account, one call after the other, and cut short anywhere.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const PORTS: Ports = Ports { balancer: 80, traffic: 5000, control: 5001 };

/// Rounds after which a plan that does not come to its end is wrong: from nothing to everything
/// takes seven.
const ROUNDS_MAX: usize = 40;

fn spec() -> Spec {
    let fleet: FleetName = "shop".parse().unwrap();
    Spec {
        names: Names::new(&fleet, "123456789012", "eu-west-1"),
        region: "eu-west-1".to_owned(),
        vpc: "vpc-1".to_owned(),
        artifact: Some(Artifact { key: "cloudaps-1".to_owned(), bytes: 7 }),
        permission: Permission::Role(balancer_policy(&fleet)),
        key: Some(KeySpec { digest: "key-1".to_owned() }),
        rules: rules(PORTS, &["192.0.2.0/24".to_owned()]),
        volume: Some(VolumeSpec { gib: 10, zone: "eu-west-1a".to_owned() }),
        balancer: Balancer {
            digest: "one".to_owned(),
            instance_type: "t3.small".to_owned(),
            port: 80,
        },
        fleet,
    }
}

/// An account, and how many things were ever made in it.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    account: Account,
    made: usize,
}

impl World {
    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:02}", self.made)
    }

    fn objects(&mut self) -> &mut BTreeMap<String, u64> {
        match &mut self.account.artifacts {
            Artifacts::Ours(objects) => objects,
            other => panic!("{other:?} holds no objects"),
        }
    }

    /// Does what a call does, as AWS does it: refused calls panic.
    fn call(&mut self, spec: &Spec, step: &Step) {
        match step {
            Step::CreateBucket => self.account.artifacts = Artifacts::Untagged,
            Step::TagBucket => self.account.artifacts = Artifacts::Ours(BTreeMap::new()),
            Step::Upload => {
                let artifact = spec.artifact.clone().unwrap();
                self.objects().insert(artifact.key, artifact.bytes);
            }
            Step::DrawSecret => drop(self.objects().insert(spec.names.secret.clone(), 64)),
            Step::DeleteObject(key) => drop(self.objects().remove(key).unwrap()),
            Step::DeleteBucket => {
                assert!(
                    !matches!(&self.account.artifacts, Artifacts::Ours(all) if !all.is_empty())
                );
                self.account.artifacts = Artifacts::Absent;
            }
            Step::AllocateAddress => {
                let id = self.id("eipalloc");
                let address =
                    Address { ip: format!("198.51.100.{}", self.made), id, machine: None };
                self.account.addresses.push(address);
            }
            Step::Associate { address, machine } => {
                assert!(self.account.machines.iter().any(|found| found.id == *machine));
                let mut all = self.account.addresses.iter_mut();
                all.find(|found| found.id == *address).unwrap().machine = Some(machine.clone());
            }
            Step::ReleaseAddress(id) => {
                assert!(self.account.addresses.iter().all(|a| a.id != *id || a.machine.is_none()));
                self.account.addresses.retain(|address| address.id != *id);
            }
            Step::CreateVolume => {
                let id = self.id("vol");
                let VolumeSpec { gib, zone } = spec.volume.clone().unwrap();
                let holds = Contents::Tasks;
                self.account.volumes.push(Volume { id, holds, gib, zone, attached_to: None });
            }
            Step::DeleteVolume(id) => self.account.volumes.retain(|volume| volume.id != *id),
            Step::ImportKey => {
                assert!(self.account.keys.is_empty(), "InvalidKeyPair.Duplicate");
                let (name, digest) = (spec.names.key.clone(), spec.key.clone().unwrap().digest);
                self.account.keys.push(Key { name, digest });
            }
            Step::DeleteKey(name) => self.account.keys.retain(|key| key.name != *name),
            Step::Launch => self.launch(spec),
            Step::Terminate(ids) => {
                for machine in &mut self.account.machines {
                    if ids.contains(&machine.id) {
                        machine.state = State::Ending;
                    }
                }
            }
            step => self.call_about_permission(spec, step),
        }
    }

    fn call_about_permission(&mut self, spec: &Spec, step: &Step) {
        let Permission::Role(policy) = &spec.permission else { panic!("no role is wanted") };
        let account = &mut self.account;
        match step {
            Step::CreateRole => {
                account.role = Some(Role { owner: Owner::Ours, policy: None });
            }
            Step::WritePolicy => account.role.as_mut().unwrap().policy = Some(policy.clone()),
            Step::DeletePolicy => account.role.as_mut().unwrap().policy = None,
            Step::DeleteRole => {
                assert_eq!(account.role.take().unwrap().policy, None);
                assert_eq!(account.profile, None);
            }
            Step::CreateProfile => {
                account.profile = Some(Profile { owner: Owner::Ours, roles: Vec::new() });
            }
            Step::AddRole => {
                assert!(account.role.is_some());
                account.profile.as_mut().unwrap().roles.push(spec.names.role.clone());
            }
            Step::TakeRole(role) => {
                account.profile.as_mut().unwrap().roles.retain(|found| found != role);
            }
            Step::DeleteProfile => assert!(account.profile.take().unwrap().roles.is_empty()),
            step => self.call_about_groups(step),
        }
    }

    fn call_about_groups(&mut self, step: &Step) {
        match step {
            Step::CreateGroup(part) => {
                let group = Group {
                    id: self.id("sg"),
                    part: Some(*part),
                    vpc: "vpc-1".to_owned(),
                    rules: [].into(),
                };
                self.account.groups.push(group);
            }
            Step::Authorize { group, rules } => self.rules_of(group).extend(rules.clone()),
            Step::Revoke { group, rules } => self.rules_of(group).retain(|r| !rules.contains(r)),
            Step::DeleteGroup(id) => {
                let gone = self.account.groups.iter().position(|group| group.id == *id).unwrap();
                let gone = self.account.groups.remove(gone);
                let names_it =
                    |rule: &Rule| gone.part.map(Source::Part).as_ref() == Some(&rule.source);
                let mut rest = self.account.groups.iter();
                assert!(!rest.any(|group| group.rules.iter().any(names_it)), "DependencyViolation");
                assert!(self.account.machines.is_empty(), "DependencyViolation");
            }
            step => panic!("{step} is not simulated"),
        }
    }

    fn rules_of(&mut self, id: &str) -> &mut std::collections::BTreeSet<Rule> {
        &mut self.account.groups.iter_mut().find(|group| group.id == id).unwrap().rules
    }

    fn launch(&mut self, spec: &Spec) {
        self.objects().insert(spec.names.configuration.clone(), 3);
        let id = self.id("i");
        self.account.machines.push(Machine {
            id,
            part: Some(Part::Balancer),
            label: "balancer".to_owned(),
            state: State::Pending,
            digest: Some(spec.balancer.digest.clone()),
            private_ip: None,
        });
    }

    /// What happens by itself: machines come up and go, and the balancer answers.
    fn pass_time(&mut self) {
        let gone = |machine: &Machine| machine.state == State::Ending;
        let ids: Vec<String> =
            self.account.machines.iter().filter(|m| gone(m)).map(|m| m.id.clone()).collect();
        self.account.machines.retain(|machine| !gone(machine));
        for machine in &mut self.account.machines {
            if machine.state == State::Pending {
                machine.state = State::Running;
            }
        }
        for address in &mut self.account.addresses {
            address.machine.take_if(|machine| ids.contains(machine));
        }
        let has_machine = self.account.address().is_some_and(|address| address.machine.is_some());
        self.account.answer = if has_machine { Answer::Answered } else { Answer::Silent };
    }

    /// Carries a plan out until nothing is left of it, or `calls` are used up.
    fn carry_out(&mut self, spec: &Spec, plan: impl Fn(&Account) -> Plan, mut calls: usize) {
        for _ in 0..ROUNDS_MAX {
            let now = plan(&self.account);
            assert_eq!(now, plan(&self.account), "the same account gives the same plan");
            if now.changes.is_empty() {
                return;
            }
            for step in now.ready().into_iter().cloned().collect::<Vec<_>>() {
                if calls == 0 {
                    return;
                }
                calls -= 1;
                self.call(spec, &step);
            }
            self.pass_time();
        }
        panic!("it does not come to its end: {:#?}", plan(&self.account));
    }
}

/// A program and the secret.
fn objects(program: &str, bytes: u64) -> Artifacts {
    Artifacts::Ours([(program.to_owned(), bytes), ("control.token".to_owned(), 64)].into())
}

fn installed(spec: &Spec) -> World {
    let mut world = World::default();
    world.carry_out(spec, |account| plan(spec, account), usize::MAX);
    world
}

/// How many calls it takes from nothing to everything.
fn calls_of_install(spec: &Spec) -> usize {
    let done = installed(spec);
    (0..ROUNDS_MAX)
        .find(|calls| {
            let mut world = World::default();
            world.carry_out(spec, |account| plan(spec, account), *calls);
            world.account == done.account
        })
        .unwrap()
}

/// Without the identifiers, which are numbered as things are made.
fn kinds(account: &Account) -> Vec<String> {
    let mut kinds = vec![format!("{:?} {:?}", account.artifacts, account.role)];
    kinds.extend(account.profile.iter().map(|profile| format!("{profile:?}")));
    kinds.extend(account.keys.iter().map(|key| key.digest.clone()));
    kinds.extend(Part::ALL.map(|part| format!("{:?}", account.group(part).map(|g| &g.rules))));
    kinds.extend(account.volumes.iter().map(|volume| format!("{} {}", volume.gib, volume.zone)));
    let holders = account.addresses.iter().map(|address| address.machine.is_some().to_string());
    kinds.extend(holders);
    kinds.extend(account.machines.iter().map(|m| format!("{:?} {:?}", m.state, m.digest)));
    kinds
}

#[test]
fn from_nothing_everything_is_made_and_then_nothing_is_left_to_do() {
    let spec = spec();
    let done = installed(&spec);
    assert_eq!(done.account.machines.len(), 1);
    assert_eq!(done.account.groups.len(), 3);
    assert_eq!(
        done.account.artifacts,
        objects("cloudaps-1", 7),
        "the configuration is gone once the balancer has answered"
    );
    assert_eq!(plan(&spec, &done.account).counts(), (0, 0, 0));
}

#[test]
fn whoever_goes_on_after_any_call_comes_to_the_same_end() {
    let spec = spec();
    let done = installed(&spec);
    let calls = calls_of_install(&spec);
    assert!(calls >= 20, "{calls}");
    for calls in 0..calls {
        let mut world = World::default();
        world.carry_out(&spec, |account| plan(&spec, account), calls);
        world.carry_out(&spec, |account| plan(&spec, account), usize::MAX);
        assert_eq!(kinds(&world.account), kinds(&done.account), "cut short after {calls} calls");
        assert_eq!(world.made, done.made, "nothing was made twice");
    }
}

#[test]
fn whatever_stands_is_removed_and_nothing_else() {
    let spec = spec();
    for calls in 0..=calls_of_install(&spec) {
        let mut world = World::default();
        world.carry_out(&spec, |account| plan(&spec, account), calls);
        let remove = |account: &Account| removal(&spec.names, account, Data::Removed);
        world.carry_out(&spec, remove, usize::MAX);
        assert!(world.account.is_empty(), "after {calls} calls: {:#?}", world.account);
    }
}

#[test]
fn what_has_our_names_and_not_our_tag_stands_in_the_way_and_is_not_removed() {
    let spec = spec();
    let account = Account {
        artifacts: Artifacts::Foreign,
        role: Some(Role { owner: Owner::Foreign, policy: None }),
        profile: Some(Profile { owner: Owner::Foreign, roles: vec!["other".to_owned()] }),
        ..Account::default()
    };
    let obstacles = plan(&spec, &account).obstacles;
    assert_eq!(obstacles.len(), 3, "{obstacles:?}");
    assert_eq!(removal(&spec.names, &account, Data::Removed).changes, []);
}

#[test]
fn what_was_made_twice_is_removed_once() {
    let spec = spec();
    let mut world = installed(&spec);
    world.call(&spec, &Step::AllocateAddress);
    world.launch(&spec);
    let before = world.account.address().cloned();
    let counts = plan(&spec, &world.account).counts();
    assert_eq!(counts, (0, 0, 3), "the address, the machine and the configuration");
    world.carry_out(&spec, |account| plan(&spec, account), usize::MAX);
    assert_eq!(world.account.address().cloned(), before);
    assert_eq!(world.account.machines.len(), 1);
}

#[test]
fn what_was_changed_by_hand_is_shown_and_mended() {
    let spec = spec();
    let mut world = installed(&spec);
    let group = world.account.group(Part::Backend).unwrap().id.clone();
    let open = Rule::tcp(5000, Source::Network("0.0.0.0/0".to_owned()));
    let closed = Rule::tcp(5000, Source::Part(Part::Instances));
    world.rules_of(&group).insert(open);
    assert!(world.rules_of(&group).remove(&closed));
    world.account.role.as_mut().unwrap().policy = Some(json!({}));
    let changes = plan(&spec, &world.account).changes;
    let details: Vec<&String> = changes.iter().flat_map(|change| &change.details).collect();
    assert!(details.iter().any(|text| *text == "+ tcp 5000 from the instances"), "{details:?}");
    assert!(details.iter().any(|text| *text == "- tcp 5000 from 0.0.0.0/0"), "{details:?}");
    assert_eq!(plan(&spec, &world.account).counts(), (0, 2, 0));
    world.carry_out(&spec, |account| plan(&spec, account), usize::MAX);
    assert_eq!(kinds(&world.account), kinds(&installed(&spec).account));
}

#[test]
fn another_configuration_replaces_the_balancer_and_never_runs_two() {
    let old = spec();
    let mut world = installed(&old);
    let balancer = Balancer { digest: "two".to_owned(), ..old.balancer.clone() };
    let artifact = Some(Artifact { key: "cloudaps-2".to_owned(), bytes: 8 });
    let spec = Spec { balancer, artifact, ..old };
    assert_eq!(plan(&spec, &world.account).counts(), (2, 1, 1));
    for _ in 0..ROUNDS_MAX {
        for step in plan(&spec, &world.account).ready().into_iter().cloned().collect::<Vec<_>>() {
            world.call(&spec, &step);
            assert_eq!(world.account.machines.len().max(1), 1);
        }
        world.pass_time();
    }
    assert_eq!(world.account.machines[0].digest.as_deref(), Some("two"));
    assert_eq!(world.account.artifacts, objects("cloudaps-2", 8));
    assert_eq!(plan(&spec, &world.account).counts(), (0, 0, 0));
}

#[test]
fn the_balancer_ends_before_those_whom_it_would_replace_and_data_can_stay() {
    let spec = spec();
    let mut world = installed(&spec);
    let forwarder = Machine {
        id: "i-forwarder".to_owned(),
        part: Some(Part::Instances),
        label: "instance-0".to_owned(),
        state: State::Running,
        digest: None,
        private_ip: None,
    };
    world.account.machines.push(forwarder);
    let remove = |account: &Account| removal(&spec.names, account, Data::Kept);
    let first = remove(&world.account);
    let ended: Vec<&Step> =
        first.ready().into_iter().filter(|step| matches!(step, Step::Terminate(_))).collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(!ended[0].to_string().contains("i-forwarder"));
    world.carry_out(&spec, remove, usize::MAX);
    let kept = Account { answer: Answer::Silent, ..Account::default() };
    assert_eq!(world.account, Account { volumes: world.account.volumes.clone(), ..kept });
    assert_eq!(world.account.volumes.len(), 1);
}

#[test]
fn a_plan_reads_like_terraforms() {
    let spec = spec();
    let heading = Heading { fleet: "Fleet shop in eu-west-1".to_owned(), then: None };
    let bill = Bill::of(&[Item::Disk { gib: 10 }], &Prices::default());
    let plan_text = text(&plan(&spec, &Account::default()), &heading, Some(&bill));
    let lines: Vec<&str> = plan_text.lines().collect();
    assert_eq!(lines.first(), Some(&"Fleet shop in eu-west-1"));
    assert_eq!(lines.last(), Some(&"Plan: 12 to add, 0 to change, 0 to destroy."));
    assert!(lines.contains(&"    + security group cloudaps-shop-backend"), "{plan_text}");
    assert!(plan_text.contains("without a price in `ec2.prices`: GiB of disk"), "{plan_text}");
    let in_sync = text(&plan(&spec, &installed(&spec).account), &heading, None);
    assert!(in_sync.ends_with("No changes. Everything is as the configuration says.\n"));
}
