"""mysql-connector-python, Oracle's: `pure` speaks the protocol in Python, `c` uses MySQL's client library."""

import sys

import mysql.connector
import mysql.connector.pooling
from mysql.connector.constants import ClientFlag

import ordinary_work.connecting  # noqa: F401  (tasks)
import ordinary_work.querying  # noqa: F401
import ordinary_work.sessions  # noqa: F401
import report


class Driver:
    has = {"streaming", "prepared", "reset", "change_user", "pool"}
    charsets = ("utf8mb4", "latin1", "gbk", "big5", "cp932")
    errors = mysql.connector.Error

    def __init__(self, target, pure):
        self.target = target
        self.pure = pure
        self.name = "mysql-connector-python"

    def settings(self, **options):
        flags = [ClientFlag.FOUND_ROWS] if options.pop("found_rows", True) else [-ClientFlag.FOUND_ROWS]
        flags += [ClientFlag.MULTI_STATEMENTS] if options.pop("multi", False) else []
        options["ssl_disabled"] = not options.pop("tls", False)
        if "local_infile" in options:
            options["allow_local_infile"] = options.pop("local_infile")
        settings = {"host": self.target["host"], "port": self.target["port"], "user": self.target["user"],
                    "password": self.target["password"], "database": self.target["schema"], "client_flags": flags,
                    "charset": "utf8mb4", "use_pure": self.pure}
        # MySQL's collations of today are unknown to MariaDB
        settings["collation"] = None if options.get("charset") else "utf8mb4_general_ci"
        if options.get("charset") == "utf8mb4":
            settings["collation"] = "utf8mb4_general_ci"
        if options.get("database", "") is None:
            del settings["database"], options["database"]
        return settings | options

    def connect(self, **options):
        # every task reads what it asked for, but not always to its end: buffered, except where rows are streamed
        return mysql.connector.connect(buffered=True, **self.settings(**options))

    def error(self, error):
        return [type(error).__name__, error.errno, error.sqlstate, error.msg]

    def server_facts(self, connection):
        return connection.server_info, connection.server_version

    def thread_id(self, connection):
        return connection.connection_id

    def warning_count(self, connection, cursor):
        return cursor.warning_count

    def call(self, connection, name, arguments):
        cursor = connection.cursor()
        out = cursor.callproc(name, arguments)
        results = [out]
        for result in cursor.stored_results():
            results.append(result.fetchall())
        return results

    def every_result(self, connection, text):
        cursor = connection.cursor()
        cursor.execute(text)
        results = []
        while True:
            results.append((cursor.rowcount, cursor.fetchall() if cursor.with_rows else None))
            if not cursor.nextset():
                return results

    def streaming_cursor(self, connection):
        return connection.cursor(buffered=False)

    def ping(self, connection):
        return connection.ping()

    def reset(self, connection):
        connection.cmd_reset_connection()

    def change_user(self, connection, user, password, schema):
        connection.cmd_change_user(user, password, schema, 45)

    def prepared(self, connection):
        import datetime
        import decimal
        cursor = connection.cursor(prepared=True, buffered=False)
        insert = "INSERT INTO prepared VALUES (%s, %s, %s, %s, %s)"
        seen = []
        for number in range(5):
            cursor.execute(insert, (number, f"row {number}", decimal.Decimal(number) / 8,
                                    datetime.datetime(2020, 1, 1 + number, 2, 3, 4, 567), bytes([0, 255, number])))
            seen.append((cursor.rowcount, cursor.lastrowid))
        cursor.execute(insert, (9, None, None, None, None))
        cursor.execute("SELECT * FROM prepared WHERE id > %s ORDER BY id", (2,))
        seen.append((cursor.column_names, cursor.fetchall()))
        cursor.execute("SELECT * FROM prepared WHERE id > %s ORDER BY id", (8,))
        seen.append(cursor.fetchall())
        cursor.executemany("UPDATE prepared SET a = %s WHERE id = %s", [("many", 1), ("more", 2)])
        seen.append(cursor.rowcount)
        try:
            cursor.execute(insert, (0, "twice", 0, None, b""))
        except mysql.connector.Error as error:
            seen.append(self.error(error))
        try:
            cursor.execute("SELECT * FROM no_such_table WHERE a = %s", (1,))
        except mysql.connector.Error as error:
            seen.append(self.error(error))
        cursor.close()
        connection.commit()
        return seen

    def pool(self):
        settings = self.settings()
        pool = mysql.connector.pooling.MySQLConnectionPool(pool_size=3, pool_reset_session=True, **settings)
        seen = []
        for number in range(12):
            connection = pool.get_connection()
            cursor = connection.cursor()
            cursor.execute("SELECT @leaked, @@sql_mode LIKE '%ANSI_QUOTES%', @@autocommit, DATABASE() = %s",
                           (self.target["schema"],))
            seen.append(cursor.fetchall())
            cursor.execute("SET @leaked = %s, SESSION sql_mode = 'ANSI_QUOTES', autocommit = 1", (number,))
            cursor.execute("USE information_schema")
            cursor.close()
            connection.close()
        held = [pool.get_connection() for _ in range(3)]
        try:
            pool.get_connection()
        except mysql.connector.Error as error:
            seen.append(self.error(error))
        for connection in held:
            connection.close()
        return seen


if __name__ == "__main__":
    target = report.target()
    report.run(Driver(target, pure="--c" not in sys.argv), target)
