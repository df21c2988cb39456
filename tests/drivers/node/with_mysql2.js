// mysql2: what most of Node.js uses.
'use strict';

const { Readable } = require('node:stream');
const mysql = require('mysql2/promise');
const callbacks = require('mysql2');
const { run, refused, target, digest } = require('./report');

const OPTIONS = {
  host: target.host,
  port: target.port,
  user: target.user,
  password: target.password,
  database: target.schema,
  charset: 'utf8mb4_general_ci',
};

const connect = (more) => mysql.createConnection({ ...OPTIONS, ...more });

/** Gives a task a connection of its own. */
const on = (more, work) => async () => {
  const connection = await connect(more);
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
};

const rows = async (connection, ...query) => (await connection.query(...query))[0];
const header = ({ affectedRows, insertId, warningStatus, info, changedRows, fieldCount, serverStatus }) => ({
  affectedRows, insertId, warningStatus, info, changedRows, fieldCount, serverStatus,
});
const definition = ({ name, table, schema, columnType, characterSet, columnLength, flags, decimals }) => ({
  name, table, schema: schema === target.schema, columnType, characterSet, columnLength, flags, decimals,
});

const TYPES = `t_big BIGINT, t_ubig BIGINT UNSIGNED, t_int INT, t_tiny TINYINT, t_year YEAR, t_bit BIT(10), t_decimal DECIMAL(30,10),
  t_float FLOAT, t_double DOUBLE, t_date DATE, t_time TIME(6), t_datetime DATETIME(6), t_timestamp TIMESTAMP NULL, t_char CHAR(10),
  t_varchar VARCHAR(100), t_binary BINARY(4), t_blob BLOB, t_text TEXT, t_enum ENUM('a','b'), t_set SET('x','y'), t_json JSON, t_geo POINT`;
const VALUES = ['-9223372036854775808', '18446744073709551615', -1, 127, 2024, Buffer.from([2, 1]), '12345678901234567890.0123456789',
  1.5, 2.718281828459045, '2024-02-29', '-12:34:56.789012', '2001-02-03 04:05:06.070809', '2038-01-19 03:14:07', 'char',
  'na\u00efve \u{1f600}\'"\\', Buffer.from([0, 1, 254, 255]), Buffer.alloc(1000, 'blob'), 'text'.repeat(100), 'b', 'x,y', '{"a":[1,2.5,null]}'];

async function everyType(connection) {
  await connection.query('DROP TABLE IF EXISTS every_type');
  await connection.query(`CREATE TABLE every_type (id INT PRIMARY KEY AUTO_INCREMENT, ${TYPES})`);
  const marks = VALUES.map(() => '?').join(', ');
  await connection.query(`INSERT INTO every_type VALUES (NULL, ${marks}, POINT(1.5, -2))`, VALUES);
  await connection.execute(`INSERT INTO every_type VALUES (NULL, ${marks}, POINT(0, 0))`, VALUES);
  await connection.query('INSERT INTO every_type (t_int) VALUES (NULL)');
}

