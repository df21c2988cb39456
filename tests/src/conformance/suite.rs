//! All conversations of a subject on one engine: each with the manager itself, then through, then compared.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use infra::local::Engine;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use proxy::config::raw::Config as ProxyConfig;
use tokio::task::JoinSet;

use super::compare::{Heard, difference};
use super::conversation::{Case, Expected, Schema};
use super::exceptions::{self, Exception};
use super::login::Credentials;
use super::personality::Personality;
use super::play::{Record, Side, play};
use super::reply::{Kind, Reply};
use super::script;
use crate::cluster::Cluster;
use crate::eventually::{SOON, eventually};

/// Conversations at one time.
const LANES: usize = 4;
/// Characters of a step's text that a failure shows.
const SHOWN_TEXT_MAX: usize = 100;
/// Differences that a failure shows in full.
const SHOWN_MAX: usize = 40;

/// Has every conversation of a subject.
///
/// # Errors
/// When one differs in a step that docs/compatibility.md does not excuse, when an excused step does not differ, or
/// when the manager's own replies are not what the script says.
pub async fn run(cluster: &Cluster, subject: &str) -> anyhow::Result<()> {
    let cases = selected(script::read(subject)?);
    let site = Arc::new(Site::of(cluster)?);
    cluster.serving(&["worker1", "worker2"]).await?;
    let engine = cluster.engine();
    let cases = cases
        .into_iter()
        .filter(|case| case.start.engine.is_none_or(|only| only == engine));
    let jobs: VecDeque<Job> = cases
        .enumerate()
        .flat_map(|(number, case)| {
            let case = Arc::new(case);
            let personalities = case.start.personalities.clone();
            personalities.into_iter().map(move |personality| Job {
                schema: format!("conf_{}_{number}_{}", case.subject, personality.name()).replace('-', "_"),
                case: Arc::clone(&case),
                personality,
            })
        })
        .collect();
    let conversations = jobs.len();
    let queue = Arc::new(Mutex::new(jobs));
    let mut lanes = JoinSet::new();
    for _ in 0..LANES.min(conversations) {
        lanes.spawn(lane(Arc::clone(&site), Arc::clone(&queue)));
    }
    let mut outcomes = Vec::new();
    while let Some(finished) = lanes.join_next().await {
        outcomes.extend(finished??);
    }
    ensure!(outcomes.len() == conversations, "a conversation was lost");
    report(subject, engine, &outcomes)
}

/// All of them, or the one that CONFORMANCE_CASE names a part of.
fn selected(cases: Vec<Case>) -> Vec<Case> {
    match std::env::var("CONFORMANCE_CASE") {
        Ok(part) => cases
            .into_iter()
            .filter(|case| case.name.contains(&part))
            .collect(),
        Err(_) => cases,
    }
}

/// A step's text, as much as a line takes.
fn start_of(text: &str) -> String {
    text.chars().take(SHOWN_TEXT_MAX).collect()
}

#[derive(Debug, Clone)]
struct Job {
    case: Arc<Case>,
    personality: Personality,
    schema: String,
}

struct Outcome {
    job: Job,
    /// Steps that differ, with what differs.
    differences: Vec<(usize, String)>,
    /// Where the manager's own replies are not what the script says.
    mistakes: Vec<(usize, String)>,
}

/// What every lane needs to know of the cluster.
#[derive(Debug)]
pub(crate) struct Site {
    engine: Engine,
    pub(crate) direct: Side,
    pub(crate) through: Side,
    manager: OptsBuilder,
    workers: Vec<OptsBuilder>,
}

