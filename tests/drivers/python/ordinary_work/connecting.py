"""Logins, good and bad, and what stands at the beginning of a session."""

from report import task


def one(connection, sql, *arguments):
    """The only row of a query."""
    cursor = connection.cursor()
    cursor.execute(sql, *arguments)
    row = cursor.fetchone()
    while cursor.fetchone() is not None:
        pass
    cursor.close()
    return row


def refused(driver, **options):
    """How a login that must not succeed ends."""
    try:
        connection = driver.connect(**options)
    except driver.errors as error:
        return driver.error(error)
    connection.close()
    return "connected"


@task
def connects(driver):
    connection = driver.connect()
    row = one(connection, "SELECT 1, 'one', DATABASE() = %s, CURRENT_USER() LIKE %s",
              (driver.target["schema"], driver.target["user"] + "@%"))
    connection.close()
    return row


@task
def connects_by_tls(driver):
    connection = driver.connect(tls=driver.target["tls"])
    row = one(connection, "SELECT 'by tls', 2")
    # what tools ask to know whether they are safe
    cipher = one(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]
    connection.close()
    return row, bool(cipher)


@task
def connects_without_a_database(driver):
    connection = driver.connect(database=None)
    row = one(connection, "SELECT DATABASE()")
    connection.cursor().execute("USE " + driver.target["schema"])
    used = one(connection, "SELECT DATABASE() = %s", (driver.target["schema"],))
    connection.close()
    return row, used


@task
def wrong_password(driver):
    return refused(driver, password="wrong")


@task
def no_password(driver):
    return refused(driver, password="")


@task
def unknown_user(driver):
    if driver.name == "mysql-connector-python":
        return "MySQL takes a plugin by chance for a name that it does not know; this driver has not all of them"
    return refused(driver, user="nobody_has_this_name", password="x")


@task
def unknown_database(driver):
    return refused(driver, database="no_such_schema")


@task
def character_sets(driver):
    seen = []
    for charset in driver.charsets:
        connection = driver.connect(charset=charset)
        # the second byte of the first of these characters is a backslash in gbk, big5 and cp932
        text = {"latin1": "caf\u00e9", "gbk": "\u8a98\u4f60", "big5": "\u529f\u4f60", "cp932": "\u8868\u30bd"}
        text = text.get(charset, "caf\u00e9 \u4f60 \U0001f600")
        seen.append((charset, one(connection, "SELECT @@character_set_client, @@character_set_results, "
                                              f"@@collation_connection, %s, HEX(%s), '{text}'", (text, text))))
        connection.close()
    return seen


@task
def begins_with_autocommit(driver):
    seen = []
    for autocommit in (True, False):
        connection = driver.connect(autocommit=autocommit)
        seen.append(one(connection, "SELECT @@autocommit"))
        connection.close()
    return seen


@task
def begins_with_a_statement(driver):
    connection = driver.connect(init_command="SET @greeting = 'hello', sql_mode = 'ANSI_QUOTES'")
    row = one(connection, 'SELECT @greeting AS "greeting", @@sql_mode')
    connection.close()
    return row


@task
def compressed(driver):
    connection = driver.connect(compress=True)
    row = one(connection, "SELECT REPEAT('compress me ', 100000)")
    # 40 MB are three packets; of rows of all lengths many are cut
    lengths = [len(one(connection, f"SELECT REPEAT('compress me ', {times}), 'end'")[0])
               for times in (2000, 5000, 6000, 1398101, 3500000)]
    cursor = connection.cursor()
    cursor.execute("SELECT id, REPEAT(CHAR(96 + id USING utf8mb4), id * id * 900) FROM "
                   "(SELECT a.n + b.n * 5 AS id FROM (SELECT 1 n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) a, "
                   "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) b) numbers ORDER BY id")
    lengths += [len(text) for _, text in cursor.fetchall()]
    connection.close()
    return row, lengths


@task
def says_which_server(driver):
    connection = driver.connect()
    seen = driver.server_facts(connection)
    version = one(connection, "SELECT VERSION(), @@version_comment")
    connection.close()
    return seen, version


@task
def knows_its_own_number(driver):
    connection = driver.connect()
    number = driver.thread_id(connection)
    same = one(connection, "SELECT CONNECTION_ID()")[0] == number
    other = driver.connect()
    differs = driver.thread_id(other) != number
    connection.close()
    other.close()
    return same, differs


@task
def many_connections_come_and_go(driver):
    seen = 0
    for number in range(40):
        connection = driver.connect()
        seen += one(connection, "SELECT %s", (number,))[0]
        connection.close()
    return seen
