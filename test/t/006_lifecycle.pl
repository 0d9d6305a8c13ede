# Stages and actions under eight sessions: as many actions as there were crossings, moves
# that lead from one to the next, no deadlock; and workers that are handed each action once.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 8;
my $transactions = $ENV{TRANSACTIONS} // 625;
my $life = "$FindBin::RealBin/../pgtap/life.psql";
my $node = make_node('lifecycle');
$node->append_conf('postgresql.conf', "deadlock_timeout = '100ms'\nsynchronous_commit = off\nwal_level = logical\n");
$node->start;
make_database($node, 'crm');
run_log([ 'psql', '-X', '-q', '-d', $node->connstr('crm'), '-v', 'ON_ERROR_STOP=1', '-c', 'CREATE EXTENSION pgtap', '-f', $life ])
  or BAIL_OUT('life.psql does not load');

my $directory = PostgreSQL::Test::Utils::tempdir;

sub script
{
    my ($name, $text) = @_;
    append_to_file("$directory/$name", $text);
    return "$directory/$name";
}

sub bench
{
    my ($what, $count, $n, @scripts) = @_;
    my ($out, $error);
    my $result = IPC::Run::run([ 'pgbench', '-n', '-c', $count, '-j', 2, '-t', $n,
            '-h', $node->host, '-p', $node->port, '--random-seed=7', map({ ('-f', $_) } @scripts), 'crm' ],
        '>', \$out, '2>', \$error);
    ok($result, "$what: pgbench") or diag($error);
    my ($done) = $out =~ /actually processed: (\d+)/;
    is($done, $count * $n, "$what: no transaction failed") or diag($error);
    is($node->safe_psql('crm', q{SELECT pg_stat_force_next_flush()})
          . $node->safe_psql('crm', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'crm'}),
        '0', "$what: no deadlock");
    return;
}

sub query { return $node->safe_psql('crm', $_[0]); }

sub is_lawful
{
    my ($model, $what) = @_;
    is_sound($node, 'crm', $model, $what);
    is(query("SELECT * FROM unlawful('$model')"), '', "$what: the records");
    is(query("SELECT * FROM lead_scoring.check_model('$model') WHERE severity <> 'advice' AND object !~ '^engagement rule'"), '', "$what: no problem");
    return;
}

# ------------------------------------------- crossings, by writes to the contacts

# Whoever writes a contact has it locked until he commits, so that there is a true order
# of its totals; each transaction notes from where to where it led.
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE person (id int PRIMARY KEY, points int, stage text);
INSERT INTO person SELECT g, 0, 'lead' FROM generate_series(1, 20) AS g;
CREATE TABLE crossing (id int, before int, after int);
CALL make_staged('p', 'person', live => false);
CALL add_transition('p', 'mql', 'lead', 'total < 50');
CALL add_transition('p', 'sql', 'mql', 'total < 80');
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after, channel)
VALUES ('p', 'hot', 'total >= 50', 'change', '0', 'hot'), ('p', 'once', 'total >= 80', 'enter', NULL, NULL);
SELECT lead_scoring.activate('p');
SQL
my $cross = script('cross', <<'SQL');
\set id random(1, 20)
\set points random(0, 10) * 10
WITH before AS MATERIALIZED (SELECT id, points FROM person WHERE id = :id FOR UPDATE),
     after AS (UPDATE person SET points = :points FROM before WHERE person.id = before.id)
INSERT INTO crossing SELECT id, points, :points FROM before;
SQL
bench('crossings', $clients, $transactions, $cross);
is(query(q{SELECT count(*) FROM p_queue}), '0', 'nobody waits');
is(query(<<'SQL'), '', 'an action for each crossing, and for nothing else');
SELECT * FROM (SELECT id, edge, count(*) FROM crossing, LATERAL (VALUES
    (CASE WHEN before < 50 AND after >= 50 THEN 'enter' WHEN before >= 50 AND after < 50 THEN 'leave' END)) AS e (edge) WHERE edge IS NOT NULL GROUP BY 1, 2) AS a
