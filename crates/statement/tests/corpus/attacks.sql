# dangers (all must be found) | statement. A danger may also be hidden: then the cause of Unknown stands there.
DropTable | DROP TABLE t
DropTable | DROP TABLES t
DropTable | DROP TABLE a, b, c CASCADE
DropTable | DROP TABLE IF EXISTS `db`.`t`
DropTable | drop/**/table/**/t
DropTable | DrOp␤TaBlE␉t
DropTable | DROP␋TABLE␌t
DropTable | DROP -- x␤TABLE t
DropTable | DROP # x␤TABLE t
DropTable | /* a */DROP TABLE`t`
DropTable | SELECT 1; DROP TABLE t
DropTable | SELECT ';'; DROP TABLE t
DropTable | ;;DROP TABLE t
DropTable | /*!DROP TABLE t*/
DropTable | /*!50000 DROP TABLE t */
DropTable | /*!99999 DROP TABLE t */
DropTable | /*M!100100 DROP TABLE t */
DropTable | /*!DROP*/ TABLE t
DropTable | DROP /*!50000 TABLE*/ t
DropTable | DROP /*!99999 TEMPORARY */ TABLE t
DropTable | /*!50000 SELECT 1; */ DROP TABLE t
DropTable | SELECT 1 /*!50000 ; DROP TABLE t */
DropTable | PREPARE s FROM 'DROP TABLE t'
DropTable | PREPARE s FROM 'DROP/**/TABLE t'
DropTable | PREPARE s FROM '\D\R\OP TABLE t'
DropTable | PREPARE s FROM 'PREPARE x FROM ''DROP TABLE t'''
DropTable | EXECUTE IMMEDIATE 'DROP TABLE t'
DropTable | EXECUTE IMMEDIATE "/*!DROP TABLE t*/"
DropTable | CREATE PROCEDURE p() DROP TABLE t
DropTable | CREATE PROCEDURE p() BEGIN SELECT 1; DROP TABLE t; END
DropTable | CREATE EVENT e ON SCHEDULE AT NOW() DO DROP TABLE t
DropTable | CREATE PROCEDURE p() BEGIN EXECUTE IMMEDIATE 'DROP TABLE t'; END
DropTable | CREATE PROCEDURE p() BEGIN END; DROP TABLE t
DropTable | CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1; DROP TABLE t
DropTable | BEGIN NOT ATOMIC DROP TABLE t; END
DropTable | SET STATEMENT max_statement_time=1 FOR DROP TABLE t
DropTable | SELECT /*+ proxy(target=manager) */ 1; DROP TABLE t
DropTable | /*+ proxy(target=manager) */ DROP TABLE t
DropTable | DROP/*+ x */TABLE t
DropSchema | DROP DATABASE d
DropSchema | DROP SCHEMA IF EXISTS d
DropSchema | drop␤␤schema`d`
DropSchema | SELECT 1;DROP/*x*/DATABASE d
DropSchema | CREATE FUNCTION f() RETURNS INT BEGIN DROP DATABASE d; RETURN 1; END
Truncate | TRUNCATE t
Truncate | TRUNCATE TABLE t
Truncate | truncate/**/`t`
Truncate | TRUNCATE␤TABLE␤db.t
Truncate | ALTER TABLE t TRUNCATE PARTITION p0
Truncate | ALTER TABLE t TRUNCATE PARTITION ALL
Truncate | SELECT 1; /*!TRUNCATE t*/
Truncate | CREATE PROCEDURE p() TRUNCATE t
Truncate | EXECUTE IMMEDIATE 'TRUNCATE t'
DeleteWithoutWhere | DELETE FROM t
DeleteWithoutWhere | DELETE FROM t LIMIT 10
DeleteWithoutWhere | DELETE FROM t ORDER BY a
DeleteWithoutWhere | DELETE FROM t -- WHERE id = 1
DeleteWithoutWhere | DELETE FROM t /* WHERE id = 1 */
DeleteWithoutWhere | DELETE FROM t /*!99999 WHERE id = 1 */
DeleteWithoutWhere | DELETE/**/FROM/**/t;
DeleteWithoutWhere | DELETE a FROM t a
DeleteWithoutWhere | DELETE t1, t2 FROM t1 JOIN t2
DeleteWithoutWhere | DELETE FROM t USING t JOIN (SELECT 1 FROM u WHERE 1) v
DeleteWithoutWhere | DELETE FROM `where`
DeleteWithoutWhere | DELETE FROM t.`where`
DeleteWithoutWhere | DELETE FROM t AS `WHERE`
DeleteWithoutWhere | DELETE QUICK FROM t
DeleteWithoutWhere | DELETE FROM t RETURNING 'WHERE id = 1'
DeleteWithoutWhere | DELETE FROM t ORDER BY (SELECT 1 FROM u WHERE id = 1)
DeleteWithoutWhere | WITH c AS (SELECT 1 FROM u WHERE id = 1) DELETE FROM t
DeleteWithoutWhere | EXPLAIN ANALYZE DELETE FROM t
DeleteWithoutWhere | ANALYZE DELETE FROM t
DeleteWithoutWhere | ANALYZE FORMAT=JSON DELETE FROM t
DeleteWithoutWhere | DELETE FROM a WHERE id = 1; DELETE FROM t
DeleteWithoutWhere | CREATE PROCEDURE p() BEGIN DELETE FROM t; SELECT 1 FROM u WHERE id = 1; END
DeleteWithoutWhere | CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW DELETE FROM u
DeleteWithoutWhere | EXECUTE IMMEDIATE 'DELETE FROM t'
DeleteWhereConstant | DELETE FROM t WHERE 1
DeleteWhereConstant | DELETE FROM t WHERE 1=1
DeleteWhereConstant | DELETE FROM t WHERE TRUE
DeleteWhereConstant | DELETE FROM t WHERE (((1)))
DeleteWhereConstant | DELETE FROM t WHERE id = 1 OR 1 = 1
DeleteWhereConstant | DELETE FROM t WHERE id = 1 || 1
DeleteWhereConstant | DELETE FROM t WHERE id = 1 OR (1 = 1 AND 2 > 1)
DeleteWhereConstant | DELETE FROM t WHERE (id = 1 OR TRUE) AND 1
DeleteWhereConstant | DELETE FROM t WHERE id = id
DeleteWhereConstant | DELETE FROM t WHERE ?
DeleteWhereConstant | DELETE FROM t WHERE id = ? OR ?
DeleteWhereConstant | DELETE FROM t WHERE NOT 0
DeleteWhereConstant | DELETE FROM t WHERE 'a' LIKE 'a'
DeleteWhereConstant | DELETE FROM t WHERE NOW() > 1
DeleteWhereConstant | DELETE FROM t WHERE EXISTS (SELECT 1)
DeleteWhereConstant | DELETE FROM t WHERE @@version > 1
DeleteWhereConstant | DELETE FROM t WHERE 1 BETWEEN 0 AND 2
UpdateWithoutWhere | UPDATE t SET a = 1
UpdateWhereConstant | UPDATE t SET a = 1 WHERE 1
DropPartition | ALTER TABLE t DROP PARTITION p0
ReplaceTable | CREATE OR REPLACE TABLE t (a INT)
DropOther | DROP VIEW v
DropOther | DROP USER a
DropTemporaryTable | DROP TEMPORARY TABLE t
# what cannot be seen is unknown, never harmless
DynamicSql | PREPARE s FROM @a
DynamicSql | PREPARE s FROM CONCAT('DROP', ' TABLE t')
DynamicSql | PREPARE s FROM 'SELECT 1' 'x'
DynamicSql | EXECUTE IMMEDIATE @a
DynamicSql | EXECUTE IMMEDIATE CONCAT('a', 'b')
DynamicSql | CREATE PROCEDURE p() BEGIN PREPARE s FROM @x; EXECUTE s; END
Kind | PREPARE s FROM 'garbage'
Kind | FROBNICATE t
Query | SELECT FROM WHERE
Query | SELECT 1 1 1
Query | SELECT * FROM t PROCEDURE ANALYSE()
Contradiction | SELECT 1 DROP TABLE t
Contradiction | SELECT * FROM (DELETE FROM t) x
Program | BEGIN NOT ATOMIC SELECT 1; END
ModeChange | SET sql_mode='ANSI_QUOTES'; SELECT "x"
ModeChange | SET NAMES gbk; SELECT 1
Readings | /*!10000 a*//*!10001 a*//*!10002 a*//*!10003 a*//*!10004 a*//*!10005 a*//*!10006 a*//*!10007 a*//*!10008 a*//*!10009 a*//*!10010 a*//*!10011 a*//*!10012 a*//*!10013 a*//*!10014 a*//*!10015 a*//*!10016 a*/
Readings | SELECT 1 /*!50000 ; DROP TABLE t */
Kind | /*!50000 SELECT */ /*!99999 DELETE */ 1
Doubt | SELECT 'open
Doubt | SELECT /* open
Doubt | SELECT 1 /*! /* nested */ */
