import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** MariaDB Connector/J doing its ordinary work: one line of JSON per task, of what can be compared byte for byte. */
public final class OrdinaryWork {
  /** A value with more bytes than this is printed as its length and digest. */
  private static final int SHOWN_BYTES_MAX = 200;

  interface Work {
    Object with(Connection connection) throws Exception;
  }

  private static String target;

  /** A word or number of the target; `after` skips to a part of it. */
  private static String of(String after, String name) {
    String text = target.substring(Math.max(0, target.indexOf(after)));
    Matcher found = Pattern.compile("\"" + name + "\":\\s*(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([\\w.]+))").matcher(text);
    if (!found.find()) throw new IllegalArgumentException(name);
    return found.group(1) != null ? found.group(1).replaceAll("\\\\(.)", "$1") : found.group(2);
  }

  /** What stands outside of "other". */
  private static String own(String name) {
    String whole = target;
    target = whole.replaceAll("\"other\":\\s*\\{[^}]*\\}", "");
    try {
      return of("{", name);
    } finally {
      target = whole;
    }
  }

  private static Connection connect(String... more) throws SQLException {
    Properties properties = new Properties();
    properties.put("user", own("user"));
    properties.put("password", own("password"));
    properties.put("allowPublicKeyRetrieval", "true");
    String schema = own("schema");
    for (int index = 0; index < more.length; index += 2) {
      if (more[index].equals("schema")) schema = more[index + 1];
      else properties.put(more[index], more[index + 1]);
    }
    return DriverManager.getConnection("jdbc:mariadb://" + own("host") + ":" + own("port") + "/" + schema, properties);
  }

