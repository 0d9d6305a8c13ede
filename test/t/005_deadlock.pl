# Many writers on few contacts, with refreshes, rescores and rule changes between
# them: no deadlock, no failed transaction, and right scores in the end.
#
# A writer first takes advisory locks on its contacts, in order, so that its own statements, which
# come in any order, cannot deadlock: whatever deadlocks then is scoring's fault.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 8;
my $transactions = $ENV{TRANSACTIONS} // 1000;
my $node = make_node('deadlock');
$node->append_conf('postgresql.conf', "deadlock_timeout = '100ms'\nsynchronous_commit = off\n");
$node->start;
make_database($node, 'crm');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE people (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO people SELECT g, 'CEO', g FROM generate_series(1, 20) AS g;
CALL make_live('people', 'people');
CALL make_live('twin', 'people', 'id', 'size % 7 <> 0');
SQL

my $directory = PostgreSQL::Test::Utils::tempdir;

sub script
{
    my ($name, $text) = @_;
    append_to_file("$directory/$name", $text);
    return "$directory/$name";
}

my $write = script('write', <<'SQL');
\set a random(1, 20)
\set b random(1, 20)
\set c random(1, 20)
\set size random(1, 110)
BEGIN;
SELECT pg_advisory_xact_lock(id) FROM (SELECT DISTINCT id FROM (VALUES (:a), (:b), (:c)) AS v (id) ORDER BY id) AS o;
UPDATE people SET size = :size WHERE id = :a;
UPDATE people SET size = 110 - size, title = CASE WHEN title IS NULL THEN 'CEO' END WHERE id = :b;
DELETE FROM people WHERE id = :c;
INSERT INTO people VALUES (:c, 'CEO', :size);
COMMIT;
SQL
my $refresh = script('refresh', <<'SQL');
CALL lead_scoring.refresh('people');
CALL lead_scoring.refresh('twin');
SQL
my $rescore = script('rescore', <<'SQL');
CALL lead_scoring.rescore('twin');
CALL lead_scoring.rescore('people');
SQL
my $rule = script('rule', <<'SQL');
\set points random(1, 30)
UPDATE lead_scoring.fit_rule SET points = :points WHERE model = 'people' AND name = 'boss';
SQL

my $lock = 'SELECT pg_advisory_xact_lock(id) FROM (SELECT DISTINCT id FROM (VALUES (:a), (:b), (:c)) AS v (id) ORDER BY id) AS o;';
my $random = join '', map({ "\\set $_ random(1, 20)\n" } qw(a b c)), "\\set size random(1, 110)\n";
my $delete = script('delete', <<"SQL");
${random}BEGIN;
$lock
UPDATE people SET size = :size WHERE id = :a;
UPDATE people SET size = 110 - size WHERE id = :b;
DELETE FROM people WHERE id = :c;
COMMIT;
SQL
my $insert = script('insert', <<"SQL");
${random}BEGIN;
$lock
INSERT INTO people VALUES (:c, 'CEO', :size) ON CONFLICT (id) DO UPDATE SET size = excluded.size;
INSERT INTO people VALUES (:a, 'clerk', :size) ON CONFLICT (id) DO UPDATE SET size = excluded.size;
COMMIT;
SQL
# Leaves contacts to the queue.
my $queue = script('queue', <<"SQL");
${random}BEGIN;
SET LOCAL lead_scoring.apply = queue;
$lock
UPDATE people SET size = :size WHERE id = :a;
DELETE FROM people WHERE id = :b;
COMMIT;
SQL
# Holds score rows from each statement to the end.
my $statement = script('statement', <<"SQL");
${random}BEGIN;
SET LOCAL lead_scoring.apply = statement;
$lock
UPDATE people SET size = :size WHERE id = :a;
DELETE FROM people WHERE id = :b;
INSERT INTO people VALUES (:c, 'CEO', :size) ON CONFLICT (id) DO UPDATE SET size = 110 - excluded.size;
COMMIT;
SQL
# Holds score rows before it goes on to write contacts.
my $refresh_first = script('refresh_first', <<"SQL");
${random}BEGIN;
CALL lead_scoring.refresh('people');
$lock
UPDATE people SET size = :size WHERE id = :b;
DELETE FROM people WHERE id = :a;
COMMIT;
SQL

sub statistics
{
    return $node->safe_psql('crm', q{SELECT pg_stat_force_next_flush()})
      . $node->safe_psql('crm', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'crm'});
}

sub bench
{
    my ($what, @scripts) = @_;
    my ($out, $error);
    my $result = IPC::Run::run([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions,
            '-h', $node->host, '-p', $node->port, '--random-seed=1', map({ ('-f', $_) } @scripts), 'crm' ],
        '>', \$out, '2>', \$error);
    ok($result, "$what: pgbench") or diag($error);
    my ($done) = $out =~ /actually processed: (\d+)/;
    is($done, $clients * $transactions, "$what: no transaction failed") or diag($error);
    is(statistics(), '0', "$what: no deadlock");
    return;
}

bench('writers', $write);
is_sound($node, 'crm', 'people', 'afterwards');
is_sound($node, 'crm', 'twin', 'and of the other model');

bench('writers, refreshes, rescores, rule changes', "$write\@96", "$refresh\@2", "$rescore\@1", "$rule\@1");
is_sound_after_refresh($node, 'crm', 'people', 'after them');
is_sound_after_refresh($node, 'crm', 'twin', 'and of the other model');

my @around = ("$insert\@35", "$delete\@30", "$queue\@10", "$refresh\@5", "$rescore\@5", "$rule\@2");
bench('scores held from each statement', "$statement\@10", @around);
is_sound_after_refresh($node, 'crm', 'people', 'after those');
is_sound_after_refresh($node, 'crm', 'twin', 'and of the other model');

bench('refreshes inside transactions', "$refresh_first\@5", @around);
is_sound_after_refresh($node, 'crm', 'people', 'after these');
is_sound_after_refresh($node, 'crm', 'twin', 'and of the other model');

$node->stop;
done_testing();
