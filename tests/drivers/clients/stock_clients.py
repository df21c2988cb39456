"""The command-line programs of MariaDB and MySQL, each family with whatever it has on this machine.

usage: stock_clients.py TARGET.json; the target's "programs" is the family's folder, "family" its name.
"""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
import report  # noqa: E402
from report import task  # noqa: E402

# No program takes longer than this.
PROGRAM_WAIT_MAX_S = 60


class Absent(Exception):
    """The family has no such program here."""


class Driver:
    """One family of programs."""

    def __init__(self, target):
        self.target = target
        self.family = target["family"]
        self.options = pathlib.Path("options.cnf").absolute()
        # as in an option file: " # \ need quotes
        self.options.write_text(f"[client]\nhost={target['host']}\nport={target['port']}\nprotocol=tcp\n"
                                f"user={target['user']}\npassword=\"{target['password']}\"\n", encoding="utf-8")

    def program(self, name):
        """`dump` is mariadb-dump or mysqldump; `` is the client."""
        prefix = "mariadb" if self.family == "mariadb" else "mysql"
        if self.family == "mariadb" and name:
            prefix = "mariadb-"
        path = pathlib.Path(self.target["programs"]) / (prefix + name)
        if not path.exists():
            raise Absent(path.name)
        return str(path)

    def security(self, tls=False):
        if self.family == "mariadb":
            return ["--ssl", "--skip-ssl-verify-server-cert"] if tls else ["--skip-ssl"]
        return ["--ssl-mode=REQUIRED" if tls else "--ssl-mode=PREFERRED"]

    def command(self, name, *arguments, tls=False):
        return [self.program(name), f"--defaults-file={self.options}", *self.security(tls), *arguments]

    def run(self, name, *arguments, text=None, tls=False):
        """What a program printed, and its exit code."""
        done = subprocess.run(self.command(name, *arguments, tls=tls), input=text, capture_output=True, check=False,
                              timeout=PROGRAM_WAIT_MAX_S, encoding="utf-8", errors="backslashreplace")
        return done.returncode, self.masked(done.stdout), self.masked(done.stderr)

    def client(self, text, *arguments, tls=False):
        return self.run("", *arguments, self.target["schema"], text=text, tls=tls)

    def masked(self, text):
        """Without times, thread numbers and what the programs say of themselves and of the connection."""
        text = re.sub(r"\(?\d+[.,]\d+ sec\)?|\d+ min \d+[.\d]* sec", "TIME", text)
        text = re.sub(r"(connection id is|Connection id:?|Connection id:)(\s+)\d+", r"\1 N", text, flags=re.IGNORECASE)
        text = re.sub(r"Threads: .*Queries per second avg: \S+", "STATISTICS", text)
        text = re.sub(r"(Uptime:|TCP port:?|SSL:|Server characterset:)\s+.*", r"\1", text)
        text = re.sub(r"(GTID_PURGED=/\*!80000 '\+'\*/) '[^']*'", r"\1 GTIDS", text)
        text = re.sub(r"^-- (Dump completed on|Host:).*$", r"-- \1", text, flags=re.MULTILINE)
        text = re.sub(r"^.*(Deprecated program name|Using a password on the command line).*\n", "", text, flags=re.MULTILINE)
        return text.replace(f"port: {self.target['port']}", "port: PORT").replace(os.getcwd(), "CWD")


PREPARED = """
DROP TABLE IF EXISTS typed, parent, child;
CREATE TABLE typed (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(100), b DECIMAL(10,2), c DATETIME(3), d BLOB, e JSON, f BIT(5),
  g ENUM('x','y'), h GEOMETRY NULL);
INSERT INTO typed VALUES (1, 'na\u00efve \u4f60 \U0001f600', 1.50, '2024-02-29 01:02:03.456', X'0001FF27', '{"a": 1}', b'10101', 'y', NULL),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, '', 0, '0001-01-01 00:00:00', '', '[]', b'0', 'x', NULL);
CREATE TABLE parent (id INT PRIMARY KEY); CREATE TABLE child (p INT, FOREIGN KEY (p) REFERENCES parent (id));
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (2);
DROP VIEW IF EXISTS seen; CREATE VIEW seen AS SELECT id, a FROM typed WHERE b IS NOT NULL;
DROP PROCEDURE IF EXISTS twice; DROP FUNCTION IF EXISTS square; DROP TRIGGER IF EXISTS stamped;
DELIMITER //
CREATE PROCEDURE twice(IN n INT) BEGIN SELECT n; SELECT n * 2 AS doubled; END//
CREATE TRIGGER stamped BEFORE INSERT ON child FOR EACH ROW BEGIN SET NEW.p = NEW.p; END//
DELIMITER ;
"""


