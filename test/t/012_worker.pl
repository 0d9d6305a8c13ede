# The worker of README.md, as it stands there, as a role with the rights that README.md grants:
# it is woken, carries out what there is, says what failed, and another goes on when it is killed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the worker of README.md is NOT TESTED: there is no psycopg2 (Debian: python3-psycopg2)'
  if system('/usr/bin/python3 -c "import psycopg2" >/dev/null 2>&1') != 0;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my ($worker) = $readme =~ /^```python\n(.*?)^```$/ms;
my @grants = $readme =~ /^GRANT [^;]* TO worker;$/mg;
like($worker // '', qr/take_actions/, 'there is a worker in README.md');
cmp_ok(scalar @grants, '>=', 3, 'and what it is granted');

my $directory = PostgreSQL::Test::Utils::tempdir;
my $log = "$directory/log";
append_to_file("$directory/worker.py", $worker);
# What is carried out: a line in a file. Contact 13 is never to be had, 99 takes a while.
append_to_file("$directory/carry_out", <<"END");
#!/bin/sh
payload=\$(cat)
if [ "\$2" = 13 ]; then echo "nobody answers" >&2; exit 3; fi
echo "\$1 \$2 \$payload" >>$log
if [ "\$2" = 99 ]; then while [ -e $directory/busy ]; do sleep 0.1; done; fi
END
chmod 0755, "$directory/carry_out";

my $node = make_node('worker');
$node->start;
make_database($node, 'crm');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE SCHEMA crm;
CREATE TABLE crm.contacts (id int PRIMARY KEY, points int);
SELECT lead_scoring.create_model('sales', 'crm.contacts', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('sales', 'points', 'points > 5', 60);
INSERT INTO lead_scoring.action (model, name, condition, channel, payload)
VALUES ('sales', 'call', 'total >= 50', 'hot_leads', '{"desk": "Ökonomie"}');
SELECT lead_scoring.activate('sales');
CREATE ROLE worker LOGIN;
SQL
$node->safe_psql('crm', join ' ', @grants);

sub query { return $node->safe_psql('crm', $_[0]); }

sub start_worker
{
    return IPC::Run::start([ '/usr/bin/python3', "$directory/worker.py", $node->connstr('crm') . ' user=worker',
            'sales', 'hot_leads', "$directory/carry_out" ], '<', \undef, '>', "$directory/out", '2>', "$directory/error");
}

# log_has(LINES): as soon as the log has so many.
sub log_has
{
    my ($lines) = @_;
    for (1 .. 300)
    {
        my $text = -e $log ? slurp_file($log) : '';
        return 1 if ($text =~ tr/\n//) >= $lines;
        select undef, undef, undef, 0.1;
    }
    diag(slurp_file("$directory/error"));
    return 0;
}

query('INSERT INTO crm.contacts VALUES (1, 10), (2, 0)');
my $first = start_worker();
ok(log_has(1), 'the worker does what is there when it comes');
ok($node->poll_query_until('crm', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'worker' AND state = 'idle'}), 'then it waits');
sleep 1;
my $began = time;
query('INSERT INTO crm.contacts SELECT g, 10 FROM generate_series(11, 15) AS g');
ok(log_has(5), 'it is woken');
cmp_ok(time - $began, '<', 30, 'at once');
ok($node->poll_query_until('crm', q{SELECT count(*) = 5 FROM crm.sales_delivery WHERE status = 'delivered'}), 'and says so');
is(join(' ', sort { $a <=> $b } slurp_file($log) =~ /^call (\d+) \{.*"desk": "\\u00d6konomie".*\}$/mg), '1 11 12 14 15', 'who was called, with which payload');
ok($node->poll_query_until('crm', q{SELECT count(*) = 1 FROM crm.sales_delivery WHERE status = 'waiting' AND attempts = 1}), 'one failed');
is(query(q{SELECT o.contact_id, d.result FROM crm.sales_delivery AS d JOIN crm.sales_outbox AS o ON o.id = d.outbox_id WHERE d.status <> 'delivered'}),
    "13|nobody answers\n", 'and it is said why');
query(q{UPDATE crm.sales_delivery SET due_at = now(), attempts = 4 WHERE status = 'waiting'});
query('INSERT INTO crm.contacts VALUES (16, 10)');
ok($node->poll_query_until('crm', q{SELECT count(*) = 1 FROM crm.sales_delivery WHERE status = 'dead'}), 'too often');
like(query(q{SELECT * FROM lead_scoring.check_model('sales')}), qr/actions that were given up: 1/, 'check_model says so');

# It dies with an action in its hands.
append_to_file("$directory/busy", '');
query('INSERT INTO crm.contacts VALUES (99, 10)');
ok(log_has(7), 'it is at work');
$first->kill_kill(grace => 0);
unlink "$directory/busy";
is(query(q{SELECT status, attempts FROM crm.sales_delivery ORDER BY outbox_id DESC LIMIT 1}), 'taken|1', 'an action is in its hands');
query(q{UPDATE crm.sales_delivery SET due_at = now() WHERE status = 'taken'});
unlink "$directory/carry_out";
append_to_file("$directory/carry_out", "#!/bin/sh\necho \"\$1 \$2 again\" >>$log\n");
chmod 0755, "$directory/carry_out";
my $second = start_worker();
ok(log_has(8), 'another has it after its time');
ok($node->poll_query_until('crm', q{SELECT status = 'delivered' AND attempts = 2 FROM crm.sales_delivery ORDER BY outbox_id DESC LIMIT 1}), 'and delivers it');
like(slurp_file($log), qr/^call 99 again$/m, 'the same');
$second->kill_kill(grace => 0);

is(query(q{SET ROLE worker; SELECT has_table_privilege('crm.sales_outbox', 'INSERT, UPDATE, DELETE') OR has_column_privilege('crm.contacts', 'points', 'SELECT')}),
    'f', 'it may no more than it needs');
$node->stop;
done_testing();
