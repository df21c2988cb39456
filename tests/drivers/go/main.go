// Go's driver doing its ordinary work by database/sql: one line of JSON per task, of what can be compared byte for byte.
package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A value with more bytes than this is printed as its length and digest.
const shownBytesMax = 200

type target struct {
	Host, User, Password, Schema, Engine string
	Port                                 int
	TLS                                  bool `json:"tls"`
	Other                                struct{ User, Password string }
}

var to target

// dsn is what an application writes down to connect; more is added to its options.
func dsn(user, password, schema, more string) string {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = user, password, schema
	config.Net, config.Addr = "tcp", fmt.Sprintf("%s:%d", to.Host, to.Port)
	config.AllowNativePasswords = true
	text := config.FormatDSN()
	if more != "" {
		if strings.Contains(text, "?") {
			text += "&" + more
		} else {
			text += "?" + more
		}
	}
	return text
}

func own(more string) string { return dsn(to.User, to.Password, to.Schema, more) }

func plain(value interface{}) interface{} {
	switch value := value.(type) {
	case []byte:
		if len(value) > shownBytesMax {
			return fmt.Sprintf("bytes:%d:%x", len(value), sha256.Sum256(value))
		}
		return fmt.Sprintf("bytes:%q", value)
	case time.Time:
		return "time:" + value.Format(time.RFC3339Nano)
	case nil:
		return nil
	}
	return fmt.Sprintf("%T:%v", value, value)
}

// queryer is a database, a connection, a transaction.
type queryer interface {
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
}

var always = context.Background()

// read is all results: their columns with types, their rows.
func read(rows *sql.Rows, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []interface{}
	for {
		columns, err := rows.ColumnTypes()
		if err != nil {
			return nil, err
		}
		var names []string
		for _, column := range columns {
			nullable, known := column.Nullable()
			names = append(names, fmt.Sprintf("%s %s %v/%v %v", column.Name(), column.DatabaseTypeName(), nullable, known, column.ScanType()))
		}
		var result []interface{}
		for rows.Next() {
			cells := make([]interface{}, len(columns))
			places := make([]interface{}, len(columns))
			for index := range cells {
				places[index] = &cells[index]
			}
			if err := rows.Scan(places...); err != nil {
				return nil, err
			}
			for index := range cells {
				cells[index] = plain(cells[index])
			}
			result = append(result, cells)
		}
		all = append(all, []interface{}{names, result})
		if !rows.NextResultSet() {
			return all, rows.Err()
		}
	}
}

func rows(on queryer, text string, arguments ...interface{}) (interface{}, error) {
	return read(on.QueryContext(always, text, arguments...))
}

func done(on queryer, text string, arguments ...interface{}) (interface{}, error) {
	result, err := on.ExecContext(always, text, arguments...)
	if err != nil {
		return nil, err
	}
	affected, err := result.RowsAffected()
	if err != nil {
		return nil, err
	}
	id, err := result.LastInsertId()
	return []int64{affected, id}, err
}

func do(on queryer, texts ...string) error {
	for _, text := range texts {
		if _, err := on.ExecContext(always, text); err != nil {
			return err
		}
	}
	return nil
}

// failure is how something that must not succeed ends.
func failure(err error) string {
	var server *mysql.MySQLError
	switch {
	case err == nil:
		return "succeeded"
	case errors.As(err, &server):
		return fmt.Sprintf("%d %s", server.Number, server.Message)
	}
	return strings.ReplaceAll(err.Error(), fmt.Sprint(to.Port), "PORT")
}

func open(more string) *sql.DB {
	db, err := sql.Open("mysql", own(more))
	if err != nil {
		panic(err)
	}
	return db
}

// on gives a task a pool of one connection of its own.
func on(more string, work func(*sql.DB) (interface{}, error)) func() (interface{}, error) {
	return func() (interface{}, error) {
		db := open(more)
		defer db.Close()
		db.SetMaxOpenConns(1)
		return work(db)
	}
}

