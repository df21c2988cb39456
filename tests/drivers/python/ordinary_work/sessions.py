"""Transactions, procedures, several results, uploads, and what a session keeps."""

import os
import tempfile

from report import task

from .connecting import one
from .querying import failure, table


@task
def commits_and_rolls_back(driver):
    connection, observer = driver.connect(autocommit=False), driver.connect(autocommit=True)
    cursor = table(connection, "ledger", "id INT PRIMARY KEY, a INT")
    seen = []
    cursor.execute("INSERT INTO ledger VALUES (1, 1)")
    seen.append(one(observer, "SELECT COUNT(*) FROM ledger"))
    connection.commit()
    seen.append(one(observer, "SELECT COUNT(*) FROM ledger"))
    cursor.execute("INSERT INTO ledger VALUES (2, 2)")
    cursor.execute("SAVEPOINT half")
    cursor.execute("INSERT INTO ledger VALUES (3, 3)")
    cursor.execute("ROLLBACK TO SAVEPOINT half")
    cursor.execute("RELEASE SAVEPOINT half")
    seen.append(failure(driver, cursor, "ROLLBACK TO SAVEPOINT half"))
    connection.commit()
    cursor.execute("DELETE FROM ledger WHERE id = 1")
    connection.rollback()
    cursor.execute("SELECT * FROM ledger ORDER BY id")
    seen.append(cursor.fetchall())
    connection.close()
    observer.close()
    return seen


@task
def isolation_levels_and_read_only(driver):
    connection = driver.connect(autocommit=True)
    cursor = table(connection, "isolated", "id INT PRIMARY KEY", [(1,)])
    variable = "@@transaction_isolation" if driver.target["engine"] == "mysql" else "@@tx_isolation"
    seen = []
    for level in ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        seen.append(one(connection, f"SELECT {variable}"))
    cursor.execute("START TRANSACTION READ ONLY")
    seen.append(failure(driver, cursor, "INSERT INTO isolated VALUES (2)"))
    seen.append(one(connection, "SELECT COUNT(*) FROM isolated"))
    cursor.execute("COMMIT")
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    seen.append(one(connection, "SELECT COUNT(*) FROM isolated"))
    cursor.execute("COMMIT AND CHAIN")
    cursor.execute("ROLLBACK RELEASE")
    connection.close()
    return seen


@task
def a_deadlock_has_a_victim(driver):
    connection, other = driver.connect(autocommit=False), driver.connect(autocommit=False)
    table(connection, "locked", "id INT PRIMARY KEY, a INT", [(1, 0), (2, 0)])
    first, second = connection.cursor(), other.cursor()
    first.execute("UPDATE locked SET a = 1 WHERE id = 1")
    second.execute("SET SESSION innodb_lock_wait_timeout = 1")
    seen = [failure(driver, second, "UPDATE locked SET a = 2 WHERE id = 1")]
    seen.append(failure(driver, second, "SELECT * FROM locked WHERE id = 1 FOR UPDATE NOWAIT"))
    second.execute("SELECT id FROM locked WHERE id > 0 ORDER BY id FOR UPDATE SKIP LOCKED")
    seen.append(second.fetchall())
    connection.close()
    other.close()
    return seen


