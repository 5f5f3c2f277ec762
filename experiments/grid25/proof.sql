CREATE TEMP VIEW last AS SELECT v.cell, r.label, v.seed, v.metric, v.value FROM value v JOIN run r USING(cell, seed) WHERE v.step=r.step AND v.weights='raw' AND r.status='done';
CREATE TEMP VIEW mean AS SELECT cell, label, metric, count(*) n, avg(value) m, sqrt(max(0,(sum(value*value)-sum(value)*sum(value)/count(*))/nullif(count(*)-1,0))/count(*)) se FROM last GROUP BY cell, metric;
CREATE TEMP VIEW line AS
  SELECT '| packing | n | modes of 25, mean ± standard error | reverse KL | share near a mode | published modes, 400 000 steps |' text UNION ALL SELECT '|---|---|---|---|---|---|' UNION ALL
  SELECT * FROM (SELECT printf('| %s | %d | %.1f ± %s | %.2f ± %s | %.1f %% | %s |', a.label, a.n, a.m, CASE WHEN a.se IS NULL THEN '?' ELSE printf('%.1f', a.se) END, b.m, CASE WHEN b.se IS NULL THEN '?' ELSE printf('%.2f', b.se) END, 100*c.m, CASE a.label WHEN 'pack=1' THEN '17.3 ± 0.8' ELSE '24.8 ± 0.2' END)
  FROM mean a JOIN mean b ON b.cell=a.cell AND b.metric='coverage.reverse_kl' JOIN mean c ON c.cell=a.cell AND c.metric='coverage.high_quality' WHERE a.metric='coverage.modes' ORDER BY a.cell);
CREATE TEMP VIEW claim AS
  SELECT 'packing by four covers more modes, by more than two standard errors of the difference' text, (SELECT b.m-a.m>2*sqrt(a.se*a.se+b.se*b.se) FROM mean a JOIN mean b ON b.cell>a.cell AND b.metric=a.metric WHERE a.metric='coverage.modes') holds;
