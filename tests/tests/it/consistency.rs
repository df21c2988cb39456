//! No read is older than what its session may expect, although the workers are behind: one of them by a second, both by
//! what replication takes. The delays are a node's own, so each engine has a cluster for this alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use harness::cluster::{self, Cluster};
use harness::each_engine::block_on;
use harness::{Engine, SOON};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// More than anything here takes by itself.
const DELAY_SECONDS: u32 = 1;

#[test]
fn no_read_is_older_than_it_may_be_on_mariadb() -> anyhow::Result<()> {
    block_on(no_read_is_older_than_it_may_be(Engine::Mariadb))
}

#[test]
fn no_read_is_older_than_it_may_be_on_mysql() -> anyhow::Result<()> {
    block_on(no_read_is_older_than_it_may_be(Engine::Mysql))
}

/// One story on one cluster: a cluster takes longer to start than all of this.
async fn no_read_is_older_than_it_may_be(engine: Engine) -> anyhow::Result<()> {
    let Some(cluster) = cluster::own(engine, 2, &[]).await? else {
        return Ok(());
    };
    prepare(&cluster).await?;
    let story = Story { cluster: &cluster };
    story.eventual_reads_are_old().await.context("eventual")?;
    story.own_writes().await.context("own writes")?;
    story.what_was_read_stays_read().await.context("monotonic")?;
    story
        .a_new_session_knows_what_was_before()
        .await
        .context("a new session")?;
    story
        .a_pooled_connection_knows_its_writes()
        .await
        .context("a pool")?;
    story.a_token_carries_the_position().await.context("a token")?;
    story.global_sessions_in_lock_step().await.context("global")?;
    story.words_that_are_none_are_refused().await.context("words")
}

async fn prepare(cluster: &Cluster) -> anyhow::Result<()> {
    let mut manager = cluster.root("manager").await?;
    for text in [
        "CREATE DATABASE consistency",
        "USE consistency",
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO t VALUES (1, 0)",
        "CREATE FUNCTION bump() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE t SET v = v + 1; RETURN (SELECT v FROM t); END",
    ] {
        manager.query_drop(text).await.context(text)?;
    }
    manager.disconnect().await?;
    cluster.settle().await?;
    let mut worker = cluster.root("worker1").await?;
    let (stop, change, start) = match cluster.engine() {
        Engine::Mariadb => ("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY", "START SLAVE"),
        Engine::Mysql => (
            "STOP REPLICA",
            "CHANGE REPLICATION SOURCE TO SOURCE_DELAY",
            "START REPLICA",
        ),
    };
    for text in [
        stop.to_owned(),
        format!("{change} = {DELAY_SECONDS}"),
        start.to_owned(),
    ] {
        worker.query_drop(&text).await.context(text)?;
    }
    worker.disconnect().await?;
    cluster.serving(&["worker1", "worker2"]).await
}

struct Story<'a> {
    cluster: &'a Cluster,
}

