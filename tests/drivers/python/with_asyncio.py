"""aiomysql and asyncmy: two of asyncio, with pools of their own. `--asyncmy` takes the second."""

import asyncio
import sys

import report
from report import task

if "--asyncmy" in sys.argv:
    sys.argv.remove("--asyncmy")
    import asyncmy as driver_module
    from asyncmy.cursors import DictCursor, SSCursor
    from asyncmy.errors import MySQLError
else:
    import aiomysql as driver_module
    from aiomysql import DictCursor, SSCursor
    from pymysql.err import MySQLError


def settings(target, **options):
    return {"host": target["host"], "port": target["port"], "user": target["user"], "password": target["password"],
            "db": target["schema"], "charset": "utf8mb4"} | options


def asynchronous(work):
    """A task whose work is a coroutine that takes the target."""
    def run(target):
        return asyncio.run(work(target))
    run.__name__ = work.__name__
    return task(run)


async def executed(connection, text, *arguments, of=None):
    async with (connection.cursor(of) if of else connection.cursor()) as cursor:
        count = await cursor.execute(text, *arguments)
        return count, cursor.lastrowid, await cursor.fetchall()


async def refused(work):
    try:
        return ["succeeded", await work]
    except MySQLError as error:
        return [type(error).__name__, *error.args]


@asynchronous
async def connects(target):
    connection = await driver_module.connect(**settings(target))
    seen = await executed(connection, "SELECT 1, DATABASE() = %s, @@autocommit", (target["schema"],))
    info = connection.get_server_info()
    await connection.ensure_closed()
    return seen, info


@asynchronous
async def wrong_logins(target):
    return [await refused(driver_module.connect(**settings(target, **wrong)))
            for wrong in ({"password": "wrong"}, {"db": "no_such_schema"})]


@asynchronous
async def works_with_tables(target):
    connection = await driver_module.connect(**settings(target, init_command="SET @begun = 1", autocommit=True))
    await executed(connection, "DROP TABLE IF EXISTS worked")
    await executed(connection, "CREATE TABLE worked (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(50), b DATETIME(6), c BLOB)")
    seen = [await executed(connection, "SELECT @begun")]
    async with connection.cursor() as cursor:
        await cursor.executemany("INSERT INTO worked (a, b, c) VALUES (%s, %s, %s)",
                                 [(f"\U0001f600 '{n}", "2020-01-02 03:04:05.678901", None if n % 2 else f"blob {n}") for n in range(100)])
        seen.append((cursor.rowcount, cursor.lastrowid))
    seen.append(await executed(connection, "SELECT * FROM worked WHERE id < 4", of=DictCursor))
    seen.append(await refused(executed(connection, "INSERT INTO worked (id) VALUES (1)")))
    seen.append(await refused(executed(connection, "SELECT * FROM no_such_table")))
    connection.close()
    return seen


@asynchronous
async def rolls_back(target):
    connection = await driver_module.connect(**settings(target))
    await connection.begin()
    await executed(connection, "DELETE FROM worked")
    await connection.rollback()
    seen = await executed(connection, "SELECT COUNT(*) FROM worked")
    await executed(connection, "DELETE FROM worked WHERE id > 50")
    await connection.commit()
    seen += await executed(connection, "SELECT COUNT(*) FROM worked")
    connection.close()
    return seen


@asynchronous
async def streams_rows(target):
    connection = await driver_module.connect(**settings(target))
    total = 0
    async with connection.cursor(SSCursor) as cursor:
        await cursor.execute("SELECT a.id, REPEAT('x', 1000) FROM worked a JOIN worked b JOIN worked c ON c.id < 4")
        while row := await cursor.fetchone():
            total += row[0] + len(row[1])
    after = await executed(connection, "SELECT 'after'")
    await connection.ping()
    connection.close()
    return total, after


@asynchronous
async def a_cancelled_query_takes_its_connection_along(target):
    connection = await driver_module.connect(**settings(target))
    try:
        await asyncio.wait_for(executed(connection, "SELECT SLEEP(20)"), 0.3)
        seen = "slept"
    except asyncio.TimeoutError:
        seen = "cancelled"
    connection.close()
    return seen


@asynchronous
async def a_pool_gives_its_sessions(target):
    pool = await driver_module.create_pool(minsize=1, maxsize=4, **settings(target, autocommit=True))

    async def work(number):
        async with pool.acquire() as connection:
            return (await executed(connection, "SELECT %s", (number,)))[2][0][0]

    seen = sum(await asyncio.gather(*[work(number) for number in range(100)]))
    size = pool.size
    pool.close()
    await pool.wait_closed()
    return seen, size <= 4


if __name__ == "__main__":
    to = report.target()
    report.run(to, to)