  private static Object plain(Object value) throws Exception {
    if (value instanceof byte[] bytes) {
      if (bytes.length <= SHOWN_BYTES_MAX) return "bytes:" + java.util.HexFormat.of().formatHex(bytes);
      return "bytes:" + bytes.length + ":" + java.util.HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
    if (value == null || value instanceof List) return value;
    String text = value.toString();
    return value.getClass().getSimpleName() + ":" + (text.length() <= SHOWN_BYTES_MAX ? text : text.length() + ":" + text.hashCode());
  }

  private static List<Object> rows(ResultSet result) throws Exception {
    List<Object> all = new ArrayList<>();
    while (result.next()) {
      List<Object> row = new ArrayList<>();
      for (int column = 1; column <= result.getMetaData().getColumnCount(); column += 1) row.add(plain(result.getObject(column)));
      all.add(row);
    }
    return all;
  }

  private static List<Object> rows(Connection connection, String text, Object... values) throws Exception {
    try (PreparedStatement statement = connection.prepareStatement(text)) {
      for (int index = 0; index < values.length; index += 1) statement.setObject(index + 1, values[index]);
      return rows(statement.executeQuery());
    }
  }

  private static void execute(Connection connection, String... texts) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      for (String text : texts) statement.execute(text);
    }
  }

  /** Every result of a statement: rows, or their count. */
  private static List<Object> results(Statement statement, boolean isRows) throws Exception {
    List<Object> all = new ArrayList<>();
    boolean more = isRows;
    while (more || statement.getUpdateCount() != -1) {
      if (more) all.add(rows(statement.getResultSet()));
      else all.add(statement.getUpdateCount());
      more = statement.getMoreResults();
    }
    return all;
  }

  private static Object failure(Exception error) {
    if (error instanceof SQLException refused) {
      return List.of(error.getClass().getSimpleName(), refused.getErrorCode(), String.valueOf(refused.getSQLState()), masked(String.valueOf(error.getMessage())));
    }
    return List.of(error.getClass().getSimpleName(), masked(String.valueOf(error.getMessage())));
  }

  private static String masked(String text) {
    return text.replace(own("port"), "PORT").replaceAll("conn=\\d+", "conn=N").replaceAll("Current threads?[^\"]*", "THREADS");
  }

  private static Object refused(Work work, Connection connection) {
    try {
      return Arrays.asList("succeeded", work.with(connection));
    } catch (Exception error) {
      return failure(error);
    }
  }

  private static String json(Object value) {
    if (value == null || value instanceof Number || value instanceof Boolean) return String.valueOf(value);
    if (value instanceof List<?> list) return "[" + String.join(",", list.stream().map(OrdinaryWork::json).toList()) + "]";
    if (value instanceof int[] numbers) return Arrays.toString(numbers);
    if (value instanceof long[] numbers) return Arrays.toString(numbers);
    StringBuilder quoted = new StringBuilder("\"");
    for (char letter : value.toString().toCharArray()) {
      if (letter < 32 || letter == '"' || letter == '\\' || letter > 126) quoted.append(String.format("\\u%04x", (int) letter));
      else quoted.append(letter);
    }
    return quoted.append('"').toString();
  }

  private static final Map<String, Work> TASKS = new LinkedHashMap<>();

  /** A task with a connection of its own. */
  private static void task(String name, Work work, String... more) {
    TASKS.put(name, none -> {
      try (Connection connection = connect(more)) {
        return work.with(connection);
      }
    });
  }

  private static final String EVERY_TYPE = "id INT PRIMARY KEY AUTO_INCREMENT, t_tiny TINYINT, t_bool BOOLEAN, t_big BIGINT, t_ubig BIGINT UNSIGNED, "
      + "t_decimal DECIMAL(30,10), t_float FLOAT, t_double DOUBLE, t_bit BIT(10), t_date DATE, t_time TIME(6), t_datetime DATETIME(6), "
      + "t_timestamp TIMESTAMP NULL, t_year YEAR, t_varchar VARCHAR(100), t_binary BINARY(4), t_blob BLOB, t_enum ENUM('a','b'), t_set SET('x','y'), t_json JSON";
  private static final String EVERY_VALUE = "-128, 1, -9223372036854775808, 18446744073709551615, 12345678901234567890.0123456789, 1.5, 2.718281828459045, "
      + "b'1000000001', '2024-02-29', '12:34:56.789012', '2001-02-03 04:05:06.070809', '2030-01-19 03:14:07', 2024, 'na\u00efve \u4f60 \ud83d\ude00 ''\"', "
      + "X'0001FEFF', REPEAT('b', 1000), 'b', 'x,y', '{\"a\": [1, 2.5, null]}'";

  static {
    task("connects", c -> List.of(rows(c, "SELECT 1, DATABASE() = ?, @@autocommit", own("schema")), c.getMetaData().getDatabaseProductName(),
        c.getMetaData().getDatabaseProductVersion(), c.isValid(5), c.getTransactionIsolation()));
    TASKS.put("connects_by_tls", none -> {
      String tls = own("tls");
      try (Connection connection = connect("useSsl", tls, "trustServerCertificate", "true")) {
        return rows(connection, "SELECT 'by tls'");
      }
    });
    task("connects_compressed", c -> rows(c, "SELECT REPEAT('abc', 300000)"), "useCompression", "true");
    TASKS.put("wrong_logins", none -> List.of(refused(c -> connect("password", "wrong"), null), refused(c -> connect("schema", "no_such_schema"), null)));
    task("begins_with_variables", c -> rows(c, "SELECT @@sql_mode, @@group_concat_max_len"), "sessionVariables", "sql_mode='ANSI_QUOTES',group_concat_max_len=2048");
    for (String how : new String[] {"false", "true"}) {
      task("every_type_prepared_" + how, c -> {
        execute(c, "DROP TABLE IF EXISTS every_type", "CREATE TABLE every_type (" + EVERY_TYPE + ")",
            "INSERT INTO every_type VALUES (1, " + EVERY_VALUE + ")", "INSERT INTO every_type (id) VALUES (2)");
        List<Object> columns = new ArrayList<>();
        try (PreparedStatement statement = c.prepareStatement("SELECT * FROM every_type WHERE id > ? ORDER BY id")) {
          statement.setInt(1, 0);
          ResultSet result = statement.executeQuery();
          ResultSetMetaData meta = result.getMetaData();
          for (int column = 1; column <= meta.getColumnCount(); column += 1) {
            columns.add(List.of(meta.getColumnLabel(column), meta.getColumnTypeName(column), meta.getColumnClassName(column), meta.getPrecision(column),
                meta.getScale(column), meta.isNullable(column), meta.isSigned(column), meta.isAutoIncrement(column)));
          }
          return List.of(columns, rows(result));
        }
      }, "useServerPrepStmts", how);
      task("batches_prepared_" + how, c -> {
        execute(c, "DROP TABLE IF EXISTS batched", "CREATE TABLE batched (id INT AUTO_INCREMENT PRIMARY KEY, a INT NULL, b VARCHAR(100) NULL)");
        List<Object> seen = new ArrayList<>();
        try (PreparedStatement statement = c.prepareStatement("INSERT INTO batched (a, b) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
          for (int number = 0; number < 500; number += 1) {
            statement.setObject(1, number % 5 == 0 ? null : number, Types.INTEGER);
            statement.setString(2, "row " + number);
            statement.addBatch();
          }
          seen.add(statement.executeBatch().length);
          seen.add(rows(statement.getGeneratedKeys()).size());
        }
        try (PreparedStatement statement = c.prepareStatement("INSERT INTO batched (id) VALUES (?)")) {
          for (int number : new int[] {9000, 1, 9001}) {
            statement.setInt(1, number);
            statement.addBatch();
          }
          statement.executeBatch();
        } catch (BatchUpdateException error) {
          seen.add(error.getUpdateCounts());
          seen.add(failure(error));
        }
        seen.add(rows(c, "SELECT COUNT(*), SUM(a), MAX(b) FROM batched"));
        return seen;
      }, "useServerPrepStmts", how);
    }
    task("batches_rewritten", c -> {
      try (PreparedStatement statement = c.prepareStatement("INSERT INTO batched (a, b) VALUES (?, ?)"); Statement several = c.createStatement()) {
        for (int number = 0; number < 300; number += 1) {
          statement.setInt(1, number);
          statement.setString(2, "it's " + number);
          statement.addBatch();
        }
        int rewritten = statement.executeBatch().length;
        several.addBatch("UPDATE batched SET a = 1 WHERE id < 3");
        several.addBatch("DELETE FROM batched WHERE id = 4");
        return List.of(rewritten, several.executeBatch(), rows(c, "SELECT COUNT(*), SUM(a) FROM batched"));
      }
    }, "rewriteBatchedStatements", "true");
    task("parameters_of_every_kind", c -> rows(c, "SELECT ?, ?, ?, ?, ?, ?, ?", null, Long.MIN_VALUE, new BigDecimal("3.14"), "it's \\ \"q\" \u20ac \ud83d\ude00",
        new byte[] {0, 39, 92, -1}, Timestamp.valueOf("2020-01-02 03:04:05.678901"), true), "useServerPrepStmts", "true");
    task("keys_and_warnings", c -> {
      execute(c, "DROP TABLE IF EXISTS counted", "CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a TINYINT UNIQUE)", "SET sql_mode = ''");
      try (Statement statement = c.createStatement()) {
        int count = statement.executeUpdate("INSERT INTO counted (a) VALUES (1), (2), (1000)", Statement.RETURN_GENERATED_KEYS);
        List<Object> keys = rows(statement.getGeneratedKeys());
        List<Object> warnings = new ArrayList<>();
        for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) warnings.add(failure(warning));
        return List.of(count, keys, warnings, statement.executeUpdate("UPDATE counted SET a = a"));
      }
    });
    task("errors_of_every_class", c -> {
      List<Object> seen = new ArrayList<>();
      for (String text : new String[] {"SELEC 1", "SELECT * FROM no_such_table", "INSERT INTO counted (id) VALUES (1), (1)", "CALL no_such_procedure()",
          "USE no_such_schema", "SELECT 1; SELECT 2"}) {
        seen.add(refused(connection -> {
          execute(connection, text);
          return "done";
        }, c));
      }
      seen.add(rows(c, "SELECT 'alive'"));
      return seen;
    });
    task("transactions", c -> {
      execute(c, "DROP TABLE IF EXISTS ledger", "CREATE TABLE ledger (a INT)");
      List<Object> seen = new ArrayList<>();
      c.setAutoCommit(false);
      for (int level : new int[] {Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ}) {
        c.setTransactionIsolation(level);
        execute(c, "INSERT INTO ledger VALUES (" + level + ")");
        Savepoint half = c.setSavepoint("half");
        execute(c, "INSERT INTO ledger VALUES (100)");
        c.rollback(half);
        if (level == Connection.TRANSACTION_SERIALIZABLE) c.rollback();
        else c.commit();
      }
      seen.add(rows(c, "SELECT a FROM ledger ORDER BY a"));
      c.commit();
      c.setReadOnly(true);
      seen.add(refused(connection -> {
        execute(connection, "INSERT INTO ledger VALUES (9)");
        return "done";
      }, c));
      c.rollback();
      c.setReadOnly(false);
      c.setAutoCommit(true);
      return seen;
    });
    task("procedures", c -> {
      execute(c, "DROP PROCEDURE IF EXISTS work", "CREATE PROCEDURE work(IN a INT, OUT b INT, INOUT d VARCHAR(20)) "
          + "BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; SET b = a * 2; SET d = CONCAT(d, '!'); END");
      try (CallableStatement statement = c.prepareCall("{CALL work(?, ?, ?)}")) {
        statement.setInt(1, 20);
        statement.registerOutParameter(2, Types.INTEGER);
        statement.setString(3, "in");
        statement.registerOutParameter(3, Types.VARCHAR);
        List<Object> all = results(statement, statement.execute());
        return List.of(all, statement.getInt(2), statement.getString(3));
      }
    });
    task("several_statements_in_one", c -> {
      try (Statement statement = c.createStatement()) {
        List<Object> all = results(statement, statement.execute("SELECT 1 AS a; UPDATE ledger SET a = a + 1; SELECT 2 AS b"));
        Object cut = refused(connection -> results(statement, statement.execute("SELECT 1; SELECT * FROM no_such_table; SELECT 3")), c);
        return List.of(all, cut, rows(c, "SELECT 'alive'"));
      }
    }, "allowMultiQueries", "true");
    task("streams_rows", c -> {
      execute(c, "DROP TABLE IF EXISTS streamed", "CREATE TABLE streamed (n INT, filler VARCHAR(200))");
      for (int part = 0; part < 4; part += 1) {
        execute(c, "INSERT INTO streamed VALUES " + String.join(", ", java.util.Collections.nCopies(1000, "(1, REPEAT('f', 200))")));
      }
      int count = 0;
      try (Statement statement = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
        statement.setFetchSize(10);
        ResultSet result = statement.executeQuery("SELECT a.* FROM streamed a JOIN (SELECT 1 UNION SELECT 2 UNION SELECT 3) b");
        while (result.next()) count += result.getInt(1);
      }
      try (Statement statement = c.createStatement()) {
        statement.setFetchSize(1);
        statement.executeQuery("SELECT * FROM streamed").next();
      }
      return List.of(count, rows(c, "SELECT 'after'"));
    });
    task("updates_through_a_result", c -> {
      execute(c, "DROP TABLE IF EXISTS updatable", "CREATE TABLE updatable (id INT PRIMARY KEY, a VARCHAR(20))", "INSERT INTO updatable VALUES (1, 'one'), (2, 'two')");
      try (Statement statement = c.createStatement(ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
        ResultSet result = statement.executeQuery("SELECT id, a FROM updatable ORDER BY id");
        result.next();
        result.updateString("a", "changed");
        result.updateRow();
        result.moveToInsertRow();
        result.updateInt("id", 3);
        result.updateString("a", "three");
        result.insertRow();
      }
      return rows(c, "SELECT * FROM updatable ORDER BY id");
    });
    task("uploads", c -> {
      execute(c, "DROP TABLE IF EXISTS loaded", "CREATE TABLE loaded (id INT, a VARCHAR(50))");
      Path file = Files.createTempFile("driver", ".tsv");
      StringBuilder text = new StringBuilder();
      for (int number = 0; number < 20000; number += 1) text.append(number).append("\tline ").append(number).append(" \u00e9\n");
      Files.writeString(file, text, StandardCharsets.UTF_8);
      try (Statement statement = c.createStatement()) {
        int loaded = statement.executeUpdate("LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE loaded CHARACTER SET utf8mb4");
        return List.of(loaded, rows(c, "SELECT COUNT(*), SUM(id), MAX(a) FROM loaded"));
      } finally {
        Files.delete(file);
      }
    }, "allowLocalInfile", "true");
    for (String how : new String[] {"false", "true"}) {
      task("a_large_blob_prepared_" + how, c -> {
        execute(c, "DROP TABLE IF EXISTS large", "CREATE TABLE large (b LONGBLOB)");
        byte[] blob = "driver10".repeat(1_000_000).getBytes(StandardCharsets.US_ASCII);
        try (PreparedStatement statement = c.prepareStatement("INSERT INTO large VALUES (?)")) {
          statement.setBinaryStream(1, new ByteArrayInputStream(blob));
          statement.executeUpdate();
        }
        return List.of(rows(c, "SELECT b, LENGTH(b) FROM large"), refused(connection -> {
          execute(connection, "DROP TABLE large");
          return "dropped";
        }, c));
      }, "useServerPrepStmts", how);
    }
    task("describes_the_schema", c -> {
      DatabaseMetaData meta = c.getMetaData();
      List<Object> seen = new ArrayList<>();
      String schema = own("schema");
      for (ResultSet result : new ResultSet[] {meta.getColumns(schema, null, "every_type", null), meta.getPrimaryKeys(schema, null, "counted"),
          meta.getIndexInfo(schema, null, "counted", true, true), meta.getTables(schema, null, "every%", null), meta.getTypeInfo(),
          meta.getProcedureColumns(schema, null, "work", null)}) {
        // how many the server believes there are comes late, and by chance
        List<Object> kept = new ArrayList<>();
        while (result.next()) {
          List<Object> row = new ArrayList<>();
          for (int column = 1; column <= result.getMetaData().getColumnCount(); column += 1) {
            if (!result.getMetaData().getColumnLabel(column).equals("CARDINALITY")) row.add(plain(result.getObject(column)));
          }
          kept.add(row);
        }
        seen.add(kept);
      }
      return seen;
    });
    task("a_query_has_its_time", c -> {
      Object timed = refused(connection -> {
        try (Statement statement = connection.createStatement()) {
          statement.setQueryTimeout(1);
          return rows(statement.executeQuery("SELECT SLEEP(20) FROM counted"));
        }
      }, c);
      return List.of(timed, rows(c, "SELECT 'alive'"));
    });
    task("a_running_query_is_cancelled", c -> {
      try (Statement statement = c.createStatement(); Connection watcher = connect()) {
        Thread canceller = new Thread(() -> {
          try {
            // what runs on a worker is not in the manager's list; then it has begun after a while
            long until = System.nanoTime() + 5_000_000_000L;
            while (rows(watcher, "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(32)%'").isEmpty()
                && System.nanoTime() < until) Thread.sleep(10);
            statement.cancel();
          } catch (Exception error) {
            error.printStackTrace();
          }
        });
        canceller.start();
        Object cancelled = refused(connection -> rows(statement.executeQuery("SELECT SLEEP(32) AS slept")), c);
        canceller.join();
        return List.of(cancelled, rows(c, "SELECT 'alive'"));
      }
    });
    TASKS.put("a_pool_gives_clean_sessions", none -> {
      List<Object> seen = new ArrayList<>();
      String url = "jdbc:mariadb://" + own("host") + ":" + own("port") + "/" + own("schema") + "?allowPublicKeyRetrieval=true&maxPoolSize=2&useResetConnection=true";
      try (org.mariadb.jdbc.MariaDbPoolDataSource pool = new org.mariadb.jdbc.MariaDbPoolDataSource(url)) {
        pool.setUser(own("user"));
        pool.setPassword(own("password"));
        for (int number = 0; number < 6; number += 1) {
          try (Connection connection = pool.getConnection()) {
            seen.add(rows(connection, "SELECT @leak IS NULL, @@autocommit, DATABASE() IS NULL"));
            execute(connection, "SET @leak = 1");
            connection.setAutoCommit(false);
          }
        }
      }
      return seen;
    });
  }

  /** Runs every task; the first argument names the file of the target, others the only tasks to run. */
  public static void main(String[] arguments) throws Exception {
    target = Files.readString(Path.of(arguments[0]));
    List<String> only = Arrays.asList(arguments).subList(1, arguments.length);
    for (Map.Entry<String, Work> task : TASKS.entrySet()) {
      if (!only.isEmpty() && !only.contains(task.getKey())) continue;
      String outcome = "ok";
      Object result;
      try {
        result = task.getValue().with(null);
      } catch (Exception error) {
        if (!only.isEmpty()) error.printStackTrace();
        outcome = "error";
        result = failure(error);
      }
      System.out.println("{\"task\":" + json(task.getKey()) + ",\"outcome\":" + json(outcome) + ",\"result\":" + json(result) + "}");
    }
    System.exit(0);
  }
}
