"""mysqlclient: Python's face of the C client library (here MariaDB Connector/C)."""

import MySQLdb
import MySQLdb.cursors
from MySQLdb.constants import CLIENT

import ordinary_work.connecting  # noqa: F401  (tasks)
import ordinary_work.querying  # noqa: F401
import ordinary_work.sessions  # noqa: F401
import report
from ordinary_work.dbapi import DbApiDriver


class Driver(DbApiDriver):
    name = "mysqlclient"
    has = {"streaming", "change_user", "pool"}
    errors = MySQLdb.MySQLError

    def connect(self, **options):
        flags = (CLIENT.FOUND_ROWS if options.pop("found_rows", True) else 0)
        flags |= CLIENT.MULTI_STATEMENTS if options.pop("multi", False) else 0
        if options.pop("tls", False):
            options["ssl"] = {}
            options["ssl_mode"] = "REQUIRED"
        if options.get("database", "") is None:
            del options["database"]
            without = True
        else:
            without = False
        settings = {"host": self.target["host"], "port": self.target["port"], "user": self.target["user"],
                    "password": self.target["password"], "database": self.target["schema"], "client_flag": flags,
                    "charset": "utf8mb4"}
        if without:
            del settings["database"]
        return MySQLdb.connect(**(settings | options))

    def server_facts(self, connection):
        return connection.get_server_info(), connection.get_proto_info(), connection.server_capabilities & 0

    def warning_count(self, connection, cursor):
        return connection.warning_count()

    def every_result(self, connection, text):
        cursor = connection.cursor()
        cursor.execute(text)
        results = [(cursor.rowcount, cursor.fetchall(), connection.info())]
        while cursor.nextset():
            results.append((cursor.rowcount, cursor.fetchall(), connection.info()))
        return results

    def streaming_cursor(self, connection):
        return connection.cursor(MySQLdb.cursors.SSCursor)

    def ping(self, connection):
        statistics = connection.stat().split()[0]
        return connection.ping(), statistics

    def change_user(self, connection, user, password, schema):
        connection.change_user(user, password, schema)

    def pool(self):
        """It has no pool: applications ping what they keep, and change the user to have it clean."""
        connection = self.connect()
        seen = []
        for number in range(5):
            connection.ping()
            connection.change_user(self.target["user"], self.target["password"], self.target["schema"])
            cursor = connection.cursor()
            cursor.execute("SELECT %s, @round, DATABASE() = %s", (number, self.target["schema"]))
            seen.append(cursor.fetchall())
            cursor.execute("SET @round = %s", (number,))
        connection.close()
        return seen


if __name__ == "__main__":
    target = report.target()
    report.run(Driver(target), target)