impl Site {
    pub(crate) fn of(cluster: &Cluster) -> anyhow::Result<Site> {
        let facts = cluster.facts();
        let config = std::fs::read_to_string(&facts.proxy.as_ref().context("no proxy")?.config)?;
        let config: ProxyConfig = toml::from_str(&config)?;
        // the same accounts as the proxy's
        let mut accounts = Vec::new();
        for account in &config.accounts {
            let password = match &account.password_file {
                Some(file) => std::fs::read_to_string(file)?.trim().to_owned(),
                None => String::new(),
            };
            accounts.push(Credentials {
                user: account.user.clone(),
                password,
            });
        }
        let users = facts.users.iter().map(|user| Credentials {
            user: user.name.clone(),
            password: user.password.clone(),
        });
        let root = |name: &str| -> anyhow::Result<OptsBuilder> {
            let node = cluster.node(name)?;
            Ok(OptsBuilder::default()
                .ip_or_hostname(node.host.as_str())
                .tcp_port(node.port)
                .user(Some(&node.root_user))
                .pass(Some(&node.root_password))
                .max_allowed_packet(Some(1 << 20))
                .wait_timeout(Some(28_800))
                .prefer_socket(false))
        };
        Ok(Site {
            engine: cluster.engine(),
            direct: Side {
                port: cluster.node("manager")?.port,
                through: false,
                credentials: accounts,
            },
            through: Side {
                port: cluster.door()?.port,
                through: true,
                credentials: users.collect(),
            },
            manager: root("manager")?,
            workers: facts
                .workers()
                .map(|worker| root(&worker.name))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

/// The administrator's connections of one lane.
pub(crate) struct Lane {
    engine: Engine,
    pub(crate) manager: Conn,
    workers: Vec<Conn>,
}

impl Lane {
    pub(crate) async fn open(site: &Site) -> anyhow::Result<Lane> {
        let mut workers = Vec::new();
        for worker in &site.workers {
            workers.push(Conn::new(worker.clone()).await?);
        }
        Ok(Lane {
            engine: site.engine,
            manager: Conn::new(site.manager.clone()).await?,
            workers,
        })
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Waits until the workers have what the manager has.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        let position = self.position().await?;
        self.wait_until(&position).await
    }

    /// What the manager has.
    pub(crate) async fn position(&mut self) -> anyhow::Result<String> {
        let position = match self.engine {
            Engine::Mariadb => "SELECT @@gtid_binlog_pos",
            Engine::Mysql => "SELECT @@gtid_executed",
        };
        self.manager.query_first(position).await?.context("no position")
    }

    /// Waits until the workers have it.
    pub(crate) async fn wait_until(&mut self, position: &str) -> anyhow::Result<()> {
        self.wait_for_workers(0, position).await
    }

    /// Waits until the workers from that one on have it.
    pub(crate) async fn wait_for_workers(&mut self, first: usize, position: &str) -> anyhow::Result<()> {
        let wait = match self.engine {
            Engine::Mariadb => "SELECT MASTER_GTID_WAIT('POS', 60)",
            Engine::Mysql => "SELECT WAIT_FOR_EXECUTED_GTID_SET('POS', 60)",
        };
        for worker in self.workers.iter_mut().skip(first) {
            let waited: Option<i64> = worker.query_first(wait.replace("POS", position)).await?;
            if waited != Some(0) {
                bail!(
                    "a worker does not follow: {}",
                    state_of_replication(worker, self.engine).await?
                );
            }
        }
        Ok(())
    }

    /// Waits until a node runs a statement with that text in it.
    pub(crate) async fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        let looking = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE INFO LIKE '%{}%' AND INFO NOT LIKE '%processlist%'",
            text.replace('\'', "''")
        );
        let mut nodes: Vec<&mut Conn> = vec![&mut self.manager];
        nodes.extend(&mut self.workers);
        let nodes = tokio::sync::Mutex::new(nodes);
        eventually("a statement that runs", SOON, || async {
            for node in nodes.lock().await.iter_mut() {
                if node.query_first::<u64, _>(&looking).await? != Some(0) {
                    return Ok(());
                }
            }
            bail!("nobody runs {text}")
        })
        .await
    }
}

/// What a worker says of its replication, where that is not empty.
async fn state_of_replication(worker: &mut Conn, engine: Engine) -> anyhow::Result<String> {
    let show = match engine {
        Engine::Mariadb => "SHOW SLAVE STATUS",
        Engine::Mysql => "SHOW REPLICA STATUS",
    };
    let row: mysql_async::Row = worker.query_first(show).await?.context("it is no replica")?;
    let columns = row.columns();
    let told = columns.iter().enumerate().filter_map(|(index, column)| {
        let value: String = row.get_opt(index)?.ok()?;
        (!value.is_empty()).then(|| format!("{}: {value}", column.name_str()))
    });
    Ok(told.collect::<Vec<_>>().join(", "))
}

async fn lane(site: Arc<Site>, queue: Arc<Mutex<VecDeque<Job>>>) -> anyhow::Result<Vec<Outcome>> {
    let mut lane = Lane::open(&site).await?;
    let mut outcomes = Vec::new();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job else {
            return Ok(outcomes);
        };
        let name = format!("{}: {}", job.case.subject, job.case.name);
        outcomes.push(converse(&site, &mut lane, job).await.context(name)?);
    }
}

async fn converse(site: &Site, lane: &mut Lane, job: Job) -> anyhow::Result<Outcome> {
    let own = job.case.start.schema == Schema::Own;
    let mut records = Vec::new();
    for side in [&site.direct, &site.through] {
        if own {
            lane.manager
                .query_drop(format!("DROP DATABASE IF EXISTS {}", job.schema))
                .await?;
            lane.manager
                .query_drop(format!(
                    "CREATE DATABASE {} DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
                    job.schema
                ))
                .await?;
            if side.through {
                lane.settle().await?;
            }
        }
        records.push(play(&job.case, job.personality, side, &job.schema, lane).await?);
    }
    if own {
        lane.manager
            .query_drop(format!("DROP DATABASE IF EXISTS {}", job.schema))
            .await?;
    }
    let [direct, through] = records.as_slice() else {
        bail!("two sides")
    };
    let mut outcome = Outcome {
        mistakes: mistakes(&job.case, site.engine, direct),
        differences: differences(&job.case, through, direct),
        job,
    };
    // who asks wants a worker
    for (step, route) in through
        .routes
        .iter()
        .filter(|(_, route)| !route.contains("worker"))
    {
        outcome.differences.push((
            *step,
            format!("      it should have run on a worker, but: {route:?}\n"),
        ));
    }
    Ok(outcome)
}

fn differences(case: &Case, through: &Record, direct: &Record) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        let (Some(one), Some(other)) = (through.replies.get(index), direct.replies.get(index)) else {
            break;
        };
        let text = difference(&heard(one, through), &heard(other, direct), &step.masks);
        found.extend(text.map(|text| (index, text)));
    }
    found
}

