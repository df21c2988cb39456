# expectation | statement
# rows
write | INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL)
write | INSERT IGNORE INTO `wp_options` (`option_name`, `option_value`) VALUES ('a', 'b') ON DUPLICATE KEY UPDATE `option_value` = VALUES(`option_value`)
write | INSERT INTO t SET a = 1
write | INSERT INTO t SELECT * FROM u
write | INSERT INTO t VALUES (1) RETURNING id
write | INSERT INTO t (a) VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a
write | INSERT DELAYED INTO t VALUES ()
write | REPLACE INTO t VALUES (1, 2)
write | REPLACE t SET a = 1
write | UPDATE t SET a = a + 1 WHERE id = 5
write | UPDATE t, u SET t.a = u.a WHERE t.id = u.id
write | UPDATE LOW_PRIORITY IGNORE t SET a = 1 WHERE b = 2 ORDER BY c LIMIT 3
write | UPDATE t JOIN u ON t.id = u.id SET t.a = 1 WHERE u.b = 2
write | DELETE FROM t WHERE id = 1
write | DELETE FROM sbtest1 WHERE id=?
write | DELETE t1, t2 FROM t1 INNER JOIN t2 INNER JOIN t3 WHERE t1.id = t2.id AND t2.id = t3.id
write | DELETE FROM t1 USING t1 JOIN t2 ON t1.id = t2.id WHERE t2.x = 1
write | DELETE QUICK FROM t PARTITION (p0) WHERE a IN (1, 2) LIMIT 10
write | DELETE FROM t WHERE a BETWEEN 1 AND 2 AND b = 3
write | DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)
write | DELETE FROM t WHERE id IN (SELECT id FROM u)
write | DELETE FROM t WHERE (a = 1 OR b = 2) AND 1 = 1
write | DELETE a FROM wp_options a, wp_options b WHERE a.option_name LIKE '\_transient\_%' AND b.option_value < 5
write | WITH c AS (SELECT id FROM u) DELETE FROM t WHERE id IN (SELECT id FROM c)
write | WITH c AS (SELECT 1) UPDATE t SET a = 1 WHERE id = 2
write | WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c
write | LOAD DATA LOCAL INFILE 'x' INTO TABLE t
write | SELECT * FROM t INTO OUTFILE '/tmp/x'
write | SELECT a INTO DUMPFILE '/tmp/x' FROM t
write | DO SLEEP(1)
write | UPDATE t SET a = 1 WHERE b = 'x' OR c = 'y'
# definitions
definition | CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(10) DEFAULT 'x', KEY k (a)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
definition | CREATE TABLE IF NOT EXISTS t LIKE u
definition | CREATE TABLE t AS SELECT * FROM u
definition temporary | CREATE TEMPORARY TABLE t (a INT)
definition | CREATE UNIQUE INDEX i ON t (a, b DESC)
definition | CREATE FULLTEXT INDEX i ON t (a)
definition | CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW v AS SELECT 1
definition | CREATE DEFINER='a'@'%' SQL SECURITY INVOKER VIEW v AS SELECT 1
definition | CREATE DATABASE d CHARACTER SET utf8mb4
definition | CREATE SCHEMA IF NOT EXISTS d
definition | CREATE SEQUENCE s
definition | ALTER TABLE t ADD COLUMN b INT AFTER a, DROP INDEX k, ALGORITHM=INPLACE, LOCK=NONE
definition | ALTER TABLE t DROP COLUMN a, DROP PRIMARY KEY
definition | ALTER ONLINE TABLE t ADD INDEX (a)
definition | ALTER DATABASE d CHARACTER SET utf8
definition | DROP INDEX i ON t
definition | RENAME TABLE a TO b, c TO d
definition | CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1
definition | CREATE DEFINER=`root`@`localhost` TRIGGER tr AFTER DELETE ON t FOR EACH ROW BEGIN INSERT INTO log VALUES (OLD.id); UPDATE u SET a = 1 WHERE id = OLD.id; END
definition | CREATE PROCEDURE p(IN a INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < a DO SET i = i + 1; IF i = 5 THEN SELECT CASE i WHEN 1 THEN 2 END; END IF; END WHILE; END
definition | CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN TRUNCATE(a, 1)
definition | CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE d < NOW()
definition | /*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1 */
administration | CREATE FUNCTION f RETURNS STRING SONAME 'f.so'
administration | CREATE USER 'a'@'%' IDENTIFIED BY 'b'
administration | ALTER USER a IDENTIFIED BY 'b'
administration | GRANT ALL ON *.* TO 'a'@'%'
administration | REVOKE ALL PRIVILEGES, GRANT OPTION FROM a
administration | SET PASSWORD FOR 'a'@'%' = 'x'
administration | FLUSH PRIVILEGES
administration | FLUSH TABLES WITH READ LOCK
administration | KILL QUERY 5
administration | SHUTDOWN
administration | ANALYZE TABLE t
administration | ANALYZE LOCAL TABLE t
administration | OPTIMIZE TABLE t
administration | CHECK TABLE t
administration | REPAIR TABLE t
administration | CHECKSUM TABLE t
administration | CHANGE MASTER TO MASTER_HOST='x'
administration | CHANGE REPLICATION SOURCE TO SOURCE_HOST='x'
administration | START REPLICA
administration | STOP SLAVE
administration | RESET MASTER
administration | PURGE BINARY LOGS TO 'x'
administration | INSTALL PLUGIN x SONAME 'y'
administration | UNINSTALL COMPONENT 'file://x'
administration | BINLOG 'xxx'
# transactions
transaction | BEGIN
transaction | BEGIN WORK
transaction | START TRANSACTION
transaction | START TRANSACTION READ ONLY
transaction | START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE
transaction | COMMIT
transaction | COMMIT AND NO CHAIN RELEASE
transaction | COMMIT WORK
transaction | ROLLBACK
transaction | ROLLBACK TO SAVEPOINT a
transaction | ROLLBACK WORK TO a
transaction | SAVEPOINT `a`
transaction | RELEASE SAVEPOINT a
transaction | SET TRANSACTION ISOLATION LEVEL READ COMMITTED
transaction | SET SESSION TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ
transaction | XA START 'a', 'b'
# session
session | USE sakila
session | USE `my db`
session | SET NAMES utf8mb4
session | SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'
session | SET CHARACTER SET utf8
session | SET autocommit=0
session | SET SESSION sql_mode='ANSI_QUOTES', time_zone = '+00:00'
session | SET @@session.wait_timeout = 100, @a := (SELECT 1), GLOBAL max_connections = 5, PERSIST x = 1, @@global.y = DEFAULT
session | SET character_set_results = NULL
session | SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), NAMES utf8
session | set session transaction_isolation='READ-COMMITTED'
session | SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'
session | SET SQL_SAFE_UPDATES=1,SQL_SELECT_LIMIT=500,MAX_JOIN_SIZE=DEFAULT
session | /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
session | /*!40101 SET NAMES utf8mb4 */
session | /*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */
session | /*!50503 SET NAMES utf8mb4 */;
session | SET ROLE admin
session | LOCK TABLES `t` WRITE, u AS v READ LOCAL
session | UNLOCK TABLES
session | PREPARE s FROM 'SELECT ? + 1'
session | PREPARE s FROM "SELECT \"x\""
session | EXECUTE s USING @a, @b
session | EXECUTE IMMEDIATE 'SELECT 1'
session | DEALLOCATE PREPARE s
session | DROP PREPARE s
session | HANDLER t OPEN
manager | SET STATEMENT max_statement_time=1 FOR SELECT 1 FROM t
write | SET STATEMENT max_statement_time=1 FOR UPDATE t SET a = 1 WHERE id = 1
call | CALL p(1, @a)
manager | GET DIAGNOSTICS @n = ROW_COUNT
manager | HELP 'x'
# ours
proxy | PROXY SHOW ROUTE
proxy | PROXY SET strategy = 'random'
proxy | proxy explain SELECT 1
proxy | PROXY NONSENSE
empty | -- nothing
empty | /* nothing */ ;
empty | ␤
# batches
batch | INSERT INTO t VALUES (1); SELECT 1
batch | START TRANSACTION; UPDATE t SET a = 1 WHERE id = 1; COMMIT;