FULL JOIN (SELECT contact_id, payload ->> 'edge' AS edge, count(*) FROM p_outbox WHERE type = 'hot' GROUP BY 1, 2) AS b ON (b.contact_id, b.edge) = (a.id, a.edge)
WHERE a.count IS DISTINCT FROM b.count
SQL
is(query(q{SELECT count(*) FROM p_outbox WHERE type = 'once'}), query('SELECT count(DISTINCT id) FROM crossing WHERE after >= 80'),
    'what happens once happens once to each');
# By the order of moves: up over 50 and 80, down below 80 and 50.
is(query(<<'SQL'), '', 'a move for each crossing');
SELECT * FROM (SELECT id, step, count(*) FROM crossing, LATERAL (VALUES
    (CASE WHEN before < 50 AND after >= 50 THEN 'lead mql' END), (CASE WHEN before < 80 AND after >= 80 THEN 'mql sql' END),
    (CASE WHEN before >= 80 AND after < 80 THEN 'sql mql' END), (CASE WHEN before >= 50 AND after < 50 THEN 'mql lead' END)) AS s (step)
    WHERE step IS NOT NULL GROUP BY 1, 2) AS a
FULL JOIN (SELECT contact_id, from_stage || ' ' || to_stage AS step, count(*) FROM p_stage_history GROUP BY 1, 2) AS b ON (b.contact_id, b.step) = (a.id, a.step)
WHERE a.count IS DISTINCT FROM b.count
SQL
is_lawful('p', 'after crossings');

# ------------------------------------------------ crossings, by events of contacts

# 60 events of two points each would cross 50 and 80 once. Events refer to their contacts.
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE client (id int PRIMARY KEY, points int DEFAULT 0, stage text DEFAULT 'lead', note text);
INSERT INTO client SELECT g FROM generate_series(1, 20) AS g;
CREATE TABLE deed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int REFERENCES client, what text, at timestamptz DEFAULT clock_timestamp());
CREATE INDEX ON deed (client);
CALL make_staged('c', 'client', live => false);
SELECT lead_scoring.add_event_source('c', 'deed', 'client', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, at_least)
VALUES ('c', 'two', 'each', $$what = 'two'$$, 2, NULL), ('c', 'many', 'count', $$what = 'many'$$, 7, 3);
INSERT INTO lead_scoring.milestone (model, name, source, condition) VALUES ('c', 'won', 'events', $$what = 'won'$$);
CALL add_transition('c', 'sql', 'opportunity', $$'won' = ANY (milestones)$$);
INSERT INTO lead_scoring.action (model, name, condition) VALUES ('c', 'hot', 'total >= 50'), ('c', 'won', $$score.stage = 'opportunity'$$);
SELECT lead_scoring.activate('c');
SQL
my $event = script('event', <<'SQL');
\set a random(1, 20)
\set b random(1, 20)
\set c random(1, 20)
BEGIN;
INSERT INTO deed (client, what) VALUES (:a, 'two');
INSERT INTO deed (client, what) VALUES (:b, 'two');
INSERT INTO deed (client, what) VALUES (:c, 'two');
COMMIT;
SQL
bench('events in any order', $clients, $transactions, $event);
is(query(q{SELECT count(*) FROM c_queue}), '0', 'nobody waits');
is(query(q{SELECT contact_id, string_agg(from_stage || ' ' || to_stage, ', ' ORDER BY id) FROM c_stage_history GROUP BY 1 HAVING string_agg(from_stage || ' ' || to_stage, ', ' ORDER BY id) <> 'lead mql, mql sql'}),
    '', 'each contact moved twice, and in that order');
is(query(q{SELECT count(*), count(DISTINCT contact_id), min(payload ->> 'total') FROM c_outbox}), '20|20|50', 'and was hot once, at 50');
is_lawful('c', 'after events');

