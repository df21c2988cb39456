// MariaDB Connector/Node.js: pipelines by default, batches with STMT_BULK_EXECUTE, asks for extended metadata.
'use strict';

const mariadb = require('mariadb');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run, refused, target, digest } = require('./report');

const OPTIONS = {
  host: target.host,
  port: target.port,
  user: target.user,
  password: target.password,
  database: target.schema,
  allowPublicKeyRetrieval: true,
  maxAllowedPacket: 1 << 26,
  connectTimeout: 20000,
};

const connect = (more) => mariadb.createConnection({ ...OPTIONS, ...more });

/** Gives a task a connection of its own. */
const on = (more, work) => async () => {
  const connection = await connect(more);
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
};

const plainRows = (rows) => (Array.isArray(rows) ? rows.map((row) => (Array.isArray(row) ? plainRows(row) : row)) : rows);

run({
  connects: on({}, async (connection) => plainRows(await connection.query('SELECT 1 AS one, DATABASE() = ? AS d', [target.schema]))),
  connects_by_tls: on(target.tls ? { ssl: { rejectUnauthorized: false } } : {}, async (connection) => plainRows(await connection.query('SELECT 2 AS two'))),
  connects_compressed: on({ compress: true }, async (connection) => plainRows(await connection.query("SELECT REPEAT('abc', 300000) AS long_text"))),
  wrong_password: () => refused(() => connect({ password: 'wrong' })),
  unknown_database: () => refused(() => connect({ database: 'no_such_schema' })),
  begins_with_statements: on({ initSql: ["SET @a = 'first'", "SET @b = 'second'"], sessionVariables: { group_concat_max_len: 2048 } },
    async (connection) => plainRows(await connection.query('SELECT @a AS a, @b AS b, @@group_concat_max_len AS c'))),
  says_which_server: on({}, (connection) => [connection.serverVersion(), connection.info.isMariaDB(), connection.info.collation && connection.info.collation.name]),
  knows_its_own_number: on({}, async (connection) => {
    const [{ id }] = await connection.query('SELECT CONNECTION_ID() AS id');
    return Number(id) === Number(connection.threadId);
  }),
  every_type: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS every_type');
    await connection.query(`CREATE TABLE every_type (id INT PRIMARY KEY AUTO_INCREMENT, t_big BIGINT, t_ubig BIGINT UNSIGNED, t_year YEAR, t_bit BIT(10),
      t_decimal DECIMAL(30,10), t_float FLOAT, t_double DOUBLE, t_date DATE, t_time TIME(6), t_datetime DATETIME(6), t_varchar VARCHAR(100),
      t_binary BINARY(4), t_blob BLOB, t_enum ENUM('a','b'), t_set SET('x','y'), t_json JSON, t_geo POINT)`);
    const values = [-9223372036854775808n, 18446744073709551615n, 2024, Buffer.from([2, 1]), '12345678901234567890.0123456789', 1.5, 2.718281828459045,
      '2024-02-29', '-12:34:56.789012', new Date('2001-02-03T04:05:06.070Z'), 'na\u00efve \u{1f600}\'"\\', Buffer.from([0, 1, 254, 255]), Buffer.alloc(1000, 'b'), 'b',
      'x,y', '{"a":[1,2.5,null]}'];
    const marks = values.map(() => '?').join(', ');
    await connection.query(`INSERT INTO every_type VALUES (NULL, ${marks}, POINT(1.5, -2))`, values);
    await connection.execute(`INSERT INTO every_type VALUES (NULL, ${marks}, POINT(0, 0))`, values);
    await connection.query('INSERT INTO every_type (t_year) VALUES (NULL)');
    const text = await connection.query('SELECT * FROM every_type ORDER BY id');
    const binary = await connection.execute('SELECT * FROM every_type WHERE id > ? ORDER BY id', [0]);
    return [plainRows(text), plainRows(binary), text.meta.map((column) => [column.name(), column.type, column.columnLength, column.flags, column.collation.name])];
  }),
  counts_and_ids: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS counted');
    await connection.query('CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)');
    const seen = [];
    for (const sql of ['INSERT INTO counted (a) VALUES (1), (2), (3)', 'UPDATE counted SET a = a WHERE id < 3', 'REPLACE INTO counted (a) VALUES (3)', 'DELETE FROM counted WHERE a = 1']) {
      seen.push(await connection.query(sql));
    }
    return seen;
  }),
  batches: on({}, async (connection) => {
    await connection.query('DROP TABLE IF EXISTS batched');
    await connection.query('CREATE TABLE batched (id INT AUTO_INCREMENT PRIMARY KEY, a INT NULL, b VARCHAR(2000) NULL)');
    const values = Array.from({ length: 3000 }, (_, number) => [number % 5 === 0 ? null : number, `row ${number}`.repeat(20)]);
    const done = await connection.batch('INSERT INTO batched (a, b) VALUES (?, ?)', values);
    const back = await connection.query('SELECT COUNT(*) AS c, SUM(a) AS s, MAX(LENGTH(b)) AS m FROM batched');
    const failed = await refused(() => connection.batch('INSERT INTO batched (id, a) VALUES (?, ?)', [[9000, 1], [1, 2], [9001, 3]]));
    const updated = await connection.batch('UPDATE batched SET a = ? WHERE id = ?', [[1, 1], [2, 2], [3, 3]]);
    return [done, plainRows(back), failed, updated, plainRows(await connection.query('SELECT COUNT(*) AS c FROM batched'))];
  }),
  prepares: on({}, async (connection) => {
    const statement = await connection.prepare('SELECT ? AS v, t_year FROM every_type WHERE id = ?');
    const seen = [];
    for (const value of [1, 'two', null, Buffer.from([3]), 4.5]) seen.push(plainRows(await statement.execute([value, 1])));
    statement.close();
    seen.push(await refused(() => connection.prepare('SELECT * FROM no_such_table')));
    for (let number = 0; number < 300; number += 1) {
      const [row] = await connection.execute(`SELECT ${number} + ? AS n`, [1]);
      if (number % 100 === 0) seen.push(Number(row.n));
    }
    return seen;
  }),
  errors_of_every_class: on({}, async (connection) => {
    const seen = [];
    for (const sql of ['SELEC 1', 'SELECT * FROM no_such_table', 'INSERT INTO counted (id) VALUES (2)', 'CALL no_such_procedure()', '', 'SELECT 1; SELECT 2']) {
      seen.push(await refused(async () => plainRows(await connection.query(sql))));
    }
    return seen;
  }),
  pipelines: on({ pipelining: true }, async (connection) => {
    const all = Array.from({ length: 200 }, (_, number) => (number % 50 === 7 ? refused(() => connection.query('SELECT * FROM no_such_table')) : connection.query('SELECT ? AS n', [number])));
    const answers = await Promise.all(all);
    return answers.map((answer) => (Array.isArray(answer) && answer[0] && answer[0].n !== undefined ? Number(answer[0].n) : answer[0]));
  }),
  transactions: on({}, async (connection) => {
    await connection.query('CREATE TABLE IF NOT EXISTS ledger (a INT)');
    await connection.beginTransaction();
    await connection.query('INSERT INTO ledger VALUES (1)');
    await connection.rollback();
    await connection.beginTransaction();
    await connection.query('INSERT INTO ledger VALUES (2)');
    await connection.commit();
    return plainRows(await connection.query('SELECT * FROM ledger'));
  }),
  procedures: on({}, async (connection) => {
    await connection.query('DROP PROCEDURE IF EXISTS work');
    await connection.query("CREATE PROCEDURE work(IN a INT, OUT b INT) BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; SET b = a * 2; END");
    const text = await connection.query('CALL work(?, @b)', [20]);
    const binary = await connection.execute('CALL work(?, ?)', [30, null]);
    return [plainRows(text), plainRows(binary), plainRows(await connection.query('SELECT @b AS b'))];
  }),
  several_statements: on({ multipleStatements: true }, async (connection) => plainRows(await connection.query('SELECT 1 AS a; DO 1; SELECT 2 AS b'))),
  uploads: on({ permitLocalInfile: true }, async (connection) => {
    await connection.query('CREATE TABLE IF NOT EXISTS loaded (a INT, b VARCHAR(50))');
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'driver-'));
    const file = path.join(folder, 'rows.tsv');
    fs.writeFileSync(file, Array.from({ length: 5000 }, (_, number) => `${number}\tline ${number}\n`).join(''));
    const done = await connection.query(`LOAD DATA LOCAL INFILE '${file}' INTO TABLE loaded`);
    fs.rmSync(folder, { recursive: true });
    return [done, plainRows(await connection.query('SELECT COUNT(*) AS c, MAX(b) AS m FROM loaded'))];
  }),
  streams_rows: on({}, async (connection) => {
    let count = 0;
    for await (const row of connection.queryStream('SELECT a.a FROM loaded a JOIN loaded b ON b.a < 3')) count += row.a === undefined ? 0 : 1;
    return count;
  }),
  a_large_blob: on({}, async (connection) => {
    const blob = Buffer.alloc(target.engine === 'mysql' ? 20000000 : 6000000, 'driver');
    await connection.query('CREATE TABLE IF NOT EXISTS large (b LONGBLOB)');
    await connection.query('INSERT INTO large VALUES (?)', [blob]);
    await connection.execute('INSERT INTO large VALUES (?)', [blob]);
    const back = await connection.query('SELECT b FROM large');
    await connection.query('DROP TABLE large');
    return back.map((row) => digest(row.b));
  }),
  pings_and_resets: on({}, async (connection) => {
    await connection.ping();
    await connection.query('SET @mine = 1');
    const reset = await refused(() => connection.reset());
    return [reset[0], plainRows(await connection.query('SELECT @mine AS mine, DATABASE() = ? AS d', [target.schema]))];
  }),
  becomes_somebody_else: on({}, async (connection) => {
    await connection.query('SET @mine = 1');
    await connection.changeUser({ user: target.other.user, password: target.other.password, database: target.schema });
    return plainRows(await connection.query('SELECT @mine AS mine, CURRENT_USER() LIKE ? AS other', [`${target.other.user}@%`]));
  }),
  times_out: on({}, async (connection) => refused(async () => plainRows(await connection.query({ sql: 'SELECT SLEEP(5) AS s', timeout: 300 })))),
  a_pool_resets_on_return: async () => {
    const pool = mariadb.createPool({ ...OPTIONS, connectionLimit: 1, resetAfterUse: true });
    const seen = [];
    for (let number = 0; number < 6; number += 1) {
      const connection = await pool.getConnection();
      seen.push(plainRows(await connection.query('SELECT @leak AS leak, @@autocommit AS a')));
      await connection.query('SET @leak = 1, autocommit = 0');
      await connection.release();
    }
    const many = await Promise.all(Array.from({ length: 60 }, (_, number) => pool.query('SELECT ? AS n', [number])));
    await pool.end();
    return [seen, many.reduce((sum, [row]) => sum + Number(row.n), 0)];
  },
});
