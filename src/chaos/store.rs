//! Looks up which of the posted tasks are there, and takes them away again.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::laws::Store;
use super::traffic::{Answer, Client, TASKS, Tally, name};

/// Tasks of one page of the list: the most that the service gives.
const PAGE: usize = 1000;

/// What a server answers that does not take tasks.
const UNKNOWN: [StatusCode; 3] =
    [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];

/// Pages that are read: those that an hour of posts at the highest rate fills.
const PAGES_MAX: usize = 10_000;

/// A task, as the service lists it.
#[derive(Debug, Deserialize)]
struct Task {
    id: i64,
    text: String,
}

/// The task service, behind the balancer.
pub(super) struct Tasks {
    client: Client,
    prefix: String,
    /// The first task of the run: all others have higher numbers.
    first: i64,
}

impl Tasks {
    /// Posts a first task, to know where those of this run begin. There is no service if the
    /// backend is a server of the user's own that knows no tasks.
    pub(super) async fn mark(to: SocketAddr, prefix: &str) -> anyhow::Result<Option<Self>> {
        let mut client = Client::new(to);
        let body = serde_json::json!({ "text": format!("{prefix}first") }).to_string();
        let answer = client.send(Method::POST, TASKS, body.into()).await?;
        if UNKNOWN.contains(&answer.status) {
            return Ok(None);
        }
        let task: Task = parse(&answer).context("the task service does not take a task")?;
        Ok(Some(Self { client, prefix: prefix.to_owned(), first: task.id }))
    }

    /// What is there of what was posted, compared with what was acknowledged.
    pub(super) async fn compare(&mut self, tally: &Tally) -> Store {
        match self.list().await {
            Ok(tasks) => compared(&tasks, tally, &self.prefix),
            Err(error) => Store::Unknown(format!("{error:#}")),
        }
    }

    /// Removes them all.
    pub(super) async fn clear(&mut self) -> anyhow::Result<()> {
        let listed = self.list().await?.into_iter().map(|task| task.id);
        let ids: Vec<i64> = listed.chain([self.first]).collect();
        for id in ids {
            let path = format!("{TASKS}{id}");
            let answer = self.client.send(Method::DELETE, &path, Bytes::new()).await?;
            if !answer.status.is_success() {
                bail!("task {id} is not removed: {}", answer.status);
            }
        }
        Ok(())
    }

    async fn list(&mut self) -> anyhow::Result<Vec<Task>> {
        let (mut found, mut after) = (Vec::new(), self.first);
        for _ in 0..PAGES_MAX {
            let path = format!("{TASKS}?limit={PAGE}&after={after}");
            let answer = self.client.send(Method::GET, &path, Bytes::new()).await?;
            let page: Vec<Task> = parse(&answer).context("the tasks cannot be listed")?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.id;
            found.extend(page.into_iter().filter(|task| task.text.starts_with(&self.prefix)));
        }
        bail!("there are more tasks than could have been posted")
    }
}

fn parse<T: for<'a> Deserialize<'a>>(answer: &Answer) -> anyhow::Result<T> {
    if !answer.status.is_success() {
        bail!("{} {}", answer.status, answer.failure);
    }
    Ok(serde_json::from_slice(&answer.body)?)
}

fn compared(tasks: &[Task], tally: &Tally, prefix: &str) -> Store {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for task in tasks {
        *counts.entry(&task.text).or_default() += 1;
    }
    let twice = counts.iter().filter(|(_, count)| **count > 1).map(|(name, _)| (*name).to_owned());
    let names = tally.acknowledged.iter().map(|number| name(prefix, *number));
    let missing = names.filter(|name| !counts.contains_key(name.as_str()));
    Store::Compared { twice: twice.collect(), missing: missing.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_and_what_is_not_there_is_found() {
        let task = |number| Task { id: 1, text: name("run-", number) };
        let mut tally = Tally::default();
        tally.acknowledged.extend([1, 2, 3]);
        let found = compared(&[task(1), task(3), task(3), task(4)], &tally, "run-");
        let [twice, missing] = [3, 2].map(|number| vec![name("run-", number)]);
        assert_eq!(found, Store::Compared { twice, missing });
    }
}
