"""Statements, parameters, rows and errors."""

from report import task

from .connecting import one

# One column of each type; the second row is all NULL.
EVERY_TYPE = [
    ("t_tiny", "TINYINT", -128), ("t_utiny", "TINYINT UNSIGNED", 255), ("t_bool", "BOOLEAN", 1),
    ("t_small", "SMALLINT", -32768), ("t_medium", "MEDIUMINT", 8388607), ("t_int", "INT", -2147483648),
    ("t_big", "BIGINT", -9223372036854775808), ("t_ubig", "BIGINT UNSIGNED", 18446744073709551615),
    ("t_zero", "INT(8) ZEROFILL", 42),
    ("t_decimal", "DECIMAL(30,10)", "12345678901234567890.0123456789"), ("t_float", "FLOAT", 1.5),
    ("t_double", "DOUBLE", 2.718281828459045), ("t_bit", "BIT(10)", 513),
    ("t_date", "DATE", "2024-02-29"), ("t_time", "TIME", "-838:59:58"), ("t_time6", "TIME(6)", "12:34:56.789012"),
    ("t_datetime", "DATETIME", "9999-12-31 23:59:59"), ("t_datetime6", "DATETIME(6)", "2001-02-03 04:05:06.070809"),
    ("t_timestamp", "TIMESTAMP NULL", "2038-01-19 03:14:07"), ("t_year", "YEAR", 2155),
    ("t_char", "CHAR(10)", "char"), ("t_varchar", "VARCHAR(100)", "na\u00efve \u4f60\u597d \U0001f600 '\"\\%"),
    ("t_binary", "BINARY(4)", b"\x00\x01\xfe\xff"), ("t_varbinary", "VARBINARY(100)", bytes(range(100))),
    ("t_blob", "BLOB", bytes(range(256)) * 4), ("t_text", "TEXT", "text " * 100),
    ("t_enum", "ENUM('a','b','\u00e7')", "\u00e7"), ("t_set", "SET('x','y','z')", "x,z"),
    ("t_json", "JSON", '{"a": [1, 2.5, null], "b": "\u00e9"}'), ("t_point", "GEOMETRY", None),
]


def table(connection, name, columns, rows=()):
    """A fresh table, with rows."""
    cursor = connection.cursor()
    cursor.execute(f"DROP TABLE IF EXISTS {name}")
    cursor.execute(f"CREATE TABLE {name} ({columns})")
    for row in rows:
        cursor.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(row))})", row)
    connection.commit()
    return cursor


def failure(driver, cursor, sql, *arguments):
    """How a statement that must not succeed ends."""
    try:
        cursor.execute(sql, *arguments)
        cursor.fetchall()
    except driver.errors as error:
        return driver.error(error)
    return "succeeded"


@task
def every_type(driver):
    connection = driver.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind, _ in EVERY_TYPE)
    cursor = table(connection, "every_type", f"id INT PRIMARY KEY, {columns}")
    marks = ", ".join(["%s"] * (len(EVERY_TYPE) + 1))
    cursor.execute(f"INSERT INTO every_type VALUES ({marks})", (1, *[value for _, _, value in EVERY_TYPE]))
    cursor.execute("INSERT INTO every_type (id) VALUES (2)")
    connection.commit()
    cursor.execute("SELECT * FROM every_type ORDER BY id")
    rows = cursor.fetchall()
    description = [tuple(column)[:7] for column in cursor.description]
    connection.close()
    return description, rows


@task
def parameters_of_every_kind(driver):
    import datetime
    import decimal
    connection = driver.connect()
    cursor = connection.cursor()
    values = (None, 0, -1, 2**63 - 1, 1.25, decimal.Decimal("3.14"), "it's \\ \"q\" \u20ac \U0001f600", "%s ? :x",
              b"\x00'\\\xff", datetime.date(2020, 2, 29), datetime.datetime(2020, 1, 2, 3, 4, 5, 678901),
              datetime.timedelta(hours=5, minutes=6, seconds=7), True)
    cursor.execute("SELECT " + ", ".join(["%s"] * len(values)), values)
    rows = cursor.fetchall()
    connection.close()
    return rows


