"""MariaDB Connector/Python: on MariaDB Connector/C, parameters in binary, batches by bulk execution."""

import datetime
import decimal

import mariadb
from mariadb.constants import CLIENT, CURSOR

import ordinary_work.connecting  # noqa: F401  (tasks)
import ordinary_work.querying  # noqa: F401
import ordinary_work.sessions  # noqa: F401
import report
from ordinary_work.connecting import one
from ordinary_work.querying import table
from report import task


class Driver:
    name = "mariadb"
    has = {"streaming", "prepared", "reset", "change_user", "pool"}
    charsets = ("utf8mb4",)
    errors = (mariadb.Error, mariadb.PoolError)

    def __init__(self, target):
        self.target = target

    def settings(self, **options):
        options.pop("charset", None)  # it is always utf8mb4
        flags = CLIENT.FOUND_ROWS if options.pop("found_rows", True) else 0
        flags |= CLIENT.MULTI_STATEMENTS if options.pop("multi", False) else 0
        # Connector/C from 3.4 on verifies unless it is told not to
        options |= {"ssl": True, "ssl_verify_cert": False} if options.pop("tls", False) else {}
        settings = {"host": self.target["host"], "port": self.target["port"], "user": self.target["user"],
                    "password": self.target["password"], "database": self.target["schema"], "client_flag": flags}
        if options.get("database", "") is None:
            del settings["database"], options["database"]
        return settings | options

    def connect(self, **options):
        return mariadb.connect(**self.settings(**options))

    def error(self, error):
        return [type(error).__name__, *error.args, getattr(error, "errno", None), getattr(error, "sqlstate", None)]

    def thread_id(self, connection):
        return connection.connection_id

    def server_facts(self, connection):
        return connection.server_info, connection.server_version_info, connection.character_set, connection.collation

    def warning_count(self, connection, cursor):
        return connection.warnings

    def call(self, connection, name, arguments):
        cursor = connection.cursor()
        cursor.callproc(name, arguments)
        results = [cursor.fetchall() if cursor.description else None]
        while cursor.nextset():
            results.append((cursor.sp_outparams, cursor.fetchall() if cursor.description else None))
        return results

    def every_result(self, connection, text):
        cursor = connection.cursor()
        cursor.execute(text)
        results = [(cursor.rowcount, cursor.fetchall() if cursor.description else None)]
        while cursor.nextset():
            results.append((cursor.rowcount, cursor.fetchall() if cursor.description else None))
        return results

    def streaming_cursor(self, connection):
        return connection.cursor(buffered=False)

    def ping(self, connection):
        return connection.ping()

    def reset(self, connection):
        connection.reset()

    def change_user(self, connection, user, password, schema):
        connection.change_user(user, password, schema)

    def prepared(self, connection):
        insert = "INSERT INTO prepared VALUES (?, ?, ?, ?, ?)"
        cursor = connection.cursor(prepared=True)
        seen = []
        for number in range(5):
            cursor.execute(insert, (number, f"row {number}", decimal.Decimal(number) / 8,
                                    datetime.datetime(2020, 1, 1 + number, 2, 3, 4, 567), bytes([0, 255, number])))
            seen.append((cursor.rowcount, cursor.lastrowid))
        cursor.execute(insert, (9, None, None, None, None))
        cursor.close()
        cursor = connection.cursor(binary=True)
        cursor.execute("SELECT * FROM prepared WHERE id > ? ORDER BY id", (2,))
        seen.append(cursor.fetchall())
        try:
            cursor.execute(insert, (0, "twice", 0, None, b""))
        except mariadb.Error as error:
            seen.append(self.error(error))
        # a cursor on the server
        reader = connection.cursor(cursor_type=CURSOR.READ_ONLY, buffered=False, prefetch_size=2)
        reader.execute("SELECT id FROM prepared WHERE id > ? ORDER BY id", (0,))
        seen.append((reader.fetchone(), reader.fetchmany(3), reader.fetchall()))
        reader.close()
        connection.commit()
        return seen

    def pool(self):
        pool = mariadb.ConnectionPool(pool_name="ordinary", pool_size=3, pool_reset_connection=True, **self.settings())
        seen = []
        for number in range(12):
            connection = pool.get_connection()
            cursor = connection.cursor()
            cursor.execute("SELECT @leaked, @@sql_mode LIKE '%ANSI_QUOTES%', DATABASE() = ?", (self.target["schema"],))
            seen.append(cursor.fetchall())
            cursor.execute("SET @leaked = ?, SESSION sql_mode = 'ANSI_QUOTES'", (number,))
            cursor.close()
            connection.close()
        held = [pool.get_connection() for _ in range(3)]
        try:
            pool.get_connection()
        except mariadb.PoolError as error:
            seen.append(self.error(error))
        for connection in held:
            connection.close()
        pool.close()
        return seen


@task
def executes_in_bulk(driver):
    connection = driver.connect()
    cursor = table(connection, "bulk", "id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(100) NULL, b DECIMAL(10,2) NULL, c DATE NULL")
    rows = [(f"row {n}" if n % 3 else None, decimal.Decimal(n) / 4, datetime.date(2020, 1, 1) if n % 2 else None)
            for n in range(2000)]
    cursor.executemany("INSERT INTO bulk (a, b, c) VALUES (?, ?, ?)", rows)
    seen = [(cursor.rowcount, cursor.lastrowid, connection.warnings)]
    cursor.executemany("UPDATE bulk SET a = ? WHERE id = ?", [("one", 1), ("two", 2), ("none", 90000)])
    seen.append(cursor.rowcount)
    try:
        cursor.executemany("INSERT INTO bulk (id) VALUES (?)", [(90001,), (1,), (90002,)])
    except mariadb.Error as error:
        seen.append(driver.error(error))
    cursor.executemany("DELETE FROM bulk WHERE id = ?", [(n,) for n in range(1, 50)])
    seen.append(cursor.rowcount)
    if driver.target["engine"] == "mariadb":
        cursor.executemany("INSERT INTO bulk (a) VALUES (?) RETURNING a", [("r1",), ("r2",)])
        seen.append(cursor.fetchall())
    connection.commit()
    seen.append(one(connection, "SELECT COUNT(*), SUM(b), MIN(a), MAX(c) FROM bulk"))
    connection.close()
    return seen


@task
def commits_in_two_phases(driver):
    connection = driver.connect()
    table(connection, "two_phases", "a INT")
    connection.commit()
    seen = []
    for finish in ("commit", "rollback"):
        xid = connection.xid(1, f"driver {finish}", "branch")
        connection.tpc_begin(xid)
        connection.cursor().execute("INSERT INTO two_phases VALUES (?)", (len(finish),))
        connection.tpc_prepare()
        seen.append([name for name in connection.tpc_recover() if "driver" in str(name)])
        getattr(connection, f"tpc_{finish}")()
    seen.append(one(connection, "SELECT SUM(a) FROM two_phases"))
    connection.close()
    return seen


@task
def reads_what_columns_are(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT *, 1 + 1 AS two, 'x' FROM every_type LIMIT 1")
    meta = {key: list(value) for key, value in cursor.metadata.items()}
    connection.close()
    return meta


if __name__ == "__main__":
    target = report.target()
    report.run(Driver(target), target)
