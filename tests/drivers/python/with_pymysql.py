"""PyMySQL: the protocol in pure Python."""

import pymysql
from pymysql.constants import CLIENT

import ordinary_work.connecting  # noqa: F401  (tasks)
import ordinary_work.querying  # noqa: F401
import ordinary_work.sessions  # noqa: F401
import report
from ordinary_work.dbapi import DbApiDriver


class Driver(DbApiDriver):
    name = "pymysql"
    has = {"streaming", "pool"}
    errors = pymysql.err.MySQLError

    def connect(self, **options):
        flags = (CLIENT.FOUND_ROWS if options.pop("found_rows", True) else 0)
        flags |= CLIENT.MULTI_STATEMENTS if options.pop("multi", False) else 0
        options.pop("compress", None)  # it has none
        if options.pop("tls", False):
            options["ssl"] = {"check_hostname": False}
        settings = {"host": self.target["host"], "port": self.target["port"], "user": self.target["user"],
                    "password": self.target["password"], "database": self.target["schema"], "client_flag": flags,
                    "charset": "utf8mb4", "max_allowed_packet": 1 << 26}
        connection = pymysql.connect(**(settings | options))
        if not flags & CLIENT.FOUND_ROWS:
            assert not connection.client_flag & CLIENT.FOUND_ROWS
        return connection

    def server_facts(self, connection):
        return connection.get_server_info(), connection.protocol_version, connection.server_language

    def warning_count(self, connection, cursor):
        return cursor.warning_count

    def every_result(self, connection, text):
        cursor = connection.cursor()
        cursor.execute(text)
        results = [(cursor.rowcount, cursor.fetchall())]
        while cursor.nextset():
            results.append((cursor.rowcount, cursor.fetchall()))
        return results

    def streaming_cursor(self, connection):
        return connection.cursor(pymysql.cursors.SSCursor)

    def ping(self, connection):
        return connection.ping(reconnect=False)

    def pool(self):
        """It has no pool: applications ping and roll back what they keep, and reconnect what was lost."""
        connection = self.connect()
        seen = []
        for number in range(5):
            connection.ping(reconnect=True)
            connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s, @round", (number,))
                seen.append(cursor.fetchall())
                cursor.execute("SET @round = %s", (number,))
            if number == 2:
                with connection.cursor() as cursor:
                    try:
                        cursor.execute("KILL CONNECTION_ID()" if self.target["engine"] == "mariadb"
                                       else f"KILL {connection.thread_id()}")
                    except pymysql.err.MySQLError as error:
                        seen.append(type(error).__name__)
        connection.close()
        return seen


if __name__ == "__main__":
    target = report.target()
    report.run(Driver(target), target)