impl Story<'_> {
    async fn session(&self, consistency: &str) -> anyhow::Result<Conn> {
        let mut session = self.cluster.door()?.connect_to("dba", "consistency").await?;
        let set = format!("PROXY SET consistency = '{consistency}'");
        session.query_drop(set).await?;
        Ok(session)
    }

    /// Were this never so, the rest would prove nothing.
    async fn eventual_reads_are_old(&self) -> anyhow::Result<()> {
        let mut session = self.session("eventual").await?;
        let mut old = 0;
        for value in 1..=20 {
            write(&mut session, value).await?;
            old += usize::from(read(&mut session).await? != value);
        }
        ensure!(old > 0, "none of 20 reads was old");
        Ok(session.disconnect().await?)
    }

    async fn own_writes(&self) -> anyhow::Result<()> {
        // somebody else has the manager asked all the time: answers that came before a commit do not hold it
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut asking = self.session("global").await?;
        let asks = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                read(&mut asking).await?;
            }
            anyhow::Ok(asking.disconnect().await?)
        });
        let written = self.own_writes_meanwhile().await;
        stop.store(true, Ordering::Relaxed);
        asks.await??;
        written
    }

    async fn own_writes_meanwhile(&self) -> anyhow::Result<()> {
        let mut session = self.session("session").await?;
        let mut on_workers = 0;
        for value in 1000..1100 {
            write(&mut session, value).await?;
            assert_eq!(read(&mut session).await?, value, "after an UPDATE");
            on_workers += usize::from(route(&mut session).await? != "manager");
        }
        let deadline = Instant::now() + SOON;
        while on_workers == 0 {
            read(&mut session).await?;
            on_workers += usize::from(route(&mut session).await? != "manager");
            ensure!(Instant::now() < deadline, "all reads run on the manager");
        }
        for value in 1100..1130 {
            session.exec_drop("UPDATE t SET v = ?", (value,)).await?;
            let prepared: Option<i32> = session.exec_first("SELECT v FROM t WHERE id = ?", (1,)).await?;
            assert_eq!(prepared, Some(value), "prepared");
        }
        for value in 1130..1160 {
            session.query_drop("BEGIN").await?;
            write(&mut session, value).await?;
            session.query_drop("COMMIT").await?;
            assert_eq!(read(&mut session).await?, value, "after a COMMIT");
        }
        for _ in 0..30 {
            let bumped: Option<i32> = session.query_first("SELECT bump()").await?;
            assert_eq!(
                Some(read(&mut session).await?),
                bumped,
                "after a function that writes"
            );
        }
        for value in 1300..1320 {
            let texts = format!("SET @v = {value}; UPDATE t SET v = @v; SELECT 1");
            session.query_drop(texts).await?;
            assert_eq!(
                read(&mut session).await?,
                value,
                "after several statements in one"
            );
        }
        for number in 0..10 {
            session
                .query_drop(format!("CREATE TABLE made_{number} (a INT)"))
                .await?;
            let none: Option<i32> = session
                .query_first(format!("SELECT a FROM made_{number}"))
                .await?;
            assert_eq!(none, None);
        }
        Ok(session.disconnect().await?)
    }

    /// Somebody else writes all the time; a session that reads here and there never goes back.
    async fn what_was_read_stays_read(&self) -> anyhow::Result<()> {
        let mut writer = self.session("session").await?;
        write(&mut writer, 2000).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writing = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                writer.query_drop("UPDATE t SET v = v + 1").await?;
            }
            anyhow::Ok(writer.disconnect().await?)
        });
        let back = async |consistency: &str| {
            let mut reader = self.session(consistency).await?;
            let (mut last, mut back) = (0, 0);
            for place in 0..300 {
                let seen = if place % 10 == 0 {
                    locking_read(&mut reader).await? // the manager's
                } else {
                    read(&mut reader).await?
                };
                back += usize::from(seen < last);
                last = seen;
            }
            reader.disconnect().await?;
            anyhow::Ok(back)
        };
        let (session, eventual) = (back("session").await?, back("eventual").await?);
        stop.store(true, Ordering::Relaxed);
        writing.await??;
        assert_eq!(session, 0, "reads that went back");
        ensure!(eventual > 0, "they never go back, whatever is promised");
        Ok(())
    }

    async fn a_new_session_knows_what_was_before(&self) -> anyhow::Result<()> {
        let mut writer = self.session("session").await?;
        for value in 3000..3020 {
            write(&mut writer, value).await?;
            let mut other = self.cluster.door()?.connect_to("dba", "consistency").await?;
            assert_eq!(read(&mut other).await?, value);
            other.disconnect().await?;
        }
        Ok(writer.disconnect().await?)
    }

    async fn a_pooled_connection_knows_its_writes(&self) -> anyhow::Result<()> {
        let mut session = self.session("session").await?;
        for value in 4000..4020 {
            write(&mut session, value).await?;
            ensure!(session.reset().await?, "COM_RESET_CONNECTION");
            assert_eq!(read(&mut session).await?, value, "after a reset");
        }
        for value in 4020..4030 {
            write(&mut session, value).await?;
            let password = self.cluster.door()?.password("dba")?.to_owned();
            let change = mysql_async::ChangeUserOpts::new()
                .with_user(Some("dba".to_owned()))
                .with_pass(Some(password))
                .with_db_name(Some("consistency".to_owned()));
            session.change_user(change).await?;
            assert_eq!(read(&mut session).await?, value, "after a change of user");
        }
        Ok(session.disconnect().await?)
    }

    async fn a_token_carries_the_position(&self) -> anyhow::Result<()> {
        let (mut one, mut other) = (self.session("session").await?, self.session("session").await?);
        let mut old = 0;
        for value in 5000..5020 {
            other.query_drop("PROXY SET consistency = 'eventual'").await?;
            write(&mut one, value).await?;
            old += usize::from(read(&mut other).await? != value);
            other.query_drop("PROXY SET consistency = 'session'").await?;
            let token: Option<String> = one.query_first("PROXY SHOW TOKEN").await?;
            let set = format!("PROXY SET token = '{}'", token.context("a token")?);
            other.query_drop(set).await?;
            assert_eq!(read(&mut other).await?, value, "with the token");
        }
        ensure!(old > 0, "no read without the token was old");
        one.disconnect().await?;
        Ok(other.disconnect().await?)
    }

    async fn global_sessions_in_lock_step(&self) -> anyhow::Result<()> {
        let (mut one, mut other) = (self.session("global").await?, self.session("global").await?);
        let mut on_workers = 0;
        for value in 6000..6060 {
            write(&mut one, value).await?;
            assert_eq!(read(&mut other).await?, value);
            on_workers += usize::from(route(&mut other).await? != "manager");
        }
        // a worker that was late once is left alone for a second
        let deadline = Instant::now() + SOON;
        while on_workers == 0 {
            read(&mut other).await?;
            on_workers += usize::from(route(&mut other).await? != "manager");
            ensure!(Instant::now() < deadline, "all reads run on the manager");
        }
        one.disconnect().await?;
        Ok(other.disconnect().await?)
    }

    async fn words_that_are_none_are_refused(&self) -> anyhow::Result<()> {
        let mut session = self.session("session").await?;
        for text in [
            "PROXY SET consistency = 'strong'",
            "PROXY SET token = 'yesterday'",
            "PROXY SET token = ''' OR 1 = 1'",
            "PROXY SHOW TOKENS",
        ] {
            ensure!(session.query_drop(text).await.is_err(), "{text}");
        }
        Ok(session.disconnect().await?)
    }
}

async fn write(session: &mut Conn, value: i32) -> anyhow::Result<()> {
    Ok(session.query_drop(format!("UPDATE t SET v = {value}")).await?)
}

async fn read(session: &mut Conn) -> anyhow::Result<i32> {
    let read: Option<i32> = session.query_first("SELECT v FROM t WHERE id = 1").await?;
    read.context("the row is gone")
}

async fn locking_read(session: &mut Conn) -> anyhow::Result<i32> {
    let read: Option<i32> = session
        .query_first("SELECT v FROM t WHERE id = 1 LOCK IN SHARE MODE")
        .await?;
    read.context("the row is gone")
}

/// Where the previous statement ran.
async fn route(session: &mut Conn) -> anyhow::Result<String> {
    let route: Option<(String, String, String, String, u64)> =
        session.query_first("PROXY SHOW ROUTE").await?;
    Ok(route.context("a route")?.0)
}
