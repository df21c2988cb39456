//! `config`: the configuration with its defaults. Secrets are in files, and what is in the files is not shown.

use super::super::table::Value;
use super::columns;
use crate::host::Host;

columns! {
    "name" Text,
    "value" Text,
    "now" Text,
}

/// Keys that name a file whose content is a secret.
const SECRET_KEYS: [&str; 3] = ["password-file", "secret-file", "key"];

/// Key whose value can be changed while the proxy runs.
const STRATEGY: &str = "routing.strategy";

/// The rows of this moment.
pub(in crate::console) fn rows(host: &Host) -> Vec<Vec<Value>> {
    let mut keys = Vec::new();
    flatten("", &toml::Value::Table(host.config.written.clone()), &mut keys);
    let row = |(name, value): (String, String)| {
        let now = if name == STRATEGY {
            host.strategy.get().to_string()
        } else {
            value.clone()
        };
        vec![Value::Text(name), Value::Text(value), Value::Text(now)]
    };
    keys.into_iter().map(row).collect()
}

/// `[[node]]` becomes `node.worker1.port`: by its name, or an account by its user.
fn flatten(name: &str, value: &toml::Value, out: &mut Vec<(String, String)>) {
    let below = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                flatten(&below(key), value, out);
            }
        }
        toml::Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                let called = ["user", "name"].iter().find_map(|key| value.get(key)?.as_str());
                let key = called.map_or_else(|| number.to_string(), str::to_owned);
                flatten(&below(&key), value, out);
            }
        }
        other => {
            let text = match other {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let key = name.rsplit('.').next().unwrap_or(name);
            let shown = if SECRET_KEYS.contains(&key) {
                format!("[redacted], from {text}")
            } else {
                text
            };
            out.push((name.to_owned(), shown));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_names_of_their_nodes_and_users_and_no_secret_is_shown() {
        let text = r#"
            [monitor]
            password-file = "monitor.password"
            interval-ms = 500
            [[node]]
            name = "worker1"
            port = 3307
            [[account]]
            user = "app"
            name = "app_rw"
        "#;
        let mut keys = Vec::new();
        let table: toml::Table = text.parse().unwrap();
        flatten("", &toml::Value::Table(table), &mut keys);
        keys.sort();
        let shown: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            shown,
            [
                "account.app.name=app_rw",
                "account.app.user=app",
                "monitor.interval-ms=500",
                "monitor.password-file=[redacted], from monitor.password",
                "node.worker1.name=worker1",
                "node.worker1.port=3307",
            ]
        );
    }
}