# All at once: contacts and events written, in and out of order, by hand too.
my $all = join '', map { "\\set $_ random(1, 20)\n" } qw(a b c);
$all .= "\\set points random(0, 10) * 10\n\\set kind random(0, 3)\n";
my $mixed = script('mixed', $all . <<'SQL');
BEGIN;
INSERT INTO deed (client, what, at) VALUES (:a, (ARRAY['two', 'many', 'won', 'other'])[1 + :kind], clock_timestamp() - :b * interval '1 hour');
UPDATE client SET points = :points WHERE id = :b;
INSERT INTO deed (client, what) VALUES (:c, 'many');
COMMIT;
SQL
my $by_hand = script('by_hand', $all . <<'SQL');
UPDATE client SET stage = (ARRAY['lead', 'mql', 'sql', 'opportunity'])[1 + :kind] WHERE id = :a;
SQL
my $away = script('away', $all . <<'SQL');
DELETE FROM deed WHERE id IN (SELECT id FROM deed WHERE client = :a ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED);
SQL
my $statement = script('statement', $all . <<'SQL');
BEGIN;
SET LOCAL lead_scoring.apply = statement;
UPDATE client SET points = :points, note = 'x' WHERE id = :a;
INSERT INTO deed (client, what) VALUES (:a, 'two');
COMMIT;
SQL
my $queue = script('queue', $all . <<'SQL');
BEGIN;
SET LOCAL lead_scoring.apply = queue;
INSERT INTO deed (client, what) VALUES (:a, 'two'), (:b, 'many');
COMMIT;
SQL
my $snapshot = script('snapshot', $all . <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO deed (client, what) VALUES (:a, 'two'), (:b, 'many');
COMMIT;
SQL
my $refresh = script('refresh', "CALL lead_scoring.refresh('c');\n");
my $replace = script('replace', $all . <<'SQL');
BEGIN;
SELECT pg_advisory_xact_lock(:a);
DELETE FROM deed WHERE client = :a;
DELETE FROM client WHERE id = :a;
INSERT INTO client (id, points) VALUES (:a, :points);
COMMIT;
SQL
my $writes = int($transactions * 0.6);
bench('everything at once', $clients, $writes, "$mixed\@60", "$by_hand\@5", "$away\@10", "$queue\@5", "$snapshot\@5", "$refresh\@3");
query(q{CALL lead_scoring.refresh('c')});
is_lawful('c', 'after everything');
# Contacts that are deleted and written anew. Statement mode holds score rows longer, as any
# transaction holds the rows that it locks: so one contact each.
query('ALTER TABLE deed DROP CONSTRAINT deed_client_fkey');
bench('deleted and written anew', $clients, int($writes / 2), "$replace\@10", "$statement\@10", "$event\@40", "$refresh\@2");
query(q{CALL lead_scoring.refresh('c')});
is_lawful('c', 'after that');

# ------------------------------------------- what is said, and how often it is said

$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE firm (id int PRIMARY KEY, points int, stage text DEFAULT 'lead', size int);
CALL make_staged('f', 'firm', live => false);
CALL add_transition('f', 'lead', 'opportunity', '100 / contact.size > 50');
INSERT INTO lead_scoring.action (model, name, condition, repeat_after, channel)
VALUES ('f', 'one', 'total >= 50', '0', 'firms'), ('f', 'two', 'total >= 60', '0', 'firms'), ('f', 'three', 'total >= 60', '0', 'others');
SELECT lead_scoring.activate('f');
SQL
my ($said, $warned);
$node->psql('crm', <<'SQL', stdout => \$said, stderr => \$warned);
INSERT INTO firm (id, points, size) VALUES (1, 60, 0);
INSERT INTO firm (id, points, size) VALUES (2, 60, 0), (3, 60, 10);
UPDATE firm SET points = 70 WHERE id < 3;
SQL
is(query('SELECT count(*) FROM firm'), '3', 'a condition that fails: the writes succeed');
is(scalar(() = $warned =~ /WARNING:/g), 1, 'one warning in a session') or diag($warned);
like($warned, qr/scores of model "f" could not be kept up.*check_model\('f'\)/s, 'which says where to look');
unlike($warned, qr/division/, 'and nothing of the contact');
$node->psql('crm', <<'SQL', stdout => \$said, stderr => \$warned);
LISTEN firms;
LISTEN others;
INSERT INTO firm (id, points, size) SELECT g, 90, 10 FROM generate_series(11, 30) AS g;
SELECT 'next';
UPDATE firm SET points = 95 WHERE id > 10;
SELECT 'nothing';
SQL
is(join(' ', $said =~ /notification "(\w+)"/g), 'firms others', 'one notification for a transaction and channel');

# --------------------------------------------------------------------- workers

# Four workers beside the writers. One more takes some, does its work, and is gone
# before it can say so: these are done twice, all others once.
query('CREATE TABLE done (id bigint, by text); TRUNCATE p_outbox, p_delivery');
$node->safe_psql('crm', q{SELECT pg_create_logical_replication_slot('outbox', 'test_decoding')});
bench('some to begin with', 2, 100, $cross);
my $gone = $node->background_psql('crm', on_error_stop => 1);
$gone->query_safe(q{INSERT INTO done SELECT id, 'gone' FROM lead_scoring.take_actions('p', 7)});
my $gone_pid = $gone->query_safe('SELECT pg_backend_pid()');
query("SELECT pg_terminate_backend($gone_pid, 10000)");
eval { $gone->quit };
my $worker = script('worker', <<'SQL');
SELECT coalesce(string_agg(id::text, ','), '') AS ids FROM lead_scoring.take_actions('p', 3) \gset
INSERT INTO done SELECT id, :client_id FROM unnest('{:ids}'::bigint[]) AS id;
SELECT lead_scoring.finish_action('p', id, true) FROM unnest('{:ids}'::bigint[]) AS id;
SQL
my ($out, $error) = ('', '');
my $workers = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-j', 2, '-t', 400, '-h', $node->host, '-p', $node->port, '-f', $worker, 'crm' ],
    '>', \$out, '2>', \$error);
