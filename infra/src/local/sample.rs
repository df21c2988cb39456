//! Loads the Sakila database into the manager: ours, or the original dump by the stock client.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::Command;

use super::engine::Server;
use super::node::Node;
use super::secret::write_private;
use crate::sakila;

const GENERATED: &str = "generated";

/// Loads the sample unless the manager holds it already. `dump` is a folder with the original's two files.
pub(crate) async fn load(manager: &Node, server: &Server, dump: Option<&Path>) -> anyhow::Result<()> {
    let marker = manager.dir().join("sakila");
    let loaded = std::fs::read_to_string(&marker).ok();
    let wanted = match dump {
        // no wish: whatever is there is right
        None if loaded.is_some() => return Ok(()),
        None => GENERATED.to_owned(),
        Some(dump) => std::path::absolute(dump)?.display().to_string(),
    };
    if loaded.as_deref() == Some(wanted.as_str()) {
        return Ok(());
    }
    let _ = std::fs::remove_file(&marker);
    match dump {
        None => {
            let mut conn = manager.connect().await?;
            sakila::load(&mut conn)
                .await
                .context("loading the generated sakila failed")?;
            conn.disconnect().await?;
        }
        Some(dump) => load_dump(manager, server, dump).await?,
    }
    std::fs::write(&marker, wanted)?;
    Ok(())
}

/// The dump changes the delimiter, which only the stock client understands.
async fn load_dump(manager: &Node, server: &Server, dump: &Path) -> anyhow::Result<()> {
    let client = client(server)?;
    let options = manager.dir().join("client.cnf");
    let entry = manager.entry();
    write_private(
        &options,
        &format!(
            "[client]\nhost={}\nport={}\nuser={}\npassword={}\n",
            entry.host, entry.port, entry.root_user, entry.root_password
        ),
    )?;
    for name in ["sakila-schema.sql", "sakila-data.sql"] {
        let file = dump.join(name);
        let input = std::fs::File::open(&file)
            .with_context(|| format!("--sakila: cannot read {}", file.display()))?;
        let output = Command::new(&client)
            .arg(format!("--defaults-file={}", options.display()))
            .arg("--default-character-set=utf8mb4")
            .stdin(Stdio::from(input))
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot start {}", client.display()))?;
        if !output.status.success() {
            bail!(
                "loading {} failed: {}",
                file.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    std::fs::remove_file(&options)?;
    Ok(())
}

fn client(server: &Server) -> anyhow::Result<PathBuf> {
    server
        .sibling(&["mysql", "mariadb"])
        .context("--sakila needs the mysql or mariadb client, which is not on PATH")
}