const everyType = `id INT PRIMARY KEY AUTO_INCREMENT, t_tiny TINYINT, t_big BIGINT, t_ubig BIGINT UNSIGNED, t_medium MEDIUMINT,
  t_decimal DECIMAL(30,10), t_float FLOAT, t_double DOUBLE, t_bit BIT(10), t_date DATE, t_time TIME(6), t_datetime DATETIME(6),
  t_timestamp TIMESTAMP NULL, t_year YEAR, t_varchar VARCHAR(100) NOT NULL, t_binary BINARY(4), t_blob BLOB, t_enum ENUM('a','b'),
  t_set SET('x','y'), t_json JSON, t_geo GEOMETRY NULL`

const everyValue = `-128, -9223372036854775808, 18446744073709551615, -8388608, 12345678901234567890.0123456789, 1.5, 2.718281828459045,
  b'1000000001', '2024-02-29', '-12:34:56.789012', '2001-02-03 04:05:06.070809', '2030-01-19 03:14:07', 2155, 'naïve 你 😀 ''"\\',
  X'0001FEFF', REPEAT('b', 1000), 'b', 'x,y', '{"a": [1, 2.5, null]}', POINT(1.5, -2)`

var tasks = []struct {
	name string
	work func() (interface{}, error)
}{
	{"connects", on("", func(db *sql.DB) (interface{}, error) {
		if err := db.Ping(); err != nil {
			return nil, err
		}
		return rows(db, "SELECT 1, DATABASE() = ?, CURRENT_USER() LIKE CONCAT(?, '@%')", to.Schema, to.User)
	})},
	{"connects_by_tls", func() (interface{}, error) {
		more := ""
		if to.TLS {
			more = "tls=skip-verify"
		}
		return on(more, func(db *sql.DB) (interface{}, error) { return rows(db, "SELECT 'by tls'") })()
	}},
	{"wrong_logins", func() (interface{}, error) {
		var seen []string
		for _, text := range []string{dsn(to.User, "wrong", to.Schema, ""), dsn(to.User, to.Password, "no_such_schema", "")} {
			db, err := sql.Open("mysql", text)
			if err == nil {
				err = db.Ping()
				db.Close()
			}
			seen = append(seen, failure(err))
		}
		return seen, nil
	}},
	{"begins_with_variables", on("charset=utf8mb4&collation=utf8mb4_general_ci&sql_mode=%27ANSI_QUOTES%27&time_zone=%27%2B05%3A30%27", func(db *sql.DB) (interface{}, error) {
		return rows(db, `SELECT @@sql_mode AS "mode", @@time_zone, @@collation_connection`)
	})},
	{"every_type", on("parseTime=true", func(db *sql.DB) (interface{}, error) {
		err := do(db, "DROP TABLE IF EXISTS every_type", "CREATE TABLE every_type ("+everyType+")",
			"INSERT INTO every_type VALUES (1, "+everyValue+")", "INSERT INTO every_type (id, t_varchar) VALUES (2, '')")
		if err != nil {
			return nil, err
		}
		text, err := rows(db, "SELECT * FROM every_type ORDER BY id")
		if err != nil {
			return nil, err
		}
		binary, err := rows(db, "SELECT * FROM every_type WHERE id > ? ORDER BY id", 0)
		return []interface{}{text, binary}, err
	})},
	{"parameters_of_every_kind", on("", func(db *sql.DB) (interface{}, error) {
		moment := time.Date(2020, 1, 2, 3, 4, 5, 678901000, time.UTC)
		return rows(db, "SELECT ?, ?, ?, ?, ?, ?, ?, ?", nil, int64(-1<<63), uint64(1<<63+5), 1.25, "it's \\ \"q\" € 😀", []byte{0, 39, 92, 255}, moment, true)
	})},
	{"parameters_in_the_text", on("interpolateParams=true", func(db *sql.DB) (interface{}, error) {
		return rows(db, "SELECT ?, ?, ?, ?", nil, -5, "it's \\ \"q\" € 😀", []byte{0, 39, 92, 255})
	})},
	{"counts_and_ids", func() (interface{}, error) {
		var seen []interface{}
		for _, more := range []string{"", "clientFoundRows=true"} {
			db := open(more)
			defer db.Close()
			if err := do(db, "DROP TABLE IF EXISTS counted", "CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)"); err != nil {
				return nil, err
			}
			for _, text := range []string{"INSERT INTO counted (a) VALUES (1), (2), (3)", "UPDATE counted SET a = a", "REPLACE INTO counted (a) VALUES (3)",
				"INSERT IGNORE INTO counted (a) VALUES (2)", "DELETE FROM counted WHERE a > 1"} {
				result, err := done(db, text)
				if err != nil {
					return nil, err
				}
				seen = append(seen, result)
			}
		}
		return seen, nil
	}},
	{"errors_of_every_class", on("", func(db *sql.DB) (interface{}, error) {
		var seen []string
		for _, text := range []string{"SELEC 1", "SELECT * FROM no_such_table", "INSERT INTO counted (id) VALUES (1), (1)", "CALL no_such_procedure()",
			"USE no_such_schema", "SELECT 1; SELECT 2", ""} {
			seen = append(seen, failure(do(db, text)))
			_, err := db.Prepare(text)
			seen = append(seen, failure(err))
		}
		return seen, nil
	})},
	{"prepares", on("", func(db *sql.DB) (interface{}, error) {
		statement, err := db.Prepare("SELECT ?, t_year FROM every_type WHERE id = ?")
		if err != nil {
			return nil, err
		}
		defer statement.Close()
		var seen []interface{}
		for _, value := range []interface{}{1, "two", nil, 4.5, []byte{3, 255}} {
			result, err := read(statement.Query(value, 1))
			if err != nil {
				return nil, err
			}
			seen = append(seen, result)
		}
		for number := 0; number < 300; number++ {
			result, err := rows(db, fmt.Sprintf("SELECT %d + ?", number), 1)
			if err != nil {
				return nil, err
			}
			if number%100 == 0 {
				seen = append(seen, result)
			}
		}
		return seen, nil
	})},
	{"transactions", on("", func(db *sql.DB) (interface{}, error) {
		if err := do(db, "DROP TABLE IF EXISTS ledger", "CREATE TABLE ledger (a INT)"); err != nil {
			return nil, err
		}
		var seen []interface{}
		for number, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelSerializable} {
			transaction, err := db.BeginTx(always, &sql.TxOptions{Isolation: level})
			if err != nil {
				return nil, err
			}
			if err := do(transaction, fmt.Sprintf("INSERT INTO ledger VALUES (%d)", number)); err != nil {
				return nil, err
			}
			if number == 1 {
				err = transaction.Rollback()
			} else {
				err = transaction.Commit()
			}
			if err != nil {
				return nil, err
			}
		}
		only, err := db.BeginTx(always, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		seen = append(seen, failure(do(only, "INSERT INTO ledger VALUES (9)")), failure(only.Commit()))
		left, err := rows(db, "SELECT * FROM ledger ORDER BY a")
		return append(seen, left), err
	})},
	{"procedures_and_several_results", on("multiStatements=true", func(db *sql.DB) (interface{}, error) {
		err := do(db, "DROP PROCEDURE IF EXISTS work",
			"CREATE PROCEDURE work(IN a INT) BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; END", "DO 1; DO 2")
		if err != nil {
			return nil, err
		}
		text, err := rows(db, "CALL work(20); SELECT 'then'")
		if err != nil {
			return nil, err
		}
		binary, err := rows(db, "CALL work(?)", 30)
		if err != nil {
			return nil, err
		}
		after, err := rows(db, "SELECT 'after'")
		return []interface{}{text, binary, after}, err
	})},
	{"uploads", on("", func(db *sql.DB) (interface{}, error) {
		folder, err := os.MkdirTemp("", "driver-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
		file := filepath.Join(folder, "rows.tsv")
		var text strings.Builder
		for number := 0; number < 20000; number++ {
			fmt.Fprintf(&text, "%d\tline %d é\n", number, number)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			return nil, err
		}
		mysql.RegisterLocalFile(file)
		if err := do(db, "DROP TABLE IF EXISTS loaded", "CREATE TABLE loaded (id INT, a VARCHAR(50))"); err != nil {
			return nil, err
		}
		loaded, err := done(db, "LOAD DATA LOCAL INFILE '"+file+"' INTO TABLE loaded CHARACTER SET utf8mb4")
		if err != nil {
			return nil, err
		}
		forbidden := failure(do(db, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE loaded"))
		counted, err := rows(db, "SELECT COUNT(*), SUM(id), MAX(a) FROM loaded WHERE id IS NOT NULL")
		return []interface{}{loaded, forbidden, counted}, err
	})},
	{"streams_rows", on("", func(db *sql.DB) (interface{}, error) {
		all, err := db.Query("SELECT a.id, a.a FROM loaded a JOIN loaded b ON b.id < 3")
		if err != nil {
			return nil, err
		}
		count := 0
		for all.Next() {
			count++
		}
		if err := all.Err(); err != nil {
			return nil, err
		}
		// left in the middle
		some, err := db.Query("SELECT id FROM loaded")
		if err != nil {
			return nil, err
		}
		some.Next()
		some.Close()
		after, err := rows(db, "SELECT 'after'")
		return []interface{}{count, after}, err
	})},
	{"a_large_blob", on("maxAllowedPacket=67108864", func(db *sql.DB) (interface{}, error) {
		if err := do(db, "DROP TABLE IF EXISTS large", "CREATE TABLE large (b LONGBLOB)"); err != nil {
			return nil, err
		}
		// MySQL takes more than one packet of 16 MiB, MariaDB (by default) not that much; it is sent as long data, in parts
		tens := 1200000
		if to.Engine == "mysql" {
			tens = 2000000
		}
		blob := []byte(strings.Repeat("driver_10_", tens))
		sent, err := done(db, "INSERT INTO large VALUES (?)", blob)
		if err != nil {
			return nil, err
		}
		back, err := rows(db, "SELECT b, LENGTH(b), SHA2(b, 256) FROM large")
		return []interface{}{sent, back, failure(do(db, "DROP TABLE large"))}, err
	})},
	{"a_query_is_left_alone", on("", func(db *sql.DB) (interface{}, error) {
		bounded, cancel := context.WithTimeout(always, 300*time.Millisecond)
		defer cancel()
		_, err := db.QueryContext(bounded, "SELECT SLEEP(20)")
		after, second := rows(db, "SELECT 'after'")
		return []interface{}{failure(err), after}, second
	})},
	{"a_pool_gives_its_sessions", func() (interface{}, error) {
		db := open("")
		defer db.Close()
		db.SetMaxOpenConns(4)
		db.SetMaxIdleConns(2)
		var sum int64
		var lock sync.Mutex
		var all sync.WaitGroup
		for number := 0; number < 200; number++ {
			all.Add(1)
			go func(number int64) {
				defer all.Done()
				var seen int64
				if err := db.QueryRow("SELECT ?", number).Scan(&seen); err == nil {
					lock.Lock()
					defer lock.Unlock()
					sum += seen
				}
			}(int64(number))
		}
		all.Wait()
		return sum, nil
	}},
	{"a_session_is_lost", on("", func(db *sql.DB) (interface{}, error) {
		var number int64
		if err := db.QueryRow("SELECT CONNECTION_ID()").Scan(&number); err != nil {
			return nil, err
		}
		killer := open("")
		defer killer.Close()
		if err := do(killer, fmt.Sprintf("KILL %d", number)); err != nil {
			return nil, err
		}
		// the pool sees that it is gone, and takes another
		for tries := 0; tries < 100; tries++ {
			var other int64
			if err := db.QueryRow("SELECT CONNECTION_ID()").Scan(&other); err == nil && other != number {
				return "another", nil
			}
		}
		return "never", nil
	})},
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &to)
	}
	if err != nil {
		panic(err)
	}
	// what it logs of lost connections has times
	quiet, _ := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	_ = mysql.SetLogger(logger{quiet})
	for _, task := range tasks {
		if len(os.Args) > 2 && os.Args[2] != task.name {
			continue
		}
		line := map[string]interface{}{"task": task.name, "outcome": "ok"}
		result, err := task.work()
		if err != nil {
			line["outcome"], result = "error", failure(err)
		}
		line["result"] = result
		printed, err := json.Marshal(line)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(printed))
	}
}

type logger struct{ file *os.File }

func (to logger) Print(words ...interface{}) { fmt.Fprintln(to.file, words...) }