@task
def named_parameters(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT %(a)s + %(b)s, %(a)s", {"a": 2, "b": 40})
    rows = cursor.fetchall()
    connection.close()
    return rows


@task
def fetches_in_portions(driver):
    connection = driver.connect()
    cursor = table(connection, "portions", "n INT")
    cursor.executemany("INSERT INTO portions VALUES (%s)", [(n,) for n in range(1000)])
    inserted = cursor.rowcount
    connection.commit()
    cursor.execute("SELECT n FROM portions ORDER BY n")
    seen = [cursor.rowcount, cursor.fetchone(), cursor.fetchmany(10), len(cursor.fetchall()), cursor.fetchone()]
    connection.close()
    return inserted, seen


@task
def many_rows_at_once(driver):
    connection = driver.connect()
    cursor = table(connection, "many", "id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(50), b DECIMAL(10,2) NULL")
    cursor.executemany("INSERT INTO many (a, b) VALUES (%s, %s)",
                       [(f"row {n}", None if n % 7 == 0 else n / 4) for n in range(5000)])
    counts = [cursor.rowcount]
    cursor.executemany("UPDATE many SET b = %s WHERE id = %s", [(n, n + 1) for n in range(20)])
    counts.append(cursor.rowcount)
    cursor.executemany("INSERT INTO many (id, a) VALUES (%s, %s) ON DUPLICATE KEY UPDATE a = VALUES(a)",
                       [(1, "one"), (2, "two"), (9001, "new")])
    counts.append(cursor.rowcount)
    connection.commit()
    cursor.execute("SELECT COUNT(*), SUM(b), MIN(a), MAX(id) FROM many")
    rows = cursor.fetchall()
    connection.close()
    return counts, rows


@task
def counts_and_ids(driver):
    seen = []
    for found_rows in (False, True):
        connection = driver.connect(found_rows=found_rows)
        cursor = table(connection, "counted", "id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE")
        for sql in ("INSERT INTO counted (a) VALUES (1)", "INSERT INTO counted (a) VALUES (2), (3), (4)",
                    "UPDATE counted SET a = a WHERE id < 3", "UPDATE counted SET a = a + 10 WHERE id < 3",
                    "REPLACE INTO counted (a) VALUES (11)", "DELETE FROM counted WHERE a > 11",
                    "INSERT IGNORE INTO counted (a) VALUES (11)", "DELETE FROM counted WHERE 1 = 0"):
            cursor.execute(sql)
            seen.append((sql, cursor.rowcount, cursor.lastrowid))
        seen.append(one(connection, "SELECT LAST_INSERT_ID(), ROW_COUNT()"))
        connection.rollback()
        connection.close()
    return seen


@task
def warnings_follow_their_statement(driver):
    connection = driver.connect()
    cursor = table(connection, "warned", "a TINYINT, b VARCHAR(3)")
    cursor.execute("SET SESSION sql_mode = ''")
    cursor.execute("INSERT INTO warned VALUES (1000, 'too long'), (-1000, 'x')")
    seen = [driver.warning_count(connection, cursor)]
    cursor.execute("SHOW WARNINGS")
    seen.append(cursor.fetchall())
    cursor.execute("SELECT 1")
    cursor.fetchall()
    cursor.execute("SHOW WARNINGS")
    seen.append(cursor.fetchall())
    cursor.execute("SELECT CAST('abc' AS SIGNED), 1/0")
    seen.append(cursor.fetchall())
    cursor.execute("SHOW COUNT(*) WARNINGS")
    seen.append(cursor.fetchall())
    cursor.execute("DROP TABLE IF EXISTS no_such_table")
    cursor.execute("SHOW WARNINGS")
    seen.append(cursor.fetchall())
    connection.close()
    return seen


@task
def errors_of_every_class(driver):
    connection = driver.connect()
    cursor = table(connection, "failing", "id INT PRIMARY KEY, a INT NOT NULL, CONSTRAINT positive CHECK (a > 0)", [(1, 1)])
    seen = [failure(driver, cursor, sql) for sql in (
        "SELEC 1", "SELECT * FROM no_such_table", "SELECT no_such_column FROM failing", "SELECT no_such_function()",
        "INSERT INTO failing VALUES (1, 2)", "INSERT INTO failing VALUES (2, NULL)", "INSERT INTO failing VALUES (3, -1)",
        "INSERT INTO failing VALUES (4)", "USE no_such_schema", "CALL no_such_procedure()", "SELECT (SELECT 1 UNION SELECT 2)",
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'as you asked', MYSQL_ERRNO = 1234", "KILL 4294967000",
        "CREATE TABLE failing (a INT)", "SELECT * FROM failing WHERE", "SET no_such_variable = 1", "", ";",
        "SELECT 1; SELECT 2")]
    # the session is as good as before
    seen.append(one(connection, "SELECT a FROM failing"))
    connection.close()
    return seen


@task
def unicode_everywhere(driver):
    connection = driver.connect()
    cursor = table(connection, "`\u00fcml\u00e4ut \u540d`", "`sp\u00e4lte` VARCHAR(50)", [("\U0001f600\u0301",), ("\u0416",)])
    cursor.execute("SELECT `sp\u00e4lte` AS `\u03b1\u03b2`, '\u2603' FROM `\u00fcml\u00e4ut \u540d` ORDER BY HEX(`sp\u00e4lte`)")
    rows, names = cursor.fetchall(), [column[0] for column in cursor.description]
    error = failure(driver, cursor, "SELECT * FROM `\u2603`")
    connection.close()
    return names, rows, error


@task
def a_large_blob(driver):
    connection = driver.connect()
    cursor = table(connection, "large", "id INT PRIMARY KEY, b LONGBLOB")
    # 20 MB are more than one packet; MariaDB takes (by default) not that much
    blob = bytes(range(256)) * (78125 if driver.target["engine"] == "mysql" else 46875)
    cursor.execute("INSERT INTO large VALUES (1, %s)", (blob,))
    connection.commit()
    row = one(connection, "SELECT id, LENGTH(b), SHA2(b, 256), b FROM large")
    cursor.execute("DROP TABLE large")
    connection.close()
    return row[:3], row[3] == blob, len(row[3])


@task
def wide_and_empty_results(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT " + ", ".join(f"{n} AS c{n}" for n in range(1500)))
    wide = cursor.fetchall()
    names = [column[0] for column in cursor.description]
    cursor.execute("SELECT 1 FROM DUAL WHERE FALSE")
    empty = cursor.fetchall()
    cursor.execute("SELECT '', NULL, ' '")
    blank = cursor.fetchall()
    connection.close()
    return len(wide[0]), sum(wide[0]), names[-1], empty, blank


@task
def dates_at_the_edges(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SET SESSION sql_mode = ''")
    cursor.execute("SET time_zone = '+05:30'")
    cursor.execute("SELECT CAST('0001-01-01' AS DATE), CAST('0001-01-01 00:00:00' AS DATETIME), "
                   "CAST('00:00:00.000001' AS TIME(6)), CAST('-00:00:01' AS TIME), FROM_UNIXTIME(0), @@time_zone")
    rows = cursor.fetchall()
    connection.close()
    return rows


@task
def zero_dates(driver):
    connection = driver.connect()
    cursor = connection.cursor()
    cursor.execute("SET SESSION sql_mode = ''")
    cursor = table(connection, "zeroes", "a DATE, b DATETIME", [("0000-00-00", "0000-00-00 00:00:00")])
    cursor.execute("SELECT a, b FROM zeroes")
    rows = cursor.fetchall()
    connection.close()
    return rows