run({
  connects: on({}, (connection) => rows(connection, 'SELECT 1 AS one, DATABASE() = ? AS `database`', [target.schema])),
  connects_by_tls: on(target.tls ? { ssl: { rejectUnauthorized: false } } : {}, (connection) => rows(connection, 'SELECT 2 AS two')),
  connects_without_a_database: on({ database: undefined }, async (connection) => {
    const before = await rows(connection, 'SELECT DATABASE() AS d');
    await connection.query(`USE ${target.schema}`);
    return [before, await rows(connection, 'SELECT DATABASE() = ? AS d', [target.schema])];
  }),
  connects_compressed: on({ compress: true }, (connection) => rows(connection, "SELECT REPEAT('abc', 300000) AS long_text")),
  wrong_password: () => refused(() => connect({ password: 'wrong' })),
  unknown_user: () => refused(() => connect({ user: 'nobody_has_this_name' })),
  unknown_database: () => refused(() => connect({ database: 'no_such_schema' })),
  character_sets: async () => {
    const seen = [];
    for (const charset of ['utf8mb4_unicode_ci', 'latin1_swedish_ci', 'gbk_chinese_ci', 'big5_chinese_ci', 'sjis_japanese_ci', 'koi8r_general_ci']) {
      const connection = await connect({ charset });
      seen.push(await rows(connection, "SELECT @@character_set_client, @@collation_connection, HEX(?) AS h, CONVERT(X'e8a1a8' USING utf8) AS back", ['\u8868']));
      connection.destroy();
    }
    return seen;
  },
  flags: on({ flags: ['-FOUND_ROWS'] }, async (connection) => {
    await connection.query('CREATE TABLE IF NOT EXISTS flagged (a INT)');
    await connection.query('INSERT INTO flagged VALUES (1)');
    return header(await rows(connection, 'UPDATE flagged SET a = 1'));
  }),
  knows_its_own_number: on({}, async (connection) => {
    const [{ id }] = await rows(connection, 'SELECT CONNECTION_ID() AS id');
    return id === connection.threadId;
  }),
  every_type_as_text: on({ supportBigNumbers: true, bigNumberStrings: true }, async (connection) => {
    await everyType(connection);
    const [result, columns] = await connection.query('SELECT * FROM every_type ORDER BY id');
    return [columns.map(definition), result];
  }),
  every_type_in_binary: on({ supportBigNumbers: true, bigNumberStrings: true }, async (connection) => {
    const [result, columns] = await connection.execute('SELECT * FROM every_type WHERE id > ? ORDER BY id', [0]);
    return [columns.map(definition), result];
  }),
  dates_as_strings: on({ dateStrings: true }, (connection) => rows(connection, 'SELECT t_date, t_time, t_datetime, t_timestamp FROM every_type')),
  rows_as_arrays: on({ rowsAsArray: true }, (connection) => rows(connection, 'SELECT 1, 2, 1')),
  nested_tables: on({ nestTables: '_' }, (connection) => rows(connection, 'SELECT a.id, b.id FROM every_type a JOIN every_type b USING (id)')),
  named_placeholders: on({ namedPlaceholders: true }, (connection) => rows(connection, 'SELECT :a + :b AS sum, :a AS a', { a: 1, b: 2 })),
  prepared_many_times: on({}, async (connection) => {
    const seen = [];
    for (const value of [1, 'two', null, Buffer.from([3]), new Date(Date.UTC(2020, 1, 2, 3, 4, 5, 678)), 4.5, '\u{1f600}']) {
      seen.push((await connection.execute('SELECT ? AS v, ? AS w', [value, value]))[0]);
    }
    const statement = await connection.prepare('SELECT t_int + ? AS s FROM every_type WHERE id = ?');
    seen.push((await statement.execute([5, 1]))[0], (await statement.execute([6, 2]))[0]);
    await statement.close();
    connection.unprepare('SELECT ? AS v, ? AS w');
    seen.push((await connection.execute('SELECT ? AS v, ? AS w', ['again', 1]))[0]);
    seen.push(await refused(() => connection.execute('SELECT * FROM no_such_table WHERE a = ?', [1])));
    seen.push(await refused(() => connection.execute('INSERT INTO every_type (id) VALUES (?)', [1])));
    return seen;
  }),
  many_prepared_statements: on({ maxPreparedStatements: 20 }, async (connection) => {
    let sum = 0;
    for (let number = 0; number < 100; number += 1) {
      const [[row]] = await connection.execute(`SELECT ? + ${number} AS n`, [1]);
      sum += Number(row.n);
    }
    return sum;
  }),
  counts_and_ids: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS counted');
    await connection.query('CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)');
    const seen = [];
    for (const sql of ['INSERT INTO counted (a) VALUES (1), (2), (3)', 'UPDATE counted SET a = a WHERE id < 3', 'UPDATE counted SET a = a + 10',
      'REPLACE INTO counted (a) VALUES (11)', 'INSERT IGNORE INTO counted (a) VALUES (11)', 'DELETE FROM counted WHERE a = 12',
      "INSERT INTO counted (a) VALUES (100) ON DUPLICATE KEY UPDATE a = 101"]) {
      seen.push([header((await connection.query(sql))[0]), header((await connection.execute(sql.replace(/\d+/g, (n) => Number(n) + 1000)))[0])]);
    }
    seen.push(await rows(connection, 'SELECT LAST_INSERT_ID() AS id'));
    return seen;
  }),
  bulk_insert: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS bulk');
    await connection.query('CREATE TABLE bulk (a INT, b VARCHAR(20))');
    const values = Array.from({ length: 5000 }, (_, number) => [number, `row ${number}`]);
    const done = header(await rows(connection, 'INSERT INTO bulk (a, b) VALUES ?', [values]));
    return [done, await rows(connection, 'SELECT COUNT(*) AS c, CAST(SUM(a) AS CHAR) AS s, MAX(b) AS m FROM bulk')];
  }),
  warnings_follow_their_statement: on({}, async (connection) => {
    await connection.query("SET SESSION sql_mode = ''");
    const done = header(await rows(connection, "INSERT INTO bulk VALUES (1, REPEAT('x', 100))"));
    return [done, await rows(connection, 'SHOW WARNINGS'), await rows(connection, "SELECT 1 + 'x' AS v"), await rows(connection, 'SHOW COUNT(*) WARNINGS')];
  }),
  errors_of_every_class: on({}, async (connection) => {
    const seen = [];
    for (const sql of ['SELEC 1', 'SELECT * FROM no_such_table', 'SELECT no_such_column FROM every_type', 'INSERT INTO every_type (id) VALUES (1)',
      'USE no_such_schema', 'CALL no_such_procedure()', "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'asked for'", '', 'SELECT 1; SELECT 2', 'KILL 4294967000']) {
      seen.push(await refused(() => rows(connection, sql)));
    }
    return [seen, await rows(connection, 'SELECT 1 AS fine')];
  }),
  transactions: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS ledger');
    await connection.query('CREATE TABLE ledger (a INT)');
    await connection.beginTransaction();
    await connection.query('INSERT INTO ledger VALUES (1)');
    await connection.rollback();
    await connection.beginTransaction();
    await connection.execute('INSERT INTO ledger VALUES (?)', [2]);
    await connection.query('SAVEPOINT half');
    await connection.query('INSERT INTO ledger VALUES (3)');
    await connection.query('ROLLBACK TO half');
    await connection.commit();
    await connection.query('START TRANSACTION READ ONLY');
    const error = await refused(() => rows(connection, 'INSERT INTO ledger VALUES (4)'));
    await connection.query('COMMIT');
    return [await rows(connection, 'SELECT * FROM ledger'), error];
  }),
  procedures: on({ multipleStatements: true }, async (connection) => {
    await connection.query('DROP PROCEDURE IF EXISTS work');
    await connection.query("CREATE PROCEDURE work(IN a INT, OUT b INT) BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; SET b = a * 2; END");
    const text = (await connection.query('CALL work(?, @b)', [20]))[0];
    const out = await rows(connection, 'SELECT @b AS b');
    const binary = (await connection.execute('CALL work(?, @b)', [30]))[0];
    return [text.map((part) => (Array.isArray(part) ? part : header(part))), out, binary.map((part) => (Array.isArray(part) ? part : header(part)))];
  }),
  several_statements: on({ multipleStatements: true }, async (connection) => {
    const [parts] = await connection.query('SELECT 1 AS a; INSERT INTO ledger VALUES (7); SELECT COUNT(*) AS c FROM ledger; SET @x = 1');
    const error = await refused(() => connection.query('SELECT 1; SELECT * FROM no_such_table; SELECT 2'));
    return [parts.map((part) => (Array.isArray(part) ? part : header(part))), error];
  }),
  uploads: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS loaded');
    await connection.query('CREATE TABLE loaded (a INT, b VARCHAR(50))');
    const lines = Array.from({ length: 20000 }, (_, number) => `${number}\tline ${number}\n`).join('');
    const done = await rows(connection, { sql: "LOAD DATA LOCAL INFILE 'stream' INTO TABLE loaded", infileStreamFactory: () => Readable.from([Buffer.from(lines)]) });
    return [header(done), await rows(connection, 'SELECT COUNT(*) AS c, MAX(b) AS m FROM loaded')];
  }),
  streams_rows: () => new Promise((resolve, reject) => {
    const connection = callbacks.createConnection(OPTIONS);
    let count = 0;
    let sum = 0;
    connection.query('SELECT a.a, b.b FROM loaded a JOIN loaded b ON b.a < 3')
      .stream({ highWaterMark: 5 })
      .on('data', (row) => { count += 1; sum += row.a; })
      .on('error', reject)
      .on('end', () => { connection.destroy(); resolve([count, sum]); });
  }),
  a_large_blob: on({}, async (connection) => {
    const blob = Buffer.alloc(target.engine === 'mysql' ? 20000000 : 6000000, 'driver');
    await connection.query('CREATE TABLE IF NOT EXISTS large (b LONGBLOB)');
    const text = header(await rows(connection, 'INSERT INTO large VALUES (?)', [blob]));
    const binary = header((await connection.execute('INSERT INTO large VALUES (?)', [blob]))[0]);
    const back = await rows(connection, 'SELECT b, LENGTH(b) AS n FROM large');
    await connection.query('DROP TABLE large');
    return [text, binary, back.map((row) => [row.n, digest(row.b)])];
  }),
  pipelines_queries: on({}, async (connection) => {
    const all = [];
    for (let number = 0; number < 200; number += 1) all.push(rows(connection, 'SELECT ? AS n', [number]));
    return (await Promise.all(all)).reduce((sum, [row]) => sum + row.n, 0);
  }),
  pings: on({}, (connection) => connection.ping()),
  resets: on({}, async (connection) => {
    await connection.query("SET @mine = 1, SESSION sql_mode = 'ANSI_QUOTES'");
    await connection.reset();
    return rows(connection, "SELECT @mine AS mine, @@sql_mode LIKE '%ANSI%' AS quotes, DATABASE() = ? AS d", [target.schema]);
  }),
  becomes_somebody_else: on({}, async (connection) => {
    await connection.query('SET @mine = 1');
    await connection.changeUser({ user: target.other.user, password: target.other.password, database: target.schema });
    const other = await rows(connection, "SELECT @mine AS mine, CURRENT_USER() LIKE ? AS other", [`${target.other.user}@%`]);
    const error = await refused(() => connection.changeUser({ user: target.user, password: 'wrong' }));
    return [other, error];
  }),
  a_running_query_is_killed: on({}, async (connection) => {
    const killer = await connect({});
    const [{ id }] = await rows(connection, 'SELECT CONNECTION_ID() AS id');
    const slow = refused(() => rows(connection, 'SELECT SLEEP(31) AS slept'));
    // what runs on a worker is not in the manager's list; then it has begun after a while
    const until = Date.now() + 5000;
    while (Date.now() < until) {
      const running = await rows(killer, "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(31)%'");
      if (running.length > 0) break;
    }
    await killer.query(`KILL QUERY ${id}`);
    killer.destroy();
    return [await slow, await rows(connection, "SELECT 'alive' AS still")];
  }),
  times_out: on({}, async (connection) => {
    const error = await refused(() => connection.query({ sql: 'SELECT SLEEP(5)', timeout: 200 }));
    return error[0];
  }),
  a_pool_gives_its_sessions: async () => {
    const pool = mysql.createPool({ ...OPTIONS, connectionLimit: 4, waitForConnections: true });
    const numbers = await Promise.all(Array.from({ length: 100 }, async (_, number) => {
      const connection = await pool.getConnection();
      const [[row]] = await connection.query('SELECT ? AS n', [number]);
      if (number === 50) connection.destroy(); else connection.release();
      return row.n;
    }));
    const [[row]] = await pool.execute('SELECT ? AS n', ['by the pool']);
    await pool.end();
    return [numbers.reduce((sum, number) => sum + number, 0), row];
  },
  a_pool_resets_on_release: async () => {
    const pool = mysql.createPool({ ...OPTIONS, connectionLimit: 1, resetOnRelease: true });
    const seen = [];
    for (let number = 0; number < 3; number += 1) {
      const connection = await pool.getConnection();
      seen.push(await rows(connection, 'SELECT @leak AS leak'));
      await connection.query('SET @leak = 1');
      connection.release();
    }
    await pool.end();
    return seen;
  },
});
