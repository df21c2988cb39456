# expectation | statement            (␤ newline, ␉ tab, ␌ form feed, ␋ vertical tab, ␍ carriage return)
# sysbench
any | SELECT c FROM sbtest1 WHERE id=5045
any | SELECT c FROM sbtest1 WHERE id=?
any | SELECT c FROM sbtest1 WHERE id BETWEEN 1 AND 100
any | SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN 1 AND 100
any | SELECT c FROM sbtest1 WHERE id BETWEEN ? AND ? ORDER BY c
any | SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 1 AND 100 ORDER BY c
# WordPress
manager | SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts LEFT JOIN wp_term_relationships ON (wp_posts.ID = wp_term_relationships.object_id) WHERE 1=1 AND ( wp_term_relationships.term_taxonomy_id IN (1) ) AND wp_posts.post_type = 'post' AND (wp_posts.post_status = 'publish' OR wp_posts.post_status = 'private') GROUP BY wp_posts.ID ORDER BY wp_posts.post_date DESC LIMIT 0, 10
previous | SELECT FOUND_ROWS()
any | SELECT option_name, option_value FROM wp_options WHERE autoload = 'yes'
any | SELECT t.*, tt.*, tr.object_id FROM wp_terms AS t INNER JOIN wp_term_taxonomy AS tt ON t.term_id = tt.term_id INNER JOIN wp_term_relationships AS tr ON tr.term_taxonomy_id = tt.term_taxonomy_id WHERE tt.taxonomy IN ('category', 'post_tag') AND tr.object_id IN (1, 2, 3) ORDER BY t.name ASC
any | SELECT YEAR(post_date) AS `year`, MONTH(post_date) AS `month`, count(ID) as posts FROM wp_posts WHERE post_type = 'post' GROUP BY YEAR(post_date), MONTH(post_date) ORDER BY post_date DESC
any | SELECT comment_approved, COUNT( * ) AS total FROM wp_comments GROUP BY comment_approved
any | SELECT post_id, meta_key, meta_value FROM wp_postmeta WHERE post_id IN (1,2,3) ORDER BY meta_id ASC
# Django
any | SELECT `auth_user`.`id`, `auth_user`.`password` FROM `auth_user` WHERE `auth_user`.`username` = 'bob' LIMIT 21
any | SELECT COUNT(*) AS `__count` FROM `app_thing` WHERE (`app_thing`.`name` LIKE '%x%' AND NOT (`app_thing`.`id` IN (SELECT U0.`id` FROM `app_other` U0 WHERE U0.`k` > 5)))
any | SELECT (1) AS `a` FROM `django_session` WHERE `django_session`.`session_key` = 'abc' LIMIT 1
any | SELECT CAST(DATE_FORMAT(`t`.`d`, '%Y-%m-01 00:00:00') AS DATETIME) AS `m` FROM `t`
any | SELECT `t`.`id` FROM `t` WHERE `t`.`name` LIKE BINARY 'x%' ORDER BY `t`.`id` ASC
any | SELECT `t`.`id` FROM `t` WHERE `t`.`name` REGEXP BINARY 'x' OR `t`.`name` RLIKE 'y'
any | SELECT VERSION()
any | SELECT JSON_EXTRACT(`t`.`data`, '$.a') FROM `t` WHERE JSON_CONTAINS(`t`.`data`, '1', '$.b')
any | SELECT t.data->'$.a', t.data->>'$.b.c' FROM t WHERE t.data->'$.a' = 1
# Rails
any | SELECT `users`.* FROM `users` WHERE `users`.`id` = 1 LIMIT 1
any | SELECT 1 AS one FROM `users` WHERE `users`.`email` = BINARY 'a@b' LIMIT 1
any | SHOW FULL FIELDS FROM `users`
any | SHOW CREATE TABLE `users`
any | SHOW TABLES LIKE 'schema_migrations'
any | SHOW KEYS FROM `users`
any | SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'
any | SHOW DATABASES
any | SHOW COLUMNS FROM t IN s
any | SHOW INDEX FROM t
any | SHOW CHARACTER SET
any | SHOW COLLATION
any | DESCRIBE users
any | DESC `users`
any | EXPLAIN SELECT * FROM users WHERE id = 1
any | EXPLAIN FORMAT=JSON SELECT * FROM users
manager | EXPLAIN UPDATE users SET a = 1
manager | EXPLAIN DELETE FROM users
manager | EXPLAIN FOR CONNECTION 5
any | ANALYZE SELECT * FROM users
any | EXPLAIN ANALYZE SELECT * FROM users
# node's own
manager | SHOW STATUS LIKE 'Threads%'
manager | SHOW GLOBAL VARIABLES
manager | SHOW VARIABLES LIKE 'sql_mode'
manager | SHOW FULL PROCESSLIST
manager | SHOW ENGINE INNODB STATUS
manager | SHOW MASTER STATUS
manager | SHOW REPLICA STATUS
manager | SHOW BINLOG EVENTS
manager | SHOW GRANTS
manager | SHOW TABLE STATUS
previous | SHOW WARNINGS
previous | SHOW ERRORS LIMIT 5
previous | SHOW COUNT(*) WARNINGS
previous | SELECT ROW_COUNT()
previous | SELECT @@warning_count
manager | SELECT LAST_INSERT_ID()
manager | SELECT @@last_insert_id
manager | SELECT CONNECTION_ID()
manager | SELECT GET_LOCK('a', 1)
manager | SELECT 1 WHERE RELEASE_ALL_LOCKS() > 0
manager | SELECT UUID_SHORT()
manager | SELECT NEXT VALUE FOR s
manager | SELECT NEXTVAL(s)
manager | SELECT LOAD_FILE('/etc/passwd')
manager | SELECT USER()
manager | SELECT CURRENT_USER
manager | SELECT my_function(1)
manager | SELECT db.my_function(1)
manager | SELECT `my_function`(1)
manager | SELECT count (1) FROM t
manager | SELECT @@hostname
manager | SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client
manager | SELECT @a
manager | SELECT @a := 1
manager | SELECT @row := @row + 1 AS n, t.* FROM t, (SELECT @row := 0) r
manager | SELECT a INTO @x FROM t LIMIT 1
manager | SELECT a, b FROM t INTO @x, @y
manager | SELECT * FROM information_schema.tables
manager | SELECT * FROM `INFORMATION_SCHEMA` . `TABLES`
manager | SELECT * FROM a JOIN Performance_Schema.threads
manager | SELECT user FROM mysql.user
manager | SELECT * FROM t FOR UPDATE
manager | SELECT * FROM t WHERE id = 1 FOR SHARE OF t SKIP LOCKED
manager | SELECT * FROM t LOCK IN SHARE MODE
manager | (SELECT * FROM t FOR UPDATE) UNION (SELECT * FROM u)
# what the parser does not know by itself
any | TABLE t
any | TABLE t ORDER BY a LIMIT 5
any | VALUES ROW(1, 2), ROW(3, 4)
any | (SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1
any | SELECT 1 UNION SELECT 2 EXCEPT SELECT 3
any | SELECT HIGH_PRIORITY SQL_NO_CACHE STRAIGHT_JOIN a FROM t
any | SELECT DISTINCTROW a FROM t
any | SELECT * FROM t USE INDEX (a, b) IGNORE INDEX FOR ORDER BY (c) WHERE x = 1
any | SELECT * FROM t FORCE KEY (PRIMARY) JOIN u USING (id)
any | SELECT * FROM t PARTITION (p0, p1) WHERE a = 1
any | SELECT * FROM a STRAIGHT_JOIN b ON a.id = b.id
any | SELECT * FROM a NATURAL LEFT JOIN b
any | SELECT * FROM a LEFT OUTER JOIN b ON a.x <=> b.x CROSS JOIN c
any | SELECT * FROM (a, b) LEFT JOIN c ON c.id = a.id
any | SELECT NOW() + INTERVAL '1:30' HOUR_MINUTE, d - INTERVAL 1 DAY FROM t
any | SELECT DATE_ADD(d, INTERVAL (1 + 1) DAY), DATE_SUB(d, INTERVAL '1-2' YEAR_MONTH) FROM t
any | SELECT INTERVAL(23, 1, 15, 17)
any | SELECT * FROM t WHERE a SOUNDS LIKE 'b'
any | SELECT a DIV b, a MOD b, a % b, a XOR b, !a, ~a, a & b | c ^ d << 2 >> 1 FROM t
any | SELECT a || b, a && b FROM t
any | SELECT CONVERT(a USING utf8mb4), CONVERT(a, CHAR), CAST(a AS UNSIGNED), CAST(a AS CHAR(10) CHARACTER SET utf8) FROM t
any | SELECT CHAR(77, 121 USING utf8), _utf8mb4'x' COLLATE utf8mb4_bin, N'y', x'00ff', 0xff, b'01'
any | SELECT GROUP_CONCAT(DISTINCT a ORDER BY b DESC SEPARATOR ', ') FROM t GROUP BY c WITH ROLLUP HAVING COUNT(*) > 1
any | SELECT TRIM(BOTH ' ' FROM a), SUBSTRING(a FROM 2 FOR 3), SUBSTRING(a, 2), POSITION('a' IN b), EXTRACT(YEAR FROM d), LEFT(a, 1), RIGHT(a, 1), IF(a, b, c), REPLACE(a, 'x', 'y'), INSERT(a, 1, 2, 'x') FROM t
any | SELECT MATCH (a, b) AGAINST ('+x -y' IN BOOLEAN MODE) AS score FROM t WHERE MATCH (a, b) AGAINST ('x')
any | SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS rn, LAG(a, 1) OVER w, SUM(x) OVER (ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t WINDOW w AS (ORDER BY a)
any | WITH a AS (SELECT 1 AS x), b (y) AS (SELECT 2) SELECT * FROM a, b
any | WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n
any | SELECT CASE WHEN a = 1 THEN 'x' WHEN a IS NULL THEN 'y' ELSE 'z' END, CASE a WHEN 1 THEN 2 END FROM t
any | SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4)) AND c NOT IN (SELECT d FROM u) AND EXISTS (SELECT 1 FROM v WHERE v.a = t.a) AND e > ALL (SELECT f FROM w)
any | SELECT * FROM t WHERE a LIKE '%\_x' ESCAPE '|' AND b NOT LIKE 'y' AND c NOT REGEXP '^a' AND d IS NOT TRUE AND e NOT BETWEEN 1 AND 2
any | SELECT * FROM JSON_TABLE('[{"a":1}]', '$[*]' COLUMNS (id FOR ORDINALITY, a INT PATH '$.a' DEFAULT '0' ON EMPTY)) AS jt
any | SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.a = t.a) AS l
any | SELECT * FROM t LIMIT 5 OFFSET 10
any | SELECT * FROM t LIMIT 10, 5
any | SELECT * FROM t ORDER BY FIELD(id, 3, 1, 2), RAND()
any | SELECT {d '2020-01-01'}, {ts '2020-01-01 00:00:00'}, {fn NOW()}
any | SELECT * FROM {oj a LEFT OUTER JOIN b ON a.id = b.id}
any | SELECT DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00', TIME '10:00:00'
any | SELECT ST_AsText(g), ST_Distance_Sphere(POINT(1, 2), g) FROM t WHERE ST_Contains(g, POINT(1, 1))
any | SELECT 1 FROM DUAL WHERE 'a' 'b' = 'ab'
any | SELECT a FROM t GROUP BY 1 ORDER BY NULL
any | SELECT t.key, `select`.`from`, t.order FROM db.t AS t, `select`
any | SELECT SLEEP(0.1), BENCHMARK(10, MD5('a')), UUID(), DATABASE(), UNIX_TIMESTAMP(), CURRENT_TIMESTAMP, CURRENT_DATE(), UTC_TIMESTAMP(6), NOW(3)
any | SELECT COALESCE(a, b), IFNULL(a, 0), NULLIF(a, b), GREATEST(1, 2), FROM_UNIXTIME(1), TIMESTAMPDIFF(SECOND, a, b), STR_TO_DATE('1', '%d') FROM t
any | SELECT 'it''s', "a \"b\" c", 'x\'y', '\\'
any | SELECT * FROM t WHERE a = -1 AND b = +2 AND c = 1e10 AND d = .5 AND e = TRUE
any | SELECT * FROM t WHERE a = NULL OR b IS UNKNOWN
any | SELECT * FROM t WHERE 1 MEMBER OF (t.tags)
any | SELECT BINARY a = 'x', BINARY(a) FROM t
any | SELECT COUNT(DISTINCT a, b) FROM t
any | SELECT a AS 'alias with blank', b "other", c d FROM t
any | SELECT AVG(a), STD(b), BIT_OR(c), JSON_ARRAYAGG(d), JSON_OBJECTAGG(e, f), ANY_VALUE(g) FROM t
any | SELECT * FROM t1 JOIN (t2 JOIN t3 ON t2.a = t3.a) ON t1.b = t2.b
any | SELECT * FROM a WHERE x = ANY (SELECT y FROM b) UNION DISTINCT SELECT * FROM c LIMIT 3
any | SELECT FORMAT(a, 2), DATE_FORMAT(d, '%Y'), WEEK(d, 1), CONCAT_WS(',', a, b), LPAD(a, 5, '0') FROM t AS `my table`
any | select␤  a,␉b␤from␤  t␤where␍␤  a = 1 -- trailing
any | /* ApplicationName=x */ SELECT 1
any | SELECT 1;
batch | SELECT 1; SELECT 2
any | SELECT /*!40001 SQL_NO_CACHE */ * FROM `t`
any | SELECT /*+ MAX_EXECUTION_TIME(1000) */ * FROM t
any | SELECT é FROM naïve WHERE `ünï` = 'ö'
any | SELECT * FROM t WHERE a = 'x' COLLATE utf8mb4_general_ci ORDER BY a COLLATE utf8mb4_bin DESC
any | SELECT * FROM t WHERE d > NOW() - INTERVAL ? DAY LIMIT ? OFFSET ?
any | SELECT (SELECT MAX(a) FROM u) AS m, EXISTS(SELECT 1) AS e, NOT EXISTS (SELECT 2) AS n
any | SELECT IF(1, 2, 3), IF (1, 2, 3), CONCAT (1, 2)
