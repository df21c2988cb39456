//! What of a cluster runs, and whether its workers follow.

use std::path::Path;

use serde::Serialize;

use super::node::Node;
use super::record::Record;
use super::replication::ReplicaStatus;
use super::service::{self, Service};
use crate::render::my_cnf::Role;

/// One process of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessStatus {
    /// `manager`, `worker1`, `proxy`, `gatekeeper`.
    pub name: String,
    /// The MySQL port.
    pub port: u16,
    /// `None` when it does not run.
    pub pid: Option<u32>,
    /// It runs and does its work.
    pub healthy: bool,
    /// A few words: `ready`, `stopped`, what a worker says of its replication.
    pub detail: String,
}

/// The whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Every process is healthy.
    pub healthy: bool,
    /// The nodes, then the services.
    pub processes: Vec<ProcessStatus>,
}

/// Asks every process of the cluster in `dir`.
///
/// # Errors
/// When there is no cluster.
pub async fn status(dir: &Path) -> anyhow::Result<Status> {
    let record = Record::load(dir)?;
    let mut processes = Vec::new();
    for node in record.nodes() {
        processes.push(of_node(&node).await);
    }
    if !record.nodes_only {
        for service in [Service::Proxy, Service::Gatekeeper] {
            processes.push(of_service(&record, service).await);
        }
    }
    Ok(Status {
        healthy: processes.iter().all(|process| process.healthy),
        processes,
    })
}

async fn of_node(node: &Node) -> ProcessStatus {
    let pid = node.process().pid();
    let (healthy, detail) = match pid {
        None => (false, "stopped".to_owned()),
        Some(_) => answer(node)
            .await
            .unwrap_or_else(|error| (false, format!("{error:#}"))),
    };
    ProcessStatus {
        name: node.name.clone(),
        port: node.port,
        pid,
        healthy,
        detail,
    }
}

async fn answer(node: &Node) -> anyhow::Result<(bool, String)> {
    let mut conn = node.connect().await?;
    let replication = ReplicaStatus::of(&mut conn).await?;
    conn.disconnect().await?;
    Ok(match (node.role, replication) {
        (Role::Manager, _) => (true, "ready".to_owned()),
        (Role::Worker, Some(status)) => (status.is_running(), status.to_string()),
        (Role::Worker, None) => (false, "follows no manager".to_owned()),
    })
}

async fn of_service(record: &Record, service: Service) -> ProcessStatus {
    let pid = service::process(record, service).pid();
    let (healthy, detail) = match pid {
        None => (false, "stopped".to_owned()),
        Some(_) => match service::is_ready(record, service).await {
            Ok(()) if service == Service::Proxy => {
                let console = record.ports.proxy_admin;
                (true, format!("ready, admin console on port {console}"))
            }
            Ok(()) => (true, "ready".to_owned()),
            Err(error) => (false, format!("{error:#}")),
        },
    };
    let port = match service {
        Service::Gatekeeper => record.ports.gatekeeper,
        Service::Proxy => record.ports.proxy,
    };
    ProcessStatus {
        name: service.to_string(),
        port,
        pid,
        healthy,
        detail,
    }
}
