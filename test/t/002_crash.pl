# kill -9 of a backend and of the whole server, in turn, under writers, and under one who
# refreshes, rescores, activates and changes rules: after each restart verify finds nothing,
# scores are right, records agree with them, and no write is lost that was acknowledged.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start finish);
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{ROUNDS} // 10;
my $writers = 4;
my $node = make_node('crashing');
$node->append_conf('postgresql.conf', "restart_after_crash = on\nsynchronous_commit = on\n");
$node->start;
make_database($node, 'crm');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE people (id int PRIMARY KEY, title text, size int, note text, stage text DEFAULT 'lead');
INSERT INTO people SELECT g, 'CEO', g FROM generate_series(1, 20) AS g;
CALL make_live('people', 'people');
SQL
run_log([ 'psql', '-X', '-q', '-d', $node->connstr('crm'), '-v', 'ON_ERROR_STOP=1', '-f', "$FindBin::RealBin/../pgtap/life.psql" ])
  or BAIL_OUT('life.psql does not load');
# The same contacts in a model with everything: what they do, stages, actions.
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE deed (contact int, what text, at timestamptz DEFAULT clock_timestamp(), worth float8);
CREATE INDEX ON deed (contact);
SELECT lead_scoring.create_model('full', 'people', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('full', 'deed', 'contact', 'at');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('full', 'boss', $$title = 'CEO'$$, 15);
CALL add_behaviour('full');
CALL add_transition('full', 'mql', 'lead', 'total < 20');
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after, channel) VALUES ('full', 'hot', 'total >= 50', 'change', '0', 'hot');
SELECT lead_scoring.activate('full');
SQL

# A writer's script: writes, each followed by a word to us that it was
# acknowledged. Sizes only grow, so that a write after the last acknowledged one
# may be there or not.
my $next_size = 100;

sub script
{
    my ($writer, $round) = @_;
    my $base = 1_000_000 * $writer + 10_000 * $round;
    my $script = "\\set ON_ERROR_STOP on\n";
    for my $n (1 .. 3000)
    {
        my $id = $base + $n;
        my $old = $base + 1 + int rand $n;
        my ($first, $second) = (++$next_size, ++$next_size);
        $script .= "INSERT INTO people VALUES ($id, 'CEO', $first);\n\\echo $id $first\n";
        $script .= "BEGIN; UPDATE people SET size = size + 1 WHERE id = @{[1 + int rand 20]};"
          . " UPDATE people SET size = $second WHERE id = $old;"
          . " INSERT INTO deed (contact, what) VALUES (@{[1 + int rand 20]}, 'asked'), ($old, 'basket'), ($old, 'order'); COMMIT;\n"
          . "\\echo $old $second\n";
        $script .= "DELETE FROM deed WHERE contact = @{[1 + int rand 20]};\n" if $n % 7 == 0;
    }
    return $script;
}

# Who keeps the model, all the while.
my $keeper = join "\n", (
    q{CALL lead_scoring.refresh('full');},
    q{CALL lead_scoring.rescore('full');},
    q{UPDATE lead_scoring.fit_rule SET points = 31 - points WHERE model = 'full';},
    q{SELECT lead_scoring.activate('full');},
    q{UPDATE lead_scoring.action SET condition = condition WHERE model = 'full';}) x 200;

my $directory = PostgreSQL::Test::Utils::tempdir;

# start_psql(NAME, SCRIPT): in the background, its output in a file.
sub start_psql
{
    my ($name, $script) = @_;
    append_to_file("$directory/$name.sql", $script);
    my $run = start [ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('crm'),
        '-f', "$directory/$name.sql" ], '<', '/dev/null', '>', "$directory/$name.out", '2>', "$directory/$name.err";
    return { run => $run, out => "$directory/$name.out" };
}

# restart(): after kill -9 of the server, as soon as what it left behind is gone.
sub restart
{
    for (1 .. 300)
    {
        return if $node->start(fail_ok => 1);
        usleep 100_000;
        $node->stop('fast', fail_ok => 1);
    }
    BAIL_OUT('the server does not come back');
}

# lost(WRITERS): acknowledged writes that are not there.
my %acknowledged;

sub lost
{
    my (@running) = @_;
    for my $writer (@running)
    {
        for (split /\n/, slurp_file($writer->{out}))
        {
            $acknowledged{$1} = $2 if /^(\d+) (\d+)$/ && $2 > ($acknowledged{$1} // 0);
        }
    }
    my %there = map { split /\|/ } split /\n/, $node->safe_psql('crm', 'SELECT id, size FROM people');
    return join ' ', grep { ($there{$_} // -1) < $acknowledged{$_} } sort keys %acknowledged;
}

my $last = 0;
for my $round (1 .. $rounds)
{
    my @running = map { start_psql("writer_${_}_$round", script($_, $round)) } 1 .. $writers;
    my $keeping = start_psql("keeper_$round", $keeper);
    my $what = $round % 2 ? 'a backend' : 'the server';
    usleep 200_000 + rand 300_000;
    if ($round % 2)
    {
        kill 9, $node->safe_psql('crm', <<'SQL');
SELECT pid FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
SQL
    }
    else
    {
        $node->kill9;
    }
    finish $_->{run} for @running, $keeping;
    restart() if $what eq 'the server';
    $node->poll_query_until('crm', 'SELECT true') or BAIL_OUT('the server does not come back');
    is(lost(@running), '', "round $round, $what killed: no acknowledged write is lost");
    cmp_ok(scalar keys %acknowledged, '>', $last, "of $writers writers");
    $last = keys %acknowledged;
    is_sound($node, 'crm', 'people', 'scores are right');
    is_sound_after_refresh($node, 'crm', 'full', 'those of the other model');
    is($node->safe_psql('crm', q{SELECT * FROM unlawful('full')}), '', 'and its records');
}

$node->safe_psql('crm', 'CREATE EXTENSION amcheck');
is($node->safe_psql('crm', q{SELECT count(bt_index_check(indexrelid, true)) > 0 FROM pg_index
    WHERE indrelid::regclass::text ~ '^(people|full|deed)'}), 't',
    'the indexes are whole');

# A rescore that is cut short is neither wrong nor in the way of the next one.
$node->safe_psql('crm', q{SET session_replication_role = replica; UPDATE people SET size = 60});
my $rescore = start_psql('rescore', q{CALL lead_scoring.rescore('people');});
$node->poll_query_until('crm', 'SELECT count(*) > 0 FROM people_score WHERE fit = 25');
$node->kill9;
finish $rescore->{run};
restart();
$node->safe_psql('crm', q{CALL lead_scoring.rescore('people')});
is_sound($node, 'crm', 'people', 'rescore after a rescore that was killed');

$node->stop;
done_testing();
