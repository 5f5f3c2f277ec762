CREATE TEMP VIEW last AS SELECT v.cell, r.label, v.seed, v.value, row_number() OVER (PARTITION BY v.cell, v.seed ORDER BY v.weights='ema' DESC) k FROM value v JOIN run r USING(cell, seed) WHERE v.metric='fd' AND v.step=r.step AND r.status='done';
CREATE TEMP VIEW mean AS SELECT cell, label, count(*) n, avg(value) m, sqrt(max(0,(sum(value*value)-sum(value)*sum(value)/count(*))/nullif(count(*)-1,0))) sd, exp(avg(ln(value))) g, group_concat(printf('%.1f', value), ' ') each,
  (SELECT count(*) FROM run d WHERE d.cell=last.cell AND d.status='diverged') diverged FROM last WHERE k=1 GROUP BY cell;
CREATE TEMP VIEW line AS
  SELECT '| rung | n | fd, mean ± sd | against the rung before | each seed | diverged |' text UNION ALL SELECT '|---|---|---|---|---|---|' UNION ALL
  SELECT * FROM (SELECT printf('| %s | %d | %.2f ± %s | %s | %s | %d |', label, n, m, CASE WHEN sd IS NULL THEN '?' ELSE printf('%.2f', sd) END, CASE WHEN lag(g) OVER (ORDER BY cell) IS NULL THEN '' ELSE printf('%+.1f %%', 100*(g/lag(g) OVER (ORDER BY cell)-1)) END, each, diverged) FROM mean ORDER BY cell);
CREATE TEMP VIEW claim AS
  SELECT 'the last rung ends below a third of the baseline''s distance' text, (SELECT g FROM mean ORDER BY cell DESC LIMIT 1)*3<(SELECT g FROM mean ORDER BY cell LIMIT 1) holds UNION ALL
  SELECT 'batch norm in G is the largest single step', (SELECT a.label LIKE '%norm in G' FROM mean a JOIN mean b ON b.cell=a.cell-1 ORDER BY a.g/b.g LIMIT 1);
