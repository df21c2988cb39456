//! One test, two engines.

use std::time::Duration;

use anyhow::Context;

use crate::cluster::{self, Cluster};
use infra::local::Engine;

/// Makes `mariadb::NAME` and `mysql::NAME` of each `async fn NAME(&Cluster) -> anyhow::Result<()>` named.
#[macro_export]
macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod mariadb {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                $crate::each_engine::on_shared($crate::Engine::Mariadb, super::$name)
            })+
        }
        mod mysql {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                $crate::each_engine::on_shared($crate::Engine::Mysql, super::$name)
            })+
        }
    };
}

/// Runs a test on the shared cluster of an engine.
///
/// # Errors
/// The test's own.
pub fn on_shared<F>(engine: Engine, test: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Cluster) -> anyhow::Result<()>,
{
    block_on(async move {
        match cluster::shared(engine).await? {
            Some(cluster) => test(&cluster).await,
            None => Ok(()),
        }
    })
}

/// Longer than any test takes together with the start of its cluster: one that hangs fails instead.
const TEST_WAIT_MAX: Duration = Duration::from_secs(300);

/// Runs a test that needs no shared cluster.
///
/// # Errors
/// The test's own.
pub fn block_on(test: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    block_on_at_most(TEST_WAIT_MAX, test)
}

/// Runs a test that takes longer than others.
///
/// # Errors
/// The test's own.
pub fn block_on_at_most(
    limit: Duration,
    test: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bounded = async {
        tokio::time::timeout(limit, test)
            .await
            .context("the test hangs")?
    };
    runtime.block_on(bounded)
}