@task
def procedures_with_results(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("DROP PROCEDURE IF EXISTS work")
    cursor.execute("CREATE PROCEDURE work(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN "
                   "SELECT a AS first_result; SELECT a + 1, 'x' UNION SELECT a + 2, 'y'; "
                   "SET b = a * 2; SET c = CONCAT(c, '!'); END")
    seen = driver.call(connection, "work", (20, 0, "in"))
    cursor = connection.cursor()
    cursor.execute("DROP PROCEDURE IF EXISTS failing_work")
    cursor.execute("CREATE PROCEDURE failing_work() BEGIN SELECT 1; SELECT * FROM no_such_table; END")
    try:
        failed = driver.call(connection, "failing_work", ())
    except driver.errors as error:
        failed = driver.error(error)
    connection.close()
    connection = driver.connect()
    after = one(connection, "SELECT 'still fine'")
    connection.close()
    return seen, failed, after


@task
def several_statements_in_one(driver):
    connection = driver.connect(multi=True)
    table(connection, "several", "a INT")
    connection.commit()
    seen = driver.every_result(connection, "INSERT INTO several VALUES (1), (2); SELECT * FROM several ORDER BY a; "
                                           "UPDATE several SET a = a + 1; SELECT SUM(a), 'last' FROM several")
    try:
        failed = driver.every_result(connection, "SELECT 1; SELECT * FROM no_such_table; SELECT 3")
    except driver.errors as error:
        failed = driver.error(error)
    connection.close()
    return seen, failed


@task
def loads_a_file_of_its_own(driver):
    connection = driver.connect(local_infile=True)
    cursor = table(connection, "loaded", "id INT, a VARCHAR(100)")
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False, encoding="utf-8") as file:
        for number in range(20000):
            file.write(f"{number}\tline {number} \u00e9\n")
    try:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE loaded CHARACTER SET utf8mb4")
    finally:
        os.unlink(file.name)
    loaded = cursor.rowcount
    connection.commit()
    row = one(connection, "SELECT COUNT(*), SUM(id), MAX(a), SUM(LENGTH(a)) FROM loaded")
    connection.close()
    return loaded, row


@task
def streams_rows(driver):
    if "streaming" not in driver.has:
        return "the driver has no such thing"
    connection = driver.connect()
    cursor = table(connection, "streamed", "n INT, filler VARCHAR(200)")
    cursor.executemany("INSERT INTO streamed VALUES (%s, REPEAT('f', 200))", [(n,) for n in range(4000)])
    connection.commit()
    cursor = driver.streaming_cursor(connection)
    cursor.execute("SELECT a.n, a.filler FROM streamed a JOIN streamed b ON b.n < 5 ORDER BY a.n, b.n")
    total = count = 0
    first = cursor.fetchone()
    for row in cursor:
        total, count = total + row[0], count + 1
    cursor.close()
    after = one(connection, "SELECT 'after'")
    connection.close()
    return first, total, count, after


@task
def prepared_on_the_server(driver):
    if "prepared" not in driver.has:
        return "the driver has no such thing"
    connection = driver.connect()
    table(connection, "prepared", "id INT PRIMARY KEY, a VARCHAR(20), b DECIMAL(10,3), c DATETIME(6), d BLOB")
    seen = driver.prepared(connection)
    connection.close()
    return seen


