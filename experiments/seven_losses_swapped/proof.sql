CREATE TEMP VIEW v AS SELECT x.*, r.label, r.status, r.step last_step, r.images all_images FROM value x JOIN run r USING(cell, seed) WHERE x.metric='fd' AND x.weights='raw' AND x.step>0;
CREATE TEMP VIEW common AS SELECT (SELECT min(images) FROM (SELECT max(images) images FROM v WHERE status='done' GROUP BY cell)) images, (SELECT min(s) FROM (SELECT avg(seconds) s FROM run WHERE status='done' GROUP BY cell)) seconds;
CREATE TEMP VIEW at AS SELECT cell, label, seed,
  max(CASE WHEN step=last_step AND status='done' THEN value END) by_updates,
  (SELECT w.value FROM v w WHERE w.cell=v.cell AND w.seed=v.seed AND w.images>=(SELECT images FROM common) ORDER BY w.step LIMIT 1) by_images,
  (SELECT w.value FROM v w WHERE w.cell=v.cell AND w.seed=v.seed AND w.seconds<=(SELECT seconds FROM common) ORDER BY w.step DESC LIMIT 1) by_seconds
  FROM v GROUP BY cell, seed;
CREATE TEMP VIEW mean AS SELECT cell, label, count(by_updates) n, avg(by_updates) u, sqrt(max(0,(sum(by_updates*by_updates)-sum(by_updates)*sum(by_updates)/count(by_updates))/nullif(count(by_updates)-1,0))) sd, avg(by_images) i, avg(by_seconds) s,
  (SELECT count(*) FROM run d WHERE d.cell=at.cell AND d.status='diverged') diverged, (SELECT avg(seconds) FROM run d WHERE d.cell=at.cell) seconds, (SELECT max(images) FROM run d WHERE d.cell=at.cell) images FROM at GROUP BY cell;
CREATE TEMP VIEW line AS
  SELECT printf('| %s | n | fd after all G updates, mean ± sd | fd at %d images | fd at %.0f s | images in all | seconds in all | diverged |', (SELECT substr(label,1,instr(label,'=')-1) FROM run LIMIT 1), images, seconds) text FROM common
  UNION ALL SELECT '|---|---|---|---|---|---|---|---|' UNION ALL
  SELECT * FROM (SELECT printf('| %s | %d | %.2f ± %s | %.2f | %s | %d | %.0f | %d |', substr(label,instr(label,'=')+1), n, u, CASE WHEN sd IS NULL THEN '?' ELSE printf('%.2f', sd) END, i, CASE WHEN s IS NULL THEN 'none yet' ELSE printf('%.2f', s) END, images, seconds, diverged) FROM mean ORDER BY u IS NULL, u);
CREATE TEMP VIEW claim AS
  SELECT 'non-saturating ends at a smaller distance than minimax in every seed' text, (SELECT min(a.by_updates<b.by_updates) FROM at a JOIN at b USING(seed) WHERE a.label LIKE '%=nonsaturating' AND b.label LIKE '%=minimax') holds UNION ALL
  SELECT 'without anything that bounds the critic, Wasserstein is the worst of the seven or diverges', (SELECT (SELECT u IS NULL OR diverged>0 OR u=(SELECT max(u) FROM mean) FROM mean WHERE label LIKE '%=wasserstein'));
