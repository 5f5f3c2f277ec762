CREATE TEMP VIEW last AS SELECT v.cell, r.label, v.seed, v.metric, v.value FROM value v JOIN run r USING(cell, seed) WHERE v.step=r.step AND v.weights='raw';
CREATE TEMP VIEW line AS
  SELECT '| D and loss | n | modes of 8, mean (each seed) | share near a mode | diverged |' text UNION ALL SELECT '|---|---|---|---|---|' UNION ALL
  SELECT * FROM (SELECT printf('| %s | %d | %.1f (%s) | %.1f %% | %d |', label, count(*), avg(value), group_concat(CAST(value AS INTEGER), ' '),
    100*(SELECT avg(q.value) FROM last q WHERE q.cell=m.cell AND q.metric='coverage.high_quality'), (SELECT count(*) FROM run d WHERE d.cell=m.cell AND d.status='diverged'))
  FROM last m WHERE metric='coverage.modes' GROUP BY cell ORDER BY cell);
CREATE TEMP VIEW claim AS
  SELECT 'without a remedy at most 4 of 8 modes are left in the mean' text, avg(value)<=4 holds FROM last WHERE metric='coverage.modes' AND label='remedy=vanilla' UNION ALL
  SELECT label||' covers all 8 modes in every seed', min(value)=8 FROM last WHERE metric='coverage.modes' AND label IN('remedy=r1','remedy=wgan_gp','remedy=spectral') GROUP BY cell;
