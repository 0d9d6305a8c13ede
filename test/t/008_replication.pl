# Logical replication. A subscriber takes scores as they are, or makes its own; the outbox is
# read off the log: each row once, in order, and none is missed where the reader begins anew.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = make_node('publisher', allows_streaming => 'logical');
my $subscriber = make_node('subscriber', allows_streaming => 'logical');
for ($publisher, $subscriber)
{
    $_->append_conf('postgresql.conf', "max_prepared_transactions = 10\nlogical_decoding_work_mem = 64kB\n");
    $_->start;
}

# Events in partitions, an action, and a stage that is kept in the score table: whoever
# moves contacts by a column of theirs does so on one side alone.
sub make_crm
{
    my ($node, $name) = @_;
    make_database($node, $name);
    $node->safe_psql($name, <<'SQL');
SET client_min_messages = error;
CREATE TABLE person (id int PRIMARY KEY, title text, size int, note text);
CREATE TABLE deed (id int PRIMARY KEY, contact int, what text, at timestamptz DEFAULT clock_timestamp(), worth float8) PARTITION BY RANGE (id);
CREATE TABLE deed_low PARTITION OF deed FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE deed_high PARTITION OF deed DEFAULT;
CREATE INDEX ON deed (contact);
SELECT lead_scoring.create_model('m', 'person', 'id');
SELECT lead_scoring.add_event_source('m', 'deed', 'contact', 'at');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'boss', $$title = 'CEO'$$, 15), ('m', 'big', 'size > 50', 10);
CALL add_behaviour('m');
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after) VALUES ('m', 'warm', 'total >= 20', 'change', '0');
SELECT lead_scoring.activate('m');
SQL
    return;
}
make_crm($publisher, 'crm');
make_crm($subscriber, $_) for 'taker', 'maker';

$publisher->safe_psql('crm', q{SELECT pg_create_logical_replication_slot('outbox', 'test_decoding')});

sub publish { return $publisher->safe_psql('crm', $_[0]) }

# catch_up(SUBSCRIPTION...): what is published is there.
sub catch_up
{
    for my $name (@_)
    {
        $subscriber->poll_query_until($name, q{SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel}) or die "$name is not ready\n";
        $publisher->wait_for_catchup($name);
    }
    return;
}

# contents(TABLES): a query of all that is in them.
sub contents
{
    return join ' UNION ALL ', map { "SELECT '$_', count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM $_ AS t" } @_;
}

sub same
{
    my ($name, $what, @tables) = @_;
    return is($subscriber->safe_psql($name, contents(@tables)), publish(contents(@tables)), $what);
}

publish(<<'SQL');
INSERT INTO person SELECT g, CASE WHEN g % 3 = 0 THEN 'CEO' END, g % 60 FROM generate_series(1, 200) AS g;
INSERT INTO deed SELECT g, 1 + g % 200, (ARRAY['view', 'open', 'asked', 'basket', 'order'])[1 + g % 5], now() - g * interval '1 minute' FROM generate_series(1, 500) AS g;
CREATE PUBLICATION facts FOR TABLE person, deed;
SQL
my @kept = qw(m_score m_stage_history m_score_history m_outbox m_delivery m_adjustment);
publish('CREATE PUBLICATION everything FOR TABLE person, deed, ' . join(', ', @kept));

# Who makes its own has triggers that fire for what is replicated.
$subscriber->safe_psql('maker', $_)
  for split /\n/, $subscriber->safe_psql('maker', q{SELECT format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger
        WHERE tgrelid::regclass::text ~ '^(person|deed)' AND NOT tgisinternal AND tgparentid = 0});
$subscriber->safe_psql('taker', 'TRUNCATE ' . join(', ', @kept));
my $from = $publisher->connstr . ' dbname=crm';
$subscriber->safe_psql('taker', "CREATE SUBSCRIPTION taker CONNECTION '$from' PUBLICATION everything WITH (streaming = on)");
$subscriber->safe_psql('maker', "CREATE SUBSCRIPTION maker CONNECTION '$from' PUBLICATION facts WITH (streaming = on, two_phase = on)");

# look(WHAT): both subscribers are right.
sub look
{
    my ($what) = @_;
    catch_up('taker', 'maker');
    is_sound($publisher, 'crm', 'm', "$what: the publisher");
    same('taker', "$what: scores that are replicated", @kept);
    is(unsound($subscriber, 'taker', 'm', 0), '', "$what: which are right there");
    same('maker', "$what: facts that are replicated", 'person', 'deed');
    is_sound_after_refresh($subscriber, 'maker', 'm', "$what: scores of them");
    return;
}