@task
def runs_a_script(driver):
    return driver.client(PREPARED + "SELECT * FROM typed; CALL twice(21); SELECT * FROM seen;")


@task
def prints_in_every_format(driver):
    query = "SELECT id, a, b, c, HEX(d) AS d, g FROM typed ORDER BY id; SELECT 'second' AS s;"
    formats = (["--table"], ["--vertical"], ["--xml"], ["--html"], ["--batch", "--raw"], ["--quick", "--column-names"],
               ["--column-type-info", "--table"], ["--skip-column-names"])
    return [(how, driver.client(query, *how)) for how in formats]


@task
def connects_by_tls(driver):
    return driver.client("SELECT 'by tls'", tls=driver.target["tls"])


@task
def character_sets(driver):
    query = "SELECT @@character_set_client, @@collation_connection, HEX('\u00e9'), a FROM typed WHERE id = 1"
    return [driver.client(query, f"--default-character-set={charset}") for charset in ("utf8mb4", "latin1", "binary")]


@task
def connects_compressed(driver):
    return driver.client("SELECT REPEAT('abc', 1000), COUNT(*) FROM typed", "--compress")


@task
def begins_with_a_statement(driver):
    return driver.client("SELECT @x", "--init-command=SET @x = 'begun'")


@task
def goes_on_after_errors(driver):
    text = "SELECT 1;\nSELEC 2;\nSELECT * FROM no_such_table;\nINSERT INTO typed (id) VALUES (1);\nUSE no_such_schema;\nSELECT 3;\n"
    return driver.client(text), driver.client(text, "--force"), driver.client("SELECT 1 +", "-e", "SELECT 4")


@task
def shows_warnings(driver):
    return driver.client("SET sql_mode = ''; SELECT 1/0, CAST('a' AS SIGNED); DROP TABLE IF EXISTS nothing_here;\nSHOW WARNINGS;",
                         "--show-warnings", "-vv")


@task
def updates_safely(driver):
    return driver.client("DELETE FROM parent; SELECT 1", "--safe-updates", "--force")


@task
def wrong_logins(driver):
    wrong = driver.run("", "--password=wrong", "-e", "SELECT 1")
    nobody = driver.run("", "--user=nobody_has_this_name", "-e", "SELECT 1")
    schema = driver.run("", "no_such_schema", "-e", "SELECT 1")
    return wrong, nobody, schema