@task
def prepared_by_statement(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("PREPARE p FROM 'SELECT ? + ?, ?'")
    cursor.execute("SET @a = 1, @b = 2, @c = 'c'")
    cursor.execute("EXECUTE p USING @a, @b, @c")
    rows = cursor.fetchall()
    cursor.execute("DEALLOCATE PREPARE p")
    error = failure(driver, cursor, "EXECUTE p USING @a, @b, @c")
    connection.close()
    return rows, error


@task
def keeps_what_a_session_keeps(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SET @mine = 'kept', SESSION group_concat_max_len = 2048")
    cursor.execute("SET NAMES latin1")
    cursor.execute("SET NAMES utf8mb4")
    cursor.execute("CREATE TEMPORARY TABLE temporary_one (a INT)")
    cursor.execute("INSERT INTO temporary_one VALUES (1), (2)")
    row = one(connection, "SELECT @mine, @@group_concat_max_len, (SELECT SUM(a) FROM temporary_one)")
    locked = one(connection, "SELECT GET_LOCK('a driver''s lock', 0), IS_USED_LOCK('a driver''s lock') = CONNECTION_ID(), "
                             "RELEASE_LOCK('a driver''s lock'), RELEASE_LOCK('a driver''s lock')")
    cursor.execute("LOCK TABLES every_type READ")
    error = failure(driver, cursor, "DELETE FROM every_type")
    cursor.execute("UNLOCK TABLES")
    connection.close()
    return row, locked, error


@task
def pings(driver):
    connection = driver.connect()
    seen = driver.ping(connection)
    connection.close()
    try:
        closed = driver.ping(connection)
    except Exception as error:  # each driver has its own, some not of its own errors
        closed = type(error).__name__
    return seen, closed


@task
def resets_its_session(driver):
    if "reset" not in driver.has:
        return "the driver has no such thing"
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SET @mine = 'gone', SESSION sql_mode = 'ANSI_QUOTES'")
    cursor.execute("CREATE TEMPORARY TABLE gone_too (a INT)")
    before = driver.thread_id(connection)
    driver.reset(connection)
    same = driver.thread_id(connection) == before
    cursor = connection.cursor()
    row = one(connection, "SELECT @mine, @@sql_mode LIKE '%%ANSI_QUOTES%%', DATABASE() = %s", (driver.target["schema"],))
    error = failure(driver, cursor, "SELECT * FROM gone_too")
    connection.close()
    return same, row, error


@task
def becomes_somebody_else(driver):
    if "change_user" not in driver.has:
        return "the driver has no such thing"
    connection = driver.connect()
    connection.cursor().execute("SET @mine = 'gone'")
    other = driver.target["other"]
    driver.change_user(connection, other["user"], other["password"], driver.target["schema"])
    row = one(connection, "SELECT @mine, CURRENT_USER() LIKE %s, DATABASE() = %s",
              (other["user"] + "@%", driver.target["schema"]))
    driver.change_user(connection, driver.target["user"], driver.target["password"], driver.target["schema"])
    back = one(connection, "SELECT CURRENT_USER() LIKE %s", (driver.target["user"] + "@%",))
    try:
        driver.change_user(connection, other["user"], "wrong", driver.target["schema"])
        failed = "changed"
    except driver.errors as error:
        failed = driver.error(error)
    connection.close()
    return row, back, failed


@task
def a_running_query_is_killed(driver):
    connection, killer = driver.connect(), driver.connect()
    number = one(connection, "SELECT CONNECTION_ID()")[0]
    import threading
    seen = []

    def sleep():
        cursor = connection.cursor()
        seen.append(failure(driver, cursor, "SELECT SLEEP(30)"))

    thread = threading.Thread(target=sleep)
    thread.start()
    killed = False
    while thread.is_alive():
        # others may sleep as well; and a kill that comes before the sleep interrupts nothing
        sleeps = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number} AND state = 'User sleep'"
        state = one(killer, sleeps)
        if state[0] and not killed:
            killer.cursor().execute(f"KILL QUERY {number}")
            killed = True
        thread.join(0.1)
    alive = one(connection, "SELECT 'alive'")
    killer.cursor().execute(f"KILL CONNECTION {number}")
    try:
        gone = one(connection, "SELECT 'alive'")
    except driver.errors as error:
        gone = type(error).__name__
    connection.close()
    killer.close()
    return seen[0], alive, gone


@task
def a_statement_has_its_time(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    if driver.target["engine"] == "mysql":
        cursor.execute("SET SESSION max_execution_time = 200")
    else:
        cursor.execute("SET SESSION max_statement_time = 0.2")
    error = failure(driver, cursor, "SELECT SLEEP(20) FROM every_type")
    row = one(connection, "SELECT 'alive'")
    connection.close()
    return error, row


@task
def information_about_tables(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    seen = []
    schema = driver.target["schema"]
    for sql in ("SHOW FULL COLUMNS FROM every_type", "SHOW CREATE TABLE every_type", "SHOW INDEX FROM counted",
                "SHOW TABLES LIKE 'every%'", "DESCRIBE counted",
                "SELECT table_name AS t, column_name AS c, column_type AS k, is_nullable AS n "
                f"FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = 'every_type' "
                "ORDER BY ordinal_position", "SHOW PROCEDURE STATUS WHERE Name = 'no_such_name'"):
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        # how many the server believes there are comes late, and by chance
        rows = [[column for name, column in zip(names, row) if column is not None and name != "Cardinality"]
                for row in cursor.fetchall()]
        seen.append((names, rows))
    connection.close()
    return seen


@task
def a_pool_gives_clean_sessions(driver):
    if "pool" not in driver.has:
        return "the driver has no such thing"
    return driver.pool()