bench('writers', 4, 250, $cross);
ok($workers->finish, 'workers') or diag($error);
like($out, qr/actually processed: 1600\/1600/, 'no worker failed');
# Five minutes later.
query(q{UPDATE p_delivery SET due_at = now() WHERE status = 'taken'});
bench('what is left', 4, 100, $worker);
is(query(q{SELECT count(*) FROM p_outbox WHERE id NOT IN (SELECT id FROM done)}), '0', 'no action is lost');
is(query(q{SELECT status, count(*) - (SELECT count(*) FROM p_outbox) FROM p_delivery GROUP BY 1}), 'delivered|0', 'all are delivered');
is(query(q{SELECT count(*), sum(n), bool_and(first) FROM (SELECT count(*) AS n, bool_or(by = 'gone') AS first FROM done GROUP BY id HAVING count(*) > 1) AS twice}),
    '7|14|t', 'only those are done twice whose worker was gone');
cmp_ok(query('SELECT count(*) FROM done'), '>', 300, 'and there was something to do');
# Who reads the outbox off the log sees each row once, and no change of it.
is(query(q{SELECT count(*) FILTER (WHERE data LIKE '%: INSERT:%') - (SELECT count(*) FROM p_outbox), count(*) FILTER (WHERE data NOT LIKE '%: INSERT:%')
             FROM pg_logical_slot_get_changes('outbox', NULL, NULL) WHERE data LIKE 'table public.p_outbox:%'}), '0|0', 'the outbox is only inserted into');
is_lawful('p', 'after workers');

$node->stop;
done_testing();