fn heard<'a>(reply: &'a Reply, record: &'a Record) -> Heard<'a> {
    Heard {
        reply,
        capabilities: record.capabilities,
        ids: &record.ids,
    }
}

/// A case whose statements fail on a server itself proves nothing, unless it says that they do.
fn mistakes(case: &Case, engine: Engine, direct: &Record) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        let Some(reply) = direct.replies.get(index) else {
            break;
        };
        if step.engine.is_some_and(|only| only != engine) {
            continue;
        }
        let of_this_engine = step
            .expected
            .iter()
            .find(|(only, _)| *only == Some(engine))
            .or_else(|| step.expected.iter().find(|(only, _)| only.is_none()));
        let expected = of_this_engine.map_or(Expected::NoError, |(_, expected)| *expected);
        let error = error_of(reply);
        let is_right = match expected {
            Expected::NoError => error.is_none() && !reply.closed,
            Expected::Error(code) => error.as_ref().is_some_and(|(found, _)| *found == code),
            Expected::Closed => reply.closed,
        };
        if !is_right {
            let closed = if reply.closed { ", connection closed" } else { "" };
            let text = error.map_or_else(|| "no error".to_owned(), |(code, text)| format!("{code} {text}"));
            found.push((
                index,
                format!("      {expected:?} was said, but: {text}{closed}\n"),
            ));
        }
    }
    found
}

fn error_of(reply: &Reply) -> Option<(u16, String)> {
    let last = reply.packets.last().filter(|packet| packet.kind == Kind::Err)?;
    match last.framed.payload.as_slice() {
        [_, low, high, text @ ..] => Some((
            u16::from_le_bytes([*low, *high]),
            String::from_utf8_lossy(text).into_owned(),
        )),
        _ => None,
    }
}

fn report(subject: &str, engine: Engine, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let exceptions: Vec<Exception> = exceptions::read()?
        .into_iter()
        .filter(|known| known.subject == subject && known.engine.is_none_or(|only| only == engine))
        .collect();
    let mut used = vec![false; exceptions.len()];
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    // what differs in the same way for several clients is told once
    let mut findings: BTreeMap<(usize, usize, &str), Vec<&str>> = BTreeMap::new();
    let mut wrong = 0;
    for outcome in outcomes {
        let case = &outcome.job.case;
        *cases.entry(&case.name).or_default() += 1;
        for (step, what) in &outcome.differences {
            let excuses = exceptions
                .iter()
                .zip(&mut used)
                .filter(|(known, _)| known.case == case.name && known.step == *step);
            let mut excused = false;
            for (_, used) in excuses {
                *used = true;
                excused = true;
            }
            if !excused {
                let clients = findings.entry((case.line, *step, what)).or_default();
                clients.push(outcome.job.personality.name());
            }
        }
        for (step, what) in &outcome.mistakes {
            let clients = findings.entry((case.line, *step, what)).or_default();
            clients.push(outcome.job.personality.name());
        }
    }
    let mut text = String::new();
    for ((line, step, what), clients) in findings {
        wrong += 1;
        let case = outcomes.iter().map(|outcome| &outcome.job.case);
        let Some(case) = case.into_iter().find(|case| case.line == line) else {
            continue;
        };
        let Some(place) = case.steps.get(step).filter(|_| wrong <= SHOWN_MAX) else {
            continue;
        };
        let _ = write!(
            text,
            "\n{subject}.cases:{} on {engine}: {:?} step {step}: {}\n      as {}\n{what}",
            place.line,
            case.name,
            start_of(&place.text),
            clients.join(", "),
        );
    }
    let unused = exceptions
        .iter()
        .zip(&used)
        .filter(|(known, used)| !**used && cases.contains_key(known.case.as_str()));
    for (known, _) in unused {
        wrong += 1;
        let _ = write!(
            text,
            "\ndocs/compatibility.md, {:?}: {:?} does not differ in step {} on {engine} any more; take it out\n",
            known.entry, known.case, known.step
        );
    }
    // past the test harness, which keeps what a test prints to itself
    let _ = writeln!(
        std::io::stderr(),
        "conformance: {subject} on {engine}: {} cases, {} conversations, {} known differences, {wrong} others",
        cases.len(),
        outcomes.len(),
        exceptions.len(),
    );
    ensure!(wrong == 0, "{wrong} findings{text}");
    Ok(())
}
