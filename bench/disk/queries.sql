PRAGMA journal_mode = OFF;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, kind INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
  INSERT INTO item SELECT i, 'item ' || (i * 7919 % 200000), (i * 31 % 1000) / 7.0, i % 17 FROM n;
CREATE INDEX by_name ON item(name);
SELECT kind, count(*), round(sum(price), 3), max(name) FROM item GROUP BY kind ORDER BY kind;
SELECT count(*) FROM item a JOIN item b ON b.name = 'item ' || a.id WHERE a.kind < 6;
UPDATE item SET price = price * 1.1 WHERE kind IN (3, 5, 7);
SELECT round(sum(price), 3) FROM item WHERE name LIKE '%77%';