look('what was there');
publish(<<'SQL');
INSERT INTO person VALUES (1000, 'CEO', 60);
UPDATE person SET size = size + 30 WHERE id < 50;
UPDATE person SET id = 2000 WHERE id = 80;
DELETE FROM person WHERE id BETWEEN 60 AND 70;
INSERT INTO deed SELECT 2000 + g, g % 40, 'asked' FROM generate_series(1, 80) AS g;
UPDATE deed SET contact = contact + 1 WHERE contact IN (4, 5, 6);
UPDATE deed SET id = id + 5000 WHERE id < 20;
DELETE FROM deed WHERE contact = 9;
INSERT INTO m_adjustment (contact_id, points) VALUES (3, 7);
DELETE FROM m_adjustment;
SQL
look('writes of every kind');
is($subscriber->safe_psql('maker', 'SELECT count(*) FROM m_queue'), '0', 'nobody waits');
publish(<<'SQL');
BEGIN;
INSERT INTO deed SELECT 10000 + g, 1 + g % 200, 'view' FROM generate_series(1, 3000) AS g;
SAVEPOINT a;
DELETE FROM person WHERE id < 100;
ROLLBACK TO a;
UPDATE person SET title = 'CEO' WHERE id BETWEEN 20 AND 30;
COMMIT;
BEGIN;
INSERT INTO deed VALUES (20001, 7, 'asked'), (20002, 8, 'order');
TRUNCATE deed_high;
INSERT INTO deed VALUES (20003, 7, 'asked');
UPDATE person SET size = 1 WHERE id = 7;
COMMIT;
SQL
publish(q{BEGIN; INSERT INTO deed VALUES (20010, 11, 'asked'); UPDATE person SET size = 59 WHERE id = 12; PREPARE TRANSACTION 'later'});
publish(q{INSERT INTO deed VALUES (20011, 13, 'asked')});
publish(q{COMMIT PREPARED 'later'});
publish('CALL lead_scoring.refresh($$m$$)');
look('a streamed one, TRUNCATE in the midst, a prepared one');
is($subscriber->safe_psql('postgres', 'SELECT sum(apply_error_count), sum(sync_error_count) FROM pg_stat_subscription_stats'), '0|0', 'no worker has failed');

# Past triggers that do not fire for it, verify finds what came.
$subscriber->safe_psql('maker', 'ALTER TABLE deed DISABLE TRIGGER ALL');
publish(q{INSERT INTO deed VALUES (20020, 14, 'asked')});
catch_up('maker');
$subscriber->safe_psql('maker', 'ALTER TABLE deed ENABLE TRIGGER ALL');
is($subscriber->safe_psql('maker', q{SELECT contact_id, total - stored_total FROM lead_scoring.verify('m')}), '14|40', 'what came past the triggers is found');
$subscriber->safe_psql('maker', q{CALL lead_scoring.rescore('m')});
is_sound($subscriber, 'maker', 'm', 'and mended');

# ------------------------------------------------------------------ the outbox

# read_log(HOW): the rows of the outbox in the log, in order: id and contact.
sub read_log
{
    my ($how) = @_;
    return [ split /\n/, publish(qq{SELECT regexp_replace(data, '.* id\\[bigint\\]:(\\d+) .*"contact_id": "?(\\d+).*', '\\1 \\2')
        FROM pg_logical_slot_${how}_changes('outbox', NULL, NULL) WHERE data LIKE 'table public.m_outbox: INSERT:%'}) ];
}

# missing(ROWS): actions that are not among them. Those of deleted contacts are in the log alone.
sub missing
{
    my %known = map { /^(\d+)/; $1 => 1 } @_;
    return join ' ', grep { !$known{$_} } split /\n/, publish('SELECT id FROM m_outbox ORDER BY id');
}

# disorder(ROWS): contacts whose actions come twice, or out of order.
sub disorder
{
    my (%last, @found);
    for (@_)
    {
        my ($id, $contact) = split / /;
        push @found, $contact if $id <= ($last{$contact} // 0);
        $last{$contact} = $id;
    }
    return "@found";
}

my $first = read_log('peek');
is(missing(@$first), '', 'each action is in the log');
is(disorder(@$first), '', 'once, and those of a contact in order');
cmp_ok(scalar @$first, '>', 100, 'of many');
publish('UPDATE person SET size = 59 - size WHERE id BETWEEN 100 AND 150');
$publisher->stop('immediate');
$publisher->start;
my $second = read_log('get');
is_deeply([ @$second[ 0 .. $#$first ] ], $first, 'a reader that begins anew after a crash has them again');
is(missing(@$second), '', 'and those that came since');
is(disorder(@$second), '', 'once');
is(scalar @{ read_log('get') }, 0, 'and then no more');

$_->stop for $subscriber, $publisher;
done_testing();
