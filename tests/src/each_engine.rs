//! One test, two engines.

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

/// Runs a test that needs no shared cluster.
///
/// # Errors
/// The test's own.
pub fn block_on(test: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(test)
}