def typed_at_a_terminal(driver, lines, *arguments):
    """What an interactive client shows: the screen's text without colours."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "dumb", "MYSQL_HISTFILE": "/dev/null", "MARIADB_HISTFILE": "/dev/null", "COLUMNS": "200", "PAGER": "cat"})
        # the client shows what is typed, once it reads it; the terminal itself would show it a second time
        modes = termios.tcgetattr(0)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(0, termios.TCSANOW, modes)
        command = driver.command("", *arguments, driver.target["schema"])
        os.execv(command[0], command)
    shown, deadline = b"", time.monotonic() + PROGRAM_WAIT_MAX_S
    waiting = list(lines)
    since = 0
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the client has closed the terminal
            break
        if not part:
            break
        shown += part
        # the prompt stands at the end of what is shown
        if waiting and re.search(rb"(mysql|MariaDB \[[^\]]*\]|MySQL \[[^\]]*\])> $", shown[since:]):
            since = len(shown)
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    status = os.waitpid(pid, 0)[1]
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown.decode(errors="replace"))
    # of the banner only what the server said
    text = re.sub(r"(?s)Copyright.*?statement\.\n|Reading table information.*?-A\n", "", text)
    return status, [driver.masked(line) for line in text.split("\n") if line.strip()]


@task
def starts_interactively(driver):
    lines = ["SELECT 1 AS one, DATABASE() IS NOT NULL AS d;", "\\s", "use information_schema", "SELECT DATABASE();", "\\W",
             "SELECT 1/0;", "SELEC nonsense;", "SHOW TABLES LIKE 'SCHEMATA';", "\\C latin1", "SELECT @@character_set_client;",
             "connect", "SELECT 'again';", "\\x" if driver.family == "mysql" else "SELECT 'x';", "help SELECT_NO_SUCH", "quit"]
    return typed_at_a_terminal(driver, lines), typed_at_a_terminal(driver, ["SELECT 2;", "exit"], "-A")


DUMP = ("--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--skip-dump-date")


def dumped(driver, *arguments):
    code, text, errors = driver.run("dump", *arguments)
    return code, text.split("\n"), errors


@task
def dumps_in_one_transaction(driver):
    return dumped(driver, *DUMP, driver.target["schema"])


@task
def dumps_in_other_ways(driver):
    schema = driver.target["schema"]
    return [dumped(driver, *how) for how in (
        ["--skip-dump-date", "--lock-tables", "--opt", schema, "typed"], ["--skip-dump-date", "--no-data", "--databases", schema],
        ["--skip-dump-date", "--where=id=1", "--complete-insert", schema, "typed"], ["--skip-dump-date", "--compact", schema, "parent"],
        ["--skip-dump-date", "--lock-all-tables", "--flush-logs", schema, "child"], [schema, "no_such_table"])]


@task
def restores_a_dump(driver):
    schema = driver.target["schema"]
    code, text, _ = driver.run("dump", *DUMP, schema)
    restored = driver.run("", "-e", f"DROP DATABASE IF EXISTS {schema}_b; CREATE DATABASE {schema}_b")
    loaded = driver.run("", f"{schema}_b", text=text)
    again = driver.run("dump", *DUMP, f"{schema}_b")
    driver.run("", "-e", f"DROP DATABASE {schema}_b")
    return code, restored, loaded, again[1].replace(f"{schema}_b", schema) == text


@task
def imports_a_file(driver):
    with open("imported.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{number}\n" for number in range(100, 1000))
    driver.client("DROP TABLE IF EXISTS imported; CREATE TABLE imported (a INT)")
    done = driver.run("import", "--local", driver.target["schema"], "imported.txt")
    return done, driver.client("SELECT COUNT(*), SUM(a) FROM imported")


@task
def administrates(driver):
    schema = driver.target["schema"] + "_admin"
    seen = [driver.run("admin", what) for what in ("ping", "status", "no_such_command")]
    seen += [driver.run("admin", "create", schema), driver.run("admin", "--force", "drop", schema)]
    names = driver.run("admin", "variables")[1]
    seen.append(len([line for line in names.split("\n") if line.startswith("|")]))
    seen.append("Info" in driver.run("admin", "processlist")[1])
    seen.append([line for line in driver.run("admin", "version")[1].split("\n") if line.startswith(("Server version", "Protocol"))])
    seen += [driver.run("admin", "flush-tables"), driver.run("admin", "kill", "4294967000"), driver.run("admin", "debug")[0]]
    return seen


@task
def shows_schemas(driver):
    schema = driver.target["schema"]
    return driver.run("show", schema), driver.run("show", "--count", schema), driver.run("show", schema, "typed"), \
        driver.run("show", "--keys", schema, "child")


@task
def checks_tables(driver):
    return driver.run("check", driver.target["schema"]), driver.run("check", "--analyze", driver.target["schema"], "typed")


@task
def emulates_load(driver):
    code, printed, errors = driver.run("slap", "--auto-generate-sql", "--concurrency=5", "--number-of-queries=100",
                                       f"--create-schema={driver.target['schema']}_slap")
    return code, len(printed) > 0, errors


if __name__ == "__main__":
    to = report.target()
    report.run(Driver(to), to)
